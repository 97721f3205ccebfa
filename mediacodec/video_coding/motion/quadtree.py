"""Motion vectors as a quadtree, from the whole frame down to single blocks.

Level 0 holds the blocks' own vectors; a node of the level above covers up to 2x2 nodes of the one below, and the top
level is one node. Every level is a dense array, so that one operation handles all of its nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.vectors import PackedVectors

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Quadtree:
    """The vectors of a frame at each level, from the single blocks upwards; every array is [rows, columns].

    Attributes:
        vectors: the packed vector that stands for each node.
        uniform: whether all of the node's blocks have it.
    """

    vectors: list[PackedVectors]
    uniform: list[Mask]


def build(vectors: PackedVectors) -> Quadtree:
    """The tree of a frame's packed vectors [rows, columns]; a node has the vector that most of its children have."""
    tree = Quadtree([vectors], [np.ones(vectors.shape, np.bool_)])
    while vectors.size > 1:
        four = children(vectors)
        a, b, c, d = four
        across, across_too, down, down_too, falling, rising = a == b, c == d, a == c, b == d, a == d, b == c
        even = across & across_too & down
        if even.all():
            vectors = a.copy()
        else:
            first = across.astype(np.int8) + down + falling  # how many others agree with it
            second = across.astype(np.int8) + down_too + rising
            third = across_too.astype(np.int8) + down + rising
            vectors = np.where(second > first, b, a)
            vectors = np.where(third > np.maximum(first, second), c, vectors)
        below = children(tree.uniform[-1])
        tree.vectors.append(vectors)
        tree.uniform.append(even & below[0] & below[1] & below[2] & below[3])
    return tree


def children(values: npt.NDArray[_T]) -> npt.NDArray[_T]:
    """The children of each node, [4, rows, columns]; the ones outside the grid repeat those inside."""
    height, width = values.shape
    if height & 1:
        values = np.concatenate((values, values[-1:]))
    if width & 1:
        values = np.concatenate((values, values[:, -1:]), axis=1)
    cut = values.reshape(values.shape[0] // 2, 2, values.shape[1] // 2, 2)
    return np.ascontiguousarray(cut.transpose(1, 3, 0, 2)).reshape(4, *cut.shape[::2])


def spread(values: npt.NDArray[_T], shape: tuple[int, ...]) -> npt.NDArray[_T]:
    """Values of nodes given to their children, whose grid has the shape."""
    height, width = values.shape
    result = np.empty((height, 2, width, 2), values.dtype)
    result[...] = values[:, None, :, None]
    return result.reshape(2 * height, 2 * width)[: shape[0], : shape[1]]


def differing_neighbours(vectors: PackedVectors) -> Index:
    """Which neighbours of a node have another vector: bits 0 left, 1 right, 2 above, 3 below."""
    result = np.zeros(vectors.shape, np.int64)
    across = vectors[:, 1:] != vectors[:, :-1]
    down = vectors[1:] != vectors[:-1]
    result[:, 1:] += across
    result[:, :-1] += across << np.int64(1)
    result[1:] += down << np.int64(2)
    result[:-1] += down << np.int64(3)
    return result
