"""Causal ConvNeXt block over [batch, frames, channels] (Liu et al. 2022; as a vocoder block: Siuzdak, Vocos, 2023)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec_models.layers.module_list import ModuleList

KERNEL = 7  # frames seen by the depthwise filter: this one and six before it


class ConvNeXtBlock(nn.Module):
    """Depthwise causal filter, layer norm, pointwise MLP, scaled residual.

    A block that looks `ahead` frames gives out frame t - ahead when it is fed frame t: what its filter has seen of the
    future is delay. State: the last KERNEL - 1 input frames, [batch, KERNEL - 1, width].
    """

    def __init__(self, width: int, hidden: int, *, scale: float, ahead: int = 0) -> None:
        super().__init__()
        if not 0 <= ahead < KERNEL:
            raise ValueError(f"a filter of {KERNEL} frames cannot look {ahead} frames ahead")
        self.ahead = ahead
        self.depthwise = nn.Parameter(torch.randn(width, 1, KERNEL) / KERNEL**0.5)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def initial_state(self, batch: int) -> Tensor:
        return self.scale.new_zeros(batch, KERNEL - 1, self.scale.shape[0])

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        history = torch.cat([state, x], dim=1)  # [B, 6 + T, C]
        y = F.conv1d(history.transpose(1, 2), self.depthwise, groups=x.shape[2]).transpose(1, 2)
        y = self.contract(F.gelu(self.expand(self.norm(y))))
        centre = history[:, KERNEL - 1 - self.ahead : history.shape[1] - self.ahead]
        return centre + self.scale * y, history[:, -(KERNEL - 1) :]


class ConvNeXtStack(nn.Module):
    """Blocks in a row at one frame rate, the first `ahead` of which look one frame ahead each.

    The state is one tensor a block.
    """

    def __init__(self, width: int, hidden: int, blocks: int, *, scale: float, ahead: int = 0) -> None:
        super().__init__()
        self.blocks: ModuleList[ConvNeXtBlock] = ModuleList(
            ConvNeXtBlock(width, hidden, scale=scale, ahead=int(i < ahead)) for i in range(blocks)
        )

    def initial_state(self, batch: int) -> list[Tensor]:
        return [block.initial_state(batch) for block in self.blocks]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        after = []
        for block, before in zip(self.blocks, state, strict=True):
            x, new = block.step(x, before)
            after.append(new)
        return x, after
