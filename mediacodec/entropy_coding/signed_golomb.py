"""Signed integers of any size under static tables: the frequent ones have a symbol, the rest signed Exp-Golomb codes.

A code of order 3 writes number + 8 in binary, of 4 + exponent bits, behind a prefix that tells the exponent. The format
has two layouts of these codes, which differ in the order of their bits and share the arithmetic here:

- Coefficients and weights (`encode_integers`): one number after the other, each as prefix, remainder and sign under a
  table of equal halves. Numbers are as large as LARGEST and hardly ever large, so a decoder stops at the first prefix
  that is too long.
- Differences of motion vectors (`symbol_coder.code_residuals`): all prefixes, which hold the sign too, and then all
  remainders, so that a motion field takes two runs of the coder. The prefix is bounded by its table.

Either could do both jobs, but packets exist in both.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from mediacodec.errors import CorruptError, ParameterError
from mediacodec_bitstream import TableFamily, group_by_table
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.tables import PRECISION, TableRow

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint8]
Bits = npt.NDArray[np.float32]

ORDER = 3
LARGEST = 32767  # magnitude of any integer
LONGEST_PREFIX = 12  # exponent of the largest
SHORTEST_CODE = ORDER + 2  # bits: an end of the prefix, the remainder, a sign
EQUAL = TableFamily.uniform(2)[0]  # one bit

_STEPS = (1 << ORDER << np.arange(1, LONGEST_PREFIX + 1)) - (1 << ORDER)


class SignedTables:
    """Tables of signed integers, whose symbols are 0, +1, -1, +2, .. and last an escape.

    Attributes:
        family: its row of n symbols codes magnitudes up to (n - 2) / 2 without the escape.
    """

    def __init__(self, family: TableFamily) -> None:
        self.family = family

    @cached_property
    def rows(self) -> list[TableRow]:
        return list(self.family)

    @cached_property
    def reach(self) -> Int32s:
        """The largest magnitude that each row codes without an escape."""
        return np.array([(row.size - 2) // 2 for row in self.rows], np.int32)

    def bits(self, count: int) -> Bits:
        """Bits of the magnitudes 0..count-1, sign included, under each row: float32 [rows, count]."""
        result = np.zeros((len(self.rows), count), np.float32)
        for row, reach, out in zip(self.rows, self.reach.tolist(), result, strict=True):
            bits = PRECISION - np.log2(row.frequencies.astype(np.float64))
            out[0] = bits[0]
            out[1 : reach + 1] = (bits[1:-1:2] + bits[2:-1:2])[: count - 1] / 2
            beyond = np.arange(max(0, count - reach - 1)) + (1 << ORDER)
            length = np.floor(np.log2(beyond)) + 1
            out[reach + 1 :] = bits[-1] + 2 * length - ORDER
        return result


def encode_integers(encoder: Encoder, values: Int32s, rows: Rows, tables: SignedTables) -> None:
    """Append integers, each under its own table: the inverse of `decode_integers`.

    They are coded table by table in ascending order, and under a table in their own order; the Exp-Golomb codes of
    those that their table does not reach follow last, in the same order.

    Args:
        encoder: what they are appended to.
        values: int32 [n] within ±LARGEST.
        rows: the table of each, uint8 [n].
        tables: at most 256.

    Raises:
        ParameterError: an integer is beyond LARGEST.
    """
    order, groups = group_by_table(rows, len(tables.rows))
    if order is not None:
        values, rows = values[order], rows[order]
    symbols, escaped = to_symbols(values, rows, tables)
    for row, start, stop in groups:
        encoder.encode(symbols[start:stop], tables.rows[row])
    if len(escaped):
        beyond = np.abs(values[escaped]) - tables.reach[rows[escaped]] - 1
        encoder.encode(_codes(beyond.astype(np.int64), values[escaped] < 0), EQUAL)


def decode_integers(decoder: Decoder, rows: Rows, tables: SignedTables, *, payload_bits: int) -> Int32s:
    """The integers that `encode_integers` appended.

    Args:
        decoder: what they are read from.
        rows: the table of each, uint8 [n].
        tables: as they were encoded with.
        payload_bits: how long the payload is, which bounds how many Exp-Golomb codes it can hold.

    Returns:
        int32 [n].

    Raises:
        CorruptError: the data cannot be what `encode_integers` wrote.
    """
    order, groups = group_by_table(rows, len(tables.rows))
    symbols = np.empty(len(rows), np.int32)
    for row, start, stop in groups:
        symbols[start:stop] = decoder.decode(tables.rows[row], stop - start)
    values = (symbols + 1) >> 1
    np.negative(values, out=values, where=(symbols & 1) == 0)
    reach = tables.reach[rows if order is None else rows[order]]
    escaped = np.flatnonzero(symbols > 2 * reach)
    if len(escaped) * SHORTEST_CODE > payload_bits:
        raise CorruptError(f"{len(escaped)} escape codes do not fit into {payload_bits} bits")
    for place in escaped.tolist():
        size = _decode_number(decoder) + int(reach[place]) + 1
        if size > LARGEST:
            raise CorruptError(f"an integer of {size} is beyond {LARGEST}")
        values[place] = -size if decoder.decode_one(EQUAL) else size
    if order is None:
        return values
    result = np.empty_like(values)
    result[order] = values
    return result


def to_symbols(values: Int32s, rows: Rows, tables: SignedTables) -> tuple[Int32s, npt.NDArray[np.intp]]:
    """The symbol of each integer under its table, and the places of those that are escapes.

    Args:
        values: int32 [n].
        rows: the table of each, uint8 [n].
        tables: of signed integers.

    Raises:
        ParameterError: an integer is beyond LARGEST.
    """
    size = np.abs(values)
    reach = tables.reach[rows]
    symbols = np.where(values > 0, 2 * size - 1, 2 * size)
    escaped = np.flatnonzero(size > reach)
    if len(escaped):
        if size[escaped].max() > LARGEST:
            raise ParameterError(f"an integer of {size.max()} is beyond {LARGEST}")
        symbols[escaped] = 2 * reach[escaped] + 1
    return symbols, escaped


def exponents(numbers: Int64s) -> Int64s:
    """floor(log2(number / 8 + 1)) of numbers >= 0, in integers: what the prefix tells."""
    return np.asarray(np.searchsorted(_STEPS, numbers, side="right"))


def remainder_bits(numbers: Int64s, exponent: Int64s) -> Int64s:
    """The remainders of numbers, one after the other, high bits first.

    Args:
        numbers: int64 [n], >= 0.
        exponent: of each, as `exponents` gives it.

    Returns:
        Bits, int64 [sum of exponent + ORDER].
    """
    which, shifts = _bit_places(exponent + ORDER)
    return (numbers + (1 << ORDER))[which] >> shifts & 1


def from_remainders(bits: Int64s, exponent: Int64s) -> Int64s:
    """The inverse of `remainder_bits`.

    Args:
        bits: [sum of exponent + ORDER], not empty.
        exponent: of each number, int64 [n].

    Returns:
        The numbers, int64 [n], >= 0.
    """
    lengths = exponent + ORDER
    _, shifts = _bit_places(lengths)
    starts = np.cumsum(lengths) - lengths
    remainders = np.add.reduceat(bits << shifts, starts)
    return np.asarray(remainders + (1 << lengths) - (1 << ORDER))


def _bit_places(lengths: Int64s) -> tuple[Int64s, Int64s]:
    """For each bit of numbers written one after the other: whose it is, and by how much it is shifted."""
    which = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(lengths)
    return which, np.repeat(ends, lengths) - 1 - np.arange(len(which))


def _codes(numbers: Int64s, negative: npt.NDArray[np.bool_]) -> Int64s:
    """Bits of numbers >= 0, one after the other: zeros as the exponent says, number + 8 in binary, and a sign."""
    lengths = 2 * exponents(numbers) + SHORTEST_CODE
    which, shifts = _bit_places(lengths)
    written = (numbers + (1 << ORDER)) << 1 | negative  # the zeros of the prefix are those in front of it
    return written[which] >> shifts & 1


def _decode_number(decoder: Decoder) -> int:
    zeros = 0
    while not decoder.decode_one(EQUAL):
        zeros += 1
        if zeros > LONGEST_PREFIX:
            raise CorruptError("an escape code is longer than any integer's")
    shifted = 1
    for _ in range(zeros + ORDER):
        shifted = shifted << 1 | decoder.decode_one(EQUAL)
    return shifted - (1 << ORDER)
