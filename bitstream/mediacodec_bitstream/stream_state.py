"""Where a stream being read stands: what must come next, and what was lost."""

from __future__ import annotations

from .chunk import Head
from .errors import CorruptError
from .packet import MAX_PTS, Packet
from .parity import ParityBuffer
from .stream_header import StreamHeader
from .trailer import End


class StreamState:
    """What a reader remembers of one stream."""

    def __init__(self, stream: StreamHeader, expected: int | None) -> None:
        self.stream = stream
        self.expected = expected  # sequence of the next chunk; None: any
        self.cut = expected is None  # the next packet does not follow the one before
        self.next_pts = 0
        self.failed = 0  # damaged chunks reported since the last good one
        self.packets = 0
        self.lossy = False
        self.last_dts: int | None = None
        self.parity = ParityBuffer(stream.parity, expected) if stream.parity else None

    def advance(self, head: Head, packets: list[Packet]) -> None:
        """Note what was delivered."""
        self.cut, self.failed, self.expected = False, 0, head.sequence + 1 & 0xFFFF
        self.next_pts = max(self.next_pts, *(packet.pts + packet.duration for packet in packets))
        self.packets += len(packets)
        self.last_dts = packets[-1].dts

    def missing_at_end(self, end: End | None, from_start: bool) -> str | None:
        """What is missing behind the last packet, if anything: by the end chunk, where all was read from the start."""
        if end is None:
            return "there is no end chunk: the file was cut"
        totals = end.streams.get(self.stream.stream_id)
        missing = totals.packets - self.packets if totals else 0
        if missing > 0 and from_start and not (self.lossy or self.failed):
            return f"{missing} packets are missing at the end"
        return None

    def check_order(self, packets: list[Packet]) -> None:
        """Raise CorruptError where a chunk's packets do not follow each other and what came before."""
        next_pts, last_dts = self.next_pts, self.last_dts
        for packet in packets:
            if packet.dts is None and packet.pts < next_pts:
                raise CorruptError(f"pts {packet.pts} lies before {next_pts}, where the last packet ended")
            if packet.dts is not None and last_dts is not None and packet.dts <= last_dts:
                raise CorruptError(f"dts {packet.dts} does not follow {last_dts}")
            if packet.pts + packet.duration > MAX_PTS:
                raise CorruptError(f"pts {packet.pts} + {packet.duration} exceeds 2^40 - 1 ticks")
            next_pts, last_dts = packet.pts + packet.duration, packet.dts
