"""Rate and distortion of a frame: the quantization step, what a bit is worth, and errors of blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.frame_syntax import ScaleIndex
from mediacodec.codecs.conditional.tables import ConditionalTables
from mediacodec.entropy_coding.signed_golomb import Bits
from mediacodec.video_coding.motion.compensate import Plane, Planes

RATE_WEIGHT = 0.12  # squared steps that a bit is worth, as in H.264's and VTM's mode decisions
BLOCK = 16
Errors = npt.NDArray[np.float32]
"""Squared errors of the blocks of a frame, float32 [h, w]."""


def step_size(level: int) -> float:
    """The quantization step in grey levels at a quality level: 1 to 235, doubling every 8."""
    return float(2.0 ** (level / 8))


def rate_lambda(level: int) -> float:
    """The squared error that a bit is worth at a quality level (the Lagrange multiplier)."""
    return RATE_WEIGHT * step_size(level) ** 2


def block_errors(one: Planes, other: Planes) -> Errors:
    """Squared error of each 16x16 block, chroma counted twice: float32 [h, w]."""
    sizes = (BLOCK, BLOCK // 2, BLOCK // 2)
    luma, u, v = (_errors(a, b, size) for a, b, size in zip(one, other, sizes, strict=True))
    return np.asarray(luma + 2 * (u + v), np.float32)


def _errors(one: Plane, other: Plane, size: int) -> Errors:
    rows, columns = one.shape[0] // size, one.shape[1] // size
    if one is other:
        return np.zeros((rows, columns), np.float32)
    difference = np.subtract(one, other, dtype=np.float32)
    difference *= difference
    tall = difference.reshape(rows, size, -1).sum(axis=1)
    return np.asarray(tall.reshape(rows, columns, size).sum(axis=2))


def zero_bits(scale_index: ScaleIndex, tables: ConditionalTables) -> Bits:
    """Bits of each block if all its coefficients are 0, float32 [h, w]."""
    s = tables.settings
    zero = tables.costs[:, 0].copy()
    zero[[0, s.scales]] = 0  # not coded
    bits = zero[: s.scales].take(scale_index[0, : s.luma]).sum(axis=0)
    bits += zero[s.scales :].take(scale_index[0, s.luma :]).sum(axis=0)
    return np.asarray(bits, np.float32)
