"""The two ends of a payload of integers and choices.

`Writing` and `Reading` offer the same calls, so that one walk over a picture's integers both packs and unpacks it.
Integers are coded as `escapes` says, a run at a time.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import numpy as np

from mediacodec.entropy_coding.signed_golomb import (
    GOLOMB_ORDER,
    Array,
    Bits,
    EscapedTables,
    Integers,
    decode_integers,
    encode_integers,
)
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.tables import TableRow

COSTED = 200  # magnitudes 0..199 whose bits are tabulated


class IntegerTables(EscapedTables):
    """A family as tables of integers."""

    def __init__(self, family: TableFamily) -> None:
        self.coefficients = family

    def costs(self) -> Bits:
        """Bits of each magnitude, sign included, under each row: [rows, COSTED]."""
        return self.bits(COSTED)


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
        encode_integers(self._encoder, values, rows, self._tables)
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
        result = decode_integers(self._decoder, rows, self._tables, payload_bits=self._room)
        escaped = int(np.count_nonzero(np.abs(result) > self._tables.reach[rows]))
        self._room -= escaped * (GOLOMB_ORDER + 2)
        self.crc = _crc(result, self.crc)
        return result

    def choice(self, options: int, _value: int | None) -> int:
        value = self._decoder.decode_one(_flat(options))
        self.crc = _crc(np.array([value]), self.crc)
        return value


_FLAT: dict[int, TableRow] = {}


def _flat(options: int) -> TableRow:
    if options not in _FLAT:
        _FLAT[options] = TableFamily.uniform(options)[0]
    return _FLAT[options]


def _crc(values: Array, crc: int) -> int:
    return zlib.crc32(np.ascontiguousarray(values, "<i2").data, crc)
