"""What a file holds, read from its heads alone: no model, no network, no media library."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mediacodec import memory_errors
from mediacodec.arguments import check_file, quoted
from mediacodec.errors import InputError, MediaCodecError
from mediacodec.mcx.tags import chapters_of, tags_of
from mediacodec.metadata import Chapter
from mediacodec_bitstream import AudioParameters, Fields, Gap, ScanResult, StreamHeader, VideoParameters, scan
from mediacodec_bitstream.fields import FieldValue

Source = str | os.PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream, as `info` finds it.

    Attributes:
        header: of the stream.
        duration: seconds presented.
        packets: their number.
        payload_bytes: of all packets, with their symbol CRCs.
    """

    header: StreamHeader
    duration: float
    packets: int
    payload_bytes: int

    @property
    def codec(self) -> str:
        """Four characters that name the syntax of its packets."""
        return self.header.codec

    @property
    def kind(self) -> str:
        """Whether it is "audio", "video" or "data"."""
        return self.header.kind

    @property
    def model(self) -> str | None:
        """Name of the model when the stream was written; its hash in the header is what counts."""
        name = self.header.fields.get("model_name")
        return str(name) if name else None

    @property
    def bit_rate(self) -> float:
        """Payload bits (packets with their symbol CRC) over the duration; 0 for an empty stream."""
        return self.payload_bytes * 8 / self.duration if self.duration else 0.0

    @property
    def sample_rate(self) -> int | None:
        """Hz; None but for audio."""
        return self.header.parameters.sample_rate if isinstance(self.header.parameters, AudioParameters) else None

    @property
    def channels(self) -> int | None:
        """Number of channels; None but for audio."""
        return self.header.parameters.channels if isinstance(self.header.parameters, AudioParameters) else None

    @property
    def width(self) -> int | None:
        """Pixels; None but for video, as the next three."""
        return self.header.parameters.width if isinstance(self.header.parameters, VideoParameters) else None

    @property
    def height(self) -> int | None:
        """Pixels."""
        return self.header.parameters.height if isinstance(self.header.parameters, VideoParameters) else None

    @property
    def frame_rate(self) -> Fraction | None:
        """Nominal frames a second."""
        return self.header.parameters.frame_rate if isinstance(self.header.parameters, VideoParameters) else None

    @property
    def num_frames(self) -> int | None:
        """Frames: a packet holds one."""
        return self.packets if isinstance(self.header.parameters, VideoParameters) else None

    @property
    def foreign_codec(self) -> str | None:
        """Name of the codec whose packets were copied; None where they were not."""
        name = self.header.fields.get("foreign_codec")
        return str(name) if name else None

    @property
    def metadata(self) -> dict[str, str]:
        """Tags of the stream by name: language, title ..."""
        return tags_of(self.header.fields)

    @property
    def algorithmic_delay(self) -> float:
        """Seconds by which the codec alone delays audio or video."""
        return float(self.header.algorithmic_delay * self.header.time_base)

    @property
    def packet_duration(self) -> float:
        """Seconds a packet waits to be filled; delay of a live stream = algorithmic_delay + packet_duration."""
        return float(self.header.packet_duration * self.header.time_base)


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A whole file, as `info` finds it.

    Attributes:
        version: of the format, "1.0".
        streams: what is in it.
        file_bytes: its size.
        live: whether it was written while somebody listened.
        truncated: whether it has no end.
        gaps: what is missing or damaged, as far as was looked for.
        fields: of the header.
    """

    version: str
    streams: tuple[StreamInfo, ...]
    file_bytes: int
    live: bool
    truncated: bool
    gaps: tuple[Gap, ...]
    fields: Mapping[str, FieldValue] = field(default_factory=Fields)

    @property
    def metadata(self) -> dict[str, str]:
        """Tags of the file by name: title, artist, date ..."""
        return tags_of(self.fields)

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """Chapters, in the order of time."""
        return chapters_of(self.fields)

    @property
    def duration(self) -> float:
        """Seconds, of the longest stream."""
        return max((stream.duration for stream in self.streams), default=0.0)

    @property
    def payload_bytes(self) -> int:
        """Of all packets, with their symbol CRCs."""
        return sum(stream.payload_bytes for stream in self.streams)

    @property
    def bit_rate(self) -> float:
        """Bits a second of the file with all its framing."""
        return self.file_bytes * 8 / self.duration if self.duration else 0.0


@memory_errors.named
def info(file: Source) -> FileInfo:
    """Look what a file holds; nothing is decoded and no model needed.

    Args:
        file: a path, bytes, or an open binary file.

    Raises:
        InputError: it cannot be read.
        BitstreamError: it is no .mcx file, or its header is damaged, in one of its kinds.
        ParameterTypeError: it is nothing that can be read.

    Example:
        >>> mediacodec.info("talk.mcx").streams[0].bit_rate
        2931.4
    """
    with opened(file) as handle, reading(handle):
        return _info(scan(handle))


def _info(result: ScanResult) -> FileInfo:
    streams = []
    for header in result.header.streams:
        totals = result.streams[header.stream_id]
        duration = float(totals.duration * header.time_base)
        streams.append(StreamInfo(header, duration, totals.packets, totals.payload_bytes))
    version = f"1.{result.header.minor}"
    return FileInfo(
        version,
        tuple(streams),
        result.file_bytes,
        result.header.live,
        result.truncated,
        tuple(result.gaps),
        result.header.fields,
    )


@contextmanager
def reading(file: BinaryIO) -> Iterator[None]:
    """Inside the block errors of reading a file become an InputError.

    Args:
        file: that is read.
    """
    try:
        yield
    except MediaCodecError:
        raise
    except OSError as error:
        raise InputError(f"cannot read the file: {error.strerror or error}") from error
    except ValueError as error:
        if not getattr(file, "closed", False):
            raise  # a fault of ours
        raise InputError("the file is closed: open it again") from error


@contextmanager
def opened(file: Source, name: str = "file") -> Iterator[BinaryIO]:
    """A binary file object for a path, bytes or an open file; closed again if it was opened here.

    Args:
        file: what to open.
        name: what it is called in errors.

    Raises:
        InputError: there is no such file, or it cannot be opened.
        ParameterTypeError: it is nothing that can be read as bytes.
    """
    if isinstance(file, (bytes, bytearray, memoryview)):
        yield BytesIO(file)
    elif isinstance(file, (str, os.PathLike)):
        handle = open_path(file)
        try:
            yield handle
        finally:
            handle.close()
    else:
        check_file(name, file, "read", instead="a path, bytes or ")
        yield file


def open_path(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading.

    Args:
        path: of the file.

    Raises:
        InputError: it is not there, a directory, or may not be read.
    """
    try:
        if Path(path).is_dir():
            raise InputError(f"{os.fspath(path)} is a directory, not a file")
        return Path(path).open("rb")
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot open {os.fspath(path)}: {error.strerror}") from error
    except ValueError as error:  # a null byte in the name
        raise InputError(f"cannot open {quoted(os.fspath(path))}: {error}") from error
