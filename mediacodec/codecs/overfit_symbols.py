"""The entropy coding of integers, each under one of a shipped family of integer tables.

Integers are coded in groups, one table after the other in ascending order, and within a group in their own order. What
lies beyond its table's reach codes the table's last symbol; by how much follows after all groups as an Exp-Golomb
number of order 3 and a sign bit, under a flat table. `Writing` and `Reading` offer the same calls, so that one walk
over a picture's integers both packs and unpacks it.
"""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mediacodec.errors import CorruptError, ParameterError
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.tables import PRECISION, TableRow

GOLOMB_ORDER = 3
LARGEST = 32767  # magnitude of any integer
COSTED = 200  # magnitudes 0..199 whose bits are tabulated

Bits = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]
Array = npt.NDArray[Any]


class IntegerTables:
    """Rows by index. A row of n symbols codes magnitudes up to (n - 2) / 2 and, with its last symbol, larger ones."""

    def __init__(self, family: TableFamily) -> None:
        self.rows = list(family)
        self.reach: Integers = np.array([(row.size - 2) // 2 for row in self.rows], np.int32)

    def costs(self) -> Bits:
        """Bits of each magnitude, sign included, under each row: [rows, COSTED]."""
        result = np.zeros((len(self.rows), COSTED), np.float32)
        for row, reach, out in zip(self.rows, self.reach.tolist(), result, strict=True):
            bits = PRECISION - np.log2(row.frequencies.astype(np.float64))
            out[0] = bits[0]
            out[1 : reach + 1] = (bits[1:-1:2] + bits[2:-1:2])[: COSTED - 1] / 2
            beyond = np.arange(COSTED - reach - 1) + (1 << GOLOMB_ORDER)
            out[reach + 1 :] = bits[-1] + 2 * np.floor(np.log2(beyond)) + 2 - GOLOMB_ORDER
        return result


class Port(Protocol):
    """Either end of a payload; `crc` runs over every integer that passed, from what came before."""

    crc: int

    def integers(self, rows: Array, values: Integers | None, /) -> Integers:
        """Pass flat integers, each with its table row; a reader ignores the values and returns what was coded."""
        ...

    def choice(self, options: int, value: int | None, /) -> int:
        """Pass one of equally likely options, 0..options-1."""
        ...


class Writing:
    """Encodes what it is given. Raises ParameterError on an integer beyond LARGEST."""

    def __init__(self, encoder: Encoder, tables: IntegerTables, crc: int = 0) -> None:
        self._encoder, self._tables = encoder, tables
        self.crc = crc

    def integers(self, rows: Array, values: Integers | None) -> Integers:
        assert values is not None
        order, groups = _grouped(rows, len(self._tables.rows))
        ordered = values[order]
        size = np.abs(ordered)
        over = size - self._tables.reach[rows[order]]
        symbols = np.where(ordered > 0, 2 * size - 1, 2 * size)
        escaped = np.flatnonzero(over > 0)
        if len(escaped):
            if size[escaped].max() > LARGEST:
                raise ParameterError(f"an integer of {size.max()} is beyond {LARGEST}")
            symbols[escaped] = 2 * self._tables.reach[rows[order[escaped]]] + 1
        for row, start, stop in groups:
            self._encoder.encode(symbols[start:stop], self._tables.rows[row])
        for number, value in zip((over[escaped] - 1).tolist(), ordered[escaped].tolist(), strict=True):
            self._encoder.encode([*_golomb(number), int(value < 0)], _BIT)
        self.crc = _crc(values, self.crc)
        return values

    def choice(self, options: int, value: int | None) -> int:
        assert value is not None
        self._encoder.encode_one(value, _flat(options))
        self.crc = _crc(np.array([value]), self.crc)
        return value


class Reading:
    """Decodes. Raises CorruptError, also on more escapes than a payload of `room` bits holds."""

    def __init__(self, decoder: Decoder, tables: IntegerTables, room: int, crc: int = 0) -> None:
        self._decoder, self._tables, self._room = decoder, tables, room
        self.crc = crc

    def integers(self, rows: Array, _values: Integers | None) -> Integers:
        order, groups = _grouped(rows, len(self._tables.rows))
        symbols = np.empty(len(rows), np.int32)
        for row, start, stop in groups:
            symbols[start:stop] = self._decoder.decode(self._tables.rows[row], stop - start)
        values = (symbols + 1) >> 1
        np.negative(values, out=values, where=(symbols & 1) == 0)
        reach = self._tables.reach[rows[order]]
        escaped = np.flatnonzero(symbols > 2 * reach)
        self._room -= len(escaped) * (GOLOMB_ORDER + 2)
        if len(escaped) and self._room < 0:
            raise CorruptError("more escape codes than the payload holds")
        for place in escaped.tolist():
            size = _read_golomb(self._decoder) + int(reach[place]) + 1
            if size > LARGEST:
                raise CorruptError(f"an integer of {size} is beyond {LARGEST}")
            values[place] = -size if self._decoder.decode_one(_BIT) else size
        result = np.empty_like(values)
        result[order] = values
        self.crc = _crc(result, self.crc)
        return result

    def choice(self, options: int, _value: int | None) -> int:
        value = self._decoder.decode_one(_flat(options))
        self.crc = _crc(np.array([value]), self.crc)
        return value


_BIT = TableFamily.uniform(2)[0]
_FLAT: dict[int, TableRow] = {2: _BIT}


def _flat(options: int) -> TableRow:
    if options not in _FLAT:
        _FLAT[options] = TableFamily.uniform(options)[0]
    return _FLAT[options]


def _grouped(rows: Array, tables: int) -> tuple[npt.NDArray[np.intp], list[tuple[int, int, int]]]:
    """The stable order of flat rows by table, and (table, start, stop) of each run in it."""
    counts = np.bincount(rows, minlength=tables)
    used = np.flatnonzero(counts)
    stops = np.cumsum(counts[used])
    groups = [(int(t), int(stop - counts[t]), int(stop)) for t, stop in zip(used, stops, strict=True)]
    return np.argsort(rows, kind="stable"), groups


def _crc(values: Array, crc: int) -> int:
    return zlib.crc32(np.ascontiguousarray(values, "<i2").data, crc)


def _golomb(number: int) -> list[int]:
    """The Exp-Golomb code of order 3: as many zeros as bits follow beyond the first four, then number + 8 in binary."""
    bits = [int(bit) for bit in f"{number + (1 << GOLOMB_ORDER):b}"]
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
