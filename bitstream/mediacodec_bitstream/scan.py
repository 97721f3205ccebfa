"""What a file holds, without decoding it: for `probe`, and for continuing a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from .chunk import DATA, KEYFRAME, TABLE, unpack_data
from .errors import BitstreamError, ParameterError
from .gaps import Gap
from .header import FileHeader
from .packet import Packet
from .reader import Reader
from .seeking import walk, whole_chunk
from .source import ByteSource
from .stream_header import StreamHeader
from .trailer import INDEX_SPACING, End, Index


@dataclass(frozen=True)
class StreamScan:
    """packets: their number; payload_bytes: of all packets, symbol CRCs included; duration: presented ticks
    (the stated length, or the end of the last packet minus pre-skip where the file was cut)."""

    packets: int
    payload_bytes: int
    duration: int


@dataclass(frozen=True)
class ScanResult:
    """header; streams by id; end: the end chunk or None; truncated: there is none; file_bytes; gaps: what was
    noticed (a complete seekable file is not searched for damage)."""

    header: FileHeader
    streams: Mapping[int, StreamScan]
    end: End | None
    truncated: bool
    file_bytes: int
    gaps: tuple[Gap, ...]


@dataclass
class ResumePoint:
    """Where a stream of an existing file stands; sequence is that of the next chunk."""

    sequence: int = 0
    next_pts: int = 0
    last_dts: int | None = None
    packets: int = 0
    payload_bytes: int = 0


def scan(file: BinaryIO) -> ScanResult:
    """Totals of each stream. Seekable: from the end chunk, or from the heads alone; a pipe is read through.

    Raises what `Reader` raises for the header.
    """
    reader = Reader(file)
    source = reader._source
    if not source.seekable:
        return _read_through(reader)
    end = reader.load_end()
    if end is None or set(end.streams) != {s.stream_id for s in reader.header.streams}:
        points, _ = _walk_points(source, reader.header, source.offset)
    else:
        points = {
            stream_id: ResumePoint(packets=totals.packets, payload_bytes=totals.payload_bytes)
            for stream_id, totals in end.streams.items()
        }
    return _result(reader, points, end, source.size())


def resume_points(file: BinaryIO) -> tuple[FileHeader, dict[int, ResumePoint], Index, int]:
    """Header, where each stream stands, the index so far, and the size in bytes of a seekable file."""
    file.seek(0)
    reader = Reader(file)
    source = reader._source
    if not source.seekable:
        raise ParameterError("appending needs a seekable file")
    points, index = _walk_points(source, reader.header, source.offset)
    return reader.header, points, index, source.size()


def _walk_points(source: ByteSource, header: FileHeader, start: int) -> tuple[dict[int, ResumePoint], Index]:
    points = {stream.stream_id: ResumePoint() for stream in header.streams}
    streams = {stream.stream_id: stream for stream in header.streams}
    index = Index()
    for offset, head in walk(source, start):
        point = points.get(head.stream_id)
        if head.type != DATA or point is None:
            continue
        stream = streams[head.stream_id]
        point.sequence = head.sequence + 1 & 0xFFFF
        point.next_pts = max(point.next_pts, head.end)
        if head.flags & KEYFRAME:
            index.add(head.stream_id, head.pts, offset, spacing=int(INDEX_SPACING / stream.time_base))
        if not head.flags & TABLE:
            point.packets += 1
            point.payload_bytes += head.size
            continue
        for packet in _packets_at(source, stream):
            _count(point, packet)
    return points, index


def _packets_at(source: ByteSource, stream: StreamHeader) -> list[Packet]:
    chunk = whole_chunk(source)
    try:
        return unpack_data(chunk.head, chunk.payload, stream) if chunk else []
    except BitstreamError:
        return []


def _count(point: ResumePoint, packet: Packet) -> None:
    point.packets += 1
    point.payload_bytes += len(packet.data)
    point.next_pts = max(point.next_pts, packet.pts + packet.duration)
    point.last_dts = packet.dts


def _read_through(reader: Reader) -> ScanResult:
    points = {stream.stream_id: ResumePoint() for stream in reader.header.streams}
    for packet in reader:
        _count(points[packet.stream_id], packet)
    return _result(reader, points, reader.end, reader._source.offset)


def _result(reader: Reader, points: Mapping[int, ResumePoint], end: End | None, size: int) -> ScanResult:
    streams = {}
    for stream in reader.header.streams:
        point = points[stream.stream_id]
        length = end.streams[stream.stream_id].length if end and stream.stream_id in end.streams else None
        duration = max(point.next_pts - stream.pre_skip, 0) if length is None else length
        streams[stream.stream_id] = StreamScan(point.packets, point.payload_bytes, duration)
    return ScanResult(reader.header, streams, end, end is None, size, tuple(reader.gaps))
