"""Which blocks an encoder leaves as they are predicted, and what that costs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.rdo_quantization import RATE_WEIGHT
from mediacodec.codecs.conditional.reconstructor import Mask, Rows
from mediacodec.codecs.conditional.symbols import LiveTables
from mediacodec.entropy_coding.signed_golomb import Bits
from mediacodec.video_coding.motion.compensate import Planes

BLOCK = 16
Errors = npt.NDArray[np.float32]


def step_size(level: int) -> float:
    """The quantization step in grey levels at a quality level: 1 to 235, doubling every 8."""
    return float(2.0 ** (level / 8))


def bit_worth(level: int) -> float:
    """The squared error that a bit is worth."""
    return RATE_WEIGHT * step_size(level) ** 2


def block_errors(one: Planes, other: Planes) -> Errors:
    """Squared error of each 16x16 block, chroma counted twice: float32 [h, w]."""
    sizes = (BLOCK, BLOCK // 2, BLOCK // 2)
    luma, u, v = (_errors(a, b, size) for a, b, size in zip(one, other, sizes, strict=True))
    return np.asarray(luma + 2 * (u + v), np.float32)


def _errors(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], size: int) -> Errors:
    rows, columns = one.shape[0] // size, one.shape[1] // size
    if one is other:
        return np.zeros((rows, columns), np.float32)
    difference = np.subtract(one, other, dtype=np.float32)
    difference *= difference
    tall = difference.reshape(rows, size, -1).sum(axis=1)
    return np.asarray(tall.reshape(rows, columns, size).sum(axis=2))


def zero_bits(index: Rows, tables: LiveTables) -> Bits:
    """Bits of each block if all its coefficients are 0, [h, w]; index: uint8 [1, coefficients, h, w]."""
    s = tables.settings
    zero = tables.costs[:, 0].copy()
    zero[[0, s.scales]] = 0  # not coded
    bits = zero[: s.scales].take(index[0, : s.luma]).sum(axis=0)
    bits += zero[s.scales :].take(index[0, s.luma :]).sum(axis=0)
    return np.asarray(bits, np.float32)


def keep_cells(wanted: Mask, regret: Errors, hyper: npt.NDArray[np.int8], settled: Mask) -> Mask:
    """Skips that agree with hyper-latents coded already: `wanted` itself where all do.

    Hyper-latents of a cell all of whose blocks are skipped count as 0; where they are not, one block of the cell must
    stay: the one that skipping harms most. wanted, settled (skipped from the start): bool [h, w]; regret: what skipping
    costs, [h, w]; hyper: [hyper, hh, ww].
    """
    rows, columns = hyper.shape[1:]
    full = _cells(wanted, True, (rows, columns)).all(axis=2) & hyper.any(axis=0)
    if not full.any():
        return wanted
    harm = np.where(settled, -np.inf, regret)
    worst = _cells(harm, -np.inf, (rows, columns)).argmax(axis=2)
    y, x = np.nonzero(full)
    kept = worst[full]
    result = wanted.copy()
    result[2 * y + kept // 2, 2 * x + kept % 2] = False
    return result


def _cells(blocks: npt.NDArray[np.generic], outside: float, cells: tuple[int, int]) -> npt.NDArray[np.generic]:
    """Blocks [h, w] by cell: [hh, ww, 4]; places outside the picture get `outside`."""
    rows, columns = cells
    padded = np.full((2 * rows, 2 * columns), outside, blocks.dtype)
    padded[: blocks.shape[0], : blocks.shape[1]] = blocks
    return padded.reshape(rows, 2, columns, 2).transpose(0, 2, 1, 3).reshape(rows, columns, 4)


def paste(planes: Planes, predicted: Planes, skip: Mask) -> Planes:
    """The planes with these blocks as predicted."""
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
