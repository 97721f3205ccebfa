"""What headers and tags say about a length, where the data say something else: files that were joined or cut."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.media import AudioSource
from mediacodec.media.media_source import MediaSource

Samples = NDArray[np.float32]
Speech = Callable[..., Samples]
Encode = Callable[..., None]
PipeOf = Callable[[bytes], io.RawIOBase]
RATE = 24_000


def seconds_and_notes(source: object) -> tuple[float, list[str]]:
    with MediaSource(source) as media:  # type: ignore[arg-type]
        samples = sum(chunk.num_samples for chunk in media.items())  # type: ignore[union-attr]
        return samples / media.sample_rate, media.notes()


@pytest.mark.parametrize("tag", [0, 3 << 20], ids=["", "behind a large tag"])
def test_joined_mp3_goes_on_in_a_pipe(tag: int, tmp_path: Path, speech: Speech, encode: Encode, pipe: PipeOf) -> None:
    data = b"" if not tag else b"ID3\x04\0\0" + bytes(tag >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(tag)
    for seed in (1, 2):
        encode(tmp_path / "a.mp3", speech(2.0, RATE, seed=seed), RATE, "libmp3lame", options={"id3v2_version": "0"})
        data += (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "joined.mp3").write_bytes(data)
    from_file, _ = seconds_and_notes(tmp_path / "joined.mp3")
    from_pipe, _ = seconds_and_notes(pipe(data))
    assert from_file == pytest.approx(4, abs=0.15)  # the priming of the second stays
    assert from_pipe == pytest.approx(from_file, abs=0.05)


KINDS = [("wav", "pcm_s16le"), ("aiff", "pcm_s16be"), ("flac", "flac"), ("mp3", "libmp3lame"), ("m4a", "aac")]


@pytest.mark.parametrize("from_pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_a_file_that_was_cut_is_said_to_be_shorter(
    suffix: str, codec: str, *, from_pipe: bool, tmp_path: Path, speech: Speech, encode: Encode, pipe: PipeOf
) -> None:
    path = tmp_path / f"a.{suffix}"
    encode(path, speech(4.0, RATE), RATE, codec, options={"movflags": "faststart"} if suffix == "m4a" else None)

    def read() -> tuple[float, list[str]]:
        return seconds_and_notes(pipe(path.read_bytes()) if from_pipe else path)

    assert read() == (pytest.approx(4.0), [])
    with av.open(str(path)) as container:  # between two packets, so that none is damaged
        places = [packet.pos for packet in container.demux(audio=0) if packet.pos and packet.size]
    path.write_bytes(path.read_bytes()[: places[len(places) // 2]])
    seconds, notes = read()
    assert 1.5 < seconds < 2.6
    missing = [float(note.split(" is ")[1].split(" s ")[0]) for note in notes if "shorter than it says" in note]
    assert missing == [pytest.approx(4 - seconds, abs=0.11)]
    if not from_pipe:
        with AudioSource(path, duration=1.0) as source:  # which is all there
            assert sum(chunk.num_samples for chunk in source.blocks()) == RATE
            assert source.notes() == []


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_of_unknown_length_is_not_cut(size: int, tmp_path: Path, speech: Speech, encode: Encode) -> None:
    encode(tmp_path / "a.wav", speech(1.0, RATE), RATE, "pcm_s16le")
    data = (tmp_path / "a.wav").read_bytes()
    place = data.index(b"data") + 4
    (tmp_path / "a.wav").write_bytes(data[:place] + struct.pack("<I", size) + data[place + 4 :])
    seconds, notes = seconds_and_notes(tmp_path / "a.wav")
    assert (seconds, notes) == (pytest.approx(1.0, abs=1e-3), [])


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms"])
def test_the_last_block_of_compressed_wav_is_as_long_as_its_header_says(codec: str, tmp_path: Path) -> None:
    path, count = tmp_path / "a.wav", 20_000
    samples = np.rint(9000 * np.sin(np.arange(count) / 9)).astype(np.int16)[None]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE, layout="mono")
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        fixed = av.AudioResampler(
            stream.codec_context.format.name, "mono", RATE, frame_size=stream.codec_context.frame_size
        )
        for part in [*fixed.resample(frame), *fixed.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    data = path.read_bytes()
    place = data.index(b"fact") + 8
    path.write_bytes(data[:place] + struct.pack("<I", count) + data[place + 4 :])
    assert seconds_and_notes(path) == (pytest.approx(count / RATE, abs=1e-9), [])
    for wrong in (0, 1, 10**6):
        path.write_bytes(data[:place] + struct.pack("<I", wrong) + data[place + 4 :])
        seconds, notes = seconds_and_notes(path)
        assert count / RATE <= seconds < (count + 4096) / RATE
        assert notes == []
