"""Writing a file or a live stream, front to back (SPEC section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from .chunk import (
    END,
    FILE_LEVEL,
    HEADER,
    INDEX,
    TAGS,
    Head,
    check_end,
    fits,
    pack_chunk,
    pack_data,
)
from .errors import ParameterError
from .fields import FieldValue, pack_fields
from .header import FileHeader
from .packet import MAX_PTS, Packet
from .parity import pack_parity
from .stream_header import StreamHeader, check_range
from .trailer import INDEX_SPACING, End, Index, StreamEnd, pack_end


class _StreamState:
    """Where a stream being written stands."""

    def __init__(self, stream: StreamHeader) -> None:
        self.stream = stream
        self.pending: list[Packet] = []
        self.group: list[tuple[Head, bytes]] = []  # data chunks since the last parity chunk
        self.sequence = 0
        self.next_pts = 0  # no packet may begin earlier, unless the stream reorders
        self.last_dts: int | None = None
        self.packets = 0
        self.payload_bytes = 0

    def check(self, packet: Packet) -> None:
        """Raise ParameterError on a packet that must not follow what was written."""
        stream, name = self.stream, f"stream {packet.stream_id}"
        if (packet.dts is not None) != stream.reorders:
            raise ParameterError(f"{name}: dts belongs to streams with the field reorder, and only there")
        if packet.dts is None and packet.pts < self.next_pts:
            raise ParameterError(f"{name}: pts {packet.pts} is before {self.next_pts}, the last one's end")
        if packet.dts is not None and self.last_dts is not None and packet.dts <= self.last_dts:
            raise ParameterError(f"{name}: dts {packet.dts} does not follow {self.last_dts}")
        if stream.packet_duration and packet.duration > stream.packet_duration:
            raise ParameterError(
                f"{name}: a packet of {packet.duration} ticks exceeds the declared {stream.packet_duration}"
            )
        check_end(packet)

    def note(self, packet: Packet) -> None:
        """Count a packet in."""
        self.next_pts = max(self.next_pts, packet.pts + packet.duration)
        self.last_dts = packet.dts
        self.packets += 1
        self.payload_bytes += len(packet.data)


class Writer:
    """Writes packets to a binary file object; never seeks, so that pipes and sockets will do.

    packets_per_chunk: 1..4096; more packets under one head save 23 bytes each and delay them. index: add an
    index when closing (seeking works without one, by reading the heads). The writer does not close the file,
    and nothing but `close` writes the end of it.
    """

    def __init__(self, file: BinaryIO, header: FileHeader, *, index: bool = True, packets_per_chunk: int = 1) -> None:
        self._open(file, header, index=index, packets_per_chunk=packets_per_chunk)
        self._put(header.pack())

    @classmethod
    def append(cls, file: BinaryIO, *, index: bool = True, packets_per_chunk: int = 1) -> Writer:
        """Continue a file, complete or cut, after its last byte; nothing in it is changed.

        file: open for reading and writing, seekable. The next packet of a stream should be a keyframe with
        discontinuity set, unless its coder's state was kept. Raises BitstreamError where the file has no
        readable header.
        """
        from .scan import resume_points  # scan reads with Reader, which shares nothing with writing but this

        header, points, old_index, size = resume_points(file)
        writer = cls.__new__(cls)
        writer._open(file, header, index=index, packets_per_chunk=packets_per_chunk)
        writer._offset = size
        writer._index = old_index
        writer._last_copy = None  # a copy first: whoever joins here gets the header at once
        for stream_id, point in points.items():
            state = writer._streams[stream_id]
            state.sequence, state.next_pts, state.last_dts = point.sequence, point.next_pts, point.last_dts
            state.packets, state.payload_bytes = point.packets, point.payload_bytes
        file.seek(0, 2)
        return writer

    def _open(self, file: BinaryIO, header: FileHeader, *, index: bool, packets_per_chunk: int) -> None:
        check_range("packets_per_chunk", packets_per_chunk, 1, 4096)
        self.header = header
        self._file = file
        self._packed_header = header.pack()
        self._streams = {stream.stream_id: _StreamState(stream) for stream in header.streams}
        self._packets_per_chunk = packets_per_chunk
        self._with_index = index
        self._index = Index()
        self._offset = 0
        self._file_sequence = 0
        self._last_copy: int | None = 0  # second of the timeline at which the header was written last
        self._closed = False

    def write(self, packet: Packet) -> None:
        """Add a packet. Packets of a stream come in decoding order; streams may interleave in any way.

        Raises ParameterError on a packet that breaks the order or a limit; nothing of it is written then.
        """
        self._check_open()
        state = self._streams.get(packet.stream_id)
        if state is None:
            raise ParameterError(f"no stream {packet.stream_id}; there are {sorted(self._streams)}")
        state.check(packet)
        if not self._joins(state, packet):
            self._write_chunk(state)
        state.note(packet)
        state.pending.append(packet)
        if len(state.pending) >= self._packets_per_chunk:
            self._write_chunk(state)

    def write_tags(self, fields: Mapping[str, FieldValue]) -> None:
        """Add or replace tags of the file from here on; names from FIELDS."""
        self._check_open()
        self._put_file_level(TAGS, pack_fields(fields, scope="file"))

    def flush(self) -> None:
        """Write the packets that wait for their chunk to fill, and flush the file."""
        self._check_open()
        for state in self._streams.values():
            self._write_chunk(state)
        self._flush_file()

    def close(self, lengths: Mapping[int, int] | None = None) -> None:
        """Write what is pending, the index and the end chunk.

        lengths: presented ticks by stream id, for exact trimming at the end (0..2^40-2); a stream not named
        gets the end of its last packet minus its pre-skip. Raises ParameterError on an unknown stream.
        """
        self._check_open()
        lengths = dict(lengths or {})
        for stream_id, length in lengths.items():
            self.header.stream(stream_id)
            check_range("length", length, 0, MAX_PTS - 1)
        for state in self._streams.values():
            self._write_chunk(state)
            self._write_parity(state)
        index_offset = 0
        if self._with_index and len(self._index):
            index_offset = self._offset
            self._put_file_level(INDEX, self._index.pack())
        streams = {}
        for stream_id, state in self._streams.items():
            length = lengths.get(stream_id, max(state.next_pts - state.stream.pre_skip, 0))
            streams[stream_id] = StreamEnd(length, state.packets, state.payload_bytes)
        self._put_file_level(END, pack_end(End(streams, index_offset)))
        self._flush_file()
        self._closed = True

    def _joins(self, state: _StreamState, packet: Packet) -> bool:
        if not state.pending:
            return True
        starts_group = packet.is_keyframe and not state.pending[-1].is_keyframe
        return not starts_group and not packet.discontinuity and fits(state.pending, packet)

    def _write_chunk(self, state: _StreamState) -> None:
        if not state.pending:
            return
        first = state.pending[0]
        self._copy_header(int(first.pts * state.stream.time_base))
        head, payload = pack_data(state.pending, state.sequence, reorders=state.stream.reorders)
        if first.is_keyframe:
            spacing = int(INDEX_SPACING / state.stream.time_base)
            self._index.add(first.stream_id, first.pts, self._offset, spacing=spacing)
        self._put(pack_chunk(head, payload))
        state.pending = []
        state.sequence = state.sequence + 1 & 0xFFFF
        if state.stream.parity:
            state.group.append((head, payload))
            if len(state.group) == state.stream.parity:
                self._write_parity(state)
        if self.header.live:
            self._flush_file()

    def _write_parity(self, state: _StreamState) -> None:
        if len(state.group) > 1:
            self._put(pack_parity(state.group))
        state.group = []

    def _copy_header(self, second: int) -> None:
        interval = self.header.header_interval
        if interval and (self._last_copy is None or second >= self._last_copy + interval):
            self._put_file_level(HEADER, self._packed_header)
            self._last_copy = second

    def _put_file_level(self, kind: int, payload: bytes) -> None:
        self._put(pack_chunk(Head(kind, FILE_LEVEL, 0, self._file_sequence, 0, 0, 0), payload))
        self._file_sequence += 1

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # an unbuffered pipe may take less than it is given
            written = self._file.write(view)
            view = view[len(view) if written is None else written :]
        self._offset += len(data)

    def _flush_file(self) -> None:
        flush = getattr(self._file, "flush", None)
        if flush is not None:
            flush()

    def _check_open(self) -> None:
        if self._closed:
            raise ParameterError("the writer is closed; Writer.append continues a file")
