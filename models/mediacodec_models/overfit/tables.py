"""The integer tables for latents: Laplace distributions with a heavier tail, drawn towards what was counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.overfit.settings import SCALES
from mediacodec_bitstream import TableFamily

MIN_SCALE, MAX_SCALE = 0.06, 60.0  # Laplace scales of the first and the last table, in quantization steps
MAX_MAGNITUDE = 127  # with a symbol of its own in any table
TAIL = 0.01  # the share of a second, three times as wide Laplace distribution
PRIOR_COUNT = 2000.0  # symbols that the parametric distribution is worth against counts
RESOLUTION = 1 << 30  # what the shares of a row are scaled to before they become integers

Floats = NDArray[np.float64]


def scales() -> Floats:
    """The Laplace scale of each table, [SCALES]."""
    return np.geomspace(MIN_SCALE, MAX_SCALE, SCALES)


def max_magnitude(scale: float) -> int:
    """The largest magnitude with a symbol of its own; one more symbol is the escape."""
    return min(max(int(np.ceil(8 * scale)) + 3, 4), MAX_MAGNITUDE)


def masses(scale: float, top: int) -> Floats:
    """Probabilities of the magnitudes 0..top and of all beyond, [top + 2]; scale: Laplace."""
    sizes = np.arange(1, top + 1)

    def laplace(b: float) -> Floats:
        body = np.exp(-(sizes - 0.5) / b) * -np.expm1(-1 / b)
        return np.concatenate([[-np.expm1(-0.5 / b)], body, [np.exp(-(top + 0.5) / b)]])

    return np.asarray((1 - TAIL) * laplace(scale) + TAIL * laplace(3 * scale + 0.2))


def make_tables(counts: Floats | None = None) -> NDArray[np.uint32]:
    """Make the tables for latents.

    Args:
        counts: of magnitudes under each table, [SCALES, MAX_MAGNITUDE + 2], all beyond MAX_MAGNITUDE in the last; None
            where nothing was counted.

    Returns:
        [SCALES, 2 * MAX_MAGNITUDE + 2]: symbols 0, then 1, -1, 2, -2 and so on up to the row's largest magnitude, then
        the escape.
    """
    shares = np.zeros((SCALES, 2 * MAX_MAGNITUDE + 2))
    sizes = []
    for row, scale in enumerate(scales()):
        top = max_magnitude(float(scale))
        mass = masses(float(scale), top)
        if counts is not None:
            counted = np.append(counts[row, : top + 1], counts[row, top + 1 :].sum())
            mass = (PRIOR_COUNT * mass + counted) / (PRIOR_COUNT + counted.sum())
        shares[row, : 2 * top + 2] = [mass[0], *np.repeat(mass[1 : top + 1] / 2, 2), mass[top + 1]]
        sizes.append(2 * top + 2)
    return TableFamily.from_counts(np.rint(shares * RESOLUTION).astype(np.int64), sizes=sizes).to_array()
