"""The tensors of a network out of a checkpoint, weight normalisation folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mediacodec.errors import ModelError
from mediacodec_models.importers.checkpoint import Checkpoint

# what weight normalisation splits a tensor into: how long it is, where it points
SPLIT = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))


def renamed(key: str, patterns: Iterable[tuple[str, str]]) -> str:
    """A tensor's name after replacing each pattern in turn."""
    for pattern, name in patterns:
        key = re.sub(pattern, name, key)
    return key


def plain_weights(
    checkpoint: Checkpoint, found: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """Every tensor that `shapes` names, of those that were found.

    Raises ModelError where one is missing or misshapen.
    """
    result = {}
    for name, shape in shapes.items():
        tensor = found.get(name)
        layer = name.removesuffix("weight")
        for size, direction in SPLIT:
            if tensor is None and layer + size in found and layer + direction in found:
                tensor = folded(found[layer + size], found[layer + direction])
        if tensor is None:
            raise ModelError(f"{checkpoint.path} is without the tensor {name}")
        if tuple(tensor.shape) != shape:
            raise ModelError(f"{checkpoint.path}: {name} is {tuple(tensor.shape)}, its configuration says {shape}")
        result[name] = tensor.detach().float().numpy()
    return result


def folded(size: Tensor, direction: Tensor) -> Tensor | None:
    """Weight normalisation: each slice of the first axis points along `direction` and is `size` long.

    Of a transposed convolution that axis is its inputs. None where their shapes are not those of such a pair.
    """
    slices = (*direction.shape[:1], *[1] * (direction.ndim - 1))
    if direction.ndim < 2 or size.shape != slices:
        return None
    return direction * (size / direction.flatten(1).norm(dim=1).view(slices))
