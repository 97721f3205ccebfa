"""What a file and each of its streams are (SPEC section 4): frozen, validated at birth, packed to bytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from .critical import check_critical
from .errors import CorruptError, NotAnMcxError, ParameterError, TruncatedError, UnsupportedVersionError
from .fields import Fields, FieldValue, pack_fields, unpack_fields
from .stream_header import StreamHeader, pack_stream, unpack_stream
from .wire import Cursor

MAGIC = b"\x89MCX\r\n\x1a\n"
MAJOR, MINOR = 1, 0
PREAMBLE_SIZE = 16  # magic, version, flags, length: the part that every major version keeps
MAX_HEADER = 1 << 16
MAX_STREAMS = 16

FLAG_LIVE = 0x0001


@dataclass(frozen=True)
class FileHeader:
    """Everything a decoder must know before the first chunk.

    streams: 1..16 with distinct ids; live: written while it happens; header_interval: a header copy at least
    every so many seconds of the timeline, 1..65535, or 0 for none (default: 10 live, 60 otherwise);
    fields: tags of the whole file, names from FIELDS; minor: of the version that wrote it.
    """

    streams: tuple[StreamHeader, ...]
    live: bool = False
    header_interval: int | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=Fields)
    minor: int = MINOR

    def __post_init__(self) -> None:
        object.__setattr__(self, "streams", tuple(self.streams))
        object.__setattr__(self, "fields", Fields(self.fields))
        if self.header_interval is None:
            object.__setattr__(self, "header_interval", 10 if self.live else 60)
        ids = [stream.stream_id for stream in self.streams]
        if not 1 <= len(ids) <= MAX_STREAMS or len(set(ids)) != len(ids):
            raise ParameterError(f"a file has 1..{MAX_STREAMS} streams with distinct ids, got {ids}")
        if not isinstance(self.header_interval, int) or not 0 <= self.header_interval <= 0xFFFF:
            raise ParameterError(f"header_interval {self.header_interval} is not in 0..65535 seconds")
        if not 0 <= self.minor <= 0xFF:
            raise ParameterError(f"minor version {self.minor} is not in 0..255")
        self.pack()

    def stream(self, stream_id: int) -> StreamHeader:
        """The stream with that id. Raises ParameterError where there is none."""
        for stream in self.streams:
            if stream.stream_id == stream_id:
                return stream
        raise ParameterError(f"no stream {stream_id}; there are {[s.stream_id for s in self.streams]}")

    def pack(self) -> bytes:
        """The header as it stands at the start of a file and in header copies."""
        body = struct.pack("<BBH", len(self.streams), 0, self.header_interval)
        body += b"".join(pack_stream(stream) for stream in self.streams)
        body += pack_fields(self.fields, scope="file")
        size = PREAMBLE_SIZE + len(body) + 4
        if size > MAX_HEADER:
            raise ParameterError(f"a header of {size} bytes exceeds {MAX_HEADER}; shorten its fields")
        flags = FLAG_LIVE if self.live else 0
        head = MAGIC + struct.pack("<BBHI", MAJOR, self.minor, flags, size) + body
        return head + struct.pack("<I", zlib.crc32(head))

    @classmethod
    def unpack(cls, data: bytes) -> FileHeader:
        """The inverse of `pack`; data must be exactly one header.

        Raises, in this order of precedence, NotAnMcxError, TruncatedError, CorruptError (its CRC),
        UnsupportedVersionError, UnsupportedFeatureError, CorruptError (its values).
        """
        size = header_size(data)
        if len(data) < size:
            raise TruncatedError(f"the header has {size} bytes, {len(data)} are there")
        if len(data) > size:
            raise CorruptError(f"{len(data) - size} bytes follow the header where it should end")
        if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise CorruptError("the header's CRC does not match: the start of the file is damaged")
        _check_major(data)
        check_critical(data)
        minor, flags = struct.unpack_from("<BH", data, 9)
        cursor = Cursor(data[PREAMBLE_SIZE:-4], "header")
        count, _, interval = cursor.unpack("BBH")
        streams = tuple(unpack_stream(cursor) for _ in range(count))
        try:
            return cls(streams, bool(flags & FLAG_LIVE), interval, unpack_fields(cursor, scope="file"), minor)
        except ParameterError as error:
            raise CorruptError(f"header: {error}") from None


def header_size(start: bytes) -> int:
    """Length in bytes, 20..65536, of the header that begins with these at least 16 bytes."""
    if start[: len(MAGIC)] != MAGIC[: len(start)] or not start:
        raise NotAnMcxError("the file does not begin with the .mcx magic")
    if len(start) < PREAMBLE_SIZE:
        raise TruncatedError(f"the file ends after {len(start)} bytes, inside its header")
    size = int.from_bytes(start[12:16], "little")
    if not PREAMBLE_SIZE + 8 <= size <= MAX_HEADER:
        raise CorruptError(f"a header cannot have {size} bytes")
    return size


def _check_major(data: bytes) -> None:
    if data[8] != MAJOR:
        raise UnsupportedVersionError(f"format version {data[8]}.{data[9]}; this reader knows {MAJOR}.x")
