"""Where each 8x8 block of a picture comes from in the picture before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.hierarchical_search import SCALE, full_search, shrink
from mediacodec.video_coding.motion.planes import (
    BLOCK,
    Cost,
    Index,
    LargeTarget,
    Reference,
    Target,
    block_words,
    quarter_samples,
    whole_samples,
)
from mediacodec.video_coding.motion.refinement import assemble
from mediacodec.video_coding.motion.search_preset import AROUND, CROSS, PLANS, Effort, Plan
from mediacodec_bitstream.errors import ParameterError

Field = npt.NDArray[np.int16]

LIMIT = 512  # quarter samples either way


def search(
    current: npt.NDArray[np.uint8],
    reference: npt.NDArray[np.uint8],
    *,
    rate_weight: float,
    previous: Field | None = None,
    effort: Effort = "fast",
) -> Field:
    """The motion field that predicts current from reference: int16 [2 (x, y), H/8, W/8], quarter samples in ±512.

    current, reference: luma, uint8 [H, W], multiples of 16; a sample at p is predicted by the reference at p + v/4,
    interpolated by a cubic filter, the border repeated. previous: the field of the frame before, whose vectors
    are tried. rate_weight: absolute difference that is worth a bit. Raises ParameterError on other shapes or efforts.
    """
    if current.shape != reference.shape or current.ndim != 2 or current.shape[0] % 16 or current.shape[1] % 16:
        raise ParameterError(f"two pictures of one size, multiples of 16, not {current.shape} and {reference.shape}")
    if effort not in PLANS:
        raise ParameterError(f"effort is one of {', '.join(PLANS)}, not {effort!r}")
    return _Search(current, reference, rate_weight, PLANS[effort]).run(previous)


class _Search:
    """One search. Blocks are kept as [4, n]: the quarters of the n blocks of 16x16 that move, in one flat array."""

    def __init__(
        self, current: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8], rate_weight: float, plan: Plan
    ) -> None:
        self.current, self.reference = np.ascontiguousarray(current), np.ascontiguousarray(reference)
        self.plan = plan
        self.height, self.width = current.shape[0] // BLOCK, current.shape[1] // BLOCK  # in blocks
        self.words = block_words(self.current)
        self.rate_weight = rate_weight
        self.rate = _rate_table(rate_weight)
        self.field = np.zeros((2, self.height, self.width), np.int64)

    def run(self, previous: Field | None) -> Field:
        whole = whole_samples(self.reference)
        moving = self._moving(whole)
        if moving.any():
            _, ids = self._target(moving)
            x, y = self._whole_search(moving, ids, whole, previous)
            self._store(ids, x, y)
            wider = _dilate(moving)
            free = _in_squares(moving, 4)
            target, ids = self._target(wider)
            fractional = self._fractional(free, previous)
            x, y = self._fractions(wider, ids, fractional)
            self._store(ids, x, y)
            large = self.field.copy()
            stirred = np.ones((self.height, self.width), np.bool_)
            for _ in range(self.plan.passes):
                stirred = self._regularise(target, ids, fractional, stirred)
            self._merge(large, free.repeat(2, 0).repeat(2, 1), fractional, previous)
        return self.field.astype(np.int16)

    def _merge(self, large: Index, free: npt.NDArray[np.bool_], fractional: Reference, previous: Field | None) -> None:
        """Put the field together anew from what was found in small and in large blocks and in the field before."""
        target = Target(self.words, np.flatnonzero(free), self.width * BLOCK)

        def differences(chosen: Index, x: Index, y: Index) -> Index:
            some = target if len(chosen) == len(target.x) else target.some(chosen)
            return fractional.sad(some, x, y, step=self.plan.step)

        self.field = assemble(
            self.field,
            large,
            previous,
            free,
            differences,
            weight=self.rate_weight,
            turns=self.plan.turns,
            shifts=self.plan.shifts,
            nudges=self.plan.nudges,
            limit=LIMIT,
        )

    def _moving(self, whole: Reference) -> npt.NDArray[np.bool_]:
        """Which blocks of 16x16 the vector 0 does not predict well: [H/16, W/16]."""
        everything = np.arange(self.height * self.width)
        zero = np.zeros_like(everything)
        sad = whole.sad(Target(self.words, everything, self.width * BLOCK), zero, zero)
        sums = sad.reshape(self.height // 2, 2, self.width // 2, 2).sum((1, 3))
        return np.asarray(sums > self.plan.still * 256)

    def _target(self, chosen: npt.NDArray[np.bool_]) -> tuple[Target, Index]:
        """The quarters of the chosen blocks of 16x16, flat [4 * n], and their places in the raster of 8x8 blocks."""
        y, x = np.nonzero(chosen)
        first = 2 * (y * self.width + x)
        ids = (first + np.array([0, 1, self.width, self.width + 1])[:, None]).reshape(-1)
        return Target(self.words, ids, self.width * BLOCK), ids

    def _store(self, ids: Index, x: Index, y: Index) -> None:
        flat = self.field.reshape(2, -1)
        flat[0, ids], flat[1, ids] = x, y

    def _whole_search(
        self, moving: npt.NDArray[np.bool_], ids: Index, whole: Reference, previous: Field | None
    ) -> tuple[Index, Index]:
        """The best whole-sample vectors of the blocks of 16x16, as quarter samples, for each quarter."""
        first = ids[: len(ids) // 4]
        row, column = np.divmod(first, self.width)
        top, left = int(row.min()) // 2, int(column.min()) // 2
        at = (row // 2 - top, column // 2 - left)
        part = shrink(self.current)[
            4 * top : 4 * (int(row.max()) // 2 + 1), 4 * left : 4 * (int(column.max()) // 2 + 1)
        ]
        wide, near = full_search(
            np.ascontiguousarray(part),
            shrink(self.reference),
            top=4 * top,
            left=4 * left,
            reach=self.plan.reach,
            slope=0.15 * self.rate_weight,
        )
        state = _Best(len(first), self._cost_16(moving, whole))
        state.offer(np.zeros_like(first), np.zeros_like(first))
        for x, y in (wide, near):
            state.offer(x[at] * 4 * SCALE, y[at] * 4 * SCALE)
        if previous is not None:
            old = previous.reshape(2, -1)[:, first].astype(np.int64) & ~3
            state.offer(old[0], old[1])
        self._store(ids, np.tile(state.x, 4), np.tile(state.y, 4))
        for x, y in self._vectors_around(first, reach=2, offsets=CROSS):
            state.offer(x, y)
        for size in (8, 4):
            state.around(size, AROUND)
        return np.tile(state.x, 4), np.tile(state.y, 4)

    def _cost_16(self, chosen: npt.NDArray[np.bool_], reference: Reference) -> Callable[[Index, Index], Cost]:
        """Differences of blocks of 16x16, and the price of a vector's length."""
        target = LargeTarget(self.current, chosen, step=self.plan.step)

        def cost(x: Index, y: Index) -> Cost:
            length = np.abs(x)
            length += np.abs(y)
            total = np.log2(length.astype(np.float32) + 1)
            total *= self.rate_weight
            total += reference.large_sad(target, x, y)
            return np.asarray(total)

        return cost

    def _vectors_around(
        self, ids: Index, *, reach: int, offsets: Iterable[tuple[int, int]]
    ) -> Iterable[tuple[Index, Index]]:
        """The vectors that blocks `reach` blocks away have now; at a border, the nearest block's."""
        row, column = np.divmod(ids, self.width)
        for x, y in offsets:
            at = (np.clip(row + reach * y, 0, self.height - 1), np.clip(column + reach * x, 0, self.width - 1))
            yield self.field[0][at], self.field[1][at]

    def _fractional(self, chosen: npt.NDArray[np.bool_], previous: Field | None) -> Reference:
        """The quarter-sample planes, as far as the vectors found and those before reach from the chosen blocks."""
        target, _ = self._target(chosen)
        x, y = self.field if previous is None else np.concatenate((self.field, previous), axis=1)
        columns = (int(target.x.min() + (x.min() >> 2)) - 4, int(target.x.max() + (x.max() >> 2)) + BLOCK + 4)
        rows = (int(target.y.min() + (y.min() >> 2)) - 4, int(target.y.max() + (y.max() >> 2)) + BLOCK + 4)
        return quarter_samples(self.reference, rows=rows, columns=columns, exact=self.plan.exact)

    def _fractions(self, chosen: npt.NDArray[np.bool_], ids: Index, fractional: Reference) -> tuple[Index, Index]:
        first = ids[: len(ids) // 4]
        state = _Best(len(first), self._cost_16(chosen, fractional))
        x, y = self.field.reshape(2, -1)[:, first]
        state.offer(x, y)
        for size in (2, 1):
            state.around(size, AROUND)
        return np.tile(state.x, 4), np.tile(state.y, 4)

    def _regularise(
        self, target: Target, ids: Index, fractional: Reference, stirred: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """One pass over the blocks that are stirred, [H/8, W/8]; returns those that changed and those around them.

        Each 8x8 block tries the vectors around it, their median, and small steps; half of the quarters at a time.
        """
        count = len(ids) // 4
        before = self.field.copy()
        for quarters in ((0, 3), (1, 2)):
            chosen = np.concatenate([np.arange(q * count, (q + 1) * count) for q in quarters])
            chosen = chosen[stirred.reshape(-1)[ids[chosen]]]
            if len(chosen):
                state = self._try_around(target.some(chosen), ids[chosen], fractional)
                self._store(ids[chosen], state.x, state.y)
        return _dilate((before != self.field).any(0))

    def _try_around(self, target: Target, ids: Index, fractional: Reference) -> _Best:
        around = list(self._vectors_around(ids, reach=1, offsets=AROUND))
        middle_x, middle_y = (_median([around[k][axis] for k in (1, 3, 4, 6)]) for axis in (0, 1))

        def cost(x: Index, y: Index) -> Cost:
            total = self.rate.take(np.abs(x - middle_x), mode="clip")
            total += self.rate.take(np.abs(y - middle_y), mode="clip")
            total += fractional.sad(target, x, y, step=self.plan.step)
            return np.asarray(total)

        state = _Best(len(ids), cost)
        own_x, own_y = self.field.reshape(2, -1)[:, ids]
        for x, y in ((own_x, own_y), (middle_x, middle_y), *around):
            state.offer(x, y)
        state.around(1, self.plan.steps)
        return state


class _Best:
    """The cheapest vectors offered so far. x, y: int64 [n], quarter samples."""

    def __init__(self, count: int, cost: Callable[[Index, Index], Cost]) -> None:
        self._cost = cost
        self._least = np.full(count, np.inf, np.float32)
        self.x, self.y = np.zeros(count, np.int64), np.zeros(count, np.int64)

    def offer(self, x: Index, y: Index) -> None:
        cost = self._cost(x, y)
        better = cost < self._least
        np.copyto(self._least, cost, where=better)
        np.copyto(self.x, x, where=better)
        np.copyto(self.y, y, where=better)

    def around(self, size: int, offsets: Iterable[tuple[int, int]]) -> None:
        """Offer the places `size` quarter samples away from where the best is now."""
        x, y = self.x.copy(), self.y.copy()
        for dx, dy in offsets:
            self.offer(_limit(x + dx * size), _limit(y + dy * size))


def _limit(vectors: Index) -> Index:
    np.maximum(vectors, -LIMIT, out=vectors)
    return np.minimum(vectors, LIMIT, out=vectors)


def _median(four: list[Index]) -> Index:
    """The mean of the middle two, rounded down."""
    a, b, c, d = four
    highest = np.maximum(np.maximum(a, b), np.maximum(c, d))
    lowest = np.minimum(np.minimum(a, b), np.minimum(c, d))
    return (a + b + c + d - highest - lowest) >> 1


def _dilate(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    result = mask.copy()
    result[1:] |= mask[:-1]
    result[:-1] |= mask[1:]
    tall = result.copy()
    result[:, 1:] |= tall[:, :-1]
    result[:, :-1] |= tall[:, 1:]
    return result


def _in_squares(mask: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.bool_]:
    """Where any value is set in the same square of size x size."""
    height, width = mask.shape
    padded = np.zeros((-height % size + height, -width % size + width), np.bool_)
    padded[:height, :width] = mask
    some = padded.reshape(padded.shape[0] // size, size, padded.shape[1] // size, size).any((1, 3))
    return some.repeat(size, 0).repeat(size, 1)[:height, :width]


def _rate_table(weight: float) -> Cost:
    """The price of a component's residual of 0..1024 quarter samples: about the bits that `field` spends on it."""
    size = np.arange(1025)
    bits = np.where(size == 0, 0.2, 4.5 + 1.2 * np.log2(np.maximum(size, 1)))
    return (bits * weight).astype(np.float32)
