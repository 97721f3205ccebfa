"""The syntax of adaptive quantization: offsets of the blocks' quantization steps, as they stand in packets.

Offsets are coded as differences from what is expected of a block, in the order of `scan_order`: in keyframes that is
the mean of four known neighbours, in inter frames the offset that the block inherits. A first symbol of inter frames
says whether any block has another than it inherits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.scan_order import Group, groups
from mediacodec.entropy_coding.symbol_coder import SymbolCoder
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.errors import CorruptError

AqOffsets = npt.NDArray[np.int8]
"""int8 [h, w], one for each block of 16x16, within ±MAX_OFFSET: quarters of a doubling of the frame's step."""

Int64s = npt.NDArray[np.int64]

MAX_OFFSET = 8
ALPHABET = 4 * MAX_OFFSET + 1
_SPREADS = 4  # contexts of a keyframe: how far four known neighbours lie apart, and one where none is known
_CHANGED = _SPREADS + 1  # from here on those of inter frames: how many of four known neighbours changed
NUM_CONTEXTS = _CHANGED + 6
_ANY_CHANGED = TableFamily.from_counts(np.array([9, 1]))[0]


def code_offsets(
    coder: SymbolCoder,
    tables: TableFamily,
    shape: tuple[int, int],
    inherited: AqOffsets | None,
    offsets: AqOffsets | None,
) -> AqOffsets:
    """Pass AQ offsets through a coder.

    Args:
        coder: either end.
        tables: NUM_CONTEXTS of ALPHABET symbols.
        shape: [rows, columns] of blocks.
        inherited: what the blocks of an inter frame inherit, None in keyframes.
        offsets: int8 [rows, columns], None for a decoder.

    Returns:
        The offsets.

    Raises:
        CorruptError: an offset that was read is out of range.
    """
    if inherited is not None:
        changed = None if offsets is None else np.array([int(not np.array_equal(offsets, inherited))])
        if not coder.run(_ANY_CHANGED, 1, changed)[0]:
            return inherited
    given = None if offsets is None else offsets.reshape(-1).astype(np.int64)
    known = np.zeros(shape[0] * shape[1], np.int64)
    different = np.zeros_like(known)
    for group in groups(*shape):
        expected, contexts = expected_offsets(group, known, different, inherited)
        symbols = None if given is None else given[group.ids] - expected + 2 * MAX_OFFSET
        difference = coder.grouped(tables, contexts, symbols) - 2 * MAX_OFFSET
        different[group.ids] = difference != 0
        known[group.ids] = expected + difference
    if np.abs(known).max() > MAX_OFFSET:
        raise CorruptError(f"an offset of a quantization step is beyond {MAX_OFFSET}")
    return known.astype(np.int8).reshape(shape)


def expected_offsets(
    group: Group, known: Int64s, different: Int64s, inherited: AqOffsets | None
) -> tuple[Int64s, Int64s]:
    """What is expected of the blocks of a group, and their contexts.

    Args:
        group: blocks that are coded together.
        known: offsets of the groups before, flat over all blocks.
        different: 1 for blocks of the groups before that have another offset than was expected.
        inherited: what the blocks of an inter frame inherit, None in keyframes.

    Returns:
        Offsets and table indices, int64 [n] each.
    """
    if inherited is not None:
        base = inherited.reshape(-1)[group.ids].astype(np.int64)
        if group.around is None:
            return base, np.full_like(base, NUM_CONTEXTS - 1)
        return base, _CHANGED + different[group.around].sum(axis=0)
    if group.around is None:
        return np.zeros_like(group.ids), np.full_like(group.ids, _SPREADS)
    around = known[group.around]
    spread = around.max(axis=0) - around.min(axis=0)
    return (around.sum(axis=0) + 2) >> 2, np.minimum(spread, _SPREADS - 1)


def default_offset_tables() -> TableFamily:
    """Tables to begin with, before any are fitted: what is expected is the likeliest, less so among unlike ones."""
    away = np.abs(np.arange(ALPHABET) - 2 * MAX_OFFSET)
    steep = np.array([1.2, 1.0, 0.8, 0.6, 0.25, *np.linspace(1.5, 0.7, NUM_CONTEXTS - _CHANGED)])
    counts = np.rint(1e6 * np.exp(-steep[:, None] * away)).astype(np.int64)
    return TableFamily.from_counts(counts)
