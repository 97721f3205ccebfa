"""The entropy coding of signed integers, each under one of a family of static tables, with escapes; and their CRC.

Integers are coded in groups, one table after the other in ascending order, and within a group in their own order: a
table is used in one run. Integers beyond their table's reach code its last symbol; what they exceed it by follows after
all groups as Exp-Golomb numbers of order 3 and a sign bit, under a flat table.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mediacodec.errors import CorruptError, DesyncError, ParameterError
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.tables import PRECISION, TableRow

Array = npt.NDArray[Any]
Index = npt.NDArray[np.intp]
Rows = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int32]
Bits = npt.NDArray[np.float32]

GOLOMB_ORDER = 3
LARGEST = 32767  # magnitude of any integer


class EscapedTables:
    """Tables of signed integers: symbols 0, +1, -1, .. and last an escape.

    coefficients: the family; a row of n symbols codes magnitudes up to (n - 2) / 2 without the escape.
    """

    coefficients: TableFamily

    @cached_property
    def rows(self) -> list[TableRow]:
        return list(self.coefficients)

    @cached_property
    def reach(self) -> Integers:
        """The largest magnitude that each row codes without an escape."""
        return np.array([(row.size - 2) // 2 for row in self.rows], np.int32)

    def bits(self, count: int) -> Bits:
        """Bits of the magnitudes 0..count-1, sign included, under each row: float32 [rows, count]."""
        result = np.zeros((len(self.rows), count), np.float32)
        for row, reach, out in zip(self.rows, self.reach.tolist(), result, strict=True):
            bits = PRECISION - np.log2(row.frequencies.astype(np.float64))
            out[0] = bits[0]
            out[1 : reach + 1] = (bits[1:-1:2] + bits[2:-1:2])[: count - 1] / 2
            beyond = np.arange(max(0, count - reach - 1)) + (1 << GOLOMB_ORDER)
            length = np.floor(np.log2(beyond)) + 1
            out[reach + 1 :] = bits[-1] + 2 * length - GOLOMB_ORDER
        return result


def grouped(rows: Array, tables: int) -> tuple[Index, list[tuple[int, int, int]]]:
    """The stable order of flat rows by table, and (table, start, stop) of each run in it."""
    counts = np.bincount(rows, minlength=tables)
    used = np.flatnonzero(counts)
    stops = np.cumsum(counts[used])
    groups = [(int(t), int(stop - counts[t]), int(stop)) for t, stop in zip(used, stops, strict=True)]
    return np.argsort(rows, kind="stable"), groups


def encode_integers(encoder: Encoder, values: Integers, rows: Rows, tables: EscapedTables) -> None:
    """Append integers, int32 [n] within ±LARGEST, each with its table row.

    Raises ParameterError where one lies outside.
    """
    order, groups = grouped(rows, len(tables.rows))
    values = values[order]
    size = np.abs(values)
    over = size - tables.reach[rows[order]]
    symbols = np.where(values > 0, 2 * size - 1, 2 * size)
    escaped = np.flatnonzero(over > 0)
    if len(escaped):
        if size[escaped].max() > LARGEST:
            raise ParameterError(f"an integer of {size.max()} is beyond {LARGEST}")
        symbols[escaped] = 2 * tables.reach[rows[order[escaped]]] + 1
    for row, start, stop in groups:
        encoder.encode(symbols[start:stop], tables.rows[row])
    for number, value in zip((over[escaped] - 1).tolist(), values[escaped].tolist(), strict=True):
        encoder.encode([*_golomb(number), int(value < 0)], _BIT)


def decode_integers(decoder: Decoder, rows: Rows, tables: EscapedTables, *, payload_bits: int) -> Integers:
    """The inverse of `encode_integers`: int32 [n].

    Raises CorruptError, also on more escapes than a payload of so many bits holds.
    """
    order, groups = grouped(rows, len(tables.rows))
    symbols = np.empty(len(rows), np.int32)
    for row, start, stop in groups:
        symbols[start:stop] = decoder.decode(tables.rows[row], stop - start)
    values = (symbols + 1) >> 1
    np.negative(values, out=values, where=(symbols & 1) == 0)
    reach = tables.reach[rows[order]]
    escaped = np.flatnonzero(symbols > 2 * reach)
    if len(escaped) * (GOLOMB_ORDER + 2) > payload_bits:
        raise CorruptError(f"{len(escaped)} escape codes do not fit into {payload_bits} bits")
    for place in escaped.tolist():
        size = _read_golomb(decoder) + int(reach[place]) + 1
        if size > LARGEST:
            raise CorruptError(f"an integer of {size} is beyond {LARGEST}")
        values[place] = -size if decoder.decode_one(_BIT) else size
    result = np.empty_like(values)
    result[order] = values
    return result


def integers_crc(parts: list[tuple[Array, int]]) -> int:
    """`symbol_crc` of arrays one after the other, each with an offset added that makes it lie in 0..65535."""
    crc = 0
    for values, offset in parts:
        wide = values.astype("<u2") if not offset else (values + np.int32(offset)).astype("<u2")
        crc = zlib.crc32(np.ascontiguousarray(wide).data, crc)
    return crc


def check_crc(parts: list[tuple[Array, int]], crc: int, size: int) -> None:
    """Raise DesyncError unless the low `size` bytes of the integers' CRC are `crc`."""
    expect_crc(integers_crc(parts), crc, size)


def expect_crc(found: int, crc: int, size: int) -> None:
    """Raise DesyncError unless the low `size` bytes of `found` are `crc`."""
    if found & ((1 << 8 * size) - 1) != crc:
        raise DesyncError("the decoded symbols are not those that were encoded: is this the right model?")


_BIT = TableFamily.uniform(2)[0]


def _golomb(number: int) -> list[int]:
    """The Exp-Golomb code of order 3: as many zeros as bits follow beyond the first four, then number + 8 in binary."""
    shifted = number + (1 << GOLOMB_ORDER)
    bits = [int(bit) for bit in f"{shifted:b}"]
    return [0] * (len(bits) - GOLOMB_ORDER - 1) + bits


def _read_golomb(decoder: Decoder) -> int:
    zeros = 0
    while not decoder.decode_one(_BIT):
        zeros += 1
        if zeros > 12:  # the longest that an integer within LARGEST needs
            raise CorruptError("an escape code is longer than any integer's")
    shifted = 1
    for _ in range(zeros + GOLOMB_ORDER):
        shifted = shifted << 1 | decoder.decode_one(_BIT)
    return shifted - (1 << GOLOMB_ORDER)
