"""Local quantization steps: each block of 16x16 has its own, finer where errors show.

The levels of a keyframe's blocks are sent; predicted pictures inherit them along the motion, and may send what has
changed (adaptive quantization, as in x264). Errors show less where the picture is busy: a step follows a power of
the denominator of SSIM's contrast term (2 variance + C2, Wang et al. 2004).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.scan_order import Group, groups
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.errors import CorruptError

Levels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

LOCAL_LEVELS = 4  # levels to a doubling of the step
FINEST = 8  # levels lie in -FINEST..FINEST
SSIM_C2 = 58.5  # (0.03 * 255)^2
USUAL = 362.0  # of twice a block's variance and C2: such a block has the picture's own step
MASKING, MASKING_RANGE = 0.65, (0.1, 6.0)  # chosen on development clips, see the card of live-1
NEAR = 1  # levels that a block may be off what is expected of it for nothing
STALE = 0.5  # mean levels off, of blocks that are coded, from which on predicted pictures send their own

ALPHABET = 4 * FINEST + 1
_SPREADS = 4  # contexts of a keyframe: how far four known neighbours lie apart, and one where none is known
_CHANGED = _SPREADS + 1  # from here on those of predicted pictures: how many of four known neighbours changed
NUM_CONTEXTS = _CHANGED + 6


def masking(luma: npt.NDArray[np.uint8]) -> Floats:
    """By how much more squared error a bit is worth in each 16x16 block than usual, float32 [h, w].

    Flat regions are also the still ones as a rule, whose quality lasts.
    """
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    cells = luma.reshape(rows, 8, columns, 8)
    sums = cells.sum(axis=1, dtype=np.uint16).sum(axis=2, dtype=np.uint32).astype(np.float32)
    squares = np.square(cells, dtype=np.uint16).sum(axis=1, dtype=np.uint32).sum(axis=2).astype(np.float32)
    variance = (squares - sums * sums / 64) / 64
    mean = variance.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    least, most = MASKING_RANGE
    return np.asarray(np.clip(((2 * mean + SSIM_C2) / USUAL) ** MASKING, least, most), np.float32)


def factors(levels: Levels) -> Floats:
    """What the picture's step is multiplied by, float32 [1, 1, h, w]."""
    return np.exp2(levels[None, None].astype(np.float32) / LOCAL_LEVELS)


def wanted(worth: Floats) -> Levels:
    """The levels that follow from what a bit is worth (see `masking`), int8 [h, w]."""
    levels = np.rint(np.log2(worth) * (LOCAL_LEVELS / 2))
    return np.clip(levels, -FINEST, FINEST).astype(np.int8)


def for_key(wish: Levels) -> Levels:
    """Levels of a keyframe: as wished, save where what is expected of a block is as good."""

    def choose(group: Group, expected: Integers) -> Integers:
        wishes = wish.reshape(-1)[group.ids].astype(np.int64)
        return np.where(np.abs(wishes - expected) <= NEAR, expected, wishes)

    return _walked(wish.shape, choose)


def for_inter(wish: Levels, inherited: Levels, coded: npt.NDArray[np.bool_]) -> Levels:
    """Levels of a predicted picture: those inherited, unless they are stale in blocks that are to be `coded`."""
    off = np.abs(wish.astype(np.int16) - inherited)
    if not coded.any() or off[coded].mean() < STALE:
        return inherited
    return np.where(off > NEAR, wish, inherited)


def inherit(levels: Levels, motion: npt.NDArray[np.int16]) -> Levels:
    """The levels of the picture before, each block's from where its four vectors point on average.

    levels: int8 [h, w]; motion: int16 [2, 2 h, 2 w], quarter samples.
    """
    if not motion.any():
        return levels
    rows, columns = levels.shape
    quarters = motion.astype(np.int32).reshape(2, rows, 2, columns, 2).sum(axis=(2, 4))
    moved = (quarters + 128) >> 8
    x = np.clip(np.arange(columns) + moved[0], 0, columns - 1)
    y = np.clip(np.arange(rows)[:, None] + moved[1], 0, rows - 1)
    return np.asarray(levels[y, x])


