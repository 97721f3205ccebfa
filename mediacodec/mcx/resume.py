"""Fits that go on after an interrupt: whole groups are kept in NAME.partial as they come, and taken over from there.

NAME.partial is an .mcx file. Its tag `resume` says what it was made with and how many of its frames are whole: those of
a group in which the fit was stopped early are fitted again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from mediacodec.codecs.base import VideoEncoderBackend
from mediacodec.codecs.fitting.encoder import FittingEncoder
from mediacodec.codecs.options import VideoOptions
from mediacodec.errors import CorruptError, OutputError, ParameterError
from mediacodec.frames import VideoFrame
from mediacodec.mcx.probe import open_path
from mediacodec.mcx.tags import untagged
from mediacodec.media.atomic import AtomicFile
from mediacodec.progress import FitMonitor, NullMonitor
from mediacodec_bitstream import FileHeader, Packet, Reader, StreamHeader, Writer

TAG = "resume"  # of the file
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
CHUNK = 4096  # packets under one head
MOST_FRAMES = 1 << 40  # that a tag may state
ANEW = "leave -resume out to begin anew"

OptionValue = float | int | str | bool | None


def partial_name(path: str | os.PathLike[str]) -> Path:
    """Where the unfinished state of the file `path` is kept."""
    path = Path(os.path.realpath(path))
    return path.with_name(f"{path.name}.partial")


@dataclass(frozen=True)
class Checkpoint:
    """Where whole groups are kept, and whether to go on from what is there.

    Attributes:
        path: of the partial file.
        resume: whether to go on.
    """

    path: Path
    resume: bool = False


@dataclass(frozen=True)
class ResumeState:
    """What a partial file says of itself.

    Attributes:
        options: of the encoder, by name; those with their default need not be there.
        first: a checksum of the first frame, which tells a video from others.
        whole: frames of whole groups.
    """

    options: dict[str, OptionValue]
    first: str
    whole: int

    def as_tag(self) -> dict[str, str]:
        """As a tag of the file."""
        return {TAG: json.dumps(dataclasses.asdict(self), separators=(",", ":"))}

    @classmethod
    def of_tag(cls, text: object) -> ResumeState | None:
        """The state that a tag states; None where it states none."""
        try:
            found = json.loads(text) if isinstance(text, str) else None
            if not isinstance(found, dict):
                return None
            options, first, whole = found["options"], found["first"], found["whole"]
        except (ValueError, KeyError, RecursionError):
            return None
        known = isinstance(options, dict) and isinstance(first, str) and isinstance(whole, int)
        return cls(options, first, whole) if known and 0 <= whole < MOST_FRAMES else None


def stated(options: VideoOptions) -> dict[str, OptionValue]:
    """Options by name, without those that have their default: a later version may have more of them."""
    defaults = dataclasses.asdict(VideoOptions())
    return {name: value for name, value in dataclasses.asdict(options).items() if value != defaults[name]}


class Resumption:
    """The fit of a file being written, its whole groups kept.

    Args:
        checkpoint: where.
        monitor: of the fit.
    """

    __slots__ = ("_checkpoint", "_encoder", "_monitor")

    def __init__(self, checkpoint: Checkpoint, monitor: FitMonitor | None) -> None:
        self._checkpoint, self._monitor = checkpoint, monitor
        self._encoder: ResumableEncoder | None = None

    @property
    def resumes(self) -> bool:
        """Whether it is to go on from what is there."""
        return self._checkpoint.resume

    def kept(self, encoder: FittingEncoder, options: VideoOptions) -> VideoEncoderBackend:
        """An encoder whose groups are kept; a file keeps those of its first one.

        Args:
            encoder: of a stream of the file.
            options: that it was opened with.
        """
        if self._encoder is not None:
            return encoder
        self._encoder = ResumableEncoder(encoder, self._checkpoint, options, self._monitor)
        return self._encoder

    @property
    def tags(self) -> dict[str, str] | None:
        """What the unfinished file states for a later run to go on from; None where nothing is fitted."""
        return self._encoder.state.as_tag() if self._encoder is not None else None

    def discard(self) -> None:
        """Remove what was kept: the file is in its place."""
        if self._encoder is not None:
            self._checkpoint.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the partial file, which stays."""
        if self._encoder is not None:
            self._encoder.close()


