"""Skipped blocks: which an encoder leaves as they are predicted, before and after it has coded them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.frame_syntax import HyperLatent
from mediacodec.codecs.conditional.rate_distortion import BLOCK, Errors, block_errors, step_size
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.motion.skip_map import SkipMap

UNCHANGED_ERROR = 1.0  # squared steps of a block's error up to which a source counts as the one coded last
EARLY_SKIP_ERROR = 7.0  # squared steps of a block's error up to which it is skipped at once: coding would not help


def early_skip(errors: Errors, weight: Errors, level: int) -> SkipMap:
    """Blocks that are skipped before anything is coded.

    Args:
        errors: squared, of the prediction.
        weight: perceptual weight of the blocks.
        level: quality level of the frame.
    """
    return errors <= weight * (EARLY_SKIP_ERROR * step_size(level) ** 2)


def is_unchanged(planes: Planes, source: Planes, level: int) -> bool:
    """Whether a source is the same as another one, as far as a quality level can tell.

    Args:
        planes: padded, uint8.
        source: likewise.
        level: of the frame, 0..63.
    """
    allowed = UNCHANGED_ERROR * step_size(level) ** 2
    few = np.subtract(planes[0][::8], source[0][::8], dtype=np.float32)
    if float(np.square(few, out=few).max()) > allowed:  # most sources differ in every eighth row as well
        return False
    return bool(block_errors(planes, source).max() <= allowed)


def keep_cells(wanted: SkipMap, rd_delta: Errors, hyper: HyperLatent, settled: SkipMap) -> SkipMap:
    """Skips that agree with hyper-latents coded already: `wanted` itself where all do.

    Hyper-latents of a cell all of whose blocks are skipped count as 0; where they are not, one block of the cell must
    stay: the one that skipping harms most.

    Args:
        wanted: blocks that are better skipped, [h, w].
        rd_delta: what skipping each block costs, in squared error, [h, w].
        hyper: [hyper, hh, ww].
        settled: blocks that were skipped from the start, [h, w].
    """
    rows, columns = hyper.shape[1:]
    full = _cells(wanted, True, (rows, columns)).all(axis=2) & hyper.any(axis=0)
    if not full.any():
        return wanted
    harm = np.where(settled, -np.inf, rd_delta)
    worst = _cells(harm, -np.inf, (rows, columns)).argmax(axis=2)
    y, x = np.nonzero(full)
    kept = worst[full]
    result = wanted.copy()
    result[2 * y + kept // 2, 2 * x + kept % 2] = False
    return result


def _cells(blocks: npt.NDArray[np.generic], outside: float, cells: tuple[int, int]) -> npt.NDArray[np.generic]:
    """Blocks [h, w] by cell: [hh, ww, 4]; places outside the frame get `outside`."""
    rows, columns = cells
    padded = np.full((2 * rows, 2 * columns), outside, blocks.dtype)
    padded[: blocks.shape[0], : blocks.shape[1]] = blocks
    return padded.reshape(rows, 2, columns, 2).transpose(0, 2, 1, 3).reshape(rows, columns, 4)


def paste(planes: Planes, predicted: Planes, skip: SkipMap) -> Planes:
    """The planes with some blocks as predicted; the planes themselves where there are none.

    Args:
        planes: padded, uint8.
        predicted: likewise.
        skip: those blocks of 16x16, bool [h, w].
    """
    chosen = np.flatnonzero(skip)
    if not len(chosen):
        return planes
    row, column = np.divmod(chosen, skip.shape[1])
    result = []
    for plane, source, size in zip(planes, predicted, (BLOCK, BLOCK // 2, BLOCK // 2), strict=True):
        shape = (skip.shape[0], size, skip.shape[1], size)
        out = plane.copy()
        out.reshape(shape)[row, :, column] = source.reshape(shape)[row, :, column]
        result.append(out)
    y, u, v = result
    return y, u, v
