"""The encoder of embeddings: ConvNeXt stages (after HNeRV) that learn while a network is fitted. It is never sent."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mediacodec.codecs.inr.network import OUTPUT_CHANNELS, Network

WIDTH = 32
MIN_FIRST_STRIDE = 4


class ContentEncoder(nn.Module):
    """Frames [batch, OUTPUT_CHANNELS, rows, columns] to embeddings [batch, *network.embedding_shape].

    Args:
        network: that the embeddings are for.
        width: channels of all stages.
    """

    def __init__(self, network: Network, width: int = WIDTH) -> None:
        super().__init__()
        rows, columns = network.feature_size(0)
        top, left = network.feature_size(len(network.strides))
        factor = math.prod(network.strides)
        rows, columns = rows * factor, columns * factor
        strides = list(network.strides[::-1])
        # at the full size a block costs as much as a decoder's stage
        while len(strides) > 1 and strides[0] < MIN_FIRST_STRIDE:
            strides[:2] = [strides[0] * strides[1]]
        self.padding = (0, columns - left, 0, rows - top)
        layers: list[nn.Module] = []
        before = OUTPUT_CHANNELS
        for index, stride in enumerate(strides):
            last = index == len(strides) - 1
            layers += [nn.Conv2d(before, width, stride, stride), _ConvNeXtBlock(width)]
            before = width
            if last:
                layers.append(nn.Conv2d(width, network.embedding, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.padding, mode="replicate") if any(self.padding) else x
        return self.layers(x.contiguous(memory_format=torch.channels_last))


class _ConvNeXtBlock(nn.Module):
    """A depthwise convolution, a normalization over channels, and two layers of which the first is wider."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.reduce = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.reduce(F.gelu(self.expand(y))).permute(0, 3, 1, 2)
