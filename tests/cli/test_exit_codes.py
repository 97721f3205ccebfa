"""How it fails: one clear line, the right exit code, nothing left behind."""

import os
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from mediacodec_bitstream import FileHeader, Reader

VECTORS = Path(__file__).parents[2] / "bitstream/vectors/v1"


def with_other_model(data):
    """The file as if another model had written it: other hashes, every checksum right."""
    header = Reader(BytesIO(data)).header
    stream = replace(header.streams[0], model_hash=bytes(32))
    return FileHeader((stream,), header.live, header.header_interval, header.fields).pack() + data[len(header.pack()) :]


@pytest.fixture
def bad(tmp_path, wav, mcx):
    """Inputs that are none, by name."""
    data = mcx.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    contents = {
        "empty": b"",
        "text": b"these are words and not a recording\n" * 9,
        "wave": wav.read_bytes(),
        "future": (VECTORS / "future/major-2.mcx").read_bytes(),
        "cut": data[: len(data) // 2],
        "flipped": bytes(flipped),
        "stranger": with_other_model(data),
    }
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name}.mcx").write_bytes(content)
    (folder / "directory.mcx").mkdir()
    return lambda name: folder / f"{name}.mcx"


UNREADABLE = {
    "missing": "missing.mcx",
    "directory": "is a directory",
    "empty": "empty.mcx",
    "text": "text.mcx",
    "wave": "wave.mcx",
    "future": "version 2.0",
}


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("verb", ["decode", "probe", "verify"])
def test_what_is_no_mcx_ends_with_3(run, bad, tmp_path, verb, name):
    out = [tmp_path / "out.wav"] if verb == "decode" else []
    run(verb, "-i", bad(name), *out).fails(3, UNREADABLE[name])
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("name", ["missing", "directory", "empty", "text"])
def test_what_is_no_audio_ends_with_3(run, bad, tmp_path, name):
    source = bad(name).rename(bad(name).with_suffix(".wav")) if name != "missing" else "missing.wav"
    run("encode", "-i", source, tmp_path / "out.mcx").fails(3, f"{name}.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]


def test_encoding_what_is_coded_ends_with_3(run, mcx, tmp_path):
    run("encode", "-i", mcx, tmp_path / "out.mcx").fails(3, "already")


@pytest.mark.parametrize("name", ["cut", "flipped"])
def test_damage_ends_with_4_and_leaves_what_is_whole(run, bad, tmp_path, name):
    outcome = run("decode", "-i", bad(name), tmp_path / "out.wav").fails(4, f"{name}.mcx", "gap")
    assert "warning: gap 00:00:0" in outcome.err
    assert (tmp_path / "out.wav").stat().st_size > 10_000
    assert "warning: gap" in run("verify", bad(name)).fails(4).err


def test_verify_of_a_audio_file(run, mcx):
    assert "whole, 2.51 s decoded" in run("verify", mcx).works().out


def test_verify_checks_bytes_that_it_cannot_decode(run):
    assert "bytes are whole" in run("verify", VECTORS / "good/tags.mcx").fails(3, "codec 'test'").err
    assert "warning: gap" in run("verify", VECTORS / "faulty/payload-bit.mcx").fails(4, "1 gap").err


def test_damage_in_a_pipe(process, bad):
    outcome, audio = process("decode", "-i", "-", "-f", "s16le", "-", stdin=bad("cut").read_bytes())
    outcome.fails(4, "standard input")
    assert len(audio) > 10_000


def test_another_model_ends_with_5(run, bad, tmp_path):
    run("decode", "-i", bad("stranger"), tmp_path / "out.wav").fails(5, "speech")
    assert "bytes are whole" in run("verify", bad("stranger")).fails(5).err
    run("probe", bad("stranger")).works()
    assert not (tmp_path / "out.wav").exists()


def test_no_such_model_ends_with_5(run, wav, tmp_path):
    run("encode", "-i", wav, "-c:a", "nonesuch", tmp_path / "a.mcx").fails(5, "nonesuch")
    run("models", "show", "nonesuch").fails(5, "nonesuch")
    assert list(tmp_path.iterdir()) == []


def test_no_such_device_ends_with_6(run, wav, tmp_path):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has the device")
    run("encode", "-i", wav, "-device", "cuda", tmp_path / "a.mcx").fails(6, "cuda", "doctor")


def test_an_output_that_exists_ends_with_7(run, wav, tmp_path):
    (tmp_path / "a.mcx").write_bytes(b"mine")
    run("encode", "-i", wav, tmp_path / "a.mcx").fails(7, "a.mcx", "-y")
    run("encode", "-i", wav, "-n", tmp_path / "a.mcx").fails(7)
    assert (tmp_path / "a.mcx").read_bytes() == b"mine"
    run("encode", "-i", wav, "-y", "-v", "error", tmp_path / "a.mcx").works()
    assert (tmp_path / "a.mcx").read_bytes() != b"mine"


@pytest.mark.parametrize("arguments", [
    ["encode", "-i", "IN", "-y", "-n", "a.mcx"],
    ["encode", "-i", "IN", "-yn", "a.mcx"],
    ["encode", "-i", "IN"],
    ["encode", "a.mcx"],
    ["encode", "-i", "IN", "-i", "IN", "a.mcx"],
    ["encode", "-i", "IN", "a.mcx", "b.mcx"],
    ["encode", "-i", "IN", "a.wav"],
    ["encode", "-i", "IN", "-fps", "3", "a.mcx"],
    ["encode", "-i", "IN", "-t", "1", "-to", "2", "a.mcx"],
    ["encode", "-i", "IN", "-ss", "2", "-to", "1", "a.mcx"],
    ["encode", "-i", "IN", "-ss", "-1", "a.mcx"],
    ["encode", "-i", "IN", "-threads", "0", "a.mcx"],
    ["encode", "-i", "IN", "-packet_duration", "60", "a.mcx"],
    ["encode", "-i", "IN", "-loglevel", "loud", "a.mcx"],
    ["encode", "-i", "IN", "-progress", "-", "-"],
    ["decode", "-i", "CODED", "a.xyz"],
    ["decode", "-i", "CODED", "-f", "xyz", "a.wav"],
    ["decode", "-i", "CODED", "-"],
    ["decode", "-i", "CODED", "-y", "CODED"],
    ["-i", "IN"],
    ["-i", "CODED", "a.mcx"],
    ["-i", "IN", "-ar", "8000", "a.mcx"],
    ["-i", "-", "a.wav"],
    ["-y", "encode", "-i", "IN", "a.mcx"],
    ["encod", "-i", "IN", "a.mcx"],
    ["IN", "a.mcx"],
    ["probe"],
    ["models"],
    [],
])  # fmt: skip
def test_wrong_commands_end_with_2(run, wav, mcx, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    names = {"IN": wav, "CODED": mcx}
    before = mcx.read_bytes()
    run(*(names.get(word, word) for word in arguments)).fails(2)
    assert list(tmp_path.iterdir()) == []
    assert mcx.read_bytes() == before


@pytest.mark.parametrize(("rate", "words"), [("6", "did you mean 6k?"), ("64", "did you mean 64k?"), ("x", "3.2k")])
def test_bits_are_not_kilobits(run, wav, tmp_path, rate, words):
    run("encode", "-i", wav, "-b:a", rate, tmp_path / "a.mcx").fails(2, words)


def test_a_mistyped_word_gets_a_suggestion(run, wav, tmp_path):
    run("encod", "-i", wav, tmp_path / "a.mcx").fails(2, "did you mean 'encode'?")
    run("encode", "-i", wav, "-packet_durations", "1", tmp_path / "a.mcx").fails(2, "-packet_duration")


def test_codecs_may_be_spelt_as_in_ffmpeg(run, wav, mcx, tmp_path):
    for index, spelling in enumerate(("-c:a", "-codec:a", "-acodec")):
        run("-i", wav, spelling, "token", tmp_path / f"{index}.mcx").works()
        assert (tmp_path / f"{index}.mcx").read_bytes() == (tmp_path / "0.mcx").read_bytes() != mcx.read_bytes()
        run("encode", "-i", wav, spelling, "tokens", tmp_path / "b.mcx").fails(5, "'tokens'")
    assert "-acodec" not in run("encode", "--help").works().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_with_1(run, process, wav, mcx):
    run("encode", "-i", wav, "/dev/full").fails(1, "no space left")
    assert run("decode", "-i", mcx, "-f", "wav", "/dev/full").code == 1
    with Path("/dev/full").open("wb") as full:
        process("probe", mcx, stdout=full)[0].fails(1, "no space left")


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_fills_leaves_nothing(process, wav, tmp_path):
    import resource

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))

    process("encode", "-i", wav, tmp_path / "a.mcx", preexec_fn=limited)[0].fails(1, "a.mcx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams through a shell")
