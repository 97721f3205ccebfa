"""From real coefficients to symbols: the integer of least squared error plus bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.symbols import COSTED
from mediacodec.entropy_coding.signed_golomb import LARGEST, Bits, Integers, Rows

RATE_WEIGHT = 0.12  # squared steps that a bit is worth, as in H.264's and VTM's mode decisions
ZEALOUS = 1.5  # times that for coefficients: they are predicted from as well (chosen on development clips)


def quantise(
    values: npt.NDArray[np.float32], rows: Rows, costs: Bits, *, worth: npt.NDArray[np.float32] | None = None
) -> Integers:
    """Symbols, int32 [n], of values [n] in quantization steps, each with its table row.

    The nearest integer, the one nearer to zero or zero: which costs least in (value - symbol)^2 + ZEALOUS * RATE_WEIGHT
    * worth * bits; worth: float32 [n], 1 where it is None.
    """
    result = np.zeros(len(values), np.int32)
    size = np.abs(values)
    open_ = np.flatnonzero(size > 0.5)  # all others are zero whatever it costs: zero is never dearer than one
    if not len(open_):
        return result
    size, rows = np.minimum(size[open_], LARGEST), rows[open_]
    weight = np.float32(ZEALOUS * RATE_WEIGHT) * (1 if worth is None else worth[open_])
    near = np.rint(size)
    best, least = np.zeros_like(size), size * size + weight * costs[rows, 0]
    for candidate in (near - 1, near):
        kept = np.maximum(candidate, 0)
        price = (size - kept) ** 2 + weight * costs[rows, np.minimum(kept, COSTED - 1).astype(np.intp)]
        better = price < least
        np.copyto(best, kept, where=better)
        np.copyto(least, price, where=better)
    result[open_] = np.copysign(best, values[open_]).astype(np.int32)
    return result
