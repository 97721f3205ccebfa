"""The context network while it is trained: which table codes each latent, from latents decoded before it.

Grids of one level are cut into the four parities of rows and columns, so that everything has the size of the next
coarser level's grids. A plane's 12 parts (3 grids of 4 parities) are decoded one after the other, each from the coarser
level and the parts before it: a part is a dense convolution, and no symbol waits for its neighbour. As sent they are
integers, and `mediacodec.codecs.overfit.context` computes with those.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec.codecs.overfit.settings import LEVEL_CLASSES, SCALES

GAIN = 10.0  # from what the last layer computes to indices: small weights learn faster
QUALITY_UNIT = 64.0  # quality indices in one unit of `quality`


class _Bits(torch.autograd.Function):
    @staticmethod
    def forward(ctx, index: Tensor, sizes: Tensor, costs: Tensor) -> Tensor:  # type: ignore[override]
        low = index.floor().clamp(0, len(costs) - 2)
        place = low.long() * costs.shape[1] + sizes
        flat = costs.reshape(-1)
        below = flat[place]
        slope = flat[place + costs.shape[1]] - below
        ctx.save_for_backward(slope)
        return below + slope * (index - low)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return grad * ctx.saved_tensors[0], None, None


def bits(index: Tensor, latents: Tensor, costs: Tensor) -> Tensor:
    """Count the bits of integers under tables of real indices, linear between two tables.

    Args:
        index: of the tables, any shape; the bits are differentiable in it.
        latents: integers of the same shape.
        costs: bits of each magnitude under each table, [SCALES, magnitudes].

    Returns:
        Bits of each latent.
    """
    sizes = latents.abs().clamp(max=costs.shape[1] - 1).long()
    return _Bits.apply(index, sizes, costs)  # type: ignore[no-any-return]


def features_of(latents: Tensor) -> Tensor:
    """What the network is given for latents of any shape: log2(1 + magnitude)."""
    return torch.log2(1 + latents.abs().clamp(max=255))


def parities(grids: Tensor) -> Tensor:
    """[n, h, w] -> [n, 4, ceil(h/2), ceil(w/2)] in the order of decoding; what lies outside is 0."""
    grids = F.pad(grids, (0, grids.shape[-1] % 2, 0, grids.shape[-2] % 2))
    return torch.stack([grids[:, 0::2, 0::2], grids[:, 1::2, 1::2], grids[:, 0::2, 1::2], grids[:, 1::2, 0::2]], 1)


class ContextNetwork(nn.Module):
    """A perceptron of two hidden layers for each of `parts` parts and each class of levels.

    Args:
        conditioning: grids that are known before the first part.
        parts: of a level.
        levels: of the pyramid.
        hidden: width of both hidden layers.
    """

    causal: Tensor  # masks of what a part may depend on and of whose weights are whose
    diagonal: Tensor
    outputs: Tensor

    def __init__(self, conditioning: int, parts: int, levels: int, hidden: int) -> None:
        super().__init__()
        self.conditioning, self.parts, self.hidden, self.levels = conditioning, parts, hidden, levels
        n = conditioning + parts
        causal = torch.ones(parts, n).tril(conditioning - 1)
        gain = (2 / (9 * causal.sum(1))).sqrt()[:, None, None, None]
        self.register_buffer("causal", causal.repeat_interleave(hidden, 0)[:, :, None, None], persistent=False)
        self.first = nn.Parameter(torch.randn(LEVEL_CLASSES, parts, hidden, n, 9) * gain)
        self.second = nn.Parameter(torch.randn(LEVEL_CLASSES, parts, hidden, hidden) * (2 / hidden) ** 0.5)
        self.third = nn.Parameter(torch.randn(LEVEL_CLASSES, parts, hidden) * (0.3 / hidden) ** 0.5)
        self.first_bias = nn.Parameter(torch.zeros(levels, parts, hidden))
        self.quality = nn.Parameter(torch.zeros(levels, parts, hidden))
        self.second_bias = nn.Parameter(torch.zeros(levels, parts, hidden))
        self.third_bias = nn.Parameter(torch.full((levels, parts), 20.0))
        diagonal = torch.block_diag(*[torch.ones(hidden, hidden)] * parts)
        self.register_buffer("diagonal", diagonal, persistent=False)
        self.register_buffer("outputs", torch.eye(parts).repeat_interleave(hidden, 1), persistent=False)

    def forward(self, features: Tensor, level: int, quality: float) -> Tensor:
        """Compute the table index of each part's latents.

        Args:
            features: [conditioning + parts, rows, columns].
            level: 0 is the finest.
            quality: of the frame, about -1..1.

        Returns:
            Real indices in 0..SCALES-1, [parts, rows, columns].
        """
        level_class, size = min(level, LEVEL_CLASSES - 1), self.parts * self.hidden
        x = features[None].to(memory_format=torch.channels_last)
        weight = self.first[level_class].reshape(size, -1, 3, 3) * self.causal
        bias = self.first_bias[level] + quality * self.quality[level]
        x = F.relu(F.conv2d(x, weight, bias.reshape(-1), padding=1))
        weight = self.second[level_class].reshape(size, self.hidden).repeat(1, self.parts) * self.diagonal
        x = F.relu(F.conv2d(x, weight[:, :, None, None], self.second_bias[level].reshape(-1)))
        weight = self.third[level_class].reshape(1, size) * self.outputs * GAIN
        return F.conv2d(x, weight[:, :, None, None], self.third_bias[level])[0].float().clamp(0, SCALES - 1)
