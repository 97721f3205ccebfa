"""Three ends that the symbols of a packet can go to: an encoder, a decoder, or a count.

All take symbols and return symbols: encoder and counter what they were given, the decoder what it read. So the syntax
of a packet, the order of its elements and the tables of each, is one function that all three walk, and writing it and
reading it cannot differ.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.signed_golomb import (
    EQUAL,
    ORDER,
    SHORTEST_CODE,
    Int32s,
    Int64s,
    Rows,
    SignedTables,
    decode_integers,
    encode_integers,
    exponents,
    from_remainders,
    remainder_bits,
    to_symbols,
)
from mediacodec_bitstream import TableFamily, group_by_table
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.tables import PRECISION, TableRow

LARGEST_RESIDUAL = 15  # that has a symbol of its own
ESCAPE = 31
_FEW = 5  # symbols that are quicker one by one; most runs of the upper levels of a quadtree are that short
_LONGEST_PREFIX = 6  # exponent of the largest escape: two vectors differ by at most 2 * 512
# as many bits as a run of equal bits and its end: exponent 0, 1, 2, ... each with either sign
_PREFIX = TableFamily.from_counts(1 << 20 >> np.repeat(np.minimum(np.arange(_LONGEST_PREFIX + 1), 5), 2))[0]

Contexts = npt.NDArray[np.integer]


class SymbolCoder(Protocol):
    """Where symbols go. A decoder is given None in place of symbols."""

    def grouped(self, tables: TableFamily, rows: Contexts, symbols: npt.NDArray[np.integer] | None, /) -> Int64s:
        """Pass symbols, each under a table of its own: table by table, those of one table in their own order.

        Args:
            tables: of one family.
            rows: the table of each symbol, [n].
            symbols: [n], None for a decoder.

        Returns:
            The symbols, int64 [n].

        Raises:
            CorruptError: a decoder's payload is damaged.
        """

    def run(self, table: TableRow, count: int, symbols: npt.NDArray[np.integer] | None, /) -> Int64s:
        """Pass symbols that share a table.

        Args:
            table: of all of them.
            count: how many there are.
            symbols: [count], None for a decoder.

        Returns:
            The symbols, int64 [count].

        Raises:
            CorruptError: a decoder's payload is damaged.
        """

    def integers(self, tables: SignedTables, rows: Rows, values: Int32s | None, /) -> Int32s:
        """Pass signed integers of any size, as `encode_integers` has them.

        Args:
            tables: for the small ones; others follow as Exp-Golomb codes.
            rows: the table of each integer, uint8 [n].
            values: int32 [n], None for a decoder.

        Returns:
            The integers, int32 [n].

        Raises:
            CorruptError: a decoder's payload is damaged.
        """


class SymbolEncoder:
    """A SymbolCoder that appends symbols to an encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def grouped(self, tables: TableFamily, rows: Contexts, symbols: npt.NDArray[np.integer] | None) -> Int64s:
        """See `SymbolCoder.grouped`."""
        assert symbols is not None
        order, groups = group_by_table(_narrow(rows, tables), len(tables))
        ordered = symbols if order is None else symbols[order]
        for row, start, stop in groups:
            self._append(tables[row], ordered[start:stop])
        return np.asarray(symbols, np.int64)

    def run(self, table: TableRow, _count: int, symbols: npt.NDArray[np.integer] | None) -> Int64s:
        """See `SymbolCoder.run`."""
        assert symbols is not None
        self._append(table, symbols)
        return np.asarray(symbols, np.int64)

    def integers(self, tables: SignedTables, rows: Rows, values: Int32s | None) -> Int32s:
        """See `SymbolCoder.integers`."""
        assert values is not None
        encode_integers(self._encoder, values, rows, tables)
        return values

    def _append(self, table: TableRow, symbols: npt.NDArray[np.integer]) -> None:
        if len(symbols) <= _FEW:
            for symbol in symbols.tolist():
                self._encoder.encode_one(symbol, table)
        else:
            self._encoder.encode(symbols, table)


class SymbolDecoder:
    """A SymbolCoder that takes symbols from a decoder.

    Args:
        decoder: of the payload.
        payload_bits: its length, which bounds how many Exp-Golomb codes it can hold.
    """

    def __init__(self, decoder: Decoder, payload_bits: int) -> None:
        self._decoder, self._left = decoder, payload_bits

    def grouped(self, tables: TableFamily, rows: Contexts, _symbols: npt.NDArray[np.integer] | None) -> Int64s:
        """See `SymbolCoder.grouped`."""
        order, groups = group_by_table(_narrow(rows, tables), len(tables))
        found = np.empty(len(rows), np.int64)
        for row, start, stop in groups:
            if stop - start == 1:
                found[start] = self._decoder.decode_one(tables[row])
            else:
                found[start:stop] = self._decoder.decode(tables[row], stop - start)
        if order is None:
            return found
        result = np.empty_like(found)
        result[order] = found
        return result

    def run(self, table: TableRow, count: int, _symbols: npt.NDArray[np.integer] | None) -> Int64s:
        """See `SymbolCoder.run`."""
        if count == 1:
            return np.array([self._decoder.decode_one(table)])
        return self._decoder.decode(table, count).astype(np.int64)

    def integers(self, tables: SignedTables, rows: Rows, _values: Int32s | None) -> Int32s:
        """See `SymbolCoder.integers`."""
        result = decode_integers(self._decoder, rows, tables, payload_bits=self._left)
        self._left -= int(np.count_nonzero(np.abs(result) > tables.reach[rows])) * SHORTEST_CODE
        return result


