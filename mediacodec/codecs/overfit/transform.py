"""The separable upsampling of latent grids: the Cohen-Daubechies-Feauveau 9/7 filters as lifting steps.

A level doubles height and width: from a plane and three grids of its size (detail across, down and both ways) to a
plane of twice the size. Filters are scaled so that every grid's unit step makes about the same squared error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LIFTING = (-1.586134342, -0.05298011854, 0.8829110762, 0.4435068522)  # Daubechies and Sweldens 1998
GAIN = 1.149604398


def analyse_rows(x: Floats) -> Floats:
    """Transform along the first axis.

    Args:
        x: [rows, ..], an even number of rows.

    Returns:
        The same shape: the lowpass half first, then the highpass half.
    """
    even, odd = x[0::2].copy(), x[1::2].copy()
    for k, step in enumerate(LIFTING):
        if k % 2 == 0:
            odd += np.float32(step) * (even + np.concatenate([even[1:], even[-1:]]))
        else:
            even += np.float32(step) * (odd + np.concatenate([odd[:1], odd[:-1]]))
    return np.concatenate([even * np.float32(GAIN), odd * np.float32(1 / GAIN)])


def synthesise_rows(x: Floats) -> Floats:
    """Invert `analyse_rows`."""
    half = len(x) // 2
    even, odd = x[:half] * np.float32(1 / GAIN), x[half:] * np.float32(GAIN)
    for k, step in reversed(list(enumerate(LIFTING))):
        if k % 2 == 0:
            odd -= np.float32(step) * (even + np.concatenate([even[1:], even[-1:]]))
        else:
            even -= np.float32(step) * (odd + np.concatenate([odd[:1], odd[:-1]]))
    result = np.empty_like(x)
    result[0::2], result[1::2] = even, odd
    return result


def synthesise(bands: Sequence[Floats], lowpass: Floats) -> Floats:
    """Compute the plane that grids stand for.

    Args:
        bands: [3, rows, columns] a level, finest first.
        lowpass: the coarsest plane, [rows, columns].

    Returns:
        The plane, twice as large each way as the finest level.
    """
    plane = lowpass
    for band in reversed(bands):
        left = synthesise_rows(np.concatenate([plane, band[1]]))
        right = synthesise_rows(np.concatenate([band[0], band[2]]))
        plane = synthesise_rows(np.concatenate([left.T, right.T])).T
    return np.ascontiguousarray(plane)
