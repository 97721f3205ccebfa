"""The end chunk and the optional index: what a writer knows only when it closes (SPEC sections 3.4, 3.5)."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from .chunk import OVERHEAD
from .errors import CorruptError
from .wire import Cursor, u40, u48

_UNKNOWN = (1 << 40) - 1
END_ENTRY = 16
INDEX_ENTRY = 12
INDEX_SPACING = 10  # seconds between entries of a stream at least
MAX_INDEX = 1 << 15  # entries a writer keeps per stream
TAIL_SIZE = 6  # the last bytes of a file: u16 size of the end chunk, CRC-32 of its payload


class StreamEnd(NamedTuple):
    """What was written of a stream: presented length in ticks (None: unknown), packets and their bytes."""

    length: int | None
    packets: int
    payload_bytes: int


class End(NamedTuple):
    """The end chunk: totals by stream id, and the byte offset of the index chunk (0: there is none)."""

    streams: Mapping[int, StreamEnd]
    index_offset: int


def pack_end(end: End) -> bytes:
    """The end chunk's payload. Its last two bytes are the size of the whole chunk, to find it from behind."""
    out = bytes([END_ENTRY, len(end.streams)])
    for stream_id, totals in sorted(end.streams.items()):
        length = _UNKNOWN if totals.length is None else totals.length
        out += bytes([stream_id]) + u40(length)
        out += totals.packets.to_bytes(4, "little") + u48(totals.payload_bytes)
    out += u48(end.index_offset)
    return out + (len(out) + 2 + OVERHEAD).to_bytes(2, "little")


def unpack_end(payload: bytes) -> End:
    """The inverse of `pack_end`. Raises CorruptError."""
    cursor = Cursor(payload, "end chunk")
    entry, count = cursor.unpack("BB")
    if entry < END_ENTRY or count > 16:
        raise CorruptError(f"end chunk: {count} entries of {entry} bytes")
    streams = {}
    for _ in range(count):
        fields = Cursor(cursor.take(entry), "end chunk")  # a later minor version may append to an entry
        stream_id, length = fields.uint(1), fields.uint(5)
        known = None if length == _UNKNOWN else length
        if stream_id in streams:
            raise CorruptError(f"end chunk: stream {stream_id} appears twice")
        streams[stream_id] = StreamEnd(known, fields.uint(4), fields.uint(6))
    offset, size = cursor.uint(6), cursor.uint(2)
    if size != len(payload) + OVERHEAD or cursor.left:
        raise CorruptError(f"end chunk: says it has {size} bytes, has {len(payload) + OVERHEAD}")
    return End(streams, offset)


class Index:
    """Where decoding can start: for each stream ascending pts and the byte offsets of their chunks.

    Bounded: beyond 32,768 entries a stream's index drops every second one and spaces new ones wider.
    """

    def __init__(self) -> None:
        self._pts: dict[int, array[int]] = {}
        self._offsets: dict[int, array[int]] = {}
        self._spacing: dict[int, int] = {}

    def add(self, stream_id: int, pts: int, offset: int, *, spacing: int = 0) -> None:
        """Note a chunk; ignored where it is less than `spacing` ticks after the one noted before."""
        times = self._pts.setdefault(stream_id, array("Q"))
        offsets = self._offsets.setdefault(stream_id, array("Q"))
        spacing = self._spacing.setdefault(stream_id, max(spacing, 1))  # entries ascend
        if times and pts < times[-1] + spacing:
            return
        times.append(pts)
        offsets.append(offset)
        if len(times) > MAX_INDEX:
            self._pts[stream_id], self._offsets[stream_id] = times[::2], offsets[::2]
            self._spacing[stream_id] = 2 * spacing

    def find(self, stream_id: int, pts: int) -> int | None:
        """Byte offset of the last entry at or before pts; None where there is none."""
        times = self._pts.get(stream_id, array("Q"))
        at = bisect_right(times, pts)
        return self._offsets[stream_id][at - 1] if at else None

    def __len__(self) -> int:
        return sum(map(len, self._pts.values()))

    def pack(self) -> bytes:
        """The index chunk's payload."""
        out = bytearray([INDEX_ENTRY])
        for stream_id in sorted(self._pts):
            for pts, offset in zip(self._pts[stream_id], self._offsets[stream_id], strict=True):
                out += bytes([stream_id]) + u40(pts) + u48(offset)
        return bytes(out)

    @classmethod
    def unpack(cls, payload: bytes) -> Index:
        """The inverse of `pack`. Raises CorruptError where entries of a stream do not ascend."""
        cursor = Cursor(payload, "index chunk")
        (entry,) = cursor.unpack("B")
        if entry < INDEX_ENTRY or cursor.left % entry:
            raise CorruptError(f"index chunk: {cursor.left} bytes in entries of {entry}")
        index = cls()
        while cursor.left:
            fields = Cursor(cursor.take(entry), "index chunk")
            stream_id, pts, offset = fields.uint(1), fields.uint(5), fields.uint(6)
            times, places = index._pts.get(stream_id), index._offsets.get(stream_id)
            if times and places and (pts <= times[-1] or offset <= places[-1]):
                raise CorruptError(f"index chunk: entries of stream {stream_id} do not ascend")
            index._pts.setdefault(stream_id, array("Q")).append(pts)
            index._offsets.setdefault(stream_id, array("Q")).append(offset)
        return index
