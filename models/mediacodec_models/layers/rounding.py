"""Roundings that gradients pass straight through (Bengio et al., arXiv 1308.3432)."""

from __future__ import annotations

import torch
from torch import Tensor


class _Replace(torch.autograd.Function):
    @staticmethod
    def forward(_ctx, _values: Tensor, instead: Tensor) -> Tensor:  # type: ignore[override]
        return instead.clone()

    @staticmethod
    def backward(_ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return grad, None


def straight_through(values: Tensor, instead: Tensor) -> Tensor:
    """`instead`, exactly, with the gradient of `values`."""
    return _Replace.apply(values, instead)  # type: ignore[no-any-return]


def round_through(x: Tensor) -> Tensor:
    """round(x), gradient 1."""
    return straight_through(x, torch.round(x))


def floor_through(x: Tensor) -> Tensor:
    """floor(x), gradient 1."""
    return straight_through(x, torch.floor(x))


def requantise(x: Tensor, top: float) -> Tensor:
    """To integers in 0..top."""
    return floor_through(x.clamp(0.0, top + 0.999))
