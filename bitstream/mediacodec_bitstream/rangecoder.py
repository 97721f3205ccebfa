"""RC24: the range coder of the format, in pure Python. This file is normative (SPEC section 6).

A range coder is an arithmetic coder that emits whole words (Martin 1979). RC24 has 24-bit probabilities,
32-bit words and 64 bits of state, is first in, first out, and uses integers only. Apart from the end of the
payload it produces the words of `constriction.stream.queue.RangeEncoder` 0.5 (Bamler 2022,
arXiv:2201.01741), which `rangecoder_constriction` therefore uses as an accelerator.

The payload is the shortest byte string that decodes to the symbols when zeros follow it. It is unique, so a
decoder can tell whether the bytes it was given are exactly what an encoder writes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .errors import CorruptError, ParameterError, ParameterTypeError
from .tables import PRECISION, TOTAL, TableRow

WORD_MASK = (1 << 32) - 1
STATE_MASK = (1 << 64) - 1
MAX_SYMBOLS = 1 << 24  # in one payload; nothing larger is ever decoded in one go

SymbolArray = npt.NDArray[np.uint16]


class RangeEncoder:
    """Collects symbols; `finish` returns the payload. Use one encoder per payload."""

    def __init__(self) -> None:
        self._lower = 0  # may exceed 64 bits by the one carry that has not reached _done yet
        self._width = STATE_MASK
        self._done = bytearray()  # the words that left the state, big-endian

    def encode(self, symbols: npt.ArrayLike, row: TableRow) -> None:
        """Append symbols, integers in 0..row.size-1 of any shape, all with one table.

        Raises ParameterError on a symbol outside the table.
        """
        values = checked_symbols(symbols, row)
        if row.size > 1:  # a certain symbol costs nothing and leaves the state alone
            self._encode(values.tolist(), row.cdf)

    def encode_one(self, symbol: int, row: TableRow) -> None:
        """Append one symbol in 0..row.size-1."""
        if not 0 <= symbol < row.size:
            raise ParameterError(f"symbol {symbol} is not in a table of {row.size}")
        if row.size > 1:
            self._encode((int(symbol),), row.cdf)  # a numpy uint16 + 1 could wrap

    def encode_each(self, symbols: Sequence[int], rows: Sequence[TableRow]) -> None:
        """Append symbols, each with its own table."""
        for symbol, row in zip(symbols, rows, strict=True):
            self.encode_one(symbol, row)

    def finish(self) -> bytes:
        """The payload: big-endian words, cut to the fewest bytes."""
        return close_payload(self._done, self._lower, self._width)

    def _encode(self, symbols: list[int] | tuple[int, ...], cdf: list[int]) -> None:
        lower, width, done = self._lower, self._width, self._done
        for symbol in symbols:
            left = cdf[symbol]
            scale = width >> PRECISION
            lower += scale * left
            width = scale * (cdf[symbol + 1] - left)
            if width <= WORD_MASK:  # once is enough: width >= 2^8 here
                word = lower >> 32
                if word > WORD_MASK:
                    propagate_carry(done)
                    word &= WORD_MASK
                done += word.to_bytes(4, "big")
                lower = (lower & WORD_MASK) << 32
                width <<= 32
        self._lower, self._width = lower, width


class RangeDecoder:
    """Reads the symbols of one payload; `finish` checks that they were all of it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        padded = data + bytes(8 + -len(data) % 4)
        self._words: list[int] = np.frombuffer(padded, dtype=">u4").tolist()
        self._next = 2  # index of the next word; beyond the end words are 0
        self._offset = self._words[0] << 32 | self._words[1]  # coded number minus lower end
        self._width = STATE_MASK

    def decode(self, row: TableRow, count: int) -> SymbolArray:
        """The next `count` symbols (0..2^24), all coded with one table, as uint16.

        Raises CorruptError where the bytes cannot come from an encoder, ParameterError on a bad count.
        """
        check_count(count)
        if row.size == 1:
            return np.zeros(count, dtype=np.uint16)
        return np.array(self._decode(row.cdf, count), dtype=np.uint16)

    def decode_one(self, row: TableRow) -> int:
        """The next symbol."""
        return 0 if row.size == 1 else self._decode(row.cdf, 1)[0]

    def decode_each(self, rows: Sequence[TableRow]) -> list[int]:
        """The next symbols, each coded with its own table."""
        return [0 if row.size == 1 else self._decode(row.cdf, 1)[0] for row in rows]

    def finish(self) -> None:
        """Raise CorruptError unless the payload is exactly the one that codes the symbols read."""
        start = 4 * (self._next - 2)
        rest = self._data[start : start + 8]
        point = int.from_bytes(rest + bytes(8 - len(rest)), "big")
        expected, _ = shortest_point((point - self._offset) & STATE_MASK, self._width)
        clean = not self._data.endswith(b"\0") and len(self._data) <= start + 8
        if not clean or expected & STATE_MASK != point:
            raise CorruptError(f"a payload of {len(self._data)} bytes does not end where its symbols end")

    def _decode(self, cdf: list[int], count: int) -> list[int]:
        offset, width, words, position = self._offset, self._width, self._words, self._next
        symbols = []
        for _ in range(count):
            scale = width >> PRECISION
            quantile = offset // scale
            if quantile >= TOTAL:
                raise CorruptError("the payload holds a number that no encoder writes")
            symbol = bisect_right(cdf, quantile) - 1
            symbols.append(symbol)
            left = cdf[symbol]
            offset -= scale * left
            width = scale * (cdf[symbol + 1] - left)
            if width <= WORD_MASK:
                offset = offset << 32 | (words[position] if position < len(words) else 0)
                position += 1
                width <<= 32
        self._offset, self._width, self._next = offset, width, position
        return symbols


