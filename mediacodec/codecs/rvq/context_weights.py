"""The weights of a context network (`mediacodec.codecs.rvq.context`), checked once when a model loads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import ModelError
from mediacodec.npz import Array
from mediacodec_bitstream.tables import TOTAL, TableRow

SHIFT = 8  # weights and biases are integers over 2^SHIFT
TOP, INPUT_TOP = 255, 255  # activations lie in 0..TOP, inputs in -INPUT_TOP..INPUT_TOP
ENTRY_SCALE = 8  # entries of codebooks are integers over this
LAGS = (1, 2, 3)  # frames whose sums are inputs
RATES = (2, 4)  # moving averages take in 2^-RATE of a frame
AGES = 4  # frames into the packet that have a bias of their own, the last for all later ones
LOGIT_UNIT = 8  # logits are integers over this, in nats
EXACT = 1 << 24  # below it every integer is a float32
WIDEST = 1 << 31  # of any number: no sum of such wraps around in 64 bits
MAX_POWER = 1 << 24  # of the table of exponentials
MAX_GAIN = 8
MAX_SYMBOLS = 4096  # coarse ones of a codebook, and fine ones of each of these

Exact = NDArray[np.float32]
Arrays = Mapping[str, Array]


class ContextWeights:
    """The arrays of a network.

    Integers, by name, with b codebooks of c coarse symbols of m fine ones each, d dimensions, t trunk and h hidden
    units: entries int8 [b, c * m, d]: the codebooks over ENTRY_SCALE; order [b, c * m]: the entry at each place, by
    coarse symbol; gain [b]: the entry of the frame before is multiplied by 2^gain;
    first [t, inputs], second [t, t], frame [b, h, t], before [b, h, 2 d], partial [b, h, d], coarse [b, c, h],
    fine [b, c, m, h]: weights over 2^SHIFT; count_bias [b, t], age_bias [AGES, t], second_bias [t], bias [b, h],
    coarse_bias [b, c], fine_bias [b, c, m]: biases over 2^SHIFT; powers [n]: exponentials, falling, the first largest;
    bits [2, b]: thousandths of bits that 1, 2, ... codebooks of a packet's first frame and of a later one take.

    Args:
        arrays: by name.

    Raises:
        ModelError: they contradict each other, or a sum could leave the integers that float32 holds exactly.
    """

    def __init__(self, arrays: Arrays) -> None:
        try:
            self._read({name: np.asarray(array) for name, array in arrays.items()})
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ModelError(f"the model's context network cannot be used: {error!r}; reinstall it") from error

    def _read(self, raw: dict[str, Array]) -> None:
        if any(array.dtype.kind not in "iu" or array.size == 0 for array in raw.values()):
            raise ValueError("all of it must be integers")
        if any(max(-int(array.min()), int(array.max())) > WIDEST for array in raw.values()):
            raise ValueError("no number in it may exceed 2^31")
        (books, size, self.dim), (trunk, self.inputs) = raw["entries"].shape, raw["first"].shape
        self.hidden, self.num_coarse, self.num_fine = raw["frame"].shape[1], *raw["fine"].shape[1:3]
        b, h, c, m = books, self.hidden, self.num_coarse, self.num_fine
        shapes = {
            "entries": (b, c * m, self.dim), "order": (b, c * m), "gain": (b,),
            "first": (trunk, (len(LAGS) + len(RATES)) * self.dim), "second": (trunk, trunk), "frame": (b, h, trunk),
            "before": (b, h, 2 * self.dim), "partial": (b, h, self.dim), "coarse": (b, c, h), "fine": (b, c, m, h),
            "count_bias": (b, trunk), "age_bias": (AGES, trunk), "second_bias": (trunk,), "bias": (b, h),
            "coarse_bias": (b, c), "fine_bias": (b, c, m), "bits": (2, b), "powers": raw["powers"].shape,
        }  # fmt: skip
        for name, shape in shapes.items():
            if raw[name].shape != shape or len(shape) == 0:
                raise ValueError(f"{name} is {raw[name].shape}, not {shape}")
        self.books, self.size = books, size
        self._check(raw)
        exact = {name: raw[name].astype(np.float32) for name in shapes if name not in ("entries", "order", "powers")}
        self.first, self.second, self.partial = exact["first"], exact["second"], exact["partial"]
        self.before, self.coarse, self.fine = exact["before"], exact["coarse"], exact["fine"]
        self.frame = exact["frame"].reshape(b * h, trunk)
        self.count_bias, self.age_bias, self.second_bias = exact["count_bias"], exact["age_bias"], exact["second_bias"]
        self.bias, self.coarse_bias, self.fine_bias = exact["bias"], exact["coarse_bias"], exact["fine_bias"]
        self.order = raw["order"].astype(np.int64)
        self.place = np.argsort(self.order, axis=1)
        entries = np.take_along_axis(raw["entries"], self.order[..., None], 1)
        self.entries = entries.reshape(b, c, m, self.dim).astype(np.float32)  # by place
        self.gain = np.float32(2) ** raw["gain"].astype(np.float32)[:, None, None]
        self.powers = raw["powers"].astype(np.int64)
        self.bits_first_frame, self.bits_per_frame = (raw["bits"] / 1000).tolist()

    def _check(self, raw: dict[str, Array]) -> None:
        """Raise ValueError where an index, a table or a sum could leave its range."""
        if max(self.num_coarse, self.num_fine) > MAX_SYMBOLS:
            raise ValueError(f"{self.num_coarse} coarse symbols of {self.num_fine} fine ones are too many")
        places = np.sort(raw["order"].astype(np.int64), axis=1)
        if (places != np.arange(self.size)).any():
            raise ValueError("the order does not name every entry once")
        if raw["gain"].min() < 0 or raw["gain"].max() > MAX_GAIN or np.abs(raw["entries"].astype(np.int64)).max() > 127:
            raise ValueError("entries or gain are out of range")
        powers = raw["powers"].astype(np.int64)
        if powers.min() < 1 or powers[0] > MAX_POWER or (np.diff(powers) > 0).any() or len(powers) > 1 << 16:
            raise ValueError("powers do not fall from at most 2^24 to at least 1")
        if (np.diff(raw["bits"].astype(np.int64), axis=1) < 0).any() or raw["bits"].min() < 0:
            raise ValueError("bits must grow with the number of codebooks")
        trunk = largest(raw["first"], INPUT_TOP) + most(raw["count_bias"]) + most(raw["age_bias"])
        hidden = largest(raw["frame"], TOP) + largest(raw["before"], INPUT_TOP) + largest(raw["partial"], INPUT_TOP)
        sums = {
            "first": trunk,
            "second": largest(raw["second"], TOP) + most(raw["second_bias"]),
            "hidden": hidden + most(raw["bias"]),
            "coarse": largest(raw["coarse"], TOP) + most(raw["coarse_bias"]),
            "fine": largest(raw["fine"], TOP) + most(raw["fine_bias"]),
        }
        for name, bound in sums.items():
            if bound >= EXACT:
                raise ValueError(f"sums of {name} may reach {bound}, beyond what float32 holds exactly")


def largest(weight: Array, top: int) -> int:
    """The most that a sum of weights times inputs can be.

    Args:
        weight: integers; sums go over the last axis.
        top: the largest magnitude of an input.
    """
    return top * int(np.abs(weight.astype(np.int64)).sum(-1).max())


def most(bias: Array) -> int:
    """The largest magnitude of a bias."""
    return int(np.abs(bias.astype(np.int64)).max())


def frequencies(sums: Exact, powers: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Tables of the range coder over the last axis.

    powers[d] of how far a logit lies below the largest is scaled to 2^24: everyone gets 1, the rest is shared in
    proportion, rounded down, and what is left goes to the first largest.

    Args:
        sums: over 2^SHIFT, logits in units.
        powers: exponentials.
    """
    logits = sums.astype(np.int32) >> SHIFT
    size = logits.shape[-1]
    weight = powers.take(logits.max(-1, keepdims=True) - logits, mode="clip")
    table = weight * (TOTAL - size) // weight.sum(-1, keepdims=True) + 1
    largest = logits.argmax(-1)[..., None]
    left = TOTAL - table.sum(-1, keepdims=True)
    np.put_along_axis(table, largest, np.take_along_axis(table, largest, -1) + left, -1)
    result: NDArray[np.uint32] = table.astype(np.uint32)
    return result


def one_row(sums: Exact, powers: NDArray[np.int64]) -> TableRow:
    """`frequencies` of one row; a decoder needs them one by one, and this takes a third of the time.

    Args:
        sums: of the row.
        powers: exponentials.
    """
    logits = sums.astype(np.int32)
    logits >>= SHIFT
    first = logits.argmax()
    table = powers.take(logits[first] - logits, mode="clip")
    total = np.add.reduce(table)
    table *= TOTAL - len(table)
    table //= total
    table += 1
    table[first] += TOTAL - np.add.reduce(table)
    return TableRow(table)
