"""The symbol coder of a packet: integers under tables, and equiprobable symbols.

`SymbolEncoder` and `SymbolDecoder` offer the same calls, so that one walk over a frame's integers both packs and
unpacks it. Integers are coded as `entropy_coding.signed_golomb` says, a run at a time.
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

COST_MAGNITUDES = 200  # magnitudes 0..199 whose bits are tabulated


class IntegerTables(EscapedTables):
    """A family of tables, as tables of integers.

    Args:
        family: whose rows are of symbols 0, +1, -1, .. and the escape.
    """

    def __init__(self, family: TableFamily) -> None:
        self.coefficients = family

    def costs(self) -> Bits:
        """Bits of each magnitude, sign included, under each table: [tables, COST_MAGNITUDES]."""
        return self.bits(COST_MAGNITUDES)


class SymbolCoder(Protocol):
    """Either end of a payload.

    Attributes:
        crc: over every integer that passed, from what came before.
    """

    crc: int

    def integers(self, rows: Array, values: Integers | None, /) -> Integers:
        """Code integers.

        Args:
            rows: the table of each, [n].
            values: int32 [n]; ignored by a decoder.

        Returns:
            The integers, int32 [n].
        """
        ...

    def uniform(self, count: int, value: int | None, /) -> int:
        """Code one of `count` equiprobable symbols.

        Args:
            count: of symbols 0..count-1.
            value: the symbol; ignored by a decoder.

        Returns:
            The symbol.
        """
        ...


class SymbolEncoder:
    """Encodes what it is given.

    Args:
        encoder: that takes the symbols.
        tables: of the integers.
        crc: of what the packet coded before.

    Attributes:
        crc: see `SymbolCoder`.

    Raises:
        ParameterError: an integer is beyond `signed_golomb.LARGEST`.
    """

    def __init__(self, encoder: Encoder, tables: IntegerTables, crc: int = 0) -> None:
        self._encoder, self._tables = encoder, tables
        self.crc = crc

    def integers(self, rows: Array, values: Integers | None) -> Integers:
        """See `SymbolCoder.integers`."""
        assert values is not None
        encode_integers(self._encoder, values, rows, self._tables)
        self.crc = _crc(values, self.crc)
        return values

    def uniform(self, count: int, value: int | None) -> int:
        """See `SymbolCoder.uniform`."""
        assert value is not None
        self._encoder.encode_one(value, _uniform_row(count))
        self.crc = _crc(np.array([value]), self.crc)
        return value


class SymbolDecoder:
    """Decodes what an encoder was given.

    Args:
        decoder: that gives the symbols.
        tables: of the integers.
        payload_bits: that the payload holds, which bounds how many escapes can be in it.
        crc: of what the packet coded before.

    Attributes:
        crc: see `SymbolCoder`.

    Raises:
        CorruptError: the payload is damaged.
    """

    def __init__(self, decoder: Decoder, tables: IntegerTables, payload_bits: int, crc: int = 0) -> None:
        self._decoder, self._tables, self._bits_left = decoder, tables, payload_bits
        self.crc = crc

    def integers(self, rows: Array, _values: Integers | None) -> Integers:
        """See `SymbolCoder.integers`."""
        result = decode_integers(self._decoder, rows, self._tables, payload_bits=self._bits_left)
        escaped = int(np.count_nonzero(np.abs(result) > self._tables.reach[rows]))
        self._bits_left -= escaped * (GOLOMB_ORDER + 2)
        self.crc = _crc(result, self.crc)
        return result

    def uniform(self, count: int, _value: int | None) -> int:
        """See `SymbolCoder.uniform`."""
        value = self._decoder.decode_one(_uniform_row(count))
        self.crc = _crc(np.array([value]), self.crc)
        return value


_UNIFORM: dict[int, TableRow] = {}


def _uniform_row(count: int) -> TableRow:
    if count not in _UNIFORM:
        _UNIFORM[count] = TableFamily.uniform(count)[0]
    return _UNIFORM[count]


def _crc(values: Array, crc: int) -> int:
    return zlib.crc32(np.ascontiguousarray(values, "<i2").data, crc)
