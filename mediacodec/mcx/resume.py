"""Fits that go on after an interrupt: whole groups are kept in NAME.partial as they come, and taken over from there.

NAME.partial is an .mcx file. Its tag `comment` says what it was made with and how many of its pictures are whole: those
of a group in which the fit was stopped early are fitted again.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from mediacodec.codecs.fitting.encoder import FittingEncoder
from mediacodec.codecs.fitting.protocol import FitMonitor, NullMonitor
from mediacodec.errors import CorruptError, ParameterError
from mediacodec.frames import VideoFrame
from mediacodec.mcx.probe import open_path
from mediacodec.media.atomic import AtomicFile
from mediacodec_bitstream import FileHeader, Packet, Reader, StreamHeader, Writer

CHUNK = 4096  # packets under one head
ANEW = "leave -resume out to begin anew"


def partial_name(path: str | os.PathLike[str]) -> Path:
    """Where the unfinished state of the file `path` is kept."""
    path = Path(os.path.realpath(path))
    return path.with_name(f"{path.name}.partial")


@dataclass(frozen=True)
class Checkpoint:
    """Where whole groups are kept, and whether to go on from what is there."""

    path: Path
    resume: bool = False


class ResumableEncoder:
    """A FittingEncoder that keeps whole groups in a file, and can begin with those of an earlier one.

    Where it is to go on and there is no file, it begins anew. Once the result is in its place, whoever put it there
    removes the file.

    Args:
        settings: the options that packets depend on and the stream's header does not state.

    Raises ParameterError where the file was made with other options or, by `push`, of other pictures; BitstreamError
    kinds where it cannot be read.
    """

    def __init__(
        self, encoder: FittingEncoder, checkpoint: Checkpoint, settings: str, monitor: FitMonitor | None
    ) -> None:
        self._encoder, self._path, self._settings = encoder, checkpoint.path, settings
        self._monitor: FitMonitor = monitor or NullMonitor()
        found = checkpoint.resume and checkpoint.path.is_file()
        self._found = _Found(checkpoint.path, encoder.header, settings) if found else None
        self._kept = _Kept(checkpoint.path, encoder.header)
        self._pictures = ""  # what tells them from others: a sum of the first
        self._whole = 0  # pictures of whole groups so far

    @property
    def header(self) -> StreamHeader:
        return self._encoder.header

    @property
    def num_frames(self) -> int:
        return self._encoder.num_frames

    @property
    def tags(self) -> dict[str, str]:
        """What a file with these packets states for others to go on from."""
        return {"comment": f"{self._settings} first={self._pictures} whole={self._whole}"}

    def push(self, frame: VideoFrame) -> list[Packet]:
        """See `mediacodec.codecs.base.VideoEncoderBackend`; a picture that was coded before costs little."""
        if not self._pictures and isinstance(frame, VideoFrame):
            self._pictures = _sum_of(frame)
            if self._found is not None and self._found.pictures != self._pictures:
                raise ParameterError(f"'{self._path}' was made of other pictures; {ANEW}")
        packets = self._taken(frame) if self._found is not None else []
        if packets:
            self._kept.add(packets)
            return packets
        packets = self._encoder.push(frame)
        if packets and not self._monitor.stopped:
            self._whole += len(packets)
            self._kept.add(packets)
            self._kept.end_group(self.tags)
        return packets

    def flush(self) -> list[Packet]:
        """The last group. It is not kept: nothing but closing the result can follow."""
        packets = self._encoder.flush()
        self.close()
        return packets

    def close(self) -> None:
        """Let go of the file, which stays."""
        if self._found is not None:
            self._found.close()
        self._kept.close()

    def _taken(self, frame: VideoFrame) -> list[Packet]:
        """The packet of this picture, where it was coded before."""
        assert self._found is not None
        packet = self._found.next()
        if packet is None:
            self._found.close()
            self._found = None
            return []
        if isinstance(frame, VideoFrame) and packet.pts != frame.pts:
            raise ParameterError(f"'{self._path}' has other times: {packet.pts} where there is {frame.pts}; {ANEW}")
        self._whole += 1
        return [self._encoder.take(frame, packet.data, is_keyframe=packet.is_keyframe)]


class _Found:
    """The whole groups of an earlier file."""

    def __init__(self, path: Path, header: StreamHeader, settings: str) -> None:
        self._path, self._stream_id = path, header.stream_id
        self._stack = ExitStack()
        try:
            made, self.pictures, self._left = self._check(header)
            if made != settings:
                raise ParameterError(f"'{path}' was made with {made}, not with {settings}; {ANEW}")
            self._reader = self._opened()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> Reader:
        return Reader(self._stack.enter_context(open_path(self._path)))

    def _check(self, header: StreamHeader) -> tuple[str, str, int]:
        """What the file says of itself: settings, the sum of its first picture, how many pictures are whole."""
        reader = self._opened()
        if header not in reader.header.streams:
            raise ParameterError(f"'{self._path}' is of another size, rate, codec or model; {ANEW}")
        count = sum(packet.stream_id == self._stream_id for packet in reader)
        rest, _, whole = str(reader.tags.get("comment", "")).rpartition(" whole=")
        made, _, pictures = rest.rpartition(" first=")
        if not whole.isdecimal() or len(whole) > 12:
            raise ParameterError(f"'{self._path}' does not say what it was made with; {ANEW}")
        if count < int(whole):
            raise CorruptError(f"'{self._path}' is damaged; {ANEW}")
        return made, pictures, int(whole)

    def next(self) -> Packet | None:
        while self._left:
            packet = next(self._reader, None)
            if packet is None or (packet.stream_id == self._stream_id and packet.discontinuity):
                raise CorruptError(f"'{self._path}' is damaged; {ANEW}")
            if packet.stream_id == self._stream_id:
                self._left -= 1
                return packet
        return None

    def close(self) -> None:
        self._stack.close()


class _Kept:
    """The file in which whole groups are kept: it takes its name with the first of them, and grows from then on."""

    def __init__(self, path: Path, header: StreamHeader) -> None:
        self._path, self._header = path, FileHeader((header,))
        self._file: BinaryIO | None = None
        self._unnamed: AtomicFile | None = None
        self._writer: Writer | None = None

    def add(self, packets: Sequence[Packet]) -> None:
        if self._writer is None:
            self._unnamed = AtomicFile(self._path, overwrite=True)
            self._writer = Writer(cast("BinaryIO", self._unnamed), self._header, packets_per_chunk=CHUNK)
        for packet in packets:
            self._writer.write(packet)

    def end_group(self, tags: dict[str, str]) -> None:
        """What was added is safe from here on."""
        assert self._writer is not None
        self._writer.flush()
        self._writer.write_tags(tags)
        self._writer.flush()
        if self._unnamed is not None:
            self._unnamed.commit()
            self._unnamed = None
            self._file = self._path.open("r+b")
            self._writer = Writer.append(self._file, packets_per_chunk=CHUNK)

    def close(self) -> None:
        for file in (self._unnamed, self._file):
            if file is not None:
                file.close()  # without a name it was never there
        self._unnamed = self._file = self._writer = None


def _sum_of(frame: VideoFrame) -> str:
    crc = 0
    for plane in (frame.y, frame.u, frame.v):
        crc = zlib.crc32(np.ascontiguousarray(plane).data, crc)
    return f"{crc:08x}"
