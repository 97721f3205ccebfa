"""encode, decode, roundtrip and ffmpeg's shape: what comes out, how long it is, where it may go."""

import json
import subprocess

import numpy as np
import pytest
import soundfile

import mediacodec


def frames(path):
    return soundfile.info(path).frames


def test_there_and_back_keeps_the_length_to_the_sample(run, wav, mcx, tmp_path):
    run("decode", "-i", mcx, tmp_path / "back.wav").works()
    assert frames(tmp_path / "back.wav") == frames(wav)
    assert soundfile.info(tmp_path / "back.wav").samplerate == 16_000


def test_encode_says_what_it_cost(run, wav, tmp_path):
    outcome = run("encode", "-i", wav, "-c:a", "speech", "-b:a", "3k", tmp_path / "a.mcx").works()
    assert outcome.out == ""
    assert "kbps payload" in outcome.err
    assert "kbps file" in outcome.err
    stream = mediacodec.info(tmp_path / "a.mcx").streams[0]
    assert 1500 < stream.bit_rate <= 3100
    assert stream.duration == frames(wav) / 16_000


def test_the_context_model_is_asked_for_and_then_found_by_itself(run, wav, tmp_path):
    for entropy in ("static", "context"):
        run("encode", "-i", wav, "-entropy", entropy, tmp_path / f"{entropy}.mcx").works()
        run("decode", "-i", tmp_path / f"{entropy}.mcx", tmp_path / f"{entropy}.wav").works()
    assert (tmp_path / "static.mcx").read_bytes() != (tmp_path / "context.mcx").read_bytes()
    assert (tmp_path / "static.wav").read_bytes() == (tmp_path / "context.wav").read_bytes(), "the same codes"
    assert run("encode", "-i", wav, "-entropy", "magic", tmp_path / "a.mcx").code == 2
    refused = run("encode", "-i", wav, "-c:a", "copy", "-entropy", "context", tmp_path / "a.mcx")
    assert (refused.code, "-entropy is for audio that is encoded" in refused.err) == (2, True)


def test_options_come_in_any_order(run, wav, tmp_path):
    run("encode", tmp_path / "a.mcx", "-t", "1", "-b:a", "3000", "-i", wav, "-ss", "0:00.5").works()
    run("encode", wav, tmp_path / "b.mcx", "-ss", "00:00:00.500", "-to", "1.5", "-b:a", "3k").works()
    assert (tmp_path / "a.mcx").read_bytes() == (tmp_path / "b.mcx").read_bytes()
    assert mediacodec.info(tmp_path / "a.mcx").duration == 1.0


def test_what_is_lost_is_said(run, tmp_path):
    noise = np.random.default_rng(1).normal(size=(44_100, 2)) * 0.1
    soundfile.write(tmp_path / "wide.wav", noise, 44_100)
    outcome = run("encode", "-i", tmp_path / "wide.wav", tmp_path / "a.mcx").works()
    assert "warning: downmixed 2 channels -> 1" in outcome.err
    assert "warning: resampled 44100 Hz -> 16000 Hz: content above 8000 Hz is lost" in outcome.err
    quiet = run("encode", "-i", tmp_path / "wide.wav", "-y", "-v", "error", tmp_path / "a.mcx").works()
    assert quiet.err == ""


def test_a_stretch_without_audio_is_empty_and_said(run, wav, tmp_path):
    assert "no audio" in run("encode", "-i", wav, "-ss", "100", tmp_path / "a.mcx").works().err
    assert "no audio" in run("decode", "-i", tmp_path / "a.mcx", tmp_path / "a.wav").works().err
    assert frames(tmp_path / "a.wav") == 0


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.m4a", "a.s16le", "a.f32le"])
def test_every_format_comes_out(run, mcx, tmp_path, name):
    run("decode", "-i", mcx, tmp_path / name).works()
    assert (tmp_path / name).stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_decode_a_stretch_at_another_rate(run, wav, mcx, tmp_path):
    run("decode", "-i", mcx, tmp_path / "all.wav").works()
    run("decode", "-i", mcx, "-ss", "1", "-t", "0.5", tmp_path / "part.wav").works()
    whole, part = soundfile.read(tmp_path / "all.wav")[0], soundfile.read(tmp_path / "part.wav")[0]
    assert np.abs(whole[16_000:24_000] - part).max() < 2e-3
    run("decode", "-i", mcx, "-ar", "48000", "-ac", "2", "-f", "flac", tmp_path / "wide").works()
    info = soundfile.info(tmp_path / "wide")
    assert (info.samplerate, info.channels, info.frames) == (48_000, 2, 3 * frames(wav))


