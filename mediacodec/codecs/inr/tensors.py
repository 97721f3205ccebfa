"""Weights and embeddings as integers: quantisation steps, tables, and what is coded together.

A tensor is an integer array times a step, 2^((k - 160) / 8) with k sent; the integers less their centre, which is sent
too, are coded under one row of a shipped family of tables; which row is sent as well. Small tensors share one of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.inr.network import Network
from mediacodec.entropy_coding.signed_golomb import LARGEST, Int32s, SignedTables
from mediacodec.errors import CorruptError, ModelError, ParameterError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.wire import Cursor, zigzag

STEPS = (2.0 ** ((np.arange(256) - 160) / 8)).astype(np.float32)
"""Quantisation steps by the number that is sent."""

MAX_CENTRE = LARGEST
Floats = npt.NDArray[np.float32]


class InrTables(SignedTables):
    """The tables of a model. Raises ModelError where they are not for an `inr` codec."""

    def __init__(self, model: Manifest) -> None:
        try:
            super().__init__(TableFamily.from_array(model.arrays["tensors"]))
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"model {model.name}: its tables are not for an `inr` codec: {error}") from error
        if len(self.family) > 255 or not all(row.size >= 4 and row.size % 2 == 0 for row in self.family):
            raise ModelError(f"model {model.name}: its tables do not fit an `inr` codec; reinstall it")

    @cached_property
    def cheapest(self) -> Floats:
        """The fewest bits that a symbol takes under each row: what bounds how many a payload can hold."""
        best = [np.log2(float(1 << 24) / float(row.frequencies.max())) for row in self.rows]
        return np.array(best, np.float32)


@dataclass(frozen=True)
class Coding:
    """How a part is coded: the table's row (None where every integer is the centre), step and centre."""

    row: int | None
    step: int
    centre: int

    @property
    def size(self) -> np.float32:
        """The quantisation step."""
        return np.float32(STEPS[self.step])

    def pack(self) -> bytes:
        row = 0 if self.row is None else self.row + 1
        return bytes([row, self.step]) + zigzag(self.centre)

    @classmethod
    def unpack(cls, cursor: Cursor, tables: InrTables) -> Coding:
        """Raises CorruptError or TruncatedError."""
        row, step = cursor.take(2)
        centre = cursor.zigzag()
        if row > len(tables.family) or abs(centre) > MAX_CENTRE:
            raise CorruptError("a tensor names a table or a centre that does not exist")
        return cls(row - 1 if row else None, step, centre)


def best_coding(values: Int32s, step: int, tables: InrTables) -> Coding:
    """The cheapest way to code integers of any shape. Raises ParameterError where they are too large."""
    flat = values.ravel()
    centre = int(np.clip(np.rint(np.median(flat)), -MAX_CENTRE, MAX_CENTRE)) if flat.size else 0
    sizes = np.abs(flat.astype(np.int64) - centre)
    if not sizes.any():
        return Coding(None, step, centre)
    if sizes.max() > LARGEST:
        raise ParameterError(f"an integer of {sizes.max()} is beyond {LARGEST}: the step is too fine")
    counts = np.bincount(sizes)
    total = tables.bits(len(counts)).astype(np.float64) @ counts
    return Coding(int(np.argmin(total)), step, centre)


@dataclass(frozen=True)
class Part:
    """Weights that are coded together, one after the other, under one `Coding`; names in the order of use."""

    names: tuple[str, ...]
    size: int


def parts_of(network: Network) -> list[Part]:
    """All weights of a network, those that are small and alike together."""
    groups: dict[str, list[str]] = {}
    for name in network.counted.weights:
        kind = "biases" if name.endswith(".bias") else "time" if name.endswith(".time.weight") else name
        groups.setdefault(kind, []).append(name)
    shapes = network.counted.weights
    return [Part(tuple(names), sum(math.prod(shapes[name]) for name in names)) for names in groups.values()]


def gather(part: Part, weights: Mapping[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    """The numbers of a part, flat."""
    return np.concatenate([weights[name].ravel() for name in part.names])


def scatter(part: Part, flat: Floats, network: Network) -> dict[str, Floats]:
    """The inverse of `gather`: weights by name."""
    result, start = {}, 0
    for name in part.names:
        shape = network.counted.weights[name]
        stop = start + math.prod(shape)
        result[name], start = flat[start:stop].reshape(shape), stop
    return result
