"""Adaptive quantization (AQ): each block of 16x16 has a quantization step of its own, finer where errors show.

The offsets of a keyframe's steps are sent; inter frames inherit them along the motion, and may send what has changed
(as in x264). Errors show less where the frame is busy: a step follows a power of the denominator of SSIM's contrast
term (2 variance + C2, Wang et al. 2004).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.scan_order import groups
from mediacodec.video_coding.aq_syntax import MAX_OFFSET, AqOffsets, expected_offsets
from mediacodec.video_coding.motion.compensate import Plane
from mediacodec.video_coding.motion.vectors import MotionVectors

Floats = npt.NDArray[np.float32]

OFFSETS_PER_DOUBLING = 4
SSIM_C2 = 58.5  # (0.03 * 255)^2
USUAL_VARIANCE = 362.0  # of twice a block's variance and C2: such a block has the frame's own step
EXPONENT, WEIGHT_RANGE = 0.65, (0.1, 6.0)  # chosen on development clips, see the card of conditional-1
TOLERANCE = 1  # by which an offset may differ from what is expected of it, for nothing
STALE = 0.5  # mean difference, over blocks that are coded, from which on inter frames send their own offsets


def perceptual_weight(luma: Plane) -> Floats:
    """By how much more squared error a bit is worth in each 16x16 block than usual.

    Flat regions are also the static ones as a rule, whose quality lasts.

    Args:
        luma: uint8 [H, W], multiples of 16.

    Returns:
        float32 [H/16, W/16].
    """
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    cells = luma.reshape(rows, 8, columns, 8)
    sums = cells.sum(axis=1, dtype=np.uint16).sum(axis=2, dtype=np.uint32).astype(np.float32)
    squares = np.square(cells, dtype=np.uint16).sum(axis=1, dtype=np.uint32).sum(axis=2).astype(np.float32)
    variance = (squares - sums * sums / 64) / 64
    mean = variance.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    least, most = WEIGHT_RANGE
    return np.asarray(np.clip(((2 * mean + SSIM_C2) / USUAL_VARIANCE) ** EXPONENT, least, most), np.float32)


def step_factors(offsets: AqOffsets) -> Floats:
    """What the frame's step is multiplied by in each block, float32 [1, 1, h, w]."""
    return np.exp2(offsets[None, None].astype(np.float32) / OFFSETS_PER_DOUBLING)


def target_offsets(weight: Floats) -> AqOffsets:
    """The offsets that follow from a perceptual weight [h, w], int8 [h, w]."""
    offsets = np.rint(np.log2(weight) * (OFFSETS_PER_DOUBLING / 2))
    return np.clip(offsets, -MAX_OFFSET, MAX_OFFSET).astype(np.int8)


def keyframe_offsets(target: AqOffsets) -> AqOffsets:
    """Offsets of a keyframe: the target's, save where what is expected of a block is as good."""
    flat = target.reshape(-1).astype(np.int64)
    known = np.zeros_like(flat)
    for group in groups(*target.shape):
        expected, _ = expected_offsets(group, known, known, None)
        wanted = flat[group.ids]
        known[group.ids] = np.where(np.abs(wanted - expected) <= TOLERANCE, expected, wanted)
    return known.astype(np.int8).reshape(target.shape)


def inter_offsets(target: AqOffsets, inherited: AqOffsets, coded: npt.NDArray[np.bool_]) -> AqOffsets:
    """Offsets of an inter frame: those inherited, unless they are stale.

    Args:
        target: what the encoder would have, int8 [h, w].
        inherited: along the motion, likewise.
        coded: blocks that are to be coded, bool [h, w].
    """
    off = np.abs(target.astype(np.int16) - inherited)
    if not coded.any() or off[coded].mean() < STALE:
        return inherited
    return np.where(off > TOLERANCE, target, inherited)


def inherit_offsets(offsets: AqOffsets, motion: MotionVectors) -> AqOffsets:
    """The offsets of the frame before, each block's from where its four vectors point on average.

    Args:
        offsets: int8 [h, w].
        motion: int16 [2, 2 h, 2 w], quarter samples.

    Returns:
        int8 [h, w].
    """
    if not motion.any():
        return offsets
    rows, columns = offsets.shape
    quarters = motion.astype(np.int32).reshape(2, rows, 2, columns, 2).sum(axis=(2, 4))
    moved = (quarters + 128) >> 8
    x = np.clip(np.arange(columns) + moved[0], 0, columns - 1)
    y = np.clip(np.arange(rows)[:, None] + moved[1], 0, rows - 1)
    return np.asarray(offsets[y, x])