def test_roundtrip_prints_rates_speed_and_quality(run, wav, tmp_path):
    outcome = run("roundtrip", "-b:a", "3k", wav, tmp_path / "b.wav").works()
    for word in ("kbps payload", "kbps file", "encode", "decode", "real time", "SI-SDR", "mel"):
        assert word in outcome.out
    assert frames(tmp_path / "b.wav") == frames(wav)
    result = json.loads(run("roundtrip", wav, "-y", "-t", "1", "-of", "json", tmp_path / "b.wav").works().out)
    assert result["duration"] == 1.0
    assert 0 < result["payload_kbps"] < result["file_kbps"]
    assert {"mel", "si_sdr"} <= set(result["quality"])
    assert list(tmp_path.iterdir()) == [tmp_path / "b.wav"]


def test_the_suffixes_choose_the_verb(run, wav, tmp_path):
    assert "encoded" in run("-i", wav, "-b:a", "3k", tmp_path / "a.mcx").works().err
    assert "decoded" in run("-hide_banner", "-i", tmp_path / "a.mcx", tmp_path / "b.flac").works().err
    assert "quality" in run("-y", "-i", tmp_path / "b.flac", "-t", "1", tmp_path / "c.ogg").works().out
    (tmp_path / "nameless").write_bytes((tmp_path / "a.mcx").read_bytes())
    assert "decoded" in run("-i", tmp_path / "nameless", tmp_path / "d.wav").works().err


def test_global_options_stand_anywhere(run, wav, tmp_path):
    assert run("-v", "error", "-nostdin", "encode", "-i", wav, tmp_path / "a.mcx").works().err == ""
    assert run("encode", "-loglevel", "16", "-hide_banner", "-i", wav, "-yn", tmp_path / "a.mcx").code == 2


def test_a_pipe_at_both_ends(process, wav, mcx):
    coded, data = process("encode", "-i", "-", "-b:a", "3k", "-packet_duration", "0.5", "-", stdin=wav.read_bytes())
    coded.works()
    assert mediacodec.info(data).payload_bytes == mediacodec.info(mcx).payload_bytes
    words = ["-b:a", "3k", "-packet_duration", "0.5"]
    named, same = process("encode", "-i", "pipe:0", *words, "pipe:1", stdin=wav.read_bytes())
    assert (named.works().code, same) == (0, data), "as ffmpeg calls them"
    decoded, samples = process("decode", "-i", "-", "-f", "s16le", "-", stdin=data)
    decoded.works()
    assert len(samples) == 2 * frames(wav)


def test_roundtrip_through_pipes(process, wav):
    outcome, audio = process("roundtrip", "-i", "-", "-f", "s16le", "-", stdin=wav.read_bytes())
    outcome.works()
    assert len(audio) == 2 * frames(wav)
    assert "kbps payload" in outcome.err


def test_a_reader_that_leaves_is_no_failure(command, mcx):
    with subprocess.Popen(
        [*command, "decode", "-i", mcx, "-f", "s16le", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        program.stdout.close()
        error = program.stderr.read()
        assert program.wait(30) == 0
    assert error == b""


@pytest.mark.parametrize(
    "words",
    [
        "-vn -preset fast",
        "-vn -sc_threshold 0",
        "-vn -b:v 400k",
        "-an -packet_duration 0.1",
        "-c:a copy -packet_duration 0.1",
    ],
)
def test_options_of_what_is_left_out_are_refused(words, run, wav, tmp_path):
    option = words.split()[-2]
    run("encode", "-i", wav, *words.split(), tmp_path / "a.mcx").fails(2, f"{option} is for")
    assert not (tmp_path / "a.mcx").exists()
