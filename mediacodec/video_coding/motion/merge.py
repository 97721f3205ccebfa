"""Fewer vectors for a field: the cheapest tree of those on offer, by differences and bits together.

Each offer is a vector for every node of one level, and so for all blocks below it. From the bottom up each node learns
what it costs under each offer that reaches it: as a leaf, or split, where every child either has the same vector or the
best of its own. From the top down the winners are read off. Bits are those of `field` on average, in the surroundings
that the field so far gives a node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.quadtree import ZERO, Index, Keys, Mask, Tree, build, spread, unpack

Cost = npt.NDArray[np.float32]
Maps = npt.NDArray[np.int32]
Differences = Callable[[Index, Index, Index], Index]
"""Of the free blocks at the places given first, under the vectors x, y."""

_FIXED = 8e3  # the cost of any vector but 0 for a block that is not free
# bits by level, from the single blocks up; the last of each stands for all above
_LEAF = (0.0, 0.35, 0.4, 0.6, 1.2)
_SPLIT = (0.0, 2.6, 2.7, 2.2, 1.0)
_SAME = 0.7  # a child of a split node that has its parent's vector
_NAMED = 5.6  # another vector that is a candidate
_BUCKETS = 64
_EXPLICIT = (8.9 + np.minimum(2.2 * np.log2(np.maximum(np.arange(1025), 1)), 12)).astype(np.float32)
"""Another vector, by the larger component's difference from the parent's."""


@dataclass(frozen=True, eq=False)
class Offer:
    """A vector for every node of a level."""

    level: int
    keys: Keys


def merge(
    keys: Keys, before: Tree, offers: list[Offer], free: Mask, differences: Differences, *, weight: float
) -> Keys:
    """A field, keys [rows, columns], put together from the offers and from the field so far.

    keys: the field so far, whose surroundings price the bits; before: the tree of the field before; free: blocks that
    may move, the others have the vector 0; weight: difference that is worth a bit.
    """
    tree = build(keys)
    offers = sorted(offers, key=lambda offer: -offer.level)  # so that the ones that reach a level come first
    maps = np.stack([_to_blocks(offer, tree) for offer in offers]).astype(np.int32)
    passing = _Passing(tree, before, offers, weight)
    passing.climb(maps, _differences(maps, free, differences))
    return np.asarray(np.take_along_axis(maps, passing.descend()[None], axis=0)[0], np.int64)


def _to_blocks(offer: Offer, tree: Tree) -> Keys:
    keys = offer.keys
    for level in range(offer.level - 1, -1, -1):
        keys = spread(keys, tree.keys[level].shape)
    return keys


def _differences(maps: Maps, free: Mask, differences: Differences) -> Cost:
    """Of each block under each offer, [offers, rows, columns]; what was offered before is not computed again."""
    costs = np.where(maps == ZERO, np.float32(0), np.float32(_FIXED))
    places = np.flatnonzero(free)
    flat, wanted = costs.reshape(len(maps), -1), maps.reshape(len(maps), -1)[:, places]
    found = np.empty(wanted.shape, np.float32)
    columns = np.arange(len(places))
    hashes = ((wanted ^ wanted >> 9) & _BUCKETS - 1) * len(places) + columns
    last_of = np.tile(columns, _BUCKETS)  # where in `wanted` a block last had a vector of a hash
    for k, (keys, at) in enumerate(zip(wanted, hashes, strict=True)):
        last = last_of.take(at)
        new = np.flatnonzero(wanted.take(last) != keys) if k else columns
        np.take(found, last, out=found[k], mode="clip")
        if len(new):
            x, y = unpack(keys[new].astype(np.int64))
            found[k, new] = differences(new, x, y)
        last_of[at] = columns + k * len(places)
    flat[:, places] = found
    return costs


class _Passing:
    """One way up the tree and down again. Arrays of costs are [offers that reach the level, rows, columns]."""

    def __init__(self, tree: Tree, before: Tree, offers: list[Offer], weight: float) -> None:
        self.tree, self.before, self.offers, self.weight = tree, before, offers, np.float32(weight)
        self.costs: list[Cost] = []  # of a node and all below it, by offer
        self.leaf: list[Mask] = []  # whether it is best as a leaf
        self.own: list[Cost] = []  # of the best offer where it is not the parent's vector
        self.choice: list[Index] = []  # which offer that is

    def climb(self, maps: Maps, differences: Cost) -> None:
        sums = costs = differences
        for level in range(len(self.tree.keys)):
            reach = sum(offer.level >= level for offer in self.offers)
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
        """The offer that wins each block."""
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
        """Of a vector that is not the parent's, in differences, by offer."""
        shape = self.tree.keys[level].shape
        above = self.tree.keys[min(level + 1, len(self.tree.keys) - 1)]
        if level + 1 < len(self.tree.keys):
            candidates = _candidates(above, self.before.keys[level], shape)
            parent = candidates[0]
        else:
            candidates = [self.before.keys[level]]
            parent = self.before.keys[level]
        named = maps == np.int32(ZERO)
        for candidate in candidates:
            named |= maps == candidate.astype(np.int32)
        x, y = unpack(parent.astype(np.int32))
        other_x, other_y = unpack(maps)
        size = np.maximum(np.abs(other_x - x), np.abs(other_y - y))
        prices = (_EXPLICIT * self.weight)[size]
        np.copyto(prices, np.float32(_NAMED) * self.weight, where=named)
        return np.asarray(prices)


def _candidates(above: Keys, before: Keys, shape: tuple[int, ...]) -> list[Keys]:
    """What `field` lets a node name: its parent's vector, those of three neighbours of it, the field before."""
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
        before,
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
