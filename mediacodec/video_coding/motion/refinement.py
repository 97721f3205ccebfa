"""A field put together anew, in turns of `merge`, each of which offers vectors about those of the turn before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.merge import Differences, Offer, merge
from mediacodec.video_coding.motion.quadtree import ZERO, Field, Index, Mask, Tree, build, pack, unpack

_CROSS = [(-1, 0), (1, 0), (0, -1), (0, 1)]


def assemble(
    field: Index,
    large: Index,
    previous: Field | None,
    free: Mask,
    differences: Differences,
    *,
    weight: float,
    turns: int,
    shifts: Sequence[int],
    nudges: Sequence[int],
    limit: int,
) -> Index:
    """A field, int64 [2, rows, columns], with less of differences and bits together.

    field: what was found for single blocks; large: for blocks of 2x2; previous: the field before; free: blocks that may
    have other vectors than 0; weight: difference that is worth a bit; shifts: levels at which a node is offered its
    neighbours' vectors; nudges: levels at which it is offered small steps, within the limit.
    """
    keys = pack(*field)
    before = build(np.full(keys.shape, ZERO) if previous is None else pack(*previous))
    blocks = build(pack(*large))
    top = len(before.keys) - 1
    for turn in range(turns):
        tree = build(keys)
        offers = [Offer(top, np.full((1, 1), ZERO)), Offer(0, before.keys[0])]
        for level in range(top + 1):
            offers.append(Offer(level, tree.keys[level]))
            if level in shifts:
                offers += _neighbours(tree, level)
            if level in nudges:
                offers += _steps(tree, level, limit)
            if level:
                offers.append(Offer(level, (before if turn else blocks).keys[level]))
        keys = merge(keys, before, offers, free, differences, weight=weight)
    return np.stack(unpack(keys))


def _neighbours(tree: Tree, level: int) -> list[Offer]:
    """What the four neighbours of a level's nodes have."""
    padded: npt.NDArray[np.int64] = np.pad(tree.keys[level], 1, mode="edge")
    shifted = (padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1])
    return [Offer(level, other) for other in shifted]


def _steps(tree: Tree, level: int, limit: int) -> list[Offer]:
    """Small steps from what a level's nodes have."""
    x, y = unpack(tree.keys[level])
    return [Offer(level, pack(np.clip(x + dx, -limit, limit), np.clip(y + dy, -limit, limit))) for dx, dy in _CROSS]
