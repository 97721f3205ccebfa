"""The scan order of a block grid: from coarse to fine, so that each step is one operation on many blocks.

First every eighth block each way; then, at 4, 2 and 1 blocks, the centres of the squares so far and after them the
centres of the edges. Every block but the first ones has four neighbours that are already known: diagonal ones for
a square's centre, upright ones for an edge's. Where the grid ends, the opposite neighbour stands in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]

COARSEST = 8


@dataclass(frozen=True, eq=False)
class Group:
    """Blocks that are coded together.

    Attributes:
        ids: their places in the raster, int64 [n].
        around: those of four known neighbours, int64 [4, n], None for the first group.
    """

    ids: Index
    around: Index | None


@lru_cache(maxsize=64)
def groups(height: int, width: int) -> tuple[Group, ...]:
    """The groups of a grid, in the order of coding; at most 7, none empty."""
    y, x = np.mgrid[0:height:COARSEST, 0:width:COARSEST]
    result = [Group((y * width + x).ravel(), None)]
    for reach in (4, 2, 1):
        result.append(_group(height, width, reach, upright=False))
        result.append(_group(height, width, reach, upright=True))
    return tuple(group for group in result if group.ids.size)


def _group(height: int, width: int, reach: int, *, upright: bool) -> Group:
    y, x = np.mgrid[0:height:reach, 0:width:reach].reshape(2, -1)
    odd_y, odd_x = y // reach & 1, x // reach & 1
    chosen = (odd_y ^ odd_x if upright else odd_y & odd_x).astype(bool)
    y, x = y[chosen], x[chosen]
    up, down = _either_side(y, reach, height)
    left, right = _either_side(x, reach, width)
    if upright:
        # a block of the first row or column of a thin grid may have no neighbour on either side of one axis
        places = [
            np.where(left >= 0, y * width + left, up * width + x),
            np.where(right >= 0, y * width + right, up * width + x),
            np.where(up >= 0, up * width + x, y * width + left),
            np.where(down >= 0, down * width + x, y * width + left),
        ]
    else:
        places = [up * width + left, up * width + right, down * width + left, down * width + right]
    return Group(y * width + x, np.stack(places))


def _either_side(position: Index, reach: int, size: int) -> tuple[Index, Index]:
    """The places before and after; the other one where one is outside, and -1 where both are."""
    before, after = position - reach, position + reach
    missing = after >= size
    after = np.where(missing, before, after)
    before = np.where(before < 0, after, before)
    return np.maximum(before, -1), np.maximum(after, -1)
