"""The reader, from SPEC section 8: rules 1 to 7 and the table of faults."""

from __future__ import annotations

from collections.abc import Iterator

from .chunks import COPY, DATA, END, PARITY, SYNC, TAGS, Chunk, Packet, check_flags, head_at, parse_end, unpack
from .coder import FaultError, corrupt
from .header import MAGIC, Header, Stream, parse_fields, parse_header
from .parity import Parity

SEARCH = 64 << 20  # bytes searched for a header copy


class State:
    """Where a stream being read stands (section 8, rules 4 to 6)."""

    def __init__(self, stream: Stream, expected: int | None) -> None:
        self.stream, self.expected = stream, expected
        self.mark = expected is None
        self.time, self.dts = 0, None  # the end of all packets delivered, the dts of the last
        self.packets = self.damaged = 0
        self.lost = False
        self.parity = Parity(stream.parity, expected) if stream.parity else None


class Reader:
    """`packets` gives them one by one; `counted` the faults, `recovered` what parity repaired."""

    def __init__(self, data: bytes, *, strict: bool = False) -> None:
        self.data, self.strict = data, strict
        self.faults: list[tuple[int | None, int | None]] = []  # (stream, pts) of each that is counted
        self.recovered = 0
        self.ends: dict[int, tuple[int | None, int]] | None = None  # presented length, packets
        self.at, self.joining, self.from_start = 0, False, True
        self.header = self._start()
        self.tags = dict(self.header.fields)
        self.restart(0 if self.from_start else None)

    def restart(self, expected: int | None) -> None:
        self.states = {stream.id: State(stream, expected) for stream in self.header.streams}

    def seek(self, stream_id: int, pts: int) -> int:
        """Go to the last keyframe chunk of a stream at or before pts, by reading heads; returns its pts.

        Where there is none that is 0, and reading begins at the first chunk.
        """
        start = at = self.at
        found = (0, start)
        while at < len(self.data):
            chunk = head_at(self.data, at)
            if chunk is None or chunk.cut:
                at = self._sync_behind(at)
                continue
            if chunk.type == DATA and chunk.id == stream_id and chunk.flags & 1:
                if chunk.pts > pts:
                    break
                found = chunk.pts, at
            at = chunk.end
        self.at, self.from_start = found[1], False
        self.restart(None)
        return found[0]

    def packets(self) -> Iterator[Packet]:
        while self.at < len(self.data):
            chunk = self._next()
            if chunk is not None:
                yield from self._dispatch(chunk)
        for state in self.states.values():
            for chunk in state.parity.give_up() if state.parity else []:
                yield from self._deliver(state, chunk)
        for state in self.states.values():
            if self.ends is None:
                self._count("TruncatedError", "no end chunk")
            elif self._packets_missing(state):
                self._count("TruncatedError", "packets are missing at the end")

    def _packets_missing(self, state: State) -> bool:
        assert self.ends is not None
        _, packets = self.ends.get(state.stream.id, (None, 0))
        return self.from_start and not state.lost and not state.damaged and packets > state.packets

    def _count(self, kind: str, what: str, stream: int | None = None, pts: int | None = None) -> None:
        if self.strict:
            raise FaultError(kind, what)
        self.faults.append((stream, pts))

    def _start(self) -> Header:
        """Rule 1."""
        try:
            header, self.at = parse_header(self.data)
            return header
        except FaultError as fault:
            if fault.kind.startswith("Unsupported"):
                raise
            copy = None if self.strict else self._copy()
            if copy is None:
                if len(self.data) >= 16 and self.data[:8] == MAGIC and self.data[8] != 1:
                    raise FaultError("UnsupportedVersionError", "another major version") from None
                raise
            self.from_start = False
            self.joining = fault.kind == "NotAnMcxError" and copy.live
            if not self.joining:
                self._count(fault.kind, str(fault))
            return copy

    def _copy(self) -> Header | None:
        at = 0
        while at <= SEARCH and at < len(self.data):
            chunk = head_at(self.data, at)
            if chunk is not None and chunk.type == COPY and chunk.payload is not None:
                check_flags(chunk)
                try:
                    header, size = parse_header(chunk.payload)
                    if size == len(chunk.payload):
                        return header
                except FaultError as fault:
                    if fault.kind.startswith("Unsupported"):
                        raise
            at = self._sync_behind(at)
        return None

    def _sync_behind(self, at: int) -> int:
        found = self.data.find(SYNC, at + 1)
        return found if found >= 0 else len(self.data)

    def _next(self) -> Chunk | None:
        """Rules 2 and 3: the next whole chunk, or None after something that is none."""
        if len(self.data) - self.at < 20:
            self.at = len(self.data)
            self._count("TruncatedError", "stray bytes at the end")
            return None
        chunk = head_at(self.data, self.at)
        if chunk is None:
            while self.at < len(self.data) and head_at(self.data, self.at) is None:
                self.at = self._sync_behind(self.at)
            if not self.joining:
                self._count("CorruptError", "junk")
            return None
        if chunk.payload is not None:
            self.at, self.joining = chunk.end, False
            return chunk
        self._damaged("TruncatedError" if chunk.cut else "CorruptError", "a chunk is cut or damaged", chunk)
        at_end = not chunk.cut and (chunk.end == len(self.data) or head_at(self.data, chunk.end) is not None)
        self.at = chunk.end if at_end else self.at + 2
        return None

    def _damaged(self, kind: str, what: str, chunk: Chunk) -> None:
        state = self.states.get(chunk.id)
        if state is not None and chunk.type == DATA:
            state.damaged += 1
        self._count(kind, what, chunk.id, chunk.pts)

    def _dispatch(self, chunk: Chunk) -> Iterator[Packet]:
        if chunk.type >= 128:
            return
        if chunk.type > PARITY:
            raise FaultError("UnsupportedFeatureError", f"chunk type {chunk.type}")
        check_flags(chunk)
        if chunk.type in (DATA, PARITY):
            yield from self._media(chunk)
            return
        try:
            self._of_file(chunk)
        except FaultError as fault:
            if fault.kind.startswith("Unsupported"):
                raise
            self._damaged("CorruptError", str(fault), chunk)

    def _of_file(self, chunk: Chunk) -> None:
        """Index chunks are for seeking; the others change what is known of the file."""
        assert chunk.payload is not None
        if chunk.type == END:
            self.ends = parse_end(chunk.payload)
        elif chunk.type == TAGS:
            self.tags |= parse_fields(chunk.payload, "file")
        elif chunk.type == COPY:
            header, size = parse_header(chunk.payload)
            if header != self.header or size != len(chunk.payload):
                raise corrupt("a header copy that differs")

    def _media(self, chunk: Chunk) -> Iterator[Packet]:
        state = self.states.get(chunk.id)
        if state is None:
            self._damaged("CorruptError", "a chunk of no stream", chunk)
            return
        if chunk.type == DATA:
            self.ends = None
        if chunk.type == DATA and state.parity is not None and state.parity.holds(chunk):
            self._count("CorruptError", "a chunk is repeated", chunk.id, chunk.pts)
            return
        due = [chunk] if chunk.type == DATA else []
        if state.parity is not None:
            due, rebuilt = state.parity.take(chunk, is_parity=chunk.type == PARITY)
            if rebuilt is not None:
                check_flags(rebuilt)
                self.recovered += 1
                self.faults = [place for place in self.faults if place != (rebuilt.id, rebuilt.pts)]
        for item in due:
            yield from self._deliver(state, item)

    def _deliver(self, state: State, chunk: Chunk) -> Iterator[Packet]:
        """Rules 4 and 5."""
        ahead = 0 if state.expected is None else (chunk.sequence - state.expected) % 65536
        if ahead >= 32768 and chunk.pts < state.time:
            self._count("CorruptError", "a chunk is repeated", chunk.id, chunk.pts)
            return
        try:
            packets = unpack(chunk, state.stream, state.time, state.dts)
        except FaultError as fault:
            self._damaged(fault.kind, str(fault), chunk)
            return
        if ahead:
            state.mark = state.lost = True
            if ahead != state.damaged:
                self._count("CorruptError", "chunks are missing", chunk.id, state.time)
        packets[0].discontinuous |= state.mark
        state.expected, state.mark, state.damaged = (chunk.sequence + 1) % 65536, False, 0
        state.time = max(state.time, *(packet.pts + packet.duration for packet in packets))
        state.dts = packets[-1].dts
        state.packets += len(packets)
        yield from packets
