"""Frequency tables of a scalar codec: one for each scale of the logistic distribution and each quarter of a mean.

Counts of what a context network's distributions met, drawn towards the distribution that the network was trained with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.ecsq.context import FRACTIONS
from mediacodec_bitstream import TableFamily
from mediacodec_models.ecsq.context import LOWEST_SCALE, SCALE_STEP, SCALES

TAIL = 2.0**-13  # of the mass that a table leaves to its two escapes, in the distribution
MOST_REACH = 300
PRIOR = 300.0  # weight of the distribution, in observations
RESOLUTION = 4096  # counts are multiplied by this before they become integers

Counts = NDArray[np.float64]


def log_scales() -> NDArray[np.float64]:
    """Of each table's distribution."""
    return np.asarray(LOWEST_SCALE + SCALE_STEP * np.arange(SCALES))


def reaches() -> NDArray[np.int64]:
    """The largest distance that tables of each scale code without an escape."""
    found = np.ceil(np.exp(log_scales()) * np.log(2 / TAIL)).astype(np.int64)
    return np.clip(found, 1, MOST_REACH)


def masses(log_scale: float, fraction: int, reach: int) -> Counts:
    """Of an escape, the distances -reach..reach from the whole part of a mean, and an escape: [2 reach + 3]."""
    edges = (np.arange(-reach, reach + 2) - 0.5 - fraction / FRACTIONS) / np.exp(log_scale)
    # 1 / (1 + e^-x) by way of tanh, which does not overflow
    below = np.concatenate([[0.0], 0.5 * (1 + np.tanh(edges / 2)), [1.0]])
    return np.asarray(np.diff(below))


class SymbolCounts:
    """How often each distance was met under each scale and fraction."""

    def __init__(self) -> None:
        self.reach = reaches()
        self._counts = np.zeros((SCALES * FRACTIONS, 2 * int(self.reach.max()) + 3))

    def add(self, symbols: NDArray[np.int64], mean: NDArray[np.int64], scale: NDArray[np.int64]) -> None:
        """Count symbols; means in quarters of a step, scales as indices; arrays of one shape."""
        scale = np.clip(scale, 0, SCALES - 1)
        reach = self.reach[scale]
        distance = np.clip(symbols - (mean >> 2), -reach - 1, reach + 1)
        np.add.at(self._counts, (scale * FRACTIONS + (mean & FRACTIONS - 1), distance + reach + 1), 1.0)

    def tables(self) -> TableFamily:
        """The tables; a row has 2 reach + 3 symbols."""
        sizes = np.repeat(2 * self.reach + 3, FRACTIONS).tolist()
        rows = np.zeros_like(self._counts)
        for row, size in enumerate(sizes):
            scale, fraction = divmod(row, FRACTIONS)
            prior = masses(float(log_scales()[scale]), fraction, int(self.reach[scale]))
            rows[row, :size] = self._counts[row, :size] + PRIOR * prior
        return TableFamily.from_counts(np.round(rows * RESOLUTION).astype(np.int64), sizes=sizes)
