"""The context network in integers: which table codes a latent, from latents decoded before it.

Integers are held in float64, whose products and sums below 2^53 are exact in any order (see `exactness`, which checks
that they stay below). So every machine finds the same table.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.overfit.exactness import TOP
from mediacodec.codecs.overfit.settings import CLASSES, NEUTRAL, SCALES, Arrays

FEATURE_SHIFT = 6  # features and activations are integers over 2^FEATURE_SHIFT
WEIGHT_SHIFT = 8  # weights are integers over 2^WEIGHT_SHIFT
STRIP = 1 << 14  # places computed at once: what bounds the memory

Exact = npt.NDArray[np.float64]
Rows = npt.NDArray[np.uint8]


class IntegerContext:
    """A perceptron of two hidden layers for each part of a level's grids.

    weights: the network's tensors by name, as `OverfitModel` checks them. quality: index of the picture, 0..255.
    """

    def __init__(self, weights: Arrays, quality: int) -> None:
        self._weights = weights
        self._bias = (weights["first_bias"] + (quality - NEUTRAL) * weights["quality"]).astype(np.float64)
        self.parts, self.hidden = weights["third"].shape[1:]
        self.outside = weights["first"].shape[3] - self.parts

    @cached_property
    def _exact(self) -> dict[str, Exact]:
        names = ("first", "second", "third", "second_bias", "third_bias")
        return {name: self._weights[name].astype(np.float64) for name in names}

    def rows(self, grids: Exact, part: int, level: int) -> Rows:
        """The table of each latent of a part, [h, w]; grids: features of what is known, [outside + part, h+2, w+2],
        with a border of zeros."""
        group, known = min(level, CLASSES - 1), self.outside + part
        exact = self._exact
        first = exact["first"][group, part, :, :known].reshape(self.hidden, -1)
        bias = self._bias[level, part][:, None], exact["second_bias"][level, part][:, None]
        height, width = grids.shape[1] - 2, grids.shape[2] - 2
        result = np.empty((height, width), np.uint8)
        lines = max(1, STRIP // width)
        for top in range(0, height, lines):
            bottom = min(top + lines, height)
            x = first @ patches(grids[:known], top, bottom)
            x = _activated(x + bias[0])
            x = _activated(exact["second"][group, part] @ x + bias[1])
            index = exact["third"][group, part] @ x + exact["third_bias"][level, part]
            index += 1 << (WEIGHT_SHIFT + FEATURE_SHIFT - 1)
            index *= 2.0 ** -(WEIGHT_SHIFT + FEATURE_SHIFT)
            np.floor(index, out=index)
            result[top:bottom] = np.clip(index, 0, SCALES - 1).reshape(bottom - top, width)
        return result


def patches(grids: npt.NDArray[np.floating], top: int, bottom: int) -> npt.NDArray[np.floating]:
    """The nine neighbours of each place in rows top..bottom, [n * 9, places]; grids have a border of one."""
    n, _, columns = grids.shape
    width = columns - 2
    result = np.empty((n, 9, bottom - top, width), grids.dtype)
    for k in range(9):
        down, right = divmod(k, 3)
        result[:, k] = grids[:, top + down : bottom + down, right : right + width]
    return result.reshape(n * 9, -1)


def _activated(x: Exact) -> Exact:
    x += 1 << (WEIGHT_SHIFT - 1)
    x *= 2.0**-WEIGHT_SHIFT
    np.floor(x, out=x)
    return np.clip(x, 0, TOP, out=x)
