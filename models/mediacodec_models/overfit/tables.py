"""The integer tables for latents: Laplace distributions with a heavier tail, drawn towards what was counted."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediacodec.codecs.overfit.context import SCALES
from mediacodec_bitstream import TableFamily

SMALLEST, LARGEST = 0.06, 60.0  # Laplace scales of the first and the last table, in quantization steps
MOST = 127  # largest magnitude with a symbol of its own in any table
TAIL = 0.01  # the share of a second, three times as wide Laplace distribution
PRIOR = 2000.0  # symbols that the parametric distribution is worth against counts
RESOLUTION = 1 << 30  # what the shares of a row are scaled to before they become integers

Floats = NDArray[np.float64]


def scales() -> Floats:
    """The Laplace scale of each table."""
    return np.geomspace(SMALLEST, LARGEST, SCALES)


def reach(scale: float) -> int:
    """The largest magnitude with a symbol of its own; one more symbol is the escape."""
    return min(max(int(np.ceil(8 * scale)) + 3, 4), MOST)


def masses(scale: float, top: int) -> Floats:
    """Probabilities of the magnitudes 0..top and of all beyond, [top + 2]."""
    sizes = np.arange(1, top + 1)

    def plain(b: float) -> Floats:
        body = np.exp(-(sizes - 0.5) / b) * -np.expm1(-1 / b)
        return np.concatenate([[-np.expm1(-0.5 / b)], body, [np.exp(-(top + 0.5) / b)]])

    return np.asarray((1 - TAIL) * plain(scale) + TAIL * plain(3 * scale + 0.2))


def make_tables(counts: Floats | None = None) -> NDArray[np.uint32]:
    """[SCALES, 2 * MOST + 2]; counts: of magnitudes under each table, [SCALES, MOST + 2], all beyond MOST in the last.

    Symbols: 0, then 1, -1, 2, -2 and so on up to the row's reach, then the escape.
    """
    shares = np.zeros((SCALES, 2 * MOST + 2))
    sizes = []
    for row, scale in enumerate(scales()):
        top = reach(float(scale))
        mass = masses(float(scale), top)
        if counts is not None:
            seen = np.append(counts[row, : top + 1], counts[row, top + 1 :].sum())
            mass = (PRIOR * mass + seen) / (PRIOR + seen.sum())
        shares[row, : 2 * top + 2] = [mass[0], *np.repeat(mass[1 : top + 1] / 2, 2), mass[top + 1]]
        sizes.append(2 * top + 2)
    return TableFamily.from_counts(np.rint(shares * RESOLUTION).astype(np.int64), sizes=sizes).to_array()


def cost_table(costs: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(costs))
