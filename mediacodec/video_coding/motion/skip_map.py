"""The syntax of the skip map, which blocks of 16x16 are skipped; `scan_order` has the order.

A first symbol says whether every block is skipped. Otherwise each block is a symbol, whose table is chosen by the last
frame's map at its place and by how many of four known neighbours are skipped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.scan_order import Group, groups
from mediacodec.entropy_coding.symbol_coder import SymbolCoder, code_symbol
from mediacodec_bitstream.errors import CorruptError, ParameterError
from mediacodec_bitstream.tables import TableFamily

SkipMap = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

ALPHABET = 2
_NEIGHBOURS = 6  # 0..4 of four are skipped, and 5: none is known yet
_ALL = 2 * _NEIGHBOURS  # the first symbol: whether all are skipped; one context more where all were before
NUM_CONTEXTS = _ALL + 2


def code_skip_map(
    coder: SymbolCoder, tables: TableFamily, shape: tuple[int, ...], previous: SkipMap | None, skip: SkipMap | None
) -> SkipMap:
    """Pass a skip map through a coder.

    Args:
        coder: either end.
        tables: NUM_CONTEXTS of two symbols.
        shape: [rows, columns] of blocks.
        previous: the map of the frame before, None where there is none.
        skip: bool [rows, columns], None for a decoder.

    Returns:
        The map.

    Raises:
        ParameterError: maps or tables do not fit.
        CorruptError: what was read cannot be a map.
    """
    if len(tables) != NUM_CONTEXTS or tables.alphabet != ALPHABET:
        raise ParameterError(f"a skip map needs {NUM_CONTEXTS} tables of {ALPHABET} symbols, not {tables!r}")
    before, given = _flat(previous, shape), None if skip is None else _flat(skip, shape)
    full_context = _ALL + (previous is not None and bool(previous.all()))
    if code_symbol(coder, tables, full_context, None if given is None else given.all()):
        return np.ones(shape, np.bool_)
    known = np.zeros_like(before)
    for group in groups(*shape):
        symbols = None if given is None else given[group.ids]
        known[group.ids] = coder.grouped(tables, _contexts(known, before, group), symbols)
    if known.all():
        raise CorruptError("a skip map that says it is not full is full")
    return known.astype(np.bool_).reshape(shape)


def default_skip_tables() -> TableFamily:
    """Tables to begin with, before any are fitted."""
    counts = np.zeros((NUM_CONTEXTS, ALPHABET), np.int64)
    skipped_around = np.array([8, 25, 50, 75, 94, 50])  # in 100
    counts[:_ALL, 1] = np.clip(np.concatenate([skipped_around - 6, skipped_around + 5]), 2, 98) * 10_000
    counts[_ALL:, 1] = np.array([2, 97]) * 10_000
    counts[:, 0] = 1_000_000 - counts[:, 1]
    return TableFamily.from_counts(counts)


def _flat(values: SkipMap | None, shape: tuple[int, ...]) -> Int64s:
    if len(shape) != 2 or min(shape) < 1:
        raise ParameterError(f"a skip map is [rows, columns], not {shape}")
    if values is None:
        return np.zeros(shape[0] * shape[1], np.int64)
    if values.shape != shape or values.dtype != np.bool_:
        raise ParameterError(f"a skip map of {values.dtype} {values.shape} where bool {shape} is expected")
    return values.reshape(-1).astype(np.int64)


def _contexts(known: Int64s, before: Int64s, group: Group) -> Int64s:
    base: Int64s = before[group.ids] * _NEIGHBOURS
    if group.around is None:
        return base + _NEIGHBOURS - 1
    a, b, c, d = (known[places] for places in group.around)
    base += a + b + c + d
    return base
