"""Reading a file or a stream, whole or damaged, from its start or joined on the way (SPEC section 8)."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO

from .chunk import (
    DATA,
    END,
    FIRST_IGNORABLE,
    HEAD_SIZE,
    HEADER,
    PARITY,
    TAGS,
    Chunk,
    Head,
    check_critical_flags,
    parse_head,
    unpack_data,
)
from .errors import (
    BitstreamError,
    CorruptError,
    NotAnMcxError,
    ParameterError,
    TruncatedError,
    UnsupportedFeatureError,
    UnsupportedVersionError,
)
from .fields import Fields, unpack_fields
from .gaps import Gap
from .header import FileHeader
from .packet import Packet
from .seeking import find_keyframe, keyframe_at, load_tail, read_header
from .source import ByteSource
from .stream_state import StreamState
from .trailer import End, unpack_end
from .wire import Cursor

MAX_GAPS = 10_000  # kept; a file cannot make a reader remember more
WASTE_LIMIT = 64 << 20  # bytes of failed CRCs after which a head with a false payload is believed


class Reader:
    """Iterates over the packets of a binary file object in file order; seekable or a pipe.

    Damage never stops it: what is whole is delivered, what is not is noted in `gaps`, and the first packet
    after a gap has discontinuity set. With strict=True the first damage raises instead. The header is read at
    once: raises NotAnMcxError, UnsupportedVersionError, UnsupportedFeatureError, TruncatedError or
    CorruptError where no header can be had.

    header: FileHeader; tags: Fields, the file's tags as far as read; gaps: list of Gap; end: End, or None
    until the end chunk was read; truncated: the file ended without one; joined: the start was not there or
    unreadable, and the header came from a copy.
    """

    def __init__(self, file: BinaryIO, *, strict: bool = False) -> None:
        self._source = ByteSource(file)
        self._strict = strict
        self.gaps: list[Gap] = []
        self.header, problem = read_header(self._source, strict=strict)
        self.tags = Fields(self.header.fields)
        self.joined = problem is not None
        # Joining a live stream is no damage, nor is the half chunk it begins with.
        self._joins_live = isinstance(problem, NotAnMcxError) and self.header.live
        self._data_start = self._source.offset
        self._begin()
        if problem is not None and not self._joining_live:
            self._note(Gap(None, None, None, 0, str(problem)))

    def another(self) -> Reader:
        """A reader at the first chunk of the same seekable file, with a place and an end of its own.

        What both find missing goes into one list of gaps. Raises ParameterError for a pipe.
        """
        if not self._source.seekable:
            raise ParameterError("this input is a pipe: it can be read only once")
        other = object.__new__(Reader)
        other.__dict__ |= self.__dict__ | {"_source": self._source.view()}
        other._source.seek(self._data_start)
        other._begin()
        return other

    def _begin(self) -> None:
        """At the first chunk: nothing was read yet."""
        self.end: End | None = None
        self._queue: deque[Packet] = deque()
        self.truncated, self._finished, self._wasted = False, False, 0
        self._joining_live, self._from_start = self._joins_live, not self.joined
        self._restart(None if self.joined else 0)

    def __iter__(self) -> Iterator[Packet]:
        return self

    def __next__(self) -> Packet:
        """The next packet. Raises UnsupportedFeatureError; other kinds of BitstreamError only when strict."""
        while not self._queue:
            chunk = self._next_chunk()
            if chunk is None:
                self._finish()
                if not self._queue:
                    raise StopIteration
            else:
                self._dispatch(chunk)
        return self._queue.popleft()

    def seek(self, stream_id: int, pts: int) -> int:
        """Continue at the last keyframe chunk of a stream that begins at or before pts (coded timeline).

        Returns the pts of that chunk; 0 and the start of the file where there is none. Uses the index, else
        the heads. Raises ParameterError on an unknown stream or a file that cannot seek.
        """
        return self.seek_streams({stream_id: pts})[stream_id]

    def seek_streams(self, positions: Mapping[int, int]) -> dict[int, int]:
        """As `seek`, for several streams at once: continue where none of them misses its keyframe chunk.

        positions: pts by stream id. Returns the pts of those chunks, by stream id.
        """
        for stream_id in positions:
            self.header.stream(stream_id)
        if not self._source.seekable:
            raise ParameterError("this input is a pipe and cannot seek; read on and drop packets instead")
        found = {sid: find_keyframe(self._source, self._data_start, sid, pts) for sid, pts in positions.items()}
        self._source.seek(min((offset for _, offset in found.values()), default=self._data_start))
        self._queue.clear()
        self._finished = self.truncated = self._from_start = False
        self._restart(None)
        return {stream_id: pts for stream_id, (pts, _) in found.items()}

    def peek_keyframe(self, stream_id: int, pts: int) -> Packet | None:
        """The keyframe at pts with which a chunk of a seekable file begins; None where there is none, or not whole.

        Reading goes on where it was. Raises ParameterError on an unknown stream.
        """
        stream = self.header.stream(stream_id)
        return keyframe_at(self._source, self._data_start, stream, pts) if self._source.seekable else None

    def load_end(self) -> End | None:
        """The end chunk, read from the tail of a seekable file without moving; None where there is none."""
        return load_tail(self._source)

    def _restart(self, expected: int | None) -> None:
        self._states = {s.stream_id: StreamState(s, expected) for s in self.header.streams}

    def _next_chunk(self) -> Chunk | None:
        source = self._source
        while source.fill(HEAD_SIZE):
            head = parse_head(source.buffer)
            if head is None:
                self._skip_junk()
                continue
            chunk = self._take(head)
            if chunk is not None:
                return chunk
        if source.buffer:
            stray = f"{len(source.buffer)} stray bytes"
            self._report(Gap(None, None, None, source.offset, stray), TruncatedError)
            source.advance(len(source.buffer))
        return None

    def _skip_junk(self) -> None:
        source, start = self._source, self._source.offset
        source.skip_to_sync()
        while source.fill(HEAD_SIZE) and parse_head(source.buffer) is None:
            source.skip_to_sync()
        if not source.fill(HEAD_SIZE):
            source.advance(len(source.buffer))
        if self._joining_live:
            return
        self._report(Gap(None, None, None, start, f"{source.offset - start} bytes that are no chunk"), CorruptError)

    def _take(self, head: Head) -> Chunk | None:
        """The chunk whose head is at the cursor, or None where it is damaged; moves on in either case."""
        source, offset = self._source, self._source.offset
        if not source.fill(head.total):
            self._damaged(head, "a chunk is cut short", TruncatedError)
            source.advance(2)
            return None
        payload = bytes(source.buffer[HEAD_SIZE : HEAD_SIZE + head.size])
        if zlib.crc32(payload) == int.from_bytes(source.buffer[head.total - 4 : head.total], "little"):
            source.advance(head.total)
            self._joining_live = False
            return Chunk(head, payload, offset)
        self._damaged(head, "the payload's CRC does not match", CorruptError)
        # Bytes may have been lost, so the next chunk may begin inside. Where a head stands at the announced
        # end, or where this was tried too often (hostile files), the announced size is believed.
        self._wasted += head.size
        whole = not source.fill(head.total + 1) or (
            source.fill(head.total + HEAD_SIZE) and parse_head(source.buffer, head.total) is not None
        )
        source.advance(head.total if whole or self._wasted > WASTE_LIMIT else 2)
        return None

    def _dispatch(self, chunk: Chunk) -> None:
        head = chunk.head
        if head.type >= FIRST_IGNORABLE:
            return
        if head.type > PARITY:
            raise UnsupportedFeatureError(f"chunk type {head.type} of a later version must be understood")
        check_critical_flags(head)
        if head.type in (DATA, PARITY):
            self._media(chunk)
            return
        try:
            if head.type == END:
                self.end = unpack_end(chunk.payload)
            elif head.type == TAGS:
                added = unpack_fields(Cursor(chunk.payload, "tags"), scope="file")
                self.tags = Fields({**self.tags, **added})
            elif head.type == HEADER and FileHeader.unpack(chunk.payload) != self.header:
                raise CorruptError("a header copy differs from the header")
        except (UnsupportedFeatureError, UnsupportedVersionError):
            raise
        except BitstreamError as error:
            self._damaged(head, str(error), CorruptError, chunk.offset)

    def _media(self, chunk: Chunk) -> None:
        state = self._states.get(chunk.head.stream_id)
        if state is None:
            unknown = f"a chunk of stream {chunk.head.stream_id}, which the header does not name"
            self._damaged(chunk.head, unknown, CorruptError, chunk.offset)
            return
        if chunk.head.type == DATA:
            self.end = None  # data after an end: somebody appended
        if state.parity is None:
            ready = [chunk] if chunk.head.type == DATA else []
        elif chunk.head.type == DATA and state.parity.holds(chunk.head.sequence):
            self._repeated(chunk)
            return
        elif chunk.head.type == DATA:
            ready = state.parity.data(chunk)
        else:
            ready, rebuilt = state.parity.parity(chunk)
            if rebuilt is not None:
                check_critical_flags(rebuilt.head)
                self._repaired(rebuilt)
        for item in ready:
            self._accept(state, item)

    def _accept(self, state: StreamState, chunk: Chunk) -> None:
        head, stream_id = chunk.head, chunk.head.stream_id
        ahead = 0 if state.expected is None else head.sequence - state.expected & 0xFFFF
        if ahead >= 0x8000 and head.pts < state.next_pts:
            self._repeated(chunk)
            return
        try:
            packets = unpack_data(head, chunk.payload, state.stream)
            state.check_order(packets)
        except CorruptError as error:
            self._damaged(head, str(error), CorruptError, chunk.offset)
            return
        if ahead:
            state.cut = state.lossy = True
            if ahead != state.failed:
                lost = Gap(stream_id, state.next_pts, head.pts, chunk.offset, f"{ahead} chunks are missing")
                self._report(lost, CorruptError)
        if state.cut:
            packets[0] = replace(packets[0], discontinuity=True)
        self._queue.extend(packets)
        state.advance(head, packets)

    def _repeated(self, chunk: Chunk) -> None:
        head = chunk.head
        self._report(Gap(head.stream_id, head.pts, head.end, chunk.offset, "a chunk is repeated"), CorruptError)

    def _finish(self) -> None:
        """Once, at the end of the bytes: give up on repairs, and see whether all was there."""
        if self._finished:
            return
        self._finished = True
        for state in self._states.values():
            for chunk in state.parity.flush() if state.parity else ():
                self._accept(state, chunk)
        self.truncated = self.end is None
        for stream_id, state in self._states.items():
            reason = state.missing_at_end(self.end, self._from_start)
            if reason is not None:
                self._report(Gap(stream_id, state.next_pts, None, self._source.offset, reason), TruncatedError)

    def _repaired(self, chunk: Chunk) -> None:
        head = chunk.head
        self.gaps[:] = [g for g in self.gaps if (g.stream_id, g.pts_start) != (head.stream_id, head.pts)]
        reason = "repaired from parity"
        self._note(Gap(head.stream_id, head.pts, head.end, chunk.offset, reason, recovered=True))

    def _damaged(self, head: Head, reason: str, kind: type[BitstreamError], offset: int | None = None) -> None:
        state = self._states.get(head.stream_id)
        if state is not None and head.type == DATA:
            state.failed += 1
        place = self._source.offset if offset is None else offset
        if state is None:
            self._report(Gap(None, None, None, place, reason), kind)
        else:
            self._report(Gap(head.stream_id, head.pts, head.end, place, reason), kind)

    def _report(self, gap: Gap, kind: type[BitstreamError]) -> None:
        if self._strict:
            raise kind(f"{gap.reason} (byte {gap.offset})")
        self._note(gap)

    def _note(self, gap: Gap) -> None:
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(gap)
