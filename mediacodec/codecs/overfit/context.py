"""The context network in integers: which table codes a latent, from latents decoded before it.

Integers are held in float64, whose products and sums below 2^53 are exact in any order: 16 bits a weight, 17 an
activation and some hundred terms stay far below. So every machine finds the same table.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.overfit.settings import LEVEL_CLASSES, NEUTRAL_QUALITY, SCALES, Arrays

FEATURE_SHIFT = 6  # features and activations are integers over 2^FEATURE_SHIFT
WEIGHT_SHIFT = 8  # weights are integers over 2^WEIGHT_SHIFT
MAX_ACTIVATION = (1 << 17) - 1
STRIP = 1 << 14  # places computed at once: what bounds the memory

ExactIntegers = npt.NDArray[np.float64]
TableIndices = npt.NDArray[np.uint8]


class IntegerContext:
    """A perceptron of two hidden layers for each part of a level's grids.

    Args:
        weights: the network's tensors by name, as `OverfitModel` checks them.
        quality: index of the frame, 0..255.

    Attributes:
        parts: of a level, which are coded one after the other.
        conditioning: grids that are known before the first part.
        hidden: width of both hidden layers.
    """

    def __init__(self, weights: Arrays, quality: int) -> None:
        self._weights = weights
        bias = weights["first_bias"] + (quality - NEUTRAL_QUALITY) * weights["quality"]
        self._first_bias = bias.astype(np.float64)
        self.parts, self.hidden = weights["third"].shape[1:]
        self.conditioning = weights["first"].shape[3] - self.parts

    @cached_property
    def _exact(self) -> dict[str, ExactIntegers]:
        names = ("first", "second", "third", "second_bias", "third_bias")
        return {name: self._weights[name].astype(np.float64) for name in names}

    def table_indices(self, features: ExactIntegers, part: int, level: int) -> TableIndices:
        """Find the table of each latent of a part.

        Args:
            features: of what is known, [conditioning + part or more, rows + 2, columns + 2], with a border of zeros.
            part: to be coded next.
            level: 0 is the finest.

        Returns:
            Indices into the model's tables for latents, [rows, columns].
        """
        level_class, known = min(level, LEVEL_CLASSES - 1), self.conditioning + part
        exact = self._exact
        first = exact["first"][level_class, part, :, :known].reshape(self.hidden, -1)
        bias = self._first_bias[level, part][:, None], exact["second_bias"][level, part][:, None]
        height, width = features.shape[1] - 2, features.shape[2] - 2
        result = np.empty((height, width), np.uint8)
        lines = max(1, STRIP // width)
        for top in range(0, height, lines):
            bottom = min(top + lines, height)
            x = first @ im2col(features[:known], top, bottom)
            x = _rescaled_relu(x + bias[0])
            x = _rescaled_relu(exact["second"][level_class, part] @ x + bias[1])
            index = exact["third"][level_class, part] @ x + exact["third_bias"][level, part]
            index += 1 << (WEIGHT_SHIFT + FEATURE_SHIFT - 1)
            index *= 2.0 ** -(WEIGHT_SHIFT + FEATURE_SHIFT)
            np.floor(index, out=index)
            result[top:bottom] = np.clip(index, 0, SCALES - 1).reshape(bottom - top, width)
        return result


def im2col(grids: npt.NDArray[np.floating], top: int, bottom: int) -> npt.NDArray[np.floating]:
    """Gather the 3x3 neighbourhood of each place in some rows.

    Args:
        grids: [n, rows + 2, columns + 2], with a border.
        top: the first row.
        bottom: the row behind the last.

    Returns:
        [n * 9, places].
    """
    n, _, columns = grids.shape
    width = columns - 2
    result = np.empty((n, 9, bottom - top, width), grids.dtype)
    for k in range(9):
        down, right = divmod(k, 3)
        result[:, k] = grids[:, top + down : bottom + down, right : right + width]
    return result.reshape(n * 9, -1)


def _rescaled_relu(x: ExactIntegers) -> ExactIntegers:
    x += 1 << (WEIGHT_SHIFT - 1)
    x *= 2.0**-WEIGHT_SHIFT
    np.floor(x, out=x)
    return np.clip(x, 0, MAX_ACTIVATION, out=x)
