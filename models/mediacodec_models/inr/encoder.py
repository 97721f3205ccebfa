"""What makes embeddings of pictures while fitting: ConvNeXt stages (after HNeRV). It is never sent."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mediacodec.codecs.inr.network import OUTPUTS, Network

WIDTH = 32
FIRST = 4  # the least factor of the first stage


class ContentEncoder(nn.Module):
    """Pictures [batch, OUTPUTS, rows, columns] to embeddings [batch, *network.embedding_shape]."""

    def __init__(self, network: Network, width: int = WIDTH) -> None:
        super().__init__()
        rows, columns = network.grid(0)
        top, left = network.grid(len(network.strides))
        factor = math.prod(network.strides)
        rows, columns = rows * factor, columns * factor
        strides = list(network.strides[::-1])
        while len(strides) > 1 and strides[0] < FIRST:  # at the full size a block costs as much as a decoder's stage
            strides[:2] = [strides[0] * strides[1]]
        self.padding = (0, columns - left, 0, rows - top)
        layers: list[nn.Module] = []
        before = OUTPUTS
        for index, stride in enumerate(strides):
            last = index == len(strides) - 1
            layers += [nn.Conv2d(before, width, stride, stride), _Block(width)]
            before = width
            if last:
                layers.append(nn.Conv2d(width, network.embedding, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.padding, mode="replicate") if any(self.padding) else x
        return self.layers(x.contiguous(memory_format=torch.channels_last))


class _Block(nn.Module):
    """A ConvNeXt block with a normalisation over channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.places = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.rise = nn.Linear(width, 4 * width)
        self.fall = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.places(x).permute(0, 2, 3, 1))
        return x + self.fall(F.gelu(self.rise(y))).permute(0, 3, 1, 2)
