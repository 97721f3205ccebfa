"""A picture's integers in the order in which they are coded: coarse to fine, luma before chroma, part by part.

Grids of a level are cut into the four parities of their rows and columns. A part is coded as a whole: its tables follow
from the coarser level and the parts before it, never from itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mediacodec.codecs.overfit.context import Exact, IntegerContext
from mediacodec.codecs.overfit.settings import CHROMA_STEP, LEVELS, SCALES, Geometry
from mediacodec.codecs.overfit.symbols import CheckedCoder
from mediacodec.codecs.overfit.synthesis import FloatPlanes, Floats
from mediacodec.codecs.overfit.transform import synthesise
from mediacodec.entropy_coding.signed_golomb import Int32s

PARITIES = ((0, 0), (1, 1), (0, 1), (1, 0))  # in the order of coding
LUMA, CHROMA = 3, 6  # grids of a level: luma's; U's and V's


@dataclass
class Grids:
    """luma: int32 [3, h, w] a level, finest first; chroma: [6, h, w], U's before V's; low: what is left of Y, U, V."""

    luma: list[Int32s] = field(default_factory=list)
    chroma: list[Int32s] = field(default_factory=list)
    low: list[Int32s] = field(default_factory=list)

    @classmethod
    def empty(cls, size: Geometry) -> Grids:
        shapes = [size.grid(level) for level in range(LEVELS)]
        return cls(
            [np.zeros((LUMA, *shape), np.int32) for shape in shapes],
            [np.zeros((CHROMA, *shape), np.int32) for shape in shapes[1:]],
            [np.zeros(shapes[-1], np.int32) for _ in range(3)],
        )

    def planes(self, step: float) -> FloatPlanes:
        """The planes that the grids stand for, before synthesis."""
        small = step * CHROMA_STEP
        return (
            _plane(self.luma, self.low[0], step),
            _plane([grids[:3] for grids in self.chroma], self.low[1], small),
            _plane([grids[3:] for grids in self.chroma], self.low[2], small),
        )


def _plane(bands: list[Int32s], low: Int32s, step: float) -> Floats:
    by = np.float32(step)
    return synthesise([band.astype(np.float32) * by for band in bands], low.astype(np.float32) * by)


def exchange_low(coder: CheckedCoder, grids: Grids, *, given: bool) -> None:
    """The coarsest planes, each as differences along rows from the left and, at the border, from above."""
    for plane in grids.low:
        values, row = None, None
        if given:
            values = np.diff(plane, axis=1, prepend=0)
            values[1:, 0] = np.diff(plane[:, 0])
            values = values.reshape(-1).astype(np.int32)
            row = _best_row(values)
        row = coder.choice(SCALES, row)
        values = coder.integers(np.full(plane.size, row, np.uint8), values).reshape(plane.shape)
        first = np.cumsum(values[:, :1], axis=0)
        plane[:] = np.cumsum(np.concatenate([first, values[:, 1:]], axis=1), axis=1)


def _best_row(values: Int32s) -> int:
    """The row whose Laplace scale is nearest to the mean magnitude."""
    mean = max(float(np.abs(values).mean()), 0.06)
    place = float(np.log(mean / 0.06)) * (SCALES - 1) / float(np.log(1000))
    return min(max(round(place), 0), SCALES - 1)


@dataclass
class Memory:
    """What luma's grids of the pictures before say of the next one's: features, int-valued, [3, h, w] a level."""

    luma: list[Exact]

    @classmethod
    def after(cls, grids: Grids, seen: Exact, before: Memory | None) -> Memory:
        """What is new, or an eighth less than what was."""
        luma = [seen_of(grid, seen) for grid in grids.luma]
        if before is not None:
            luma = [np.maximum(new, old - np.floor(old / 8)) for new, old in zip(luma, before.luma, strict=True)]
        return cls(luma)


def seen_of(grids: Int32s, seen: Exact) -> Exact:
    """Features of latents; seen: by magnitude."""
    return np.asarray(seen[np.minimum(np.abs(grids), len(seen) - 1)])


def exchange_grids(
    coder: CheckedCoder,
    grids: Grids,
    contexts: tuple[IntegerContext, IntegerContext],
    seen: Exact,
    memory: Memory | None,
    *,
    given: bool,
) -> None:
    """All grids; given: they are there to be coded, else they are filled. seen: features by magnitude."""
    luma, chroma = contexts
    above_luma: Exact | None = None
    above_chroma: Exact | None = None
    for level in reversed(range(LEVELS)):
        outside = [(LUMA, above_luma)]
        if memory is not None:
            outside.append((4 * LUMA, _parts(memory.luma[level])))
        parts = _exchange_level(coder, grids.luma[level], luma, level, outside, seen, given=given)
        above_luma = seen_of(grids.luma[level], seen)
        if level:
            outside = [(CHROMA, above_chroma), (4 * LUMA, parts)]
            _exchange_level(coder, grids.chroma[level - 1], chroma, level - 1, outside, seen, given=given)
            above_chroma = seen_of(grids.chroma[level - 1], seen)


def _parts(grids: Exact) -> Exact:
    """[n, h, w] -> [4 n, ceil(h/2), ceil(w/2)]; what lies outside is 0."""
    count, rows, columns = grids.shape
    result = np.zeros((count, 4, (rows + 1) // 2, (columns + 1) // 2))
    for k, (down, right) in enumerate(PARITIES):
        cut = grids[:, down::2, right::2]
        result[:, k, : cut.shape[1], : cut.shape[2]] = cut
    return result.reshape(4 * count, *result.shape[2:])


def _exchange_level(
    coder: CheckedCoder,
    grids: Int32s,
    context: IntegerContext,
    level: int,
    outside: list[tuple[int, Exact | None]],
    seen: Exact,
    *,
    given: bool,
) -> Exact:
    """One level of one kind of plane; returns the features of its parts. outside: how many grids, and what they are."""
    _, rows, columns = grids.shape
    height, width = (rows + 1) // 2, (columns + 1) // 2
    known = np.zeros((context.outside + context.parts, height + 2, width + 2))
    inner = known[:, 1:-1, 1:-1]
    at = 0
    for size, found in outside:
        if found is not None:
            inner[at : at + size] = found
        at += size
    assert at == context.outside
    if coder.choice(2, int(grids.any()) if given else None):
        for part in range(context.parts):
            down, right = PARITIES[part % 4]
            cut = grids[part // 4, down::2, right::2]
            tables = context.rows(known, part, level)[: cut.shape[0], : cut.shape[1]].reshape(-1)
            values = coder.integers(tables, cut.reshape(-1) if given else None).reshape(cut.shape)
            cut[:] = values
            inner[at + part, : cut.shape[0], : cut.shape[1]] = seen_of(values, seen)
    return inner[at:]
