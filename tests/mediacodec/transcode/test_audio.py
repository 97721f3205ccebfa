"""The whole journey: a media file into an .mcx and back into a media file."""

from __future__ import annotations

import errno
import os
import wave
from collections.abc import Callable
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.coding import encode_options

import mediacodec
from mediacodec.errors import InputError, OutputError, OutputExistsError, ParameterError, UsageError
from mediacodec.progress import Progress
from mediacodec.transcode.decode import decode_file
from mediacodec.transcode.encode import encode_file
from mediacodec.transcode.options import DecodeOptions
from mediacodec.transcode.reports import DecodeReport, EncodeReport

SECONDS = 3.3


@pytest.fixture(scope="module")
def source(speech: Callable[..., Any], encode: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """44.1 kHz stereo."""
    path: Path = tmp_path_factory.mktemp("source") / "in.wav"
    encode(path, speech(SECONDS, 44_100, channels=2), 44_100, "pcm_s16le")
    return path


@pytest.fixture(scope="module")
def coded(source: Path) -> bytes:
    buffer = BytesIO()
    encode_file(source, buffer)
    return buffer.getvalue()


def read_wav(path: Path) -> tuple[int, Any]:
    """Rate and samples [channels, n], with nothing of the code under test."""
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        return file.getframerate(), data.reshape(-1, file.getnchannels()).T


def test_there_and_back(source: Path, tmp_path: Path) -> None:
    target = BytesIO()
    steps: list[Progress] = []
    report = encode_file(source, target, encode_options(bit_rate=3000), progress=steps.append)
    info = mediacodec.info(target.getvalue())
    assert report.seconds == pytest.approx(SECONDS)
    assert (report.file_bytes, report.payload_bytes) == (len(target.getvalue()), info.payload_bytes)
    assert report.payload_kbps == pytest.approx(info.streams[0].bit_rate / 1000)
    assert report.file_kbps == pytest.approx(info.bit_rate / 1000)
    assert report.payload_kbps < report.file_kbps
    assert report.speed > 1
    assert any("44100 Hz -> 16000 Hz" in note for note in report.notes)
    assert any(note.startswith("WARNING") and "channels" in note for note in report.notes)
    assert [s.seconds_done for s in steps] == sorted(s.seconds_done for s in steps)
    assert steps[-1].seconds_done == pytest.approx(SECONDS)
    assert steps[-1].seconds_total == pytest.approx(SECONDS)
    assert 0 < steps[-1].bytes_written <= report.file_bytes

    steps.clear()
    out = tmp_path / "out.wav"
    back = decode_file(target.getvalue(), out, progress=steps.append)
    assert back.seconds == pytest.approx(SECONDS)
    assert (back.gaps, back.truncated, back.damaged, back.notes) == ([], False, False, [])
    assert steps[-1].seconds_done == pytest.approx(SECONDS)
    rate, audio = read_wav(out)
    assert (rate, audio.shape) == (16_000, (1, round(SECONDS * 16_000)))
    expected = mediacodec.decode(target.getvalue()).samples
    assert np.abs(audio - expected).max() <= 1 / 32768


def test_it_is_the_bytes_of_the_api(source: Path, coded: bytes) -> None:
    audio = read_wav(source)[1]
    assert mediacodec.encode(audio, sample_rate=44_100) == coded


@pytest.mark.parametrize(("start", "duration"), [(1.0, 1.5), (0.0, 0.25), (3.0, 99.0), (2.5, None)])
def test_a_part_of_the_source(source: Path, start: float, duration: float | None) -> None:
    target = BytesIO()
    report = encode_file(source, target, encode_options(start=start, duration=duration))
    expected = min(SECONDS - start, duration or SECONDS)
    assert report.seconds == pytest.approx(expected, abs=1e-4)
    assert mediacodec.info(target.getvalue()).duration == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("start", "duration"), [(1.0, 1.5), (0.0, 0.25), (3.0, 99.0), (2.5, None)])
def test_a_part_of_the_coded(coded: bytes, tmp_path: Path, start: float, duration: float | None) -> None:
    steps: list[Progress] = []
    out = tmp_path / "out.wav"
    report = decode_file(coded, out, DecodeOptions(start=start, duration=duration), progress=steps.append)
    first = round(start * 16_000)
    last = None if duration is None else first + round(duration * 16_000)
    expected = mediacodec.decode(coded).samples[:, first:last]
    found = read_wav(out)[1]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-4
    assert report.seconds == pytest.approx(expected.shape[1] / 16_000)
    assert steps[-1].seconds_total == pytest.approx(report.seconds)