@pytest.mark.parametrize(("closed", "code"), [(">&-", 1), ("<&-", 3)])
def test_a_closed_stream_is_said(command, wav, closed, code):
    source = "-" if code == 3 else wav
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command, "encode", "-i", source, "-"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert b"is closed" in done.stderr


def test_an_output_that_cannot_be_made_ends_with_1(run, wav, tmp_path):
    run("encode", "-i", wav, tmp_path / "nowhere/a.mcx").fails(1, "directory")
    run("encode", "-i", wav, tmp_path).fails(1, "directory")


def test_what_nobody_expected_asks_for_a_report(run, mcx, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("mediacodec.mcx.probe.info", broken)
    run("probe", mcx).fails(1, "ZeroDivisionError: a bug", "report")
    monkeypatch.setenv("MEDIACODEC_DEBUG", "1")
    assert "Traceback" in run("probe", mcx).err


def test_out_of_memory_is_said(run, mcx, monkeypatch):
    def greedy(*_):
        raise MemoryError

    monkeypatch.setattr("mediacodec.mcx.probe.info", greedy)
    run("probe", mcx).fails(1, "out of memory")


def test_names_cannot_write_to_the_terminal(run, tmp_path):
    outcome = run("probe", tmp_path / "a\x1b[31m\nb.mcx").fails(3)
    assert "\x1b" not in outcome.err
    assert os.linesep not in outcome.err.rstrip()