class SymbolCounter:
    """A SymbolCoder that counts symbols: to fit tables with, and to price a packet without writing it.

    Attributes:
        bits: what the tables make of all symbols so far; the encoder spends that and its own rounding.
    """

    def __init__(self) -> None:
        self.bits = 0.0
        self._counts: list[tuple[TableFamily, Int64s]] = []

    def counts(self, tables: TableFamily) -> Int64s:
        """How often each symbol was coded under each table of a family (this very object), int64 [T, K]."""
        for family, counts in self._counts:
            if family is tables:
                return counts
        counts = np.zeros(tables.frequencies.shape, np.int64)
        self._counts.append((tables, counts))
        return counts

    def grouped(self, tables: TableFamily, rows: Contexts, symbols: npt.NDArray[np.integer] | None) -> Int64s:
        """See `SymbolCoder.grouped`."""
        assert symbols is not None
        np.add.at(self.counts(tables), (rows, symbols), 1)
        self.bits += tables.ideal_bits(symbols, rows)
        return np.asarray(symbols, np.int64)

    def run(self, table: TableRow, _count: int, symbols: npt.NDArray[np.integer] | None) -> Int64s:
        """See `SymbolCoder.run`."""
        assert symbols is not None
        self.bits += float((PRECISION - np.log2(table.frequencies[symbols].astype(np.float64))).sum())
        return np.asarray(symbols, np.int64)

    def integers(self, tables: SignedTables, rows: Rows, values: Int32s | None) -> Int32s:
        """See `SymbolCoder.integers`."""
        assert values is not None
        symbols, escaped = to_symbols(values, rows, tables)
        self.grouped(tables.family, rows, symbols)
        beyond = np.abs(values[escaped]) - tables.reach[rows[escaped]] - 1
        self.bits += float((2 * exponents(beyond.astype(np.int64)) + SHORTEST_CODE).sum())
        return values


def code_symbol(coder: SymbolCoder, tables: TableFamily, row: int, symbol: int | np.bool_ | None) -> int:
    """Pass one symbol.

    Args:
        coder: either end.
        tables: of a family.
        row: the table of it that the symbol is coded under.
        symbol: None for a decoder.

    Returns:
        The symbol.

    Raises:
        CorruptError: a decoder's payload is damaged.
    """
    given = None if symbol is None else np.array([symbol], np.int64)
    return int(coder.grouped(tables, np.array([row]), given)[0])


def code_residuals(coder: SymbolCoder, tables: TableFamily, contexts: Contexts, residuals: Int64s | None) -> Int64s:
    """Differences of motion vectors, integers within ±1031.

    -15..15 are the symbols 0..30; 31 stands for the others, which follow as Exp-Golomb codes: all prefixes with their
    signs, then all remainders.

    Args:
        coder: either end.
        tables: of 32 symbols.
        contexts: the table of each residual, [n].
        residuals: int64 [n], None for a decoder.

    Returns:
        The residuals, int64 [n].
    """
    symbols = None
    if residuals is not None:
        symbols = np.where(np.abs(residuals) > LARGEST_RESIDUAL, ESCAPE, residuals + LARGEST_RESIDUAL)
    symbols = coder.grouped(tables, contexts, symbols)
    result = symbols - LARGEST_RESIDUAL
    escaped = np.flatnonzero(symbols == ESCAPE)
    if len(escaped):
        result[escaped] = _code_escaped(coder, len(escaped), None if residuals is None else residuals[escaped])
    return result


def _code_escaped(coder: SymbolCoder, count: int, residuals: Int64s | None) -> Int64s:
    prefixes = bits = beyond = None
    if residuals is not None:
        beyond = np.abs(residuals) - LARGEST_RESIDUAL - 1
        prefixes = 2 * exponents(beyond) + (residuals < 0)
    exponent, negative = np.divmod(coder.run(_PREFIX, count, prefixes), 2)
    if beyond is not None:
        bits = remainder_bits(beyond, exponent)
    bits = coder.run(EQUAL, int((exponent + ORDER).sum()), bits)
    size = from_remainders(bits, exponent) + LARGEST_RESIDUAL + 1
    return np.asarray(np.where(negative > 0, -size, size))


def _narrow(rows: Contexts, tables: TableFamily) -> Contexts:
    """In eight bits NumPy sorts by radix."""
    return rows.astype(np.uint8 if len(tables) <= 256 else np.uint16, copy=False)
