"""Repair: the five rules of SPEC section 3.6."""

from __future__ import annotations

import copy
import zlib

from .chunks import Chunk


class Parity:
    """k: the field `parity`; e: the sequence expected next, None for any."""

    def __init__(self, k: int, e: int | None) -> None:
        self.k, self.e = k, e
        self.remembered: list[Chunk] = []
        self.held: list[Chunk] = []

    def take(self, chunk: Chunk, *, is_parity: bool) -> tuple[list[Chunk], Chunk | None]:
        """The chunks that go on now, and the one among them that was rebuilt."""
        return self._parity(chunk) if is_parity else (self._data(chunk), None)

    def holds(self, chunk: Chunk) -> bool:
        return any(held.sequence == chunk.sequence for held in self.held)

    def give_up(self) -> list[Chunk]:
        """Rule 3."""
        held, self.held = self.held, []
        if held:
            self.e = (held[-1].sequence + 1) % 65536
        return held

    def _data(self, chunk: Chunk) -> list[Chunk]:
        if any(other.sequence == chunk.sequence for other in self.remembered):
            return [chunk]
        self.remembered = [*self.remembered, chunk][-self.k :]
        if not self.held and self.e in (None, chunk.sequence):
            self.e = (chunk.sequence + 1) % 65536
            return [chunk]
        self.held.append(chunk)
        return self.give_up() if len(self.held) == self.k else []

    def _parity(self, chunk: Chunk) -> tuple[list[Chunk], Chunk | None]:
        n = chunk.payload[0] if chunk.payload else 0
        if not 2 <= n <= self.k:
            return [], None
        numbers = [(chunk.sequence + i) % 65536 for i in range(n)]
        there = [other for other in self.remembered if other.sequence in numbers]
        missing = [number for number in numbers if number not in {other.sequence for other in there}]
        rebuilt = None
        if len(missing) == 1 and self.e is not None and (missing[0] - self.e) % 65536 < 32768:
            rebuilt = self._rebuilt(chunk, there, missing[0])
        if rebuilt is not None:
            later = [i for i, held in enumerate(self.held) if (held.sequence - missing[0]) % 65536 < 32768]
            self.held.insert(later[0] if later else len(self.held), rebuilt)
        due = self.give_up()
        end = (chunk.sequence + n) % 65536
        if self.e is not None and (end - self.e) % 65536 < 32768:
            self.e = end
        return due, rebuilt

    def _rebuilt(self, parity: Chunk, there: list[Chunk], number: int) -> Chunk | None:
        body = parity.payload[1:]
        total = int.from_bytes(body, "little")
        for chunk in there:
            item = record(chunk)
            if len(item) > len(body):
                return None
            total ^= int.from_bytes(item, "little")
        found = total.to_bytes(len(body), "little")
        size = int.from_bytes(found[1:4], "little")
        payload, padding = found[16 : 16 + size], found[16 + size :]
        if len(found) < 16 + size or any(padding) or zlib.crc32(payload) != int.from_bytes(found[12:16], "little"):
            return None
        chunk = copy.copy(parity)
        chunk.type, chunk.flags, chunk.sequence, chunk.size, chunk.payload = 0, found[0], number, size, payload
        chunk.pts, chunk.duration = int.from_bytes(found[4:9], "little"), int.from_bytes(found[9:12], "little")
        return chunk


def record(chunk: Chunk) -> bytes:
    """What a parity chunk covers of a data chunk."""
    fixed = bytes([chunk.flags]) + chunk.size.to_bytes(3, "little") + chunk.pts.to_bytes(5, "little")
    fixed += chunk.duration.to_bytes(3, "little") + zlib.crc32(chunk.payload).to_bytes(4, "little")
    return fixed + chunk.payload