def test_another_rate_and_more_channels(coded: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    report = decode_file(coded, out, DecodeOptions(sample_rate=44_100, channels=2))
    rate, audio = read_wav(out)
    assert (rate, audio.shape) == (44_100, (2, round(SECONDS * 44_100)))
    assert np.array_equal(audio[0], audio[1])
    assert len(report.notes) == 2


def test_formats(coded: bytes, tmp_path: Path) -> None:
    raw = BytesIO()
    decode_file(coded, raw, DecodeOptions(format="f32le"))
    assert np.array_equal(np.frombuffer(raw.getvalue(), "<f4"), mediacodec.decode(coded).samples[0])
    with pytest.raises(UsageError, match="mid"):
        decode_file(coded, tmp_path / "out.mid")
    assert list(tmp_path.iterdir()) == []


class TestPipes:
    def test_both_ends(self, coded: bytes, source: Path, pipe: Any) -> None:
        target = pipe()
        encode_file(pipe(source.read_bytes()), target)
        assert bytes(target.written) == coded
        steps: list[Progress] = []
        raw = pipe()
        decode_file(pipe(coded), raw, DecodeOptions(format="f32le"), progress=steps.append)
        assert np.array_equal(np.frombuffer(raw.written, "<f4"), mediacodec.decode(coded).samples[0])
        assert steps[0].seconds_total is None, "not known before the end"

    def test_an_output_that_takes_a_little_at_a_time(self, coded: bytes, source: Path) -> None:
        """Unbuffered files may write less than they are given: nothing of the rest may be lost."""

        class Slow(RawIOBase):
            def __init__(self) -> None:
                self.data = bytearray()

            def writable(self) -> bool:
                return True

            def write(self, data: Any) -> int:
                self.data += bytes(data[:13])
                return min(len(data), 13)

        target = Slow()
        report = encode_file(source, target)  # type: ignore[arg-type]
        assert bytes(target.data) == coded
        assert report.file_bytes == len(coded)


class Full(BytesIO):
    """A disk with room for so many bytes; `error` comes then."""

    def __init__(self, room: int, error: OSError) -> None:
        super().__init__()
        self.room, self.error = room, error

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.room:
            raise self.error
        return super().write(data)


class TestFailure:
    @pytest.mark.parametrize("room", [0, 500])
    def test_a_full_disk(self, source: Path, room: int) -> None:
        with pytest.raises(OutputError, match=r"^cannot write: No space left on device$"):
            encode_file(source, Full(room, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))

    def test_an_error_of_ours_passes_as_it_is(self, source: Path) -> None:
        with pytest.raises(OutputError, match=r"^cannot write 'x': no space left on the disk$"):
            encode_file(source, Full(500, OutputError("cannot write 'x': no space left on the disk")))

    def test_a_reader_that_has_seen_enough(self, source: Path) -> None:
        with pytest.raises(BrokenPipeError):
            encode_file(source, Full(500, BrokenPipeError(errno.EPIPE, "Broken pipe")))

    @pytest.mark.parametrize("name", ["missing.wav", "text.wav", "empty.wav", "."])
    def test_an_input_that_is_none(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "text.wav").write_text("no audio at all\n" * 50)
        (tmp_path / "empty.wav").write_bytes(b"")
        with pytest.raises(InputError):
            encode_file(tmp_path / name, BytesIO())

    def test_options(self, source: Path) -> None:
        with pytest.raises(ParameterError, match="bit_rate 3 "):
            encode_file(source, BytesIO(), encode_options(bit_rate=3))

    def test_nothing_is_overwritten_unasked(self, coded: bytes, tmp_path: Path) -> None:
        out = tmp_path / "out.wav"
        out.write_bytes(b"precious")
        with pytest.raises(OutputExistsError):
            decode_file(coded, out)
        assert out.read_bytes() == b"precious"
        decode_file(coded, out, DecodeOptions(overwrite=True))
        assert read_wav(out)[0] == 16_000

    def test_stopped_by_its_progress(self, coded: bytes, source: Path, tmp_path: Path) -> None:
        def stop(_: Progress) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            decode_file(coded, tmp_path / "out.wav", progress=stop)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(KeyboardInterrupt):
            encode_file(source, BytesIO(), progress=stop)

    def test_damage_is_reported_and_the_rest_is_there(self, coded: bytes, tmp_path: Path) -> None:
        damaged = bytearray(coded)
        damaged[len(coded) // 2] ^= 1
        report = decode_file(bytes(damaged), tmp_path / "a.wav")
        assert report.damaged
        assert len(report.gaps) == 1
        assert not report.truncated
        assert read_wav(tmp_path / "a.wav")[1].shape[1] == round(SECONDS * 16_000)
        report = decode_file(coded[: len(coded) * 2 // 3], tmp_path / "b.wav")
        assert report.damaged
        assert report.truncated
        assert read_wav(tmp_path / "b.wav")[1].shape[1] == 2 * 16_000 - 320


def test_an_empty_source(encode: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(empty_wav())
    target = BytesIO()
    report = encode_file(tmp_path / "a.wav", target)
    assert (report.seconds, report.payload_bytes, report.payload_kbps, report.file_kbps) == (0, 0, 0, 0)
    assert mediacodec.decode(target.getvalue()).num_samples == 0


def empty_wav() -> bytes:
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
    return buffer.getvalue()


def test_reports_of_nothing() -> None:
    report = EncodeReport(seconds=0, wall_seconds=0, payload_bytes=0, file_bytes=0, notes=[])
    assert (report.payload_kbps, report.file_kbps, report.speed) == (0, 0, 0)
    assert DecodeReport(seconds=0, wall_seconds=0).speed == 0
    assert DecodeReport(seconds=1, wall_seconds=0.5).speed == 2
    assert DecodeReport(seconds=1, wall_seconds=1, truncated=True).damaged


@pytest.mark.parametrize(("suffix", "kept"), [("mp4", False), ("mov", True), ("mkv", True)])
def test_copied_audio_that_a_container_cannot_hold_is_encoded_anew(
    source: Path, tmp_path: Path, suffix: str, kept: bool
) -> None:
    """mp4 of stereo PCM fails only when the file is finished."""
    buffer = BytesIO()
    encode_file(source, buffer, encode_options(audio_codec="copy"))
    report = decode_file(buffer.getvalue(), tmp_path / f"out.{suffix}", DecodeOptions())
    assert ("mp4 cannot hold this pcm_s16le audio as it is: encoded anew" in report.notes) != kept
    assert report.seconds == pytest.approx(SECONDS, abs=0.05)
    assert (tmp_path / f"out.{suffix}").stat().st_size > 10_000
