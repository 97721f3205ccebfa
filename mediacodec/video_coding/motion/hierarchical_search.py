"""The first level of a hierarchical search: every vector in range, at a quarter of the resolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.compensate import Index, Plane

SCALE = 4


def shrink(plane: Plane) -> Plane:
    """The means of 4x4 samples: uint8 [H, W] to [H/4, W/4]."""
    pairs = plane.view("<u2")
    sums = pairs & np.uint16(255)
    sums += pairs >> np.uint16(8)
    sums = sums[0::4] + sums[1::4] + sums[2::4] + sums[3::4]
    total = sums[:, 0::2] + sums[:, 1::2]
    total += np.uint16(8)
    total >>= np.uint16(4)
    return np.asarray(total.astype(np.uint8))


def full_search(
    current: Plane, reference: Plane, *, top: int, left: int, search_range: int, length_cost: float
) -> tuple[tuple[Index, Index], tuple[Index, Index]]:
    """The best vectors of 4x4 blocks within ±search_range, in quarter-size samples.

    Args:
        current: uint8 [h, w], multiples of 4.
        reference: uint8, of the whole frame.
        top, left: where in the frame `current` lies.
        search_range: samples either way.
        length_cost: of a sample of |x| + |y|, in absolute difference.

    Returns:
        (x, y), each [h/4, w/4], twice: by the block and its eight neighbours together, and by the block alone.
    """
    costs = _all_costs(current, np.pad(reference, search_range, mode="edge")[top:, left:], search_range)
    size = 2 * search_range + 1
    offsets = np.abs(np.arange(size) - search_range)
    penalty = np.minimum(length_cost * (offsets[:, None] + offsets), 12_000).astype(np.uint16).reshape(-1, 1, 1)
    costs = costs.reshape(size * size, *costs.shape[2:])
    smooth = _with_neighbours(costs) + penalty * np.uint16(4)
    return _winners(smooth, search_range), _winners(costs + penalty, search_range)


def _all_costs(current: Plane, padded: Plane, search_range: int) -> npt.NDArray[np.uint16]:
    """Clipped sums of absolute differences: [y offset, x offset, h/4, w/4] in 0..1008."""
    height, width = current.shape
    size = 2 * search_range + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width))
    costs = np.empty((size, size, height // 4, width // 4), np.uint16)
    high = np.empty((size, height, width), np.uint8)
    low = np.empty_like(high)
    ceiling = np.full_like(high, 63)
    for offset in range(size):
        window = windows[offset, :size]
        np.maximum(current, window, out=high)
        np.minimum(current, window, out=low)
        np.subtract(high, low, out=high)
        np.minimum(high, ceiling, out=high)  # so that four of them add up in a byte
        rows = high[:, 0::4] + high[:, 1::4]
        rows += high[:, 2::4]
        rows += high[:, 3::4]
        pairs = rows.view("<u2")
        sums = pairs & np.uint16(255)
        sums += pairs >> np.uint16(8)
        np.add(sums[:, :, 0::2], sums[:, :, 1::2], out=costs[offset])
    return costs


def _with_neighbours(costs: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Sums over 3x3 blocks; outside the frame nothing is added."""
    across = costs.copy()
    across[:, :, 1:] += costs[:, :, :-1]
    across[:, :, :-1] += costs[:, :, 1:]
    total = across.copy()
    total[:, 1:] += across[:, :-1]
    total[:, :-1] += across[:, 1:]
    return total


def _winners(costs: npt.NDArray[np.uint16], search_range: int) -> tuple[Index, Index]:
    ranked = costs.astype(np.uint32)
    ranked <<= 12
    ranked |= np.arange(len(costs), dtype=np.uint32).reshape(-1, 1, 1)
    best = (np.minimum.reduce(ranked, axis=0) & 4095).astype(np.int64)
    y, x = np.divmod(best, 2 * search_range + 1)
    return x - search_range, y - search_range
