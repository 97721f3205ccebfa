"""A motion field as a quadtree, from the whole grid down to single blocks.

Level 0 is the field; a node of the level above covers up to 2x2 nodes of the one below, and the top level is one node.
Every level is a dense array, so that one operation handles all of its nodes. Vectors travel as one integer each, a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.int16]
Keys = npt.NDArray[np.int64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_SHIFT = 12
_OFFSET = 1 << 11
ZERO = (_OFFSET << _SHIFT) + _OFFSET  # the key of the vector 0


def pack(x: npt.NDArray[np.integer], y: npt.NDArray[np.integer]) -> Keys:
    """The keys of vectors whose components lie in -2048..2047."""
    keys = x.astype(np.int64)
    keys += _OFFSET
    keys <<= _SHIFT
    keys += y
    keys += _OFFSET
    return keys


def unpack(keys: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The vectors x, y of keys."""
    return (keys >> _SHIFT) - _OFFSET, (keys & (1 << _SHIFT) - 1) - _OFFSET


def field_of(keys: Keys) -> Field:
    """int16 [2, rows, columns] of keys [rows, columns]."""
    return np.stack(unpack(keys)).astype(np.int16)


@dataclass(frozen=True, eq=False)
class Tree:
    """What a field says at each level, from the single blocks upwards.

    keys: the vector that stands for each node; uniform: whether all of its blocks have it. Each [rows, columns].
    """

    keys: list[Keys]
    uniform: list[Mask]


def build(keys: Keys) -> Tree:
    """The tree of a field of keys; the vector of a node is the one that most of its children have."""
    tree = Tree([keys], [np.ones(keys.shape, np.bool_)])
    while keys.size > 1:
        four = quarters(keys)
        a, b, c, d = four
        across, across_too, down, down_too, falling, rising = a == b, c == d, a == c, b == d, a == d, b == c
        even = across & across_too & down
        if even.all():
            keys = a.copy()
        else:
            first = across.astype(np.int8) + down + falling  # how many others agree with it
            second = across.astype(np.int8) + down_too + rising
            third = across_too.astype(np.int8) + down + rising
            keys = np.where(second > first, b, a)
            keys = np.where(third > np.maximum(first, second), c, keys)
        below = quarters(tree.uniform[-1])
        tree.keys.append(keys)
        tree.uniform.append(even & below[0] & below[1] & below[2] & below[3])
    return tree


def quarters(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The children of each node, [4, rows, columns]; the ones outside the grid repeat those inside."""
    height, width = values.shape
    if height & 1:
        values = np.concatenate((values, values[-1:]))
    if width & 1:
        values = np.concatenate((values, values[:, -1:]), axis=1)
    cut = values.reshape(values.shape[0] // 2, 2, values.shape[1] // 2, 2)
    return np.ascontiguousarray(cut.transpose(1, 3, 0, 2)).reshape(4, *cut.shape[::2])


def spread(values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Values of nodes given to their children, whose grid has the shape."""
    height, width = values.shape
    result = np.empty((height, 2, width, 2), values.dtype)
    result[...] = values[:, None, :, None]
    return result.reshape(2 * height, 2 * width)[: shape[0], : shape[1]]


def borders(keys: Keys) -> Index:
    """Which neighbours of a node have another vector: bits 0 left, 1 right, 2 above, 3 below."""
    result = np.zeros(keys.shape, np.int64)
    across = keys[:, 1:] != keys[:, :-1]
    down = keys[1:] != keys[:-1]
    result[:, 1:] += across
    result[:, :-1] += across << np.int64(1)
    result[1:] += down << np.int64(2)
    result[:-1] += down << np.int64(3)
    return result
