"""Weights and embeddings as integers: quantization steps, tables, and which weights are coded together.

A tensor is an integer array times a step, 2^((k - 160) / 8) with k sent; the integers less their centre, which is sent
too, are coded under one row of a shipped family of tables; which row is sent as well. Small tensors share one of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.entropy_coding.signed_golomb import LARGEST, Integers
from mediacodec.errors import CorruptError, ParameterError
from mediacodec_bitstream.wire import Cursor, zigzag

STEP_SIZES = (2.0 ** ((np.arange(256) - 160) / 8)).astype(np.float32)
"""Quantization steps by the index that is sent."""

MAX_CENTRE = LARGEST
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TensorCoding:
    """How the integers of a weight block, or of a channel of embeddings, are coded and dequantized.

    Attributes:
        table: its row in the model's tables; None where every integer is the centre.
        step: index of the quantization step.
        centre: what is subtracted from the integers before they are coded.
    """

    table: int | None
    step: int
    centre: int

    @property
    def step_size(self) -> np.float32:
        """The quantization step."""
        return np.float32(STEP_SIZES[self.step])

    def pack(self) -> bytes:
        """Serialize; the inverse of `unpack`."""
        row = 0 if self.table is None else self.table + 1
        return bytes([row, self.step]) + zigzag(self.centre)

    @classmethod
    def unpack(cls, cursor: Cursor, tables: InrTables) -> TensorCoding:
        """Read what `pack` wrote.

        Args:
            cursor: in a packet.
            tables: of the model.

        Returns:
            The coding.

        Raises:
            CorruptError: there is no such table or centre.
            TruncatedError: the packet ends before.
        """
        row, step = cursor.take(2)
        centre = cursor.zigzag()
        if row > len(tables.coefficients) or abs(centre) > MAX_CENTRE:
            raise CorruptError("a tensor names a table or a centre that does not exist")
        return cls(row - 1 if row else None, step, centre)


def best_coding(values: Integers, step: int, tables: InrTables) -> TensorCoding:
    """Choose the cheapest way to code integers.

    Args:
        values: integers of any shape.
        step: index of their quantization step.
        tables: of the model.

    Returns:
        The coding whose table states the fewest bits, centred at the median.

    Raises:
        ParameterError: the integers are too large.
    """
    flat = values.ravel()
    centre = int(np.clip(np.rint(np.median(flat)), -MAX_CENTRE, MAX_CENTRE)) if flat.size else 0
    sizes = np.abs(flat.astype(np.int64) - centre)
    if not sizes.any():
        return TensorCoding(None, step, centre)
    if sizes.max() > LARGEST:
        raise ParameterError(f"an integer of {sizes.max()} is beyond {LARGEST}: the step is too fine")
    counts = np.bincount(sizes)
    total = tables.bits(len(counts)).astype(np.float64) @ counts
    return TensorCoding(int(np.argmin(total)), step, centre)


def coded_bits(arrays: Sequence[Integers] | Integers, codings: Sequence[TensorCoding], tables: InrTables) -> float:
    """Count the bits that the tables state for arrays of integers, escapes included.

    Args:
        arrays: one a coding.
        codings: of the arrays.
        tables: of the model.

    Returns:
        Bits of all arrays together.
    """
    total = 0.0
    for values, coding in zip(arrays, codings, strict=True):
        if coding.table is not None:
            counts = np.bincount(np.abs(values.ravel() - coding.centre))
            total += float(tables.bits(len(counts))[coding.table].astype(np.float64) @ counts)
    return total


@dataclass(frozen=True)
class WeightBlock:
    """Weights that are coded together, one tensor after the other, under one `TensorCoding`.

    Attributes:
        names: of the tensors, in the order of use.
        size: numbers in all of them.
    """

    names: tuple[str, ...]
    size: int


def weight_blocks(network: Network) -> list[WeightBlock]:
    """Divide the weights of a network into blocks: a tensor each, those that are small and alike together."""
    groups: dict[str, list[str]] = {}
    for name in network.summary.weights:
        kind = "biases" if name.endswith(".bias") else "time" if name.endswith(".time.weight") else name
        groups.setdefault(kind, []).append(name)
    shapes = network.summary.weights
    return [WeightBlock(tuple(names), sum(math.prod(shapes[name]) for name in names)) for names in groups.values()]


def split_block(block: WeightBlock, flat: Floats, network: Network) -> dict[str, Floats]:
    """Divide the numbers of a block, [block.size], into its tensors by name."""
    result, start = {}, 0
    for name in block.names:
        shape = network.summary.weights[name]
        stop = start + math.prod(shape)
        result[name], start = flat[start:stop].reshape(shape), stop
    return result
