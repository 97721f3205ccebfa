"""RDO quantization: from real coefficients to the symbols of least squared error plus bits."""

from __future__ import annotations

import numpy as np

from mediacodec.codecs.conditional.conditioning import Floats
from mediacodec.codecs.conditional.rate_distortion import RATE_WEIGHT
from mediacodec.codecs.conditional.tables import TABULATED
from mediacodec.entropy_coding.signed_golomb import LARGEST, Bits, Int32s, Rows

ZEALOUS = 1.5  # times RATE_WEIGHT for coefficients: they are predicted from as well (chosen on development clips)


def quantise(values: Floats, rows: Rows, costs: Bits, *, weight: Floats | None = None) -> Int32s:
    """The cheapest symbols of coefficients.

    Of the nearest integer, the one nearer to zero, and zero, the one that costs least in (value - symbol)^2 + ZEALOUS *
    RATE_WEIGHT * weight * bits.

    Args:
        values: in quantization steps, float32 [n].
        rows: the table of each, uint8 [n].
        costs: bits of each magnitude under each table.
        weight: perceptual weight of each, float32 [n]; 1 where it is None.

    Returns:
        int32 [n].
    """
    result = np.zeros(len(values), np.int32)
    size = np.abs(values)
    open_ = np.flatnonzero(size > 0.5)  # all others are zero whatever it costs: zero is never dearer than one
    if not len(open_):
        return result
    size, rows = np.minimum(size[open_], LARGEST), rows[open_]
    price_of_bit = np.float32(ZEALOUS * RATE_WEIGHT) * (1 if weight is None else weight[open_])
    near = np.rint(size)
    best, least = np.zeros_like(size), size * size + price_of_bit * costs[rows, 0]
    for candidate in (near - 1, near):
        kept = np.maximum(candidate, 0)
        price = (size - kept) ** 2 + price_of_bit * costs[rows, np.minimum(kept, TABULATED - 1).astype(np.intp)]
        better = price < least
        np.copyto(best, kept, where=better)
        np.copyto(least, price, where=better)
    result[open_] = np.copysign(best, values[open_]).astype(np.int32)
    return result
