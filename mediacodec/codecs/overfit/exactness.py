"""Whether a context network computes exactly: in float64, on integers, with no sum that is rounded.

Below 2^53 float64 adds integers without rounding in any order, so every machine finds the same tables. The bound holds
whatever a packet adds to the weights that it may change, so a forged packet cannot break it either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.signed_golomb import LARGEST

EXACT = 1 << 53  # below it every integer is a float64
MAX_ACTIVATION = (1 << 17) - 1
SHIFTS = 16  # what a packet adds to a weight is a multiple of 2^0 .. 2^15
LARGEST_UPDATE = LARGEST << (SHIFTS - 1)

Weights = Mapping[str, npt.NDArray[np.int64]]


def largest_sum(weights: Weights, *, largest_feature: int, quality_span: int) -> int:
    """A bound of every |accumulator| of a context network.

    Args:
        weights: its tensors by name, as shipped.
        largest_feature: of what goes into the first layer.
        quality_span: what `quality` weights are multiplied by, at most.
    """
    bias = np.abs(weights["first_bias"]) + quality_span * np.abs(weights["quality"])
    third = np.abs(weights["third"]) + LARGEST_UPDATE
    sums = [
        largest_feature * int(np.abs(weights["first"]).sum(axis=(-2, -1)).max()) + int(bias.max()),
        MAX_ACTIVATION * int(np.abs(weights["second"]).sum(axis=-1).max()) + int(np.abs(weights["second_bias"]).max()),
        MAX_ACTIVATION * int(third.sum(axis=-1).max()) + int(np.abs(weights["third_bias"]).max()),
    ]
    return max(sums) + LARGEST_UPDATE  # of a bias


def check_exact(weights: Weights, name: str, *, largest_feature: int, quality_span: int) -> None:
    """Check a context network; arguments as of `largest_sum`, and its name.

    Raises:
        ValueError: a sum could be rounded.
    """
    largest = largest_sum(weights, largest_feature=largest_feature, quality_span=quality_span)
    if largest >= EXACT:
        raise ValueError(f"a sum of {name} may reach {largest}, beyond 2^53, and tables would differ between machines")
