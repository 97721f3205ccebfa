"""The separable upsampling of latent grids: the Cohen-Daubechies-Feauveau 9/7 filters as lifting steps.

A level doubles height and width: from a plane and three grids of its size (detail across, down and both ways) to a
plane of twice the size. Filters are scaled so that every grid's unit step makes about the same squared error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

STEPS = (-1.586134342, -0.05298011854, 0.8829110762, 0.4435068522)  # Daubechies and Sweldens 1998
GAIN = 1.149604398


def analyse_rows(x: Floats) -> Floats:
    """Along the first axis, of even size: low half first."""
    even, odd = x[0::2].copy(), x[1::2].copy()
    for k, step in enumerate(STEPS):
        if k % 2 == 0:
            odd += np.float32(step) * (even + np.concatenate([even[1:], even[-1:]]))
        else:
            even += np.float32(step) * (odd + np.concatenate([odd[:1], odd[:-1]]))
    return np.concatenate([even * np.float32(GAIN), odd * np.float32(1 / GAIN)])


def synthesise_rows(x: Floats) -> Floats:
    """The inverse of `analyse_rows`."""
    half = len(x) // 2
    even, odd = x[:half] * np.float32(1 / GAIN), x[half:] * np.float32(GAIN)
    for k, step in reversed(list(enumerate(STEPS))):
        if k % 2 == 0:
            odd -= np.float32(step) * (even + np.concatenate([even[1:], even[-1:]]))
        else:
            even -= np.float32(step) * (odd + np.concatenate([odd[:1], odd[:-1]]))
    result = np.empty_like(x)
    result[0::2], result[1::2] = even, odd
    return result


def synthesise(bands: Sequence[Floats], plane: Floats) -> Floats:
    """The plane that grids stand for; bands: [3, h, w] a level, finest first; plane: the coarsest, [h, w]."""
    for band in reversed(bands):
        left = synthesise_rows(np.concatenate([plane, band[1]]))
        right = synthesise_rows(np.concatenate([band[0], band[2]]))
        plane = synthesise_rows(np.concatenate([left.T, right.T])).T
    return np.ascontiguousarray(plane)
