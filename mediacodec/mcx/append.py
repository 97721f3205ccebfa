"""A file to which a clip is appended, behind those that it holds, of which not a byte changes.

The file is read once, so that the new clip can begin at the networks of earlier ones (`FittingEncoder.begin_clip`), and
copied beside itself; the copy is continued and takes the name at the end. The new frames follow on its timeline.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from mediacodec import manifest
from mediacodec.arguments import as_instance, quoted
from mediacodec.codecs.fitting.encoder import FittingEncoder
from mediacodec.codecs.options import Runtime, VideoFormat, VideoOptions
from mediacodec.codecs.registry import model_of, video_family_of
from mediacodec.errors import (
    BitstreamError,
    CorruptError,
    InputError,
    MediaCodecError,
    OutputError,
    OutputExistsError,
    ParameterError,
    ParameterTypeError,
    UsageError,
)
from mediacodec.frames import VideoFrame
from mediacodec.mcx.probe import open_path
from mediacodec.mcx.resume import partial_name
from mediacodec.mcx.streams import VideoWriter
from mediacodec_bitstream import FileHeader, Packet, Reader, StreamHeader, VideoParameters
from mediacodec_bitstream.packet import MAX_DURATION, MAX_PTS

DEFAULT_CODEC = "conditional"  # of whoever names none
UNKNOWN = 2  # in a colour description
PIECE = 1 << 20  # bytes copied at once


class Sink(Protocol):
    """What takes the bytes of a copy."""

    def write(self, data: memoryview, /) -> int: ...


class AppendTarget:
    """A file to which a clip is to be appended, open; a context manager.

    Args:
        path: its name.

    Attributes:
        path: of the file.
        header: of the file.
        stream: its one stream.

    Raises:
        InputError: it cannot be read.
        BitstreamError: it is no .mcx file, or damaged, in one of its kinds.
        UsageError: nothing can be appended to files of its kind.
        OutputError: it must not be replaced.
        OutputExistsError: NAME.partial is there.
        ParameterTypeError: it is given as something else than a name.
    """

    __slots__ = ("_file", "_found", "header", "path", "stream")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise ParameterTypeError(f"a file to append to is given by its name, not as {quoted(path)}")
        self.path = Path(path)
        with self._named():
            mode = self.path.stat().st_mode if self.path.exists() else stat.S_IFREG
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a named pipe would wait
                raise InputError(f"'{self.path}' is no regular file: nothing can be appended to it")
        self._file = open_path(path)
        try:
            self._found = os.fstat(self._file.fileno())
            with self._named():
                self._check_replaceable()
                self.header: FileHeader = Reader(self._file).header
                self.stream = self._only_stream()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors in the file's bytes, and in reading them, name it."""
        try:
            yield
        except BitstreamError as error:
            raise type(error)(f"'{self.path}': {error}") from error
        except MediaCodecError:
            raise
        except OSError as error:
            raise InputError(f"cannot read '{self.path}': {error.strerror or error}") from error

    def _check_replaceable(self) -> None:
        """Raise where something else would be lost with the file that another one replaces."""
        written_by_somebody = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH  # root may write anything, and would
        if not self._found.st_mode & written_by_somebody or not os.access(self.path, os.W_OK):
            raise OutputError(f"'{self.path}' is read-only; make it writable to add to it")
        if self._found.st_nlink > 1:
            raise OutputError(f"'{self.path}' has other names (hard links), which would keep the old file; copy it")
        partial = partial_name(self.path)
        if partial.exists():
            raise OutputExistsError(f"'{partial}' is in the way: an interrupt would replace it; move or delete it")

    def _only_stream(self) -> StreamHeader:
        streams = self.header.streams
        if any(stream.kind == "audio" for stream in streams):
            raise UsageError(f"'{self.path}' holds audio: only to files of video without audio can be appended")
        if len(streams) != 1 or streams[0].stream_id or not isinstance(streams[0].parameters, VideoParameters):
            raise UsageError(f"'{self.path}' is not one stream of video: only to such files can be appended")
        if not video_family_of(streams[0]).appends:
            raise UsageError(f"'{self.path}' holds codec {streams[0].codec!r}: nothing can be appended to its files")
        return streams[0]

    def copy_to(self, file: Sink) -> None:
        """Write the whole file, as it is.

        Args:
            file: takes the bytes.

        Raises:
            InputError: the file cannot be read.
            OutputError: the copy cannot be written.
        """
        piece = self._read(first=True)
        while piece:
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
            piece = self._read()

    def _read(self, *, first: bool = False) -> bytes:
        with self._named():
            if first:
                self._file.seek(0)
            return self._file.read(PIECE)

    def refuse_audio(self) -> None:
        """Raise UsageError."""
        raise UsageError(f"'{self.path}' has no audio and takes none: leave it out (-an)")

    def add_clip(
        self,
        codec: str,
        video: VideoFormat,
        options: VideoOptions,
        runtime: Runtime,
        *,
        models: Path | None = None,
    ) -> ClipWriter:
        """The file's stream, to be continued by a clip.

        Args:
            codec: name of the file's model, or the default one, which stands for it.
            video: what the frames are like.
            options: how to encode them.
            runtime: on what.
            models: a folder to look for models in first.

        Raises:
            ParameterError: the clip does not fit the file.
            CorruptError: the file is damaged.
            ModelNotFoundError, ModelMismatchError: its model is not here.
        """
        model, parameters = model_of(self.stream, models), self.stream.parameters
        assert isinstance(parameters, VideoParameters)
        if codec != DEFAULT_CODEC and manifest.find_by_name(codec, models).name != model.name:
            raise ParameterError(f"'{self.path}' was made with {model.name!r}: append to it with nothing else")
        sizes = [f"{each.width} x {each.height}" for each in (parameters, video)]
        if sizes[0] != sizes[1]:
            raise ParameterError(f"the frames of '{self.path}' are {sizes[0]}, not {sizes[1]}; scale them first")
        if not all(a == b or UNKNOWN in (a, b) for a, b in zip(video.colour, parameters.colour, strict=True)):
            found = f"{parameters.colour}, not {video.colour}"
            raise ParameterError(f"the colours of '{self.path}' are {found}; convert them")
        same = VideoFormat(
            width=parameters.width,
            height=parameters.height,
            frame_rate=parameters.frame_rate,  # packets may be no longer than the header says
            time_base=self.stream.time_base,
            colour=parameters.colour,
        )
        encoder = video_family_of(self.stream).encoder(model, same, options, runtime)
        assert isinstance(encoder, FittingEncoder)
        with self._named():
            return ClipWriter(encoder, video.frame_rate, self._read_by(encoder), live=self.header.live)

    def _read_by(self, encoder: FittingEncoder) -> int:
        """Have an encoder read everything; returns the tick at which the file ends."""
        self._file.seek(0)
        reader, end = Reader(self._file), 0

        def packets() -> Iterator[Packet]:
            nonlocal end
            for packet in reader:
                end = packet.pts + max(1, packet.duration)
                yield packet

        # people join a live file anywhere, and have seen nothing of what comes before
        encoder.begin_clip(packets(), refers=not self.header.live)
        if reader.gaps or reader.end is None:
            why = reader.gaps[0].reason if reader.gaps else "there is no end chunk"
            raise CorruptError(f"{why}; only to whole files can be appended")
        stated = reader.end.streams.get(self.stream.stream_id)
        end = max(end, stated.length or 0) if stated else end
        if end > MAX_PTS - MAX_DURATION:
            raise CorruptError(f"it ends at tick {end}, and no time is left behind that")
        return end

    def check_unchanged(self) -> None:
        """Raise OutputError where the name stands for another file than the one read: somebody's work would be lost."""
        try:
            now = self.path.stat()
        except OSError as error:
            raise OutputError(f"'{self.path}' went away meanwhile: {error.strerror}") from error
        facts = ("st_dev", "st_ino", "st_size", "st_mtime_ns")
        if any(getattr(now, fact) != getattr(self._found, fact) for fact in facts):
            raise OutputError(f"'{self.path}' was changed by somebody else meanwhile; append again")

    def close(self) -> None:
        """Close the file, which stays as it is."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ClipWriter(VideoWriter):
    """A clip behind those that a stream holds; see `VideoWriter`.

    Args:
        encoder: makes the packets.
        frame_rate: nominal, frames a second.
        begin: tick of the file's timeline at which the clip begins.
        live: whether somebody watches meanwhile.
    """

    __slots__ = ("_begin",)

    def __init__(self, encoder: FittingEncoder, frame_rate: Fraction, begin: int, *, live: bool) -> None:
        super().__init__(encoder, frame_rate, live=live)
        self._begin = begin

    @property
    def begin(self) -> int:
        """Tick of the file's timeline at which the clip begins."""
        return self._begin

    @property
    def length(self) -> int:
        """Ticks from 0 to the end of the last frame."""
        return max(self._begin, super().length)

    def encode(self, frame: VideoFrame) -> list[Packet]:
        """Encode the next frame of the clip, whose time counts from its beginning; see `VideoWriter.encode`.

        Args:
            frame: of the file's size.

        Raises:
            ParameterError: it comes before 0, out of order, or falls between two ticks of the file.
            ParameterTypeError: it is no VideoFrame.
        """
        as_instance("frame", frame, VideoFrame)
        ticks = frame.pts * frame.time_base / self.header.time_base
        place = f"{float(frame.pts * frame.time_base):.6f} s"
        if ticks < 0:
            raise ParameterError(f"the frames of a clip are presented from 0 on; this one comes at {place}")
        if ticks.denominator != 1:
            tick = self.header.time_base
            raise ParameterError(f"the frame at {place} falls between ticks of {tick} s; bring it to the file's rate")
        tick = self.header.time_base
        lasts = round(frame.duration * frame.time_base / tick)
        return super().encode(replace(frame, pts=int(ticks) + self._begin, time_base=tick, duration=lasts))
