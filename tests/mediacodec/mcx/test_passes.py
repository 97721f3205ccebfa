"""Several passes over one file: each keeps its own place, in one thread, in several, and in forked processes."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from support.forks import in_children, needs_fork

import mediacodec
from mediacodec.errors import ParameterError
from mediacodec_bitstream import AudioParameters, FileHeader, Packet, Reader, StreamHeader, Writer

RATE = 16_000
SECONDS = 4


@pytest.fixture(scope="module")
def coded(speech: Callable[..., Any]) -> bytes:
    return mediacodec.encode(speech(SECONDS, RATE), sample_rate=RATE, packet_duration=0.2)


class Unnamed(io.BytesIO):
    """A file that only its own position leads through, and that waits in the middle of each read."""

    def read1(self, size: int | None = -1) -> bytes:
        place = self.tell()
        threading.Event().wait(0.001)
        assert self.tell() == place  # nobody moved it meanwhile
        return super().read1(-1 if size is None else min(size, 100))


def opened(kind: str, data: bytes, folder: Path) -> BinaryIO:
    if kind == "memory":
        return Unnamed(data)
    path = folder / "talk.mcx"
    path.write_bytes(data)
    return path.open("rb", buffering=0 if kind == "raw" else -1)


@pytest.mark.parametrize("kind", ["memory", "buffered", "raw"])
def test_two_passes_in_turn_do_not_disturb_each_other(kind: str, coded: bytes, tmp_path: Path) -> None:
    with opened(kind, coded, tmp_path) as file, mediacodec.open(file) as reader:
        whole = reader.audio.read().samples
        passes = [reader.audio.blocks(), reader.audio.blocks(start=2.0), reader.audio.blocks(start=1.0)]
        for _ in range(4):
            for each in passes:
                chunk = next(each)
                expected = whole[:, chunk.pts : chunk.pts + chunk.num_samples]
                assert np.abs(chunk.samples - expected).max() < 1e-3
        assert reader.gaps == []


@pytest.mark.parametrize("kind", ["memory", "buffered", "raw"])
def test_threads_read_one_file(kind: str, coded: bytes, tmp_path: Path) -> None:
    with opened(kind, coded, tmp_path) as file, mediacodec.open(file) as reader:
        whole = reader.audio.read().samples
        starts = [0.0, 1.0, 2.0, 0.5, 1.5, 2.5]
        with ThreadPoolExecutor(3) as pool:
            parts = list(pool.map(lambda start: reader.audio.get_samples_played_in_range(start, start + 1), starts))
        for start, part in zip(starts, parts, strict=True):
            expected = whole[:, int(start * RATE) : int((start + 1) * RATE)]
            assert part.samples.shape == expected.shape
            assert np.abs(part.samples - expected).max() < 1e-3
        assert reader.gaps == []


@needs_fork
def test_forked_processes_read_one_file(tmp_path: Path) -> None:
    path = tmp_path / "big.mcx"  # more than one read takes
    parameters = AudioParameters(RATE, 1, 0, 320)
    stream = StreamHeader(0, "test", parameters, Fraction(1, RATE), 320)
    with path.open("wb") as file:
        writer = Writer(file, FileHeader((stream,)))
        for i in range(400):
            writer.write(Packet(0, 320 * i, bytes([i % 251]) * 2000, 320, is_keyframe=True))
        writer.close()
    with path.open("rb") as file:
        reader = Reader(file)
        expected = [packet.data for packet in reader.another()]
        same = in_children(lambda: all([packet.data for packet in reader.another()] == expected for _ in range(20)), 3)
        assert same == [True] * 3


def test_a_stream_keeps_its_file_open(coded: bytes, tmp_path: Path) -> None:
    (tmp_path / "talk.mcx").write_bytes(coded)
    assert mediacodec.open(tmp_path / "talk.mcx").audio.read().num_samples == SECONDS * RATE


def test_a_pipe_has_one_pass(coded: bytes) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    reader = mediacodec.open(Pipe(coded))
    assert reader.audio.read().num_samples == SECONDS * RATE
    with pytest.raises(ParameterError, match="only once"):
        reader.audio.read()


def test_streams_outlive_the_reader_they_came_from(coded: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mcx").write_bytes(coded)
    assert mediacodec.open(tmp_path / "a.mcx").audio.read().samples.shape == (1, SECONDS * RATE)
