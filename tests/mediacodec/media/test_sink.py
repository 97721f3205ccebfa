"""Writing: what is read back is what was written, at its exact length, whatever the format and wherever it goes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mediacodec.errors import OutputError, OutputExistsError, ParameterError, UsageError
from mediacodec.frames import AudioChunk
from mediacodec.media import FORMATS, AudioSink, AudioSource, format_of, resample_audio

Samples = NDArray[np.float32]
Speech = Callable[..., Samples]
Lag = Callable[[Samples, Samples], int]
RATES = (8000, 16000, 22050, 44100, 48000)


def write(target: object, x: Samples, rate: int, size: int = 3000, **options: object) -> None:
    with AudioSink(target, sample_rate=rate, channels=x.shape[0], **options) as sink:  # type: ignore[arg-type]
        for start in range(0, x.shape[1], size):
            sink.write(AudioChunk(x[:, start : start + size], rate))


def read(source: object) -> tuple[Samples, int]:
    with AudioSource(source) as audio:  # type: ignore[arg-type]
        parts = [np.zeros((audio.channels, 0), np.float32), *(chunk.samples for chunk in audio.blocks())]
        return np.concatenate(parts, axis=1), audio.sample_rate


def rounded(x: Samples) -> Samples:
    return (np.clip(np.rint(x * 32768), -32768, 32767) / 32768).astype(np.float32)


def check(source: object, x: Samples, rate: int, lossy: bool, lag: Lag) -> None:
    out, out_rate = read(source)
    expected = resample_audio(x, rate, out_rate)
    assert out.shape == expected.shape
    if lossy:
        assert lag(expected, out) == 0
        assert np.corrcoef(expected.ravel(), out.ravel())[0, 1] > 0.9
    else:
        np.testing.assert_array_equal(out, rounded(x))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3", "m4a"])
def test_files(suffix: str, channels: int, rate: int, tmp_path: Path, speech: Speech, lag: Lag) -> None:
    x = speech(1.2345, rate, channels)
    write(tmp_path / f"a.{suffix}", x, rate)
    check(tmp_path / f"a.{suffix}", x, rate, FORMATS[format_of("a." + suffix)].lossy, lag)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"a.{suffix}"]


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("name", ["wav", "flac", "ogg", "m4a"])
def test_pipes(name: str, rate: int, speech: Speech, lag: Lag, pipe: type) -> None:
    x = speech(3.2345, rate)  # longer than a fragment of an MP4
    target = pipe()
    write(target, x, rate, format=name)
    check(io.BytesIO(target.written), x, rate, FORMATS[name].lossy, lag)
    check(pipe(bytes(target.written)), x, rate, FORMATS[name].lossy, lag)


def test_mp3_in_a_pipe_keeps_delay_and_padding(speech: Speech, lag: Lag, pipe: type) -> None:
    x, target = speech(1.2345, 16000), pipe()
    write(target, x, 16000, format="mp3")
    out, _ = read(io.BytesIO(target.written))
    assert lag(x, out) == 1105
    assert x.shape[1] < out.shape[1] - 1105 < x.shape[1] + 1152


def test_file_objects_stay_open_and_need_a_format(speech: Speech) -> None:
    x, target = speech(0.2, 16000), io.BytesIO()
    with pytest.raises(UsageError, match="-f"):
        write(target, x, 16000)
    write(target, x, 16000, format="flac")
    assert not target.closed
    target.seek(0)
    np.testing.assert_array_equal(read(target)[0], rounded(x))


def test_raw_samples(tmp_path: Path, speech: Speech) -> None:
    x = 1.5 * speech(0.3, 16000, 2)
    write(tmp_path / "a.f32le", x, 16000)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "a.f32le", "<f4").reshape(-1, 2).T, x)
    write(tmp_path / "a.s16le", x, 16000)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "a.s16le", "<i2").reshape(-1, 2).T, rounded(x) * 32768)


def test_integers_are_rounded_and_saturate(tmp_path: Path) -> None:
    x = np.array([[0.4, 0.6, -0.6, 32766.6, 32767.4, 32767.6, 40000, 1e9, -32768, -40000, 1.5, 2.5]]) / 32768
    write(tmp_path / "a.s16le", x.astype(np.float32), 8000)
    got = np.fromfile(tmp_path / "a.s16le", "<i2")
    assert got.tolist() == [0, 1, -1, 32767, 32767, 32767, 32767, 32767, -32768, -32768, 2, 2]


def test_other_programs_read_our_wav(tmp_path: Path, speech: Speech, pipe: type) -> None:
    x = speech(0.3, 22050, 2)
    write(tmp_path / "a.wav", x, 22050)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (22050, 2, x.shape[1])
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="float32")[0].T, rounded(x))
    target = pipe()
    write(target, x, 22050, format="wav")  # its header says "unknown length", as those of sox and ffmpeg do
    (tmp_path / "piped.wav").write_bytes(target.written)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "piped.wav", dtype="float32")[0].T, rounded(x))


def test_wav_leaves_room_for_more_than_4_gib(tmp_path: Path, speech: Speech) -> None:
    write(tmp_path / "a.wav", speech(0.1, 16000), 16000)
    head = (tmp_path / "a.wav").read_bytes()[:20]
    assert head[12:16] == b"JUNK"  # becomes the ds64 chunk of RF64 when the length needs it
    assert head[16] == 28


def test_more_than_two_channels(tmp_path: Path, speech: Speech) -> None:
    x = speech(0.2, 48000, 6)
    for name in ("a.wav", "a.flac"):
        write(tmp_path / name, x, 48000)
        np.testing.assert_array_equal(read(tmp_path / name)[0], rounded(x))
    for name in ("a.mp3", "a.ogg", "a.m4a"):
        with pytest.raises(UsageError, match="1 to 2 channels, not 6"):
            write(tmp_path / name, x, 48000)
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_nothing_written_is_an_empty_audio(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"a.{suffix}", np.zeros((2, 0), np.float32), 16000)
    assert read(tmp_path / f"a.{suffix}")[0].shape == (2, 0)


@pytest.mark.parametrize("suffix", ["ogg", "mp3", "m4a"])
def test_nothing_written_to_a_lossy_file_is_no_accident(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"a.{suffix}", np.zeros((1, 0), np.float32), 16000)
    assert (tmp_path / f"a.{suffix}").exists()


def test_the_same_audio_gives_the_same_bytes_for_any_chunking(tmp_path: Path, speech: Speech) -> None:
    x = speech(0.7, 16000)
    for suffix in ("wav", "flac", "mp3", "m4a"):
        for size in (100, 5000, 10**6):
            write(tmp_path / f"{size}.{suffix}", x, 16000, size)
        first, *others = [(tmp_path / f"{size}.{suffix}").read_bytes() for size in (100, 5000, 10**6)]
        assert all(other == first for other in others), suffix


def test_formats_by_suffix_and_name() -> None:
    for name, expected in [("a.WAV", "wav"), ("a.oga", "ogg"), ("x/y.opus", "ogg"), ("a.m4a", "m4a")]:
        assert format_of(name) == expected
    assert format_of("a.wav", "opus") == "ogg"
    assert format_of("-", "s16le") == "s16le"
    for name, named in [("a.xyz", None), ("-", None), ("wav", None), ("a.wav", "vorbis")]:
        with pytest.raises(UsageError, match="wav, flac, ogg, mp3, m4a, s16le, f32le"):
            format_of(name, named)


def test_wrong_chunks_are_refused(tmp_path: Path) -> None:
    chunk = AudioChunk(np.zeros((1, 10), np.float32), 8000)
    sink = AudioSink(tmp_path / "a.wav", sample_rate=16000, channels=1)
    with pytest.raises(ParameterError, match="expected 16000 Hz and 1"):
        sink.write(chunk)
    sink.close()
    with pytest.raises(ParameterError, match="closed"):
        sink.write(chunk)
    with pytest.raises(ParameterError, match="sample_rate"):
        AudioSink(tmp_path / "b.wav", sample_rate=0, channels=1)


def _write_and_fail(path: Path, x: Samples) -> None:
    with AudioSink(path, sample_rate=16000, channels=1) as sink:
        sink.write(AudioChunk(x, 16000))
        raise KeyError("something else went wrong")


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_an_exception_leaves_nothing_behind(suffix: str, tmp_path: Path, speech: Speech) -> None:
    with pytest.raises(KeyError):
        _write_and_fail(tmp_path / f"a.{suffix}", speech(0.5, 16000))
    assert list(tmp_path.iterdir()) == []


def test_overwriting_must_be_asked_for(tmp_path: Path, speech: Speech) -> None:
    x = speech(0.1, 16000)
    (tmp_path / "a.wav").write_text("precious")
    with pytest.raises(OutputExistsError, match=r"a\.wav' already exists"):
        write(tmp_path / "a.wav", x, 16000)
    assert (tmp_path / "a.wav").read_text() == "precious"
    write(tmp_path / "a.wav", x, 16000, overwrite=True)
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], rounded(x))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_full_disk_is_one_clear_line(name: str, speech: Speech) -> None:
    x = speech(3.0, 16000)
    with pytest.raises(OutputError, match=r"^cannot write '/dev/full': no space left on the disk$"):
        write("/dev/full", x, 16000, format=name)


class Interrupting(io.BytesIO):
    def write(self, data: object) -> int:  # noqa: ARG002 - the interface of a file
        raise KeyboardInterrupt


def test_an_interrupt_while_writing_is_not_lost(speech: Speech) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(Interrupting(), speech(3.0, 16000), 16000, format="wav")


class Broken(io.BytesIO):
    def write(self, data: object) -> int:  # noqa: ARG002 - the interface of a file
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("seconds", [0.01, 3.0])  # in the last write, while closing, and on the way
def test_trouble_with_a_file_object_is_an_output_error(seconds: float, speech: Speech) -> None:
    with pytest.raises(OutputError, match="cannot write flac: Input/output error"):
        write(Broken(), speech(seconds, 16000), 16000, format="flac")


def test_a_closed_pipe_stays_a_broken_pipe(speech: Speech) -> None:
    receiving, sending = os.pipe()
    os.close(receiving)
    with os.fdopen(sending, "wb", buffering=0) as target, pytest.raises(BrokenPipeError):
        write(target, speech(3.0, 16000), 16000, format="wav")


PROGRAM = """
import sys
import numpy as np
from mediacodec.frames import AudioChunk
from mediacodec.media import AudioSink
with AudioSink("-", sample_rate=16000, channels=1, format=sys.argv[1]) as sink:
    for _ in range(int(sys.argv[2])):
        sink.write(AudioChunk(np.full((1, 16000), 0.25, np.float32), 16000))
print("print still works", end="")
"""


@pytest.mark.parametrize("name", ["wav", "s16le"])
def test_standard_output(name: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM, name, "3"], capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.endswith(b"print still works")
    data = done.stdout.removesuffix(b"print still works")
    if name == "wav":
        x, rate = read(io.BytesIO(data))
        assert (x.shape, rate) == ((1, 48000), 16000)
    else:
        x = np.frombuffer(data, "<i2") / 32768
    assert np.all(x == 0.25)


def test_standard_output_closed_by_the_reader() -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, "wav", "500"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1000)
        process.stdout.close()
        message = process.stderr.read().decode().splitlines()
    assert process.returncode == 1
    assert message[-1].startswith("BrokenPipeError")
    assert sum("Error" in line for line in message) == 1, message
