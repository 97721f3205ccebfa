"""Vectors chosen anew, in passes of `quadtree_merge`, each of which tries what lies around those of the one before."""

from __future__ import annotations

import numpy as np

from mediacodec.video_coding.motion.quadtree import Index, Mask, Quadtree, build
from mediacodec.video_coding.motion.quadtree_merge import Differences, VectorCandidate, merge
from mediacodec.video_coding.motion.search_preset import CROSS, SearchSettings
from mediacodec.video_coding.motion.vectors import LIMIT, ZERO, MotionVectors, PackedVectors, pack, unpack


def refine(
    vectors: Index,
    large: Index,
    previous: MotionVectors | None,
    free: Mask,
    differences: Differences,
    *,
    weight: float,
    settings: SearchSettings,
) -> Index:
    """Vectors with less of differences and bits together.

    Args:
        vectors: what was found for single blocks, int64 [2, rows, columns].
        large: what was found for blocks of 2x2, likewise.
        previous: the vectors of the frame before.
        free: blocks that may have other vectors than 0, [rows, columns].
        differences: what blocks are compared with.
        weight: absolute difference that a bit is worth.
        settings: how many passes, and what each tries.

    Returns:
        int64 [2, rows, columns].
    """
    packed = pack(*vectors)
    before = build(np.full(packed.shape, ZERO) if previous is None else pack(*previous))
    blocks = build(pack(*large))
    top = len(before.vectors) - 1
    for number in range(settings.merge_passes):
        tree = build(packed)
        candidates = [VectorCandidate(top, np.full((1, 1), ZERO)), VectorCandidate(0, before.vectors[0])]
        for level in range(top + 1):
            candidates.append(VectorCandidate(level, tree.vectors[level]))
            if level in settings.neighbour_levels:
                candidates += _neighbours(tree, level)
            if level in settings.refinement_levels:
                candidates += _steps(tree, level)
            if level:
                candidates.append(VectorCandidate(level, (before if number else blocks).vectors[level]))
        packed = merge(packed, before, candidates, free, differences, weight=weight)
    return np.stack(unpack(packed))


def _neighbours(tree: Quadtree, level: int) -> list[VectorCandidate]:
    """What the four neighbours of a level's nodes have."""
    padded: PackedVectors = np.pad(tree.vectors[level], 1, mode="edge")
    shifted = (padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1])
    return [VectorCandidate(level, other) for other in shifted]


def _steps(tree: Quadtree, level: int) -> list[VectorCandidate]:
    """Small steps from what a level's nodes have."""
    x, y = unpack(tree.vectors[level])
    moved = ((np.clip(x + dx, -LIMIT, LIMIT), np.clip(y + dy, -LIMIT, LIMIT)) for dx, dy in CROSS)
    return [VectorCandidate(level, pack(*one)) for one in moved]
