"""What is sent of a tensor's change: small integers times a power of two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.overfit.weight_updates import SHIFTS, Change
from mediacodec.entropy_coding.signed_golomb import LARGEST

DEAD_ZONE = 0.6  # of a multiple, below which a change is not sent

Floats = NDArray[np.float64]


def best_change(wanted: Floats, costs: NDArray[np.float32], coarse: float) -> Change | None:
    """The change nearest to `wanted`, in units of the stored integers; None where all of it rounds to nothing.

    coarse: the multiple over the root mean square of `wanted`, about.
    """
    spread = float(np.sqrt(np.mean(wanted**2)))
    shift = min(max(round(np.log2(max(coarse * spread, 1.0))), 0), SHIFTS - 1)
    scaled = np.abs(wanted) / (1 << shift)
    values = (np.sign(wanted) * np.floor(scaled + 1 - DEAD_ZONE)).astype(np.int32)
    if not values.any() or np.abs(values).max() > LARGEST:
        return None
    sizes = np.minimum(np.abs(values), costs.shape[1] - 1).reshape(-1)
    return Change(values, shift, int(costs[:, sizes].sum(axis=1).argmin()))


def change_bits(change: Change, costs: NDArray[np.float32]) -> float:
    """What it takes in a packet, but for its head."""
    sizes = np.minimum(np.abs(change.values), costs.shape[1] - 1).reshape(-1)
    return float(costs[change.row][sizes].sum()) + 10
