"""Motion vectors: one for each 8x8 block of luma, in quarter samples, and packed into one integer each."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Int = TypeVar("_Int", np.int32, np.int64)

MotionVectors = npt.NDArray[np.int16]
"""int16 [2 (x, y), H/8, W/8], quarter samples of luma: a sample at p comes from p + vector/4."""

PackedVectors = npt.NDArray[np.int64]
"""A vector in one integer, so that two of them compare in one operation."""

BLOCK = 8  # samples of luma that a vector is for, each way
LIMIT = 512  # quarter samples either way

_SHIFT = 12
_OFFSET = 1 << 11
ZERO = (_OFFSET << _SHIFT) + _OFFSET  # the packed vector 0


def pack(x: npt.NDArray[np.integer], y: npt.NDArray[np.integer]) -> PackedVectors:
    """Vectors whose components lie in -2048..2047, packed; x and y have one shape."""
    packed = x.astype(np.int64)
    packed += _OFFSET
    packed <<= _SHIFT
    packed += y
    packed += _OFFSET
    return packed


def unpack(packed: npt.NDArray[_Int]) -> tuple[npt.NDArray[_Int], npt.NDArray[_Int]]:
    """The components x, y of packed vectors."""
    return (packed >> _SHIFT) - _OFFSET, (packed & (1 << _SHIFT) - 1) - _OFFSET


def motion_of(packed: PackedVectors) -> MotionVectors:
    """Packed vectors [rows, columns] as int16 [2, rows, columns]."""
    return np.stack(unpack(packed)).astype(np.int16)
