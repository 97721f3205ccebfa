"""What a payload of integers and choices passes through, encoded or decoded: symbols and their CRC."""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.signed_golomb import Bits, Int32s, Rows, SignedTables
from mediacodec.entropy_coding.symbol_coder import SymbolCoder
from mediacodec_bitstream import TableFamily, symbol_crc
from mediacodec_bitstream.tables import TableRow

_Int = TypeVar("_Int", np.int32, np.int64)

COST_MAGNITUDES = 200  # magnitudes 0..199 whose bits are tabulated


class IntegerTables(SignedTables):
    """A family of tables, as tables of integers.

    Args:
        family: whose rows are of symbols 0, +1, -1, .. and the escape.
    """

    def costs(self) -> Bits:
        """Bits of each magnitude, sign included, under each table: [tables, COST_MAGNITUDES]."""
        return self.bits(COST_MAGNITUDES)


class CheckedCoder:
    """Codes integers and choices and keeps their CRC, so that one walk over a frame both packs and unpacks it.

    Args:
        coder: either end of the payload.
        tables: of the integers.
        crc: of what the packet coded before.

    Attributes:
        crc: over every integer and choice that was coded, from what came before.
    """

    def __init__(self, coder: SymbolCoder, tables: IntegerTables, crc: int = 0) -> None:
        self._coder, self._tables = coder, tables
        self.crc = crc

    def integers(self, rows: Rows, values: Int32s | None) -> Int32s:
        """Code integers.

        Args:
            rows: the table of each, [n].
            values: int32 [n]; None for a decoder.

        Returns:
            The integers, int32 [n].

        Raises:
            ParameterError: an integer to be encoded is beyond `signed_golomb.LARGEST`.
            CorruptError: the payload is none that an encoder makes.
        """
        return self._checked(self._coder.integers(self._tables, rows, values))

    def uniform(self, count: int, value: int | None) -> int:
        """Code one of `count` equiprobable symbols.

        Args:
            count: of symbols 0..count-1.
            value: the symbol; None for a decoder.

        Returns:
            The symbol.
        """
        given = None if value is None else np.array([value], np.int32)
        return int(self._checked(self._coder.run(_uniform_row(count), 1, given))[0])

    def _checked(self, values: npt.NDArray[_Int]) -> npt.NDArray[_Int]:
        self.crc = symbol_crc(values & 0xFFFF, self.crc)  # negative ones as their two's complement
        return values


@cache
def _uniform_row(count: int) -> TableRow:
    return TableFamily.uniform(count)[0]
