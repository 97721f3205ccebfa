"""Layers with constants folded in, of which the exported graphs are made."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Table(nn.Module):
    """A constant for each quality level and channel."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("exact", values.detach().clone()[:, :, None, None])  # [64, channels, 1, 1]

    def forward(self, quality: Tensor) -> Tensor:
        """[1] -> [1, channels, 1, 1]."""
        return self.exact.index_select(0, quality)  # type: ignore[operator]


def constant(module: nn.Module, name: str, value: Tensor) -> None:
    module.register_parameter(name, nn.Parameter(value.detach().clone().float(), requires_grad=False))


class Fixed(nn.Module):
    """A convolution with given weights; those that are `exact` are stored in single precision."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, groups: int = 1, exact: bool = False
    ) -> None:
        super().__init__()
        self.name = "exact" if exact else "weight"
        constant(self, self.name, weight)
        if bias is not None:
            constant(self, "bias", bias)
        self.stride, self.groups = stride, groups
        self.padding = weight.shape[-1] // 2 if stride == 1 else 0

    def weights(self) -> Tensor:
        return getattr(self, self.name)  # type: ignore[no-any-return]

    def forward(self, x: Tensor, *, out_gain: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """The layer's output.

        Args:
            x: [1, channels, h, w].
            out_gain: factors of the output channels, as a Table gives them.
            bias: instead of the layer's own, likewise.
        """
        weight = self.weights()
        own = getattr(self, "bias", None)
        if out_gain is not None:
            weight = weight * out_gain.reshape(-1, 1, 1, 1)
            own = None if own is None else own * out_gain.flatten()
        bias = own if bias is None else bias.flatten()
        return F.conv2d(x, weight, bias, stride=self.stride, padding=self.padding, groups=self.groups)


def strided(layer: nn.Conv2d) -> Fixed:
    """A 2x2 unshuffle and the 1x1 layer behind it."""
    return Fixed(layer.weight.reshape(layer.out_channels, -1, 2, 2), layer.bias, stride=2)


def halves(size: int) -> Tensor:
    """0, 0, 1, 1, 2 .. [size]: where each cell lies at half the resolution."""
    return (torch.arange(size) * 0.5).long()
