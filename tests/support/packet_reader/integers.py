"""Signed integers: codecs/integers.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .base import HALF, Table, by_row, corrupt


def signed(decoder: Any, tables: Sequence[Table], rows: Any, room: int) -> tuple[Any, int]:
    """The integers of a list, and how many of them were escapes."""
    rows = np.asarray(rows, np.int64).ravel()
    reach = np.array([(len(table) - 2) // 2 for table in tables])[rows]
    symbols = by_row(decoder, tables, rows)
    values = np.where(symbols % 2 == 1, (symbols + 1) // 2, -(symbols // 2))
    escaped = [place for place in np.argsort(rows, kind="stable") if symbols[place] > 2 * reach[place]]
    if 5 * len(escaped) > room:
        raise corrupt("more escapes than there is room for")
    for place in escaped:
        size = int(reach[place]) + 1 + exp_golomb(decoder)
        if size > 32767:
            raise corrupt("an integer beyond 32767")
        values[place] = -size if decoder.symbol(HALF) else size
    return values, len(escaped)


def exp_golomb(decoder: Any) -> int:
    zeros = 0
    while not decoder.symbol(HALF):
        zeros += 1
        if zeros > 12:
            raise corrupt("an Exp-Golomb number of more than 12 zeros")
    number = 1
    for _ in range(zeros + 3):
        number = 2 * number + decoder.symbol(HALF)
    return number - 8
