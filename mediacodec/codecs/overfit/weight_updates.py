"""The updates of the shipped weights in a packet: integers times a power of two, for each tensor that is updated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mediacodec.codecs.overfit.settings import SCALES, Arrays, OverfitModel
from mediacodec.codecs.overfit.symbols import SymbolCoder
from mediacodec.entropy_coding.signed_golomb import Integers

SHIFTS = 16  # updates are multiples of 2^0 .. 2^15


@dataclass(frozen=True)
class WeightUpdate:
    """The update of one tensor.

    Attributes:
        values: int32, of the tensor's shape; `values << shift` is added to its integers.
        shift: 0..SHIFTS-1.
        table: under which the values are coded.
    """

    values: Integers
    shift: int
    table: int


WeightUpdates = dict[str, WeightUpdate]
"""By name of the tensor."""


def code_updates(coder: SymbolCoder, model: OverfitModel, kind: str, updates: WeightUpdates | None) -> WeightUpdates:
    """Code the updates of a frame, in the model's order of tensors.

    Args:
        coder: either end of the payload.
        model: whose weights are updated.
        kind: of frame, `key` or `inter`.
        updates: to be encoded; None for a decoder.

    Returns:
        The updates.
    """
    result: WeightUpdates = {}
    for name in model.updatable(kind):
        update = None if updates is None else updates.get(name)
        if not coder.uniform(2, None if updates is None else int(update is not None)):
            continue
        shift = coder.uniform(SHIFTS, None if update is None else update.shift)
        table = coder.uniform(SCALES, None if update is None else update.table)
        shape = model.weights[name].shape
        size = int(np.prod(shape))
        values = coder.integers(np.full(size, table, np.uint8), None if update is None else update.values.reshape(-1))
        result[name] = WeightUpdate(values.reshape(shape), shift, table)
    return result


def updated_weights(model: OverfitModel, updates: WeightUpdates) -> Arrays:
    """All weights of a model by name, with updates added."""
    weights = dict(model.weights)
    for name, update in updates.items():
        weights[name] = weights[name] + (update.values.astype(np.int64) << update.shift)
    return weights


def subnetwork(weights: Arrays, name: str) -> Arrays:
    """The tensors of one network, such as `key.luma`, by their own names."""
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
