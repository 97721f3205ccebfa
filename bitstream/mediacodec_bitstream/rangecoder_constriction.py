"""RC24 through the constriction library: the same bytes as `rangecoder`, about ten times faster.

Two traps of the library are handled here. Float probabilities f/2^24 are rounded on their way to integers;
passing f - 1 with `perfect=False` makes the library's scale exactly 1 and its integer table exactly f. And
absurd counts or tables abort the process or raise a BaseException, so both are checked before they get there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from .errors import CorruptError, ParameterError
from .rangecoder import SymbolArray, check_count, checked_symbols, close_payload
from .tables import TableRow

_queue = constriction.stream.queue
_Categorical = constriction.stream.model.Categorical
_FLUSH = (1 << 32) - 1


class ConstrictionEncoder:
    """Interface and bytes of `rangecoder.RangeEncoder`."""

    def __init__(self) -> None:
        self._encoder = _queue.RangeEncoder()

    def encode(self, symbols: npt.ArrayLike, row: TableRow) -> None:
        """Append symbols, integers in 0..row.size-1 of any shape, all with one table."""
        values = checked_symbols(symbols, row)
        if row.size > 1 and values.size:
            self._encoder.encode(values.astype(np.int32), _model(row))

    def encode_one(self, symbol: int, row: TableRow) -> None:
        """Append one symbol in 0..row.size-1."""
        if not 0 <= symbol < row.size:
            raise ParameterError(f"symbol {symbol} is not in a table of {row.size}")
        if row.size > 1:
            self._encoder.encode(int(symbol), _model(row))

    def encode_each(self, symbols: Sequence[int], rows: Sequence[TableRow]) -> None:
        """Append symbols, each with its own table."""
        encode = self._encoder.encode
        for symbol, row in zip(symbols, rows, strict=True):
            if not 0 <= symbol < row.size:
                raise ParameterError(f"symbol {symbol} is not in a table of {row.size}")
            if row.size > 1:
                encode(symbol, row.accelerated or _model(row))

    def finish(self) -> bytes:
        """The payload: big-endian words, cut to the fewest bytes."""
        count, (lower, width) = self._encoder.pos()
        done = bytearray(self._encoder.get_compressed()[:count].astype(">u4").tobytes())
        if lower + _FLUSH >> 64:  # the library's own flush carried into them; ours decides afresh
            take_back_carry(done)
        return close_payload(done, lower, width)


class ConstrictionDecoder:
    """Interface and errors of `rangecoder.RangeDecoder`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        padded = data + bytes(-len(data) % 4)
        self._decoder = _queue.RangeDecoder(np.frombuffer(padded, dtype=">u4").astype(np.uint32))
        # The library does not show its decoder's state. Encoding again what was decoded takes half as long as
        # decoding, and its result must be the payload.
        self._mirror = ConstrictionEncoder()

    def decode(self, row: TableRow, count: int) -> SymbolArray:
        """The next `count` symbols (0..2^24), all coded with one table, as uint16."""
        check_count(count)
        if row.size == 1 or count == 0:
            return np.zeros(count, dtype=np.uint16)
        symbols = self._read(row, count)
        self._mirror._encoder.encode(symbols, _model(row))
        return np.asarray(symbols, dtype=np.uint16)

    def decode_one(self, row: TableRow) -> int:
        """The next symbol."""
        if row.size == 1:
            return 0
        symbol = int(self._read(row))
        self._mirror._encoder.encode(symbol, _model(row))
        return symbol

    def decode_each(self, rows: Sequence[TableRow]) -> list[int]:
        """The next symbols, each coded with its own table."""
        decode, encode, symbols = self._decoder.decode, self._mirror._encoder.encode, []
        try:
            for row in rows:
                if row.size == 1:
                    symbols.append(0)
                    continue
                model = row.accelerated or _model(row)
                symbol = decode(model)
                encode(symbol, model)
                symbols.append(symbol)
        except AssertionError:
            raise CorruptError("the payload holds a number that no encoder writes") from None
        return symbols

    def finish(self) -> None:
        """Raise CorruptError unless the payload is exactly the one that codes the symbols read."""
        if self._mirror.finish() != self._data:
            raise CorruptError(f"a payload of {len(self._data)} bytes does not end where its symbols end")

    def _read(self, row: TableRow, *count: int) -> Any:
        try:
            return self._decoder.decode(_model(row), *count)
        except AssertionError:  # the library's word for data that no encoder writes
            raise CorruptError("the payload holds a number that no encoder writes") from None


def _model(row: TableRow) -> Any:
    if row.accelerated is None:
        row.accelerated = _Categorical(row.frequencies.astype(np.float64) - 1.0, perfect=False)
    return row.accelerated


def take_back_carry(number: bytearray) -> None:
    """Subtract one from a big-endian number that a carry has made at least 1."""
    index = len(number) - 1
    while number[index] == 0:
        number[index] = 0xFF
        index -= 1
    number[index] -= 1
