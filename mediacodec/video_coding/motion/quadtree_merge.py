"""Fewer vectors for a frame: the quadtree of least rate-distortion cost that candidates make.

Each candidate is a vector for every node of one level, and so for all blocks below it. From the bottom up each node
learns what it costs under each candidate that reaches it: as a leaf, or split, where every child either has the same
vector or the best of its own. From the top down the winners are read off. Bits are those of `vector_coding` on average,
in the surroundings that the vectors so far give a node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.quadtree import Index, Mask, Quadtree, build, spread
from mediacodec.video_coding.motion.vectors import ZERO, PackedVectors, unpack

Cost = npt.NDArray[np.float32]
Maps = npt.NDArray[np.int32]
Differences = Callable[[Index, Index, Index], Index]
"""Sums of absolute differences of the free blocks at the places given first, under the vectors x, y."""

_FIXED = 8e3  # the cost of any vector but 0 for a block that is not free
# bits by level, from the single blocks up; the last of each stands for all above
_LEAF = (0.0, 0.35, 0.4, 0.6, 1.2)
_SPLIT = (0.0, 2.6, 2.7, 2.2, 1.0)
_SAME = 0.7  # a child of a split node that has its parent's vector
_PREDICTED = 5.6  # another vector that is one of the node's predictors
_BUCKETS = 64
_EXPLICIT = (8.9 + np.minimum(2.2 * np.log2(np.maximum(np.arange(1025), 1)), 12)).astype(np.float32)
"""Another vector, by the larger component's difference from the parent's."""


@dataclass(frozen=True, eq=False)
class VectorCandidate:
    """A vector for every node of a level."""

    level: int
    vectors: PackedVectors


def merge(
    vectors: PackedVectors,
    previous: Quadtree,
    candidates: list[VectorCandidate],
    free: Mask,
    differences: Differences,
    *,
    weight: float,
) -> PackedVectors:
    """Vectors put together from the candidates and from the vectors so far.

    Args:
        vectors: those so far, whose surroundings price the bits, [rows, columns].
        previous: the tree of the frame before.
        candidates: vectors to choose from.
        free: blocks that may move, the others have the vector 0, [rows, columns].
        differences: what blocks are compared with.
        weight: absolute difference that a bit is worth.

    Returns:
        Packed vectors [rows, columns].
    """
    tree = build(vectors)
    candidates = sorted(candidates, key=lambda one: -one.level)  # so that the ones that reach a level come first
    maps = np.stack([_to_blocks(one, tree) for one in candidates]).astype(np.int32)
    dynamic = _DynamicProgram(tree, previous, candidates, weight)
    dynamic.climb(maps, _differences(maps, free, differences))
    return np.asarray(np.take_along_axis(maps, dynamic.descend()[None], axis=0)[0], np.int64)


def _to_blocks(candidate: VectorCandidate, tree: Quadtree) -> PackedVectors:
    vectors = candidate.vectors
    for level in range(candidate.level - 1, -1, -1):
        vectors = spread(vectors, tree.vectors[level].shape)
    return vectors


def _differences(maps: Maps, free: Mask, differences: Differences) -> Cost:
    """Of each block under each candidate, [candidates, rows, columns]; nothing is computed twice."""
    costs = np.where(maps == ZERO, np.float32(0), np.float32(_FIXED))
    places = np.flatnonzero(free)
    flat, tried = costs.reshape(len(maps), -1), maps.reshape(len(maps), -1)[:, places]
    found = np.empty(tried.shape, np.float32)
    columns = np.arange(len(places))
    hashes = ((tried ^ tried >> 9) & _BUCKETS - 1) * len(places) + columns
    last_of = np.tile(columns, _BUCKETS)  # where in `tried` a block last had a vector of a hash
    for k, (vectors, at) in enumerate(zip(tried, hashes, strict=True)):
        last = last_of.take(at)
        new = np.flatnonzero(tried.take(last) != vectors) if k else columns
        np.take(found, last, out=found[k], mode="clip")
        if len(new):
            x, y = unpack(vectors[new].astype(np.int64))
            found[k, new] = differences(new, x, y)
        last_of[at] = columns + k * len(places)
    flat[:, places] = found
    return costs


class _DynamicProgram:
    """One way up the tree and down again. Arrays of costs are [candidates that reach the level, rows, columns]."""

    def __init__(self, tree: Quadtree, previous: Quadtree, candidates: list[VectorCandidate], weight: float) -> None:
        self.tree, self.previous, self.candidates, self.weight = tree, previous, candidates, np.float32(weight)
        self.costs: list[Cost] = []  # of a node and all below it, by candidate
        self.leaf: list[Mask] = []  # whether it is best as a leaf
        self.own: list[Cost] = []  # of the best candidate where it is not the parent's vector
        self.choice: list[Index] = []  # which candidate that is

    def climb(self, maps: Maps, differences: Cost) -> None:
        """Find what each node costs under each candidate, level by level."""
        sums = costs = differences
        for level in range(len(self.tree.vectors)):
            reach = sum(one.level >= level for one in self.candidates)
            if level:
                sums = _sum_of_four(sums[:reach])
                same = costs[:reach] + self.weight * np.float32(_SAME)
                split = _sum_of_four(np.minimum(same, self.own[-1]))
                split += self.weight * np.float32(_at(_SPLIT, level))
                leaf = sums + self.weight * np.float32(_at(_LEAF, level))
                self.leaf.append(leaf <= split)
                costs = np.minimum(leaf, split)
                maps = maps[:reach, ::2, ::2]  # the first child has what its parent has
            else:
                self.leaf.append(np.ones(sums.shape, np.bool_))
            self.costs.append(costs)
            priced = costs + self._prices(level, maps)
            choice = priced.argmin(0)
            self.choice.append(choice)
            self.own.append(np.take_along_axis(priced, choice[None], axis=0)[0])

    def descend(self) -> Index:
        """The candidate that wins each block."""
        chosen = self.choice[-1]
        whole = np.zeros(chosen.shape, np.bool_)  # nodes that lie in a leaf above
        for level in range(len(self.costs) - 1, 0, -1):
            whole = whole | np.take_along_axis(self.leaf[level], chosen[None], axis=0)[0]
            shape = self.choice[level - 1].shape
            chosen, whole = spread(chosen, shape), spread(whole, shape)
            same = np.take_along_axis(self.costs[level - 1], chosen[None], axis=0)[0]
            same += self.weight * np.float32(_SAME)
            chosen = np.where(whole | (same <= self.own[level - 1]), chosen, self.choice[level - 1])
        return chosen

    def _prices(self, level: int, maps: Maps) -> Cost:
        """Of a vector that is not the parent's, in differences, by candidate."""
        shape = self.tree.vectors[level].shape
        above = self.tree.vectors[min(level + 1, len(self.tree.vectors) - 1)]
        if level + 1 < len(self.tree.vectors):
            predictors = _predictors(above, self.previous.vectors[level], shape)
            parent = predictors[0]
        else:
            predictors = [self.previous.vectors[level]]
            parent = self.previous.vectors[level]
        predicted = maps == np.int32(ZERO)
        for predictor in predictors:
            predicted |= maps == predictor.astype(np.int32)
        x, y = unpack(parent.astype(np.int32))
        other_x, other_y = unpack(maps)
        size = np.maximum(np.abs(other_x - x), np.abs(other_y - y))
        prices = (_EXPLICIT * self.weight)[size]
        np.copyto(prices, np.float32(_PREDICTED) * self.weight, where=predicted)
        return np.asarray(prices)


