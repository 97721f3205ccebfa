"""Parity chunks: the XOR of up to 16 data chunks, from which any one can be rebuilt (SPEC section 3.6).

A record is what is XORed of a data chunk: its flags, payload length, pts, duration and payload CRC-32
(16 bytes), then its payload; shorter records count as padded with zeros.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable

import numpy as np

from .chunk import DATA, PARITY, Chunk, Head, pack_chunk
from .wire import Cursor, u24, u40

FIXED = 16
MAX_GROUP = 16


def pack_parity(group: list[tuple[Head, bytes]]) -> bytes:
    """A parity chunk for consecutive data chunks of one stream."""
    first = group[0][0]
    payload = bytes([len(group)]) + xor(record(head, payload) for head, payload in group)
    last = group[-1][0]
    span = min(max(last.end - first.pts, 0), (1 << 24) - 1)
    return pack_chunk(Head(PARITY, first.stream_id, 0, first.sequence, 0, first.pts, span), payload)


def record(head: Head, payload: bytes) -> bytes:
    """What a parity chunk covers of one data chunk."""
    crc = zlib.crc32(payload).to_bytes(4, "little")
    return bytes([head.flags]) + u24(len(payload)) + u40(head.pts) + u24(head.duration) + crc + payload


def xor(records: Iterable[bytes]) -> bytes:
    """XOR of byte strings, the shorter ones padded with zeros."""
    items = list(records)
    total = np.zeros(max(map(len, items)), dtype=np.uint8)
    for item in items:
        total[: len(item)] ^= np.frombuffer(item, dtype=np.uint8)
    return total.tobytes()


def rebuild(parity: Chunk, present: list[Chunk], sequence: int) -> Chunk | None:
    """The one missing data chunk of a group, or None where the parity chunk does not fit the others."""
    body = parity.payload[1:]
    records = [record(chunk.head, chunk.payload) for chunk in present]
    if len(body) < FIXED or any(len(item) > len(body) for item in records):
        return None
    cursor = Cursor(xor([body, *records]), "parity chunk")
    flags, size, pts, duration, crc = (cursor.uint(width) for width in (1, 3, 5, 3, 4))
    if size > cursor.left:
        return None
    payload, padding = cursor.take(size), cursor.take(cursor.left)
    if any(padding) or zlib.crc32(payload) != crc:
        return None
    head = Head(DATA, parity.head.stream_id, flags, sequence, size, pts, duration)
    return Chunk(head, payload, parity.offset)


class ParityBuffer:
    """Holds a stream's chunks back after a loss until its parity chunk comes, at most `group` of them."""

    def __init__(self, group: int, expected: int | None) -> None:
        self._group = group
        self._recent: deque[Chunk] = deque(maxlen=group)  # of different numbers
        self._held: list[Chunk] = []
        self._expected = expected  # sequence of the next chunk; None: any

    def holds(self, sequence: int) -> bool:
        """Whether a data chunk of that number waits: then another one is a repeat of it."""
        return any(sequence == held.head.sequence for held in self._held)

    def data(self, chunk: Chunk) -> list[Chunk]:
        """Take a data chunk of which none is held; returns the chunks that are due now, in order."""
        number = chunk.head.sequence
        if any(number == other.head.sequence for other in self._recent):
            return [chunk]  # a repeat: it fills no gap, and must not push out what repairs one
        self._recent.append(chunk)
        if not self._held and self._expected in (None, number):
            self._expected = number + 1 & 0xFFFF
            return [chunk]
        self._held.append(chunk)
        return self.flush() if len(self._held) >= self._group else []

    def parity(self, chunk: Chunk) -> tuple[list[Chunk], Chunk | None]:
        """Take a parity chunk; returns the chunks that are due now, and the one among them it rebuilt."""
        count = chunk.payload[0] if chunk.payload else 0
        if not 2 <= count <= self._group:
            return [], None
        covered = [chunk.head.sequence + i & 0xFFFF for i in range(count)]
        present = {c.head.sequence: c for c in self._recent if c.head.sequence in covered}
        missing = [number for number in covered if number not in present]
        rebuilt = None
        # what was before the reader joined, or was given up, would come too late
        if len(missing) == 1 and self._expected is not None and _follows(missing[0], self._expected):
            rebuilt = rebuild(chunk, list(present.values()), missing[0])
        if rebuilt is not None:
            later = (i for i, held in enumerate(self._held) if _follows(held.head.sequence, missing[0]))
            self._held.insert(next(later, len(self._held)), rebuilt)
        due, end = self.flush(), covered[-1] + 1 & 0xFFFF
        if self._expected is not None and _follows(end, self._expected):
            self._expected = end  # the group is done with, whatever was lost of it
        return due, rebuilt

    def flush(self) -> list[Chunk]:
        """Everything held, in order: the loss cannot be repaired any more."""
        held, self._held = self._held, []
        if held:
            self._expected = held[-1].head.sequence + 1 & 0xFFFF
        return held


def _follows(number: int, other: int) -> bool:
    """Whether a sequence number is another or comes after it, modulo 2^16."""
    return number - other & 0xFFFF < 0x8000
