"""Blocks that know the quality a signal is coded at, so that one network serves all rates.

Qualities are real numbers in 0..1. What depends on them is stored at a few knots and interpolated linearly between
them: `knot_weights` of a quality, times a table with a row for each knot.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec_models.layers.module_list import ModuleList

KERNEL = 7  # frames seen by the depthwise filter: this one and six before it


def knot_weights(quality: Tensor, knots: int) -> Tensor:
    """Interpolation weights.

    Args:
        quality: [batch] in 0..1.
        knots: rows of the tables that are interpolated.

    Returns:
        [batch, knots], two of them above 0, each row of sum 1.
    """
    place = quality[:, None] * (knots - 1)
    return (1 - (place - torch.arange(knots, device=quality.device)).abs()).clamp_min(0)


class QualityBlock(nn.Module):
    """A causal ConvNeXt block (Liu et al. 2022) over [batch, frames, width] whose normalisation depends on the quality.

    State: the last KERNEL - 1 input frames, [batch, KERNEL - 1, width].
    """

    def __init__(self, width: int, hidden: int, *, scale: float, knots: int) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.randn(width, 1, KERNEL) / KERNEL**0.5)
        self.gain = nn.Parameter(torch.ones(knots, width))
        self.shift = nn.Parameter(torch.zeros(knots, width))
        self.expand, self.contract = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def initial_state(self, batch: int) -> Tensor:
        return self.scale.new_zeros(batch, KERNEL - 1, self.scale.shape[0])

    def step(self, x: Tensor, state: Tensor, knots: Tensor) -> tuple[Tensor, Tensor]:
        """x: [batch, frames, width]; knots: weights [batch, knots]."""
        history, count = torch.cat([state.to(x.dtype), x], dim=1), x.shape[1]
        if torch.is_grad_enabled():
            # a sum of seven products, which a compiler fuses: a grouped convolution is slow to differentiate on a CPU
            taps = self.depthwise[:, 0].to(x.dtype)
            y = history[:, :count] * taps[:, 0]
            for k in range(1, KERNEL):
                y = y + history[:, k : k + count] * taps[:, k]
        else:
            y = F.conv1d(history.transpose(1, 2), self.depthwise, groups=x.shape[2]).transpose(1, 2)
        y = F.layer_norm(y, (y.shape[-1],))
        y = y * (knots @ self.gain)[:, None] + (knots @ self.shift)[:, None]
        y = self.contract(F.gelu(self.expand(y)))
        return x + self.scale * y, history[:, -(KERNEL - 1) :]


class QualityStack(nn.Module):
    """Blocks in a row; the state is one tensor a block."""

    def __init__(self, width: int, hidden: int, blocks: int, *, knots: int) -> None:
        super().__init__()
        made = (QualityBlock(width, hidden, scale=1 / blocks, knots=knots) for _ in range(blocks))
        self.blocks: ModuleList[QualityBlock] = ModuleList(made)

    def initial_state(self, batch: int) -> list[Tensor]:
        return [block.initial_state(batch) for block in self.blocks]

    def forward(self, x: Tensor, state: list[Tensor], knots: Tensor) -> tuple[Tensor, list[Tensor]]:
        """As `QualityBlock.step`, through all of them."""
        after = []
        for block, before in zip(self.blocks, state, strict=True):
            x, new = block.step(x, before, knots)
            after.append(new)
        return x, after