def _predictors(above: PackedVectors, previous: PackedVectors, shape: tuple[int, ...]) -> list[PackedVectors]:
    """What `vector_coding` predicts a node's vector from: its parent's, those of three neighbours of it, the last."""
    padded = np.pad(above, 1, mode="edge")
    height, width = shape
    rows, columns = np.arange(height), np.arange(width)
    row, column = (rows >> 1) + 1, (columns >> 1) + 1
    beyond, aside = row + 2 * (rows & 1) - 1, column + 2 * (columns & 1) - 1
    return [
        padded[np.ix_(row, column)],
        padded[np.ix_(row, aside)],
        padded[np.ix_(beyond, column)],
        padded[np.ix_(beyond, aside)],
        previous,
    ]


def _sum_of_four(values: Cost) -> Cost:
    """Sums over the children of each node; those outside of the grid cost nothing."""
    count, height, width = values.shape
    if height & 1 or width & 1:
        padded = np.zeros((count, height + (height & 1), width + (width & 1)), np.float32)
        padded[:, :height, :width] = values
        values = padded
    rows = values[:, ::2] + values[:, 1::2]
    return np.asarray(rows[:, :, ::2] + rows[:, :, 1::2])


def _at(bits: tuple[float, ...], level: int) -> float:
    return bits[min(level, len(bits) - 1)]
