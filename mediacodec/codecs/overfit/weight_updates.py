"""What a picture changes of the shipped weights: integers times a power of two, for each tensor that may change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mediacodec.codecs.overfit.exactness import SHIFTS
from mediacodec.codecs.overfit.settings import SCALES, Arrays, OverfitModel
from mediacodec.codecs.overfit.symbols import CheckedCoder
from mediacodec.entropy_coding.signed_golomb import Int32s


@dataclass(frozen=True)
class Change:
    """Of one tensor: `values << shift` is added to its integers; coded under table `row`."""

    values: Int32s
    shift: int
    row: int


Changes = dict[str, Change]


def exchange_changes(coder: CheckedCoder, model: OverfitModel, kind: str, changes: Changes | None) -> Changes:
    """Pass the changes of all tensors of a kind of picture, in the model's order; None for a reader."""
    result: Changes = {}
    for name in model.tunable(kind):
        change = None if changes is None else changes.get(name)
        if not coder.choice(2, None if changes is None else int(change is not None)):
            continue
        shift = coder.choice(SHIFTS, None if change is None else change.shift)
        row = coder.choice(SCALES, None if change is None else change.row)
        shape = model.weights[name].shape
        size = int(np.prod(shape))
        values = coder.integers(np.full(size, row, np.uint8), None if change is None else change.values.reshape(-1))
        result[name] = Change(values.reshape(shape), shift, row)
    return result


def changed(model: OverfitModel, changes: Changes) -> Arrays:
    """All weights with their changes."""
    weights = dict(model.weights)
    for name, change in changes.items():
        weights[name] = weights[name] + (change.values.astype(np.int64) << change.shift)
    return weights


def network(weights: Arrays, name: str) -> Arrays:
    """The tensors of one network, by their own names."""
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
