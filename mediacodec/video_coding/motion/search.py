"""Motion search: where each 8x8 block of a frame comes from in the frame before it.

Blocks of 16x16 that are not static are searched first: over every vector in range at a quarter of the resolution,
then around the best candidates at whole and quarter samples. Their 8x8 quarters then try what lies around them, and at
last a quadtree of few vectors is made of all that was found (`refinement`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.best_vectors import BestVectors
from mediacodec.video_coding.motion.block_matching import Blocks, Cost, LargeBlocks, ReferencePlanes, block_words
from mediacodec.video_coding.motion.compensate import Index, Plane
from mediacodec.video_coding.motion.hierarchical_search import SCALE, full_search, shrink
from mediacodec.video_coding.motion.interpolation import quarter_samples, whole_samples
from mediacodec.video_coding.motion.refinement import refine
from mediacodec.video_coding.motion.search_preset import AROUND, CROSS, SEARCH_PRESETS, SearchPreset, SearchSettings
from mediacodec.video_coding.motion.vectors import BLOCK, MotionVectors
from mediacodec_bitstream.errors import ParameterError

Mask = npt.NDArray[np.bool_]


def search(
    current: Plane,
    reference: Plane,
    *,
    rate_weight: float,
    previous: MotionVectors | None = None,
    preset: SearchPreset = "fast",
) -> MotionVectors:
    """The motion vectors that predict a frame from another.

    A sample at p is predicted by the reference at p + vector/4, interpolated by a cubic filter, the border repeated.

    Args:
        current: luma, uint8 [H, W], multiples of 16.
        reference: likewise.
        rate_weight: absolute difference that a bit is worth.
        previous: the vectors of the frame before, which are tried.
        preset: how far to search, and what to try.

    Returns:
        int16 [2 (x, y), H/8, W/8], quarter samples in ±512.

    Raises:
        ParameterError: other shapes, or another preset.
    """
    if current.shape != reference.shape or current.ndim != 2 or current.shape[0] % 16 or current.shape[1] % 16:
        raise ParameterError(f"two frames of one size, multiples of 16, not {current.shape} and {reference.shape}")
    if preset not in SEARCH_PRESETS:
        raise ParameterError(f"preset is one of {', '.join(SEARCH_PRESETS)}, not {preset!r}")
    return _Search(current, reference, rate_weight, SEARCH_PRESETS[preset]).run(previous)


class _Search:
    """One search. Blocks are kept as [4, n]: the quarters of the n blocks of 16x16 that move, in one flat array."""

    def __init__(self, current: Plane, reference: Plane, rate_weight: float, settings: SearchSettings) -> None:
        self.current, self.reference = np.ascontiguousarray(current), np.ascontiguousarray(reference)
        self.settings = settings
        self.height, self.width = current.shape[0] // BLOCK, current.shape[1] // BLOCK  # in blocks
        self.words = block_words(self.current)
        self.rate_weight = rate_weight
        self.rate = _rate_table(rate_weight)
        self.vectors = np.zeros((2, self.height, self.width), np.int64)

    def run(self, previous: MotionVectors | None) -> MotionVectors:
        whole = whole_samples(self.reference)
        moving = self._moving(whole)
        if moving.any():
            _, ids = self._blocks(moving)
            x, y = self._search_whole(moving, ids, whole, previous)
            self._store(ids, x, y)
            wider = _dilate(moving)
            free = _in_squares(moving, 4)
            blocks, ids = self._blocks(wider)
            fractional = self._fractional_planes(free, previous)
            x, y = self._search_fractions(wider, ids, fractional)
            self._store(ids, x, y)
            large = self.vectors.copy()
            active = np.ones((self.height, self.width), np.bool_)
            for _ in range(self.settings.smoothing_passes):
                active = self._smooth(blocks, ids, fractional, active)
            self._refine(large, free.repeat(2, 0).repeat(2, 1), fractional, previous)
        return self.vectors.astype(np.int16)

    def _refine(self, large: Index, free: Mask, fractional: ReferencePlanes, previous: MotionVectors | None) -> None:
        """Choose anew from what was found in small and in large blocks and in the frame before."""
        blocks = Blocks(self.words, np.flatnonzero(free), self.width * BLOCK)

        def differences(chosen: Index, x: Index, y: Index) -> Index:
            some = blocks if len(chosen) == len(blocks.x) else blocks.subset(chosen)
            return fractional.sad(some, x, y, step=self.settings.row_step)

        self.vectors = refine(
            self.vectors, large, previous, free, differences, weight=self.rate_weight, settings=self.settings
        )

    def _moving(self, whole: ReferencePlanes) -> Mask:
        """Which blocks of 16x16 the vector 0 does not predict well: [H/16, W/16]."""
        everything = np.arange(self.height * self.width)
        zero = np.zeros_like(everything)
        sad = whole.sad(Blocks(self.words, everything, self.width * BLOCK), zero, zero)
        sums = sad.reshape(self.height // 2, 2, self.width // 2, 2).sum((1, 3))
        return np.asarray(sums > self.settings.static_threshold * 256)

    def _blocks(self, chosen: Mask) -> tuple[Blocks, Index]:
        """The quarters of the chosen blocks of 16x16, flat [4 * n], and their places in the raster of 8x8 blocks."""
        y, x = np.nonzero(chosen)
        first = 2 * (y * self.width + x)
        ids = (first + np.array([0, 1, self.width, self.width + 1])[:, None]).reshape(-1)
        return Blocks(self.words, ids, self.width * BLOCK), ids

    def _store(self, ids: Index, x: Index, y: Index) -> None:
        flat = self.vectors.reshape(2, -1)
        flat[0, ids], flat[1, ids] = x, y

    def _search_whole(
        self, moving: Mask, ids: Index, whole: ReferencePlanes, previous: MotionVectors | None
    ) -> tuple[Index, Index]:
        """The best whole-sample vectors of the blocks of 16x16, as quarter samples, for each quarter."""
        first = ids[: len(ids) // 4]
        row, column = np.divmod(first, self.width)
        top, left = int(row.min()) // 2, int(column.min()) // 2
        at = (row // 2 - top, column // 2 - left)
        part = shrink(self.current)[
            4 * top : 4 * (int(row.max()) // 2 + 1), 4 * left : 4 * (int(column.max()) // 2 + 1)
        ]
        smooth, alone = full_search(
            np.ascontiguousarray(part),
            shrink(self.reference),
            top=4 * top,
            left=4 * left,
            search_range=self.settings.search_range,
            length_cost=0.15 * self.rate_weight,
        )
        best = BestVectors(len(first), self._cost_16(moving, whole))
        best.consider(np.zeros_like(first), np.zeros_like(first))
        for x, y in (smooth, alone):
            best.consider(x[at] * 4 * SCALE, y[at] * 4 * SCALE)
        if previous is not None:
            old = previous.reshape(2, -1)[:, first].astype(np.int64) & ~3
            best.consider(old[0], old[1])
        self._store(ids, np.tile(best.x, 4), np.tile(best.y, 4))
        for x, y in self._vectors_around(first, distance=2, offsets=CROSS):
            best.consider(x, y)
        for size in (8, 4):
            best.step(size, AROUND)
        return np.tile(best.x, 4), np.tile(best.y, 4)

    def _cost_16(self, chosen: Mask, reference: ReferencePlanes) -> Callable[[Index, Index], Cost]:
        """Differences of blocks of 16x16, and the price of a vector's length."""
        blocks = LargeBlocks(self.current, chosen, step=self.settings.row_step)

        def cost(x: Index, y: Index) -> Cost:
            length = np.abs(x)
            length += np.abs(y)
            total = np.log2(length.astype(np.float32) + 1)
            total *= self.rate_weight
            total += reference.large_sad(blocks, x, y)
            return np.asarray(total)

        return cost

    def _vectors_around(
        self, ids: Index, *, distance: int, offsets: Iterable[tuple[int, int]]
    ) -> Iterable[tuple[Index, Index]]:
        """The vectors that blocks `distance` blocks away have now; at a border, the nearest block's."""
        row, column = np.divmod(ids, self.width)
        for x, y in offsets:
            rows = np.clip(row + distance * y, 0, self.height - 1)
            columns = np.clip(column + distance * x, 0, self.width - 1)
            yield self.vectors[0][rows, columns], self.vectors[1][rows, columns]

    def _fractional_planes(self, chosen: Mask, previous: MotionVectors | None) -> ReferencePlanes:
        """Quarter-sample planes as far as the vectors found and those before reach from the chosen blocks."""
        blocks, _ = self._blocks(chosen)
        x, y = self.vectors if previous is None else np.concatenate((self.vectors, previous), axis=1)
        columns = (int(blocks.x.min() + (x.min() >> 2)) - 4, int(blocks.x.max() + (x.max() >> 2)) + BLOCK + 4)
        rows = (int(blocks.y.min() + (y.min() >> 2)) - 4, int(blocks.y.max() + (y.max() >> 2)) + BLOCK + 4)
        return quarter_samples(self.reference, rows=rows, columns=columns, exact=self.settings.exact)

    def _search_fractions(self, chosen: Mask, ids: Index, fractional: ReferencePlanes) -> tuple[Index, Index]:
        first = ids[: len(ids) // 4]
        best = BestVectors(len(first), self._cost_16(chosen, fractional))
        x, y = self.vectors.reshape(2, -1)[:, first]
        best.consider(x, y)
        for size in (2, 1):
            best.step(size, AROUND)
        return np.tile(best.x, 4), np.tile(best.y, 4)

    def _smooth(self, blocks: Blocks, ids: Index, fractional: ReferencePlanes, active: Mask) -> Mask:
        """One pass over the active blocks, [H/8, W/8]; returns those that changed and those around them.

        Each 8x8 block tries the vectors around it, their median, and small steps; half of the quarters at a time.
        """
        count = len(ids) // 4
        before = self.vectors.copy()
        for quarters in ((0, 3), (1, 2)):
            chosen = np.concatenate([np.arange(q * count, (q + 1) * count) for q in quarters])
            chosen = chosen[active.reshape(-1)[ids[chosen]]]
            if len(chosen):
                best = self._try_around(blocks.subset(chosen), ids[chosen], fractional)
                self._store(ids[chosen], best.x, best.y)
        return _dilate((before != self.vectors).any(0))

    def _try_around(self, blocks: Blocks, ids: Index, fractional: ReferencePlanes) -> BestVectors:
        around = list(self._vectors_around(ids, distance=1, offsets=AROUND))
        middle_x, middle_y = (_median([around[k][axis] for k in (1, 3, 4, 6)]) for axis in (0, 1))

        def cost(x: Index, y: Index) -> Cost:
            total = self.rate.take(np.abs(x - middle_x), mode="clip")
            total += self.rate.take(np.abs(y - middle_y), mode="clip")
            total += fractional.sad(blocks, x, y, step=self.settings.row_step)
            return np.asarray(total)

        best = BestVectors(len(ids), cost)
        own_x, own_y = self.vectors.reshape(2, -1)[:, ids]
        for x, y in ((own_x, own_y), (middle_x, middle_y), *around):
            best.consider(x, y)
        best.step(1, self.settings.steps)
        return best


def _median(four: list[Index]) -> Index:
    """The mean of the middle two, rounded down."""
    a, b, c, d = four
    highest = np.maximum(np.maximum(a, b), np.maximum(c, d))
    lowest = np.minimum(np.minimum(a, b), np.minimum(c, d))
    return (a + b + c + d - highest - lowest) >> 1


def _dilate(mask: Mask) -> Mask:
    result = mask.copy()
    result[1:] |= mask[:-1]
    result[:-1] |= mask[1:]
    tall = result.copy()
    result[:, 1:] |= tall[:, :-1]
    result[:, :-1] |= tall[:, 1:]
    return result


def _in_squares(mask: Mask, size: int) -> Mask:
    """Where any value is set in the same square of size x size."""
    height, width = mask.shape
    padded = np.zeros((-height % size + height, -width % size + width), np.bool_)
    padded[:height, :width] = mask
    some = padded.reshape(padded.shape[0] // size, size, padded.shape[1] // size, size).any((1, 3))
    return some.repeat(size, 0).repeat(size, 1)[:height, :width]


def _rate_table(weight: float) -> Cost:
    """The price of a component's difference of 0..1024 quarter samples: about the bits that `vector_coding` spends."""
    size = np.arange(1025)
    bits = np.where(size == 0, 0.2, 4.5 + 1.2 * np.log2(np.maximum(size, 1)))
    return (bits * weight).astype(np.float32)
