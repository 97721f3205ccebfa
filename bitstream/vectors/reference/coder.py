"""RC24, bit packing and the symbol CRC in plain Python, written from SPEC sections 2, 5, 6 and 7 alone.

It shares no line with the product and wants to be read, not to be fast. `FaultError.kind` is the class of an error.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

TOTAL = 1 << 24


class FaultError(Exception):
    """An error of a class of SPEC section 8."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


def corrupt(what: str) -> FaultError:
    return FaultError("CorruptError", what)


class Bytes:
    """Bytes read from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        if not 0 <= size <= self.left:
            raise corrupt(f"{size} bytes wanted, {self.left} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        value = 0
        for place in range(8):
            byte = self.unsigned(1)
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                if place and not byte:
                    raise corrupt("a varint is not in its shortest form")
                return value
        raise corrupt("a varint of more than 8 bytes")

    def zigzag(self) -> int:
        value = self.varint()
        return -(value + 1) // 2 if value % 2 else value // 2


class Decoder:
    """RC24, section 6: `symbol` for each symbol, `end` once."""

    def __init__(self, payload: bytes) -> None:
        self.payload, self.next = payload, 8
        self.offset, self.width = self._bits(0, 8), (1 << 64) - 1

    def _bits(self, at: int, size: int) -> int:
        """Bytes at..at+size as a number; beyond the end the payload reads as zeros."""
        return int.from_bytes(self.payload[at : at + size].ljust(size, b"\0"), "big")

    def symbol(self, table: Sequence[int]) -> int:
        """The next symbol under a table of frequencies."""
        if len(table) == 1:
            return 0
        sums = [0, *accumulate(table)]
        scale = self.width >> 24
        quantile = self.offset // scale
        if quantile >= TOTAL:
            raise corrupt("a number that no encoder writes")
        symbol = bisect_right(sums, quantile) - 1
        self.offset -= scale * sums[symbol]
        self.width = scale * table[symbol]
        if self.width < 1 << 32:
            self.offset = self.offset << 32 | self._bits(self.next, 4)
            self.width <<= 32
            self.next += 4
        return symbol

    def end(self) -> None:
        """Section 6, *End*: the payload is what an encoder writes for these symbols."""
        start = self.next - 8
        last = self._bits(start, 8)
        lower = (last - self.offset) % (1 << 64)
        for count in range(5):
            unit = 1 << 64 - 8 * count
            point = -(-lower // unit) * unit
            if point - lower < self.width:
                break
        if point % (1 << 64) != last or len(self.payload) > start + 8 or self.payload[-1:] == b"\0":
            raise corrupt("a payload that does not end where its symbols end")


def flat(size: int) -> list[int]:
    """The flat table, section 7."""
    return [TOTAL // size + (symbol < TOTAL % size) for symbol in range(size)]


def from_counts(counts: Sequence[int]) -> list[int]:
    """The table of some counts, section 7."""
    more = [count + 1 for count in counts]
    share = TOTAL - len(more)
    table = [1 + m * share // sum(more) for m in more]
    order = sorted(range(len(more)), key=lambda symbol: (-(more[symbol] * share % sum(more)), symbol))
    for symbol in order[: TOTAL - sum(table)]:
        table[symbol] += 1
    return table


def grouped(payload: bytes, tables: Sequence[Sequence[int]], indices: Sequence[int]) -> list[int]:
    """Section 5.2: a payload of symbols whose tables are known beforehand."""
    decoder, symbols = Decoder(payload), [0] * len(indices)
    for place in sorted(range(len(indices)), key=lambda place: indices[place]):  # a stable sort
        symbols[place] = decoder.symbol(tables[indices[place]])
    decoder.end()
    return symbols


def packed(coded: bytes, alphabet: int, count: int) -> list[int]:
    """Section 5.1."""
    width = (alphabet - 1).bit_length()
    size = -(-count * width // 8)
    if len(coded) != size:
        raise corrupt(f"{count} symbols of {width} bits in {len(coded)} bytes")
    digits = f"{int.from_bytes(coded, 'big'):0{8 * size}b}" if size else ""
    symbols = [int(digits[i * width : (i + 1) * width] or "0", 2) for i in range(count)]
    if "1" in digits[count * width :] or any(symbol >= alphabet for symbol in symbols):
        raise corrupt("padding that is not zero, or a symbol beyond its alphabet")
    return symbols


def symbol_crc(symbols: Iterable[int]) -> int:
    """Section 5, of all 32 bits."""
    values = list(symbols)
    return zlib.crc32(struct.pack(f"<{len(values)}H", *values))


def unsealed(data: bytes, size: int) -> tuple[bytes, int]:
    """A packet's coded part, and the low bytes of its symbol CRC."""
    if len(data) < size:
        raise FaultError("TruncatedError", f"a packet of {len(data)} bytes")
    return data[: len(data) - size], int.from_bytes(data[len(data) - size :], "little")


def check(symbols: Iterable[int], crc: int, size: int) -> None:
    """Compare the symbol CRC."""
    if symbol_crc(symbols) % (1 << 8 * size) != crc:
        raise FaultError("DesyncError", "other symbols than were encoded")