class ResumableEncoder:
    """A FittingEncoder that keeps whole groups in a file, and can begin with those of an earlier one.

    Where it is to go on and there is no file, it begins anew. Once the result is in its place, whoever put it there
    removes the file.

    Args:
        encoder: fits the groups.
        checkpoint: where they are kept.
        options: of the encoder.
        monitor: of the fit; groups that it stopped early are not kept.

    Raises:
        ParameterError: the file was made with other options or, by `push`, of other frames.
        BitstreamError: it cannot be read, in one of its kinds.
        OutputError: it is a symbolic link.
    """

    def __init__(
        self, encoder: FittingEncoder, checkpoint: Checkpoint, options: VideoOptions, monitor: FitMonitor | None
    ) -> None:
        self._encoder, self._path, self._options = encoder, checkpoint.path, stated(options)
        self._monitor: FitMonitor = monitor or NullMonitor()
        if checkpoint.path.is_symlink():  # its name can be foreseen: whoever may write here could lead us elsewhere
            raise OutputError(f"'{checkpoint.path}' is a symbolic link, which is not followed; remove it")
        found = checkpoint.resume and checkpoint.path.is_file()
        self._found = _Found(checkpoint.path, encoder.header, self._options) if found else None
        self._kept = _Kept(checkpoint.path, encoder.header)
        self._first = ""  # a checksum of the first frame
        self._whole = 0  # frames of whole groups so far

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        return self._encoder.header

    @property
    def num_frames(self) -> int:
        """Frames pushed so far."""
        return self._encoder.num_frames

    @property
    def state(self) -> ResumeState:
        """What a file with these packets states for others to go on from."""
        return ResumeState(self._options, self._first, self._whole)

    def push(self, frame: VideoFrame) -> list[Packet]:
        """See `mediacodec.codecs.base.VideoEncoderBackend`; a frame that was coded before costs little."""
        if not self._first and isinstance(frame, VideoFrame):
            self._first = _checksum(frame)
            if self._found is not None and self._found.state.first != self._first:
                raise ParameterError(f"'{self._path}' was made of other frames; {ANEW}")
        packets = self._taken(frame) if self._found is not None else []
        if packets:
            self._kept.add(packets)
            return packets
        packets = self._encoder.push(frame)
        if packets and not self._monitor.stopped:
            self._whole += len(packets)
            self._kept.add(packets)
            self._kept.end_group(self.state)
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
        """The packet of this frame, where it was coded before."""
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

    def __init__(self, path: Path, header: StreamHeader, options: dict[str, OptionValue]) -> None:
        self._path, self._stream_id = path, header.stream_id
        self._stack = ExitStack()
        try:
            self.state = self._checked(header, options)
            self._left = self.state.whole
            self._reader = self._opened()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> Reader:
        return Reader(self._stack.enter_context(open_path(self._path)))

    def _checked(self, header: StreamHeader, options: dict[str, OptionValue]) -> ResumeState:
        """What the file says of itself, where it can be gone on from with these options."""
        reader = self._opened()
        if header not in map(untagged, reader.header.streams):
            raise ParameterError(f"'{self._path}' is of another size, rate, codec or model; {ANEW}")
        count = sum(packet.stream_id == self._stream_id for packet in reader)
        state = ResumeState.of_tag(reader.tags.get(TAG))
        if state is None:
            raise ParameterError(f"'{self._path}' does not say what it was made with; {ANEW}")
        if count < state.whole:
            raise CorruptError(f"'{self._path}' is damaged; {ANEW}")
        if state.options != options:
            made, wanted = (_listed(each, state.options, options) for each in (state.options, options))
            raise ParameterError(f"'{self._path}' was made with {made}, not with {wanted}; {ANEW}")
        return state

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
    """The file in which whole groups are kept: it takes its name with the first of them, and is appended to after."""

    def __init__(self, path: Path, header: StreamHeader) -> None:
        self._path, self._header = path, FileHeader((header,))
        self._file: BinaryIO | None = None
        self._unnamed: AtomicFile | None = None
        self._writer: Writer | None = None

    def add(self, packets: Sequence[Packet]) -> None:
        if self._writer is None:
            self._unnamed = AtomicFile(self._path, overwrite=True, follow_links=False)
            self._writer = Writer(cast("BinaryIO", self._unnamed), self._header, packets_per_chunk=CHUNK)
        for packet in packets:
            self._writer.write(packet)

    def end_group(self, state: ResumeState) -> None:
        """What was added is safe from here on."""
        assert self._writer is not None
        self._writer.flush()
        self._writer.write_tags(state.as_tag())
        self._writer.flush()
        if self._unnamed is not None:
            self._unnamed.commit()
            self._unnamed = None
            try:
                self._file = os.fdopen(os.open(self._path, os.O_RDWR | _NO_LINKS), "r+b")
            except OSError as error:
                raise OutputError(f"cannot go on with '{self._path}': {error.strerror}") from error
            self._writer = Writer.append(self._file, packets_per_chunk=CHUNK)

    def close(self) -> None:
        for file in (self._unnamed, self._file):
            if file is not None:
                file.close()  # without a name it was never there
        self._unnamed = self._file = self._writer = None


def _listed(options: dict[str, OptionValue], *both: dict[str, OptionValue]) -> str:
    """The options in which two sets differ, as one of them has them: crf=40, gop=4."""
    names = sorted({name for each in both for name in each if both[0].get(name) != both[1].get(name)})
    return ", ".join(f"{name}={options[name]}" if name in options else f"no {name}" for name in names)


def _checksum(frame: VideoFrame) -> str:
    crc = 0
    for plane in (frame.y, frame.u, frame.v):
        crc = zlib.crc32(np.ascontiguousarray(plane).data, crc)
    return f"{crc:08x}"
