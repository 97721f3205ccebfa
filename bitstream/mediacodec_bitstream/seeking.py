"""Finding things in a file without reading its payloads: the header, the tail, a point in time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import islice

from .chunk import (
    DATA,
    END,
    HEAD_SIZE,
    HEADER,
    INDEX,
    KEYFRAME,
    OVERHEAD,
    Chunk,
    Head,
    check_critical_flags,
    parse_head,
    unpack_data,
)
from .errors import BitstreamError, UnsupportedFeatureError, UnsupportedVersionError
from .header import MAGIC, MAJOR, PREAMBLE_SIZE, FileHeader, header_size
from .packet import Packet
from .source import ByteSource
from .stream_header import StreamHeader
from .trailer import TAIL_SIZE, End, Index, unpack_end

SEARCH_LIMIT = 64 << 20  # bytes searched for a header copy
LOOKUP_LIMIT = 1024  # chunk heads read to look one keyframe up: the index leads to within a few of it


def read_header(source: ByteSource, *, strict: bool) -> tuple[FileHeader, BitstreamError | None]:
    """The header at the cursor, which moves behind it, and None.

    Where the start is missing or damaged, the header from the first header copy and what was wrong; the
    cursor is then at the start again (seekable) or behind the copy. Raises the error of the start where
    strict or no copy is found.
    """
    try:
        source.fill(PREAMBLE_SIZE)
        size = header_size(bytes(source.buffer[:PREAMBLE_SIZE]))
        source.fill(size)
        header = FileHeader.unpack(bytes(source.buffer[:size]))
    except (UnsupportedVersionError, UnsupportedFeatureError):
        raise
    except BitstreamError as error:
        start = bytes(source.buffer[:PREAMBLE_SIZE])
        copy = None if strict else _search_copy(source)
        if copy is not None:
            return copy, error
        if start.startswith(MAGIC) and len(start) == PREAMBLE_SIZE and start[8] != MAJOR:
            # Nothing of version 1 can be found: a later version is likelier than damage to just this byte.
            raise UnsupportedVersionError(f"format version {start[8]}.{start[9]}, or a damaged header") from None
        raise
    source.advance(size)
    return header, None


def whole_chunk(source: ByteSource) -> Chunk | None:
    """The chunk at the cursor if all of it is there and its checksums hold; does not move."""
    head = parse_head(source.buffer) if source.fill(HEAD_SIZE) else None
    if head is None or not source.fill(head.total):
        return None
    payload = bytes(source.buffer[HEAD_SIZE : HEAD_SIZE + head.size])
    if zlib.crc32(payload) != int.from_bytes(source.buffer[head.total - 4 : head.total], "little"):
        return None
    return Chunk(head, payload, source.offset)


def load_tail(source: ByteSource) -> End | None:
    """The end chunk that stands at the very end of a seekable file; the cursor does not move."""
    if not source.seekable:
        return None
    back, size = source.offset, source.size()
    try:
        source.seek(max(size - TAIL_SIZE, 0))
        if not source.fill(TAIL_SIZE):
            return None
        length = int.from_bytes(source.buffer[:2], "little")
        if not OVERHEAD <= length <= size:
            return None
        source.seek(size - length)
        chunk = whole_chunk(source)
        if chunk is None or chunk.head.type != END:
            return None
        return unpack_end(chunk.payload)
    except BitstreamError:
        return None
    finally:
        source.seek(back)


def walk(source: ByteSource, start: int) -> Iterator[tuple[int, Head]]:
    """(offset, head) of every chunk from an offset on, reading heads only; what is damaged is stepped over.

    Between steps the caller may move the cursor. A last chunk that is cut short is not reported.
    """
    size, position = source.size(), start
    while True:
        source.seek(position)
        if not source.fill(HEAD_SIZE):
            return
        head = parse_head(source.buffer)
        if head is None or position + head.total > size:
            source.skip_to_sync()
            position = source.offset
            continue
        yield position, head
        position += head.total


def find_keyframe(
    source: ByteSource, start: int, stream_id: int, pts: int, *, limit: int | None = None
) -> tuple[int, int]:
    """(pts, byte offset) of a stream's last keyframe chunk at or before pts, else (0, start).

    limit: chunk heads read at most; what lies behind them is not found.
    """
    best = (0, start)
    for offset, head in islice(walk(source, _near(source, start, stream_id, pts)), limit):
        if head.type == DATA and head.stream_id == stream_id and head.flags & KEYFRAME:
            if head.pts > pts:
                break
            best = head.pts, offset
    return best


def keyframe_at(source: ByteSource, start: int, stream: StreamHeader, pts: int) -> Packet | None:
    """The keyframe at pts with which a chunk begins; None where there is none near what the index says (without an
    index: near the beginning), or not whole. The cursor stays."""
    back = source.offset
    try:
        found, offset = find_keyframe(source, start, stream.stream_id, pts, limit=LOOKUP_LIMIT)
        source.seek(offset)
        chunk = whole_chunk(source) if found == pts else None
        if chunk is None or (chunk.head.type, chunk.head.stream_id, chunk.head.pts) != (DATA, stream.stream_id, pts):
            return None
        packet = unpack_data(chunk.head, chunk.payload, stream)[0]
    except BitstreamError:
        return None
    finally:
        source.seek(back)
    return packet if packet.is_keyframe else None


def load_index(source: ByteSource) -> Index | None:
    """The index that the end chunk of a seekable file names; None where there is none, or not whole. Moves."""
    end = load_tail(source)
    if end is None or not end.index_offset:
        return None
    source.seek(end.index_offset)
    chunk = whole_chunk(source)
    if chunk is None or chunk.head.type != INDEX:
        return None
    try:
        return Index.unpack(chunk.payload)
    except BitstreamError:
        return None


def _near(source: ByteSource, start: int, stream_id: int, pts: int) -> int:
    """Where to begin looking: an offset from the index that leads to the right stream, else start."""
    index = source.remembered(load_index)
    offset = index.find(stream_id, pts) if index is not None else None
    if offset is None:
        return start
    source.seek(offset)
    head = parse_head(source.buffer) if source.fill(HEAD_SIZE) else None
    fits = head is not None and head.type == DATA and head.stream_id == stream_id and head.pts <= pts
    return offset if fits else start


def _search_copy(source: ByteSource) -> FileHeader | None:
    start, wasted = source.offset, 0
    while source.offset - start + wasted <= SEARCH_LIMIT and source.fill(HEAD_SIZE):
        head = parse_head(source.buffer)
        if head is not None and head.type == HEADER:
            chunk = whole_chunk(source)
            wasted += head.size
            if chunk is not None:
                check_critical_flags(head)
                try:
                    header = FileHeader.unpack(chunk.payload)
                except (UnsupportedFeatureError, UnsupportedVersionError):
                    raise
                except BitstreamError:
                    pass
                else:
                    _after_copy(source, start, head)
                    return header
        source.skip_to_sync()
    return None


def _after_copy(source: ByteSource, start: int, head: Head) -> None:
    if source.seekable:
        source.seek(start)
    else:
        source.advance(head.total)
