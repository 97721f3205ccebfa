"""What a payload of integers and choices passes through, written or read: symbols and their CRC."""

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

TABULATED = 200  # magnitudes 0..199 whose bits are tabulated


class IntegerTables(SignedTables):
    """A family as tables of integers."""

    def costs(self) -> Bits:
        """Bits of each magnitude, sign included, under each row: [rows, TABULATED]."""
        return self.bits(TABULATED)


class CheckedCoder:
    """Passes integers and choices through a coder, so that one walk over a frame both packs and unpacks it.

    Args:
        coder: either end.
        tables: of the integers.
        crc: of the symbols that came before.

    Attributes:
        crc: runs over every integer and choice that passed.
    """

    def __init__(self, coder: SymbolCoder, tables: IntegerTables, crc: int = 0) -> None:
        self._coder, self._tables = coder, tables
        self.crc = crc

    def integers(self, rows: Rows, values: Int32s | None) -> Int32s:
        """Pass flat integers, each with its table row; a decoder is given None and returns what was coded.

        Raises ParameterError on an integer beyond LARGEST, CorruptError on what no encoder writes.
        """
        return self._checked(self._coder.integers(self._tables, rows, values))

    def choice(self, options: int, value: int | None) -> int:
        """Pass one of equally likely options, 0..options-1."""
        given = None if value is None else np.array([value], np.int32)
        return int(self._checked(self._coder.run(_uniform(options), 1, given))[0])

    def _checked(self, values: npt.NDArray[_Int]) -> npt.NDArray[_Int]:
        self.crc = symbol_crc(values & 0xFFFF, self.crc)  # negative ones as their two's complement
        return values


@cache
def _uniform(options: int) -> TableRow:
    return TableFamily.uniform(options)[0]
