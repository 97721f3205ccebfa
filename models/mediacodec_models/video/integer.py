"""Layers that compute in integers held in float32, so that every machine gets the same result.

Weights are multiples of 2^-SHIFT, inputs integers; every product and every partial sum is then an integer multiple of
2^-SHIFT below 2^24 of them, exact in float32 in whatever order a backend adds. Only 1x1 and depthwise convolutions,
which no backend computes by a transform.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec.codecs.conditional.exactness import SHIFT
from mediacodec_models.layers.rounding import round_through

MAX_WEIGHT = 127  # of an integer weight, so 127 / 2^SHIFT in effect


class IntegerConv(nn.Module):
    """A 1x1 (`kernel` 1) or depthwise (`kernel` 3) convolution with weights that are multiples of 2^-SHIFT."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.groups = 1 if kernel == 1 else inputs
        fan = inputs if kernel == 1 else kernel * kernel
        self.weight = nn.Parameter(torch.randn(outputs, inputs // self.groups, kernel, kernel) * gain / fan**0.5)
        self.padding = kernel // 2

    def quantised(self) -> Tensor:
        """The weights in effect: integers in -MAX_WEIGHT..MAX_WEIGHT over 2^SHIFT."""
        limit = MAX_WEIGHT / 2**SHIFT
        return round_through(self.weight.clamp(-limit, limit) * 2**SHIFT) / 2**SHIFT

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.quantised(), padding=self.padding, groups=self.groups)


class QualityBias(nn.Module):
    """A bias for each channel and each of the LEVELS quality levels, a multiple of 2^-SHIFT.

    It is read at a real level while training (linear between the knots) and from a table in the exported graph, so that
    no interpolation happens while decoding.
    """

    LEVELS, KNOTS = 64, 8

    def __init__(self, channels: int, start: float = 0.0) -> None:
        super().__init__()
        self.knots = nn.Parameter(torch.full((self.KNOTS, channels), start))

    def table(self) -> Tensor:
        """[LEVELS, channels]."""
        at = torch.arange(self.LEVELS, device=self.knots.device) * (self.KNOTS - 1) / (self.LEVELS - 1)
        low = at.floor().long().clamp(max=self.KNOTS - 2)
        part = (at - low)[:, None]
        values = self.knots[low] * (1 - part) + self.knots[low + 1] * part
        return round_through(values * 2**SHIFT) / 2**SHIFT

    def forward(self, quality: Tensor) -> Tensor:
        """quality: int64 [b] in 0..63 -> [b, channels, 1, 1]."""
        return self.table()[quality][:, :, None, None]