def shortest_point(lower: int, width: int) -> tuple[int, int]:
    """The number in [lower, lower + width) with the fewest leading bytes of 64 bits, and that count (0..4).

    The smallest such number; it may be 2^64 or more, which is a carry into the words before it.
    """
    for count in range(5):
        unit = 1 << (64 - 8 * count)
        point = (lower + unit - 1) // unit * unit
        if point - lower < width:
            return point, count
    raise AssertionError("width is below 2^32: the coder's invariant is broken")


def propagate_carry(number: bytearray) -> None:
    """Add one to a big-endian number; the coder's interval keeps it from overflowing."""
    index = len(number) - 1
    while number[index] == 0xFF:
        number[index] = 0
        index -= 1
    number[index] += 1


def close_payload(done: bytes | bytearray, lower: int, width: int) -> bytes:
    """Flush: the emitted words, then the shortest point of the final interval, without trailing zeros."""
    point, count = shortest_point(lower, width)
    payload = bytearray(done)
    if point > STATE_MASK:
        propagate_carry(payload)
    payload += (point & STATE_MASK).to_bytes(8, "big")[:count]
    return bytes(payload.rstrip(b"\0"))


def checked_symbols(symbols: npt.ArrayLike, row: TableRow) -> npt.NDArray[np.integer]:
    """Symbols as a flat integer array, all inside the table."""
    values = np.asarray(symbols)
    if values.size == 0:
        return np.zeros(0, dtype=np.uint16)
    if values.dtype.kind not in "iu":
        raise ParameterTypeError(f"symbols must be integers, got {values.dtype}")
    if values.min() < 0 or values.max() >= row.size:
        raise ParameterError(f"symbols {values.min()}..{values.max()} are not all in a table of {row.size}")
    return values.ravel()


def check_count(count: int) -> None:
    """Refuse a symbol count before anything is allocated for it."""
    if not 0 <= count <= MAX_SYMBOLS:
        raise ParameterError(f"{count} symbols asked of one payload; the format allows 0..{MAX_SYMBOLS}")
