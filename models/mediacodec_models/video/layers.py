"""What the float half of the video networks is made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS, KNOTS = 64, 8


class QualityGain(nn.Module):
    """A factor for each channel and each of the 64 quality levels, learned at 8 knots and linear between them.

    One model serves every rate through these (variable-rate gain units: Cui et al., Asymmetric Gained Deep Image
    Compression, CVPR 2021; one bank a module: DCVC-RT).
    """

    def __init__(self, channels: int, *, start: float = 1.0) -> None:
        super().__init__()
        self.knots = nn.Parameter(torch.full((KNOTS, channels), start))

    def table(self) -> Tensor:
        """[LEVELS, channels]."""
        at = torch.arange(LEVELS, device=self.knots.device) * (KNOTS - 1) / (LEVELS - 1)
        low = at.floor().long().clamp(max=KNOTS - 2)
        part = (at - low)[:, None]
        return self.knots[low] * (1 - part) + self.knots[low + 1] * part

    def forward(self, quality: Tensor) -> Tensor:
        """quality: int64 [b] in 0..63 -> [b, channels, 1, 1]."""
        return self.table()[quality][:, :, None, None]


class DepthBlock(nn.Module):
    """3x3 depthwise, then a pointwise layer to twice the width and back, added to the input (after DCVC-RT)."""

    def __init__(self, width: int, *, scale: float = 0.3) -> None:
        super().__init__()
        self.depth = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.expand = nn.Conv2d(width, 2 * width, 1)
        self.contract = nn.Conv2d(2 * width, width, 1)
        with torch.no_grad():
            self.contract.weight *= scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.contract(F.relu(self.expand(self.depth(x))))


class Trunk(nn.Module):
    """1x1 in, a gain for the quality level, `blocks` blocks."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 1)
        self.gain = QualityGain(width)
        self.blocks = nn.Sequential(*(DepthBlock(width) for _ in range(blocks)))

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        return self.blocks(F.relu(self.enter(x)) * self.gain(quality))


def silent(inputs: int, outputs: int) -> nn.Conv2d:
    """A 1x1 convolution that begins as zero: what it corrects begins uncorrected."""
    layer = nn.Conv2d(inputs, outputs, 1)
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