def encode_levels(encoder: Encoder, levels: Levels, inherited: Levels | None, tables: TableFamily) -> None:
    """Append levels, int8 [h, w]; inherited: what a predicted picture begins from, None in keyframes."""
    if inherited is not None:
        same = levels is inherited or np.array_equal(levels, inherited)
        encoder.encode_one(int(not same), _STALE)
        if same:
            return
    for contexts, symbols in _symbols(levels, inherited):
        for context in np.unique(contexts).tolist():
            encoder.encode(symbols[contexts == context], tables[context])


def decode_levels(decoder: Decoder, shape: tuple[int, int], inherited: Levels | None, tables: TableFamily) -> Levels:
    """The inverse of `encode_levels`. Raises CorruptError where levels are out of range."""
    if inherited is not None and not decoder.decode_one(_STALE):
        return inherited
    known = np.zeros(shape[0] * shape[1], np.int64)
    changed = np.zeros_like(known)
    for group in groups(*shape):
        expected, contexts = _expected(group, known, changed, inherited)
        off = np.empty_like(expected)
        for context in np.unique(contexts).tolist():
            chosen = contexts == context
            off[chosen] = decoder.decode(tables[context], int(chosen.sum()))
        off -= 2 * FINEST
        changed[group.ids] = off != 0
        known[group.ids] = expected + off
    if np.abs(known).max() > FINEST:
        raise CorruptError(f"a local step lies beyond level {FINEST}")
    return known.astype(np.int8).reshape(shape)


def count_levels(levels: Levels, inherited: Levels | None) -> Integers:
    """How often each symbol is coded in each context: int64 [NUM_CONTEXTS, ALPHABET], to fit tables with."""
    counts = np.zeros((NUM_CONTEXTS, ALPHABET), np.int64)
    if inherited is None or not np.array_equal(levels, inherited):
        for contexts, symbols in _symbols(levels, inherited):
            np.add.at(counts, (contexts, symbols), 1)
    return counts


def default_tables() -> TableFamily:
    """Tables to begin with, before any are fitted: what is expected is the likeliest, less so among unlike ones."""
    away = np.abs(np.arange(ALPHABET) - 2 * FINEST)
    steep = np.array([1.2, 1.0, 0.8, 0.6, 0.25, *np.linspace(1.5, 0.7, NUM_CONTEXTS - _CHANGED)])
    counts = np.rint(1e6 * np.exp(-steep[:, None] * away)).astype(np.int64)
    return TableFamily.from_counts(counts)


def _symbols(levels: Levels, inherited: Levels | None) -> list[tuple[Integers, Integers]]:
    """Contexts and symbols of each group."""
    known = levels.reshape(-1).astype(np.int64)
    changed = np.zeros_like(known) if inherited is None else (known != inherited.reshape(-1)).astype(np.int64)
    result = []
    for group in groups(*levels.shape):
        expected, contexts = _expected(group, known, changed, inherited)
        result.append((contexts, known[group.ids] - expected + 2 * FINEST))
    return result


def _expected(group: Group, known: Integers, changed: Integers, inherited: Levels | None) -> tuple[Integers, Integers]:
    """What is expected of the blocks of a group, and their contexts."""
    if inherited is not None:
        base = inherited.reshape(-1)[group.ids].astype(np.int64)
        if group.around is None:
            return base, np.full_like(base, NUM_CONTEXTS - 1)
        return base, _CHANGED + changed[group.around].sum(axis=0)
    if group.around is None:
        return np.zeros_like(group.ids), np.full_like(group.ids, _SPREADS)
    around = known[group.around]
    spread = around.max(axis=0) - around.min(axis=0)
    return (around.sum(axis=0) + 2) >> 2, np.minimum(spread, _SPREADS - 1)


def _walked(shape: tuple[int, ...], choose: Callable[[Group, Integers], Integers]) -> Levels:
    """Levels chosen group by group, given what is expected of each."""
    known = np.zeros(shape[0] * shape[1], np.int64)
    for group in groups(shape[0], shape[1]):
        expected, _ = _expected(group, known, known, None)
        known[group.ids] = choose(group, expected)
    return known.astype(np.int8).reshape(shape)


_STALE = TableFamily.from_counts(np.array([9, 1]))[0]
