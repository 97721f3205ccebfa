"""Which updates of a tensor are sent: small integers times a power of two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.overfit.exactness import SHIFTS
from mediacodec.codecs.overfit.weight_updates import WeightUpdate
from mediacodec.entropy_coding.signed_golomb import LARGEST

DEAD_ZONE = 0.6  # of a multiple, below which an update is not sent
HEAD_BITS = 10  # of an update: shift and table

Floats = NDArray[np.float64]


def quantise_update(wanted: Floats, costs: NDArray[np.float32], coarseness: float) -> WeightUpdate | None:
    """Quantize the difference between fitted and shipped weights.

    Args:
        wanted: the difference, in units of the stored integers, of the tensor's shape.
        costs: bits of each magnitude under each table, [tables, magnitudes].
        coarseness: the quantization step over the root mean square of `wanted`, about.

    Returns:
        The update; None where all of it is quantized to 0.
    """
    spread = float(np.sqrt(np.mean(wanted**2)))
    shift = min(max(round(np.log2(max(coarseness * spread, 1.0))), 0), SHIFTS - 1)
    scaled = np.abs(wanted) / (1 << shift)
    values = (np.sign(wanted) * np.floor(scaled + 1 - DEAD_ZONE)).astype(np.int32)
    if not values.any() or np.abs(values).max() > LARGEST:
        return None
    sizes = np.minimum(np.abs(values), costs.shape[1] - 1).reshape(-1)
    return WeightUpdate(values, shift, int(costs[:, sizes].sum(axis=1).argmin()))


def update_bits(update: WeightUpdate, costs: NDArray[np.float32]) -> float:
    """Count the bits that an update takes in a packet; costs: as for `quantise_update`."""
    sizes = np.minimum(np.abs(update.values), costs.shape[1] - 1).reshape(-1)
    return float(costs[update.table][sizes].sum()) + HEAD_BITS
