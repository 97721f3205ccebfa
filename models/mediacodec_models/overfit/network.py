"""All networks of a frame, and its latents as they take them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec.codecs.overfit.settings import CHROMA_STEP, CONTEXTS, LEVELS
from mediacodec.codecs.overfit.synthesis import CLIP
from mediacodec_models.overfit.context import ContextNetwork, features_of, parities
from mediacodec_models.overfit.transform import analyse, synthesise

Planes = tuple[Tensor, Tensor, Tensor]
"""Y, [rows, columns], and U and V of half the size, padded to whole units; about -128..127."""


@dataclass
class Latents:
    """Grids in units of their step, as parts; a level's grids are one tensor, finest level first.

    Attributes:
        luma: LEVELS times [12, rows, columns].
        chroma: LEVELS - 1 times [24, rows, columns], U's before V's.
        lowpass: the coarsest planes of Y, U and V.
    """

    luma: list[Tensor]
    chroma: list[Tensor]
    lowpass: list[Tensor]

    @property
    def parts(self) -> list[Tensor]:
        """Those of luma, then those of chroma."""
        return [*self.luma, *self.chroma]

    @classmethod
    def of_parts(cls, parts: list[Tensor], lowpass: list[Tensor]) -> Latents:
        """The inverse of `parts`."""
        return cls(parts[:LEVELS], parts[LEVELS:], lowpass)


def to_latents(planes: Planes, step: float) -> Latents:
    """Analyse planes into latents, real numbers; step: of luma, in 8-bit levels."""
    (y, lowpass_y), (u, lowpass_u), (v, lowpass_v) = (analyse(p, LEVELS - (k > 0)) for k, p in enumerate(planes))
    chroma_step = step * CHROMA_STEP
    luma = [parities(band / step).flatten(0, 1) for band in y]
    chroma = [parities(torch.cat(pair) / chroma_step).flatten(0, 1) for pair in zip(u, v, strict=True)]
    return Latents(luma, chroma, [lowpass_y / step, lowpass_u / chroma_step, lowpass_v / chroma_step])


def to_planes(latents: Latents, step: float) -> Planes:
    """Compute the planes that latents stand for, before synthesis; the inverse of `to_latents`."""
    chroma_step = step * CHROMA_STEP
    rows, columns = latents.lowpass[0].shape
    luma, chroma = [], []
    for k, parts in enumerate(latents.luma):
        luma.append(from_parities(parts, rows << LEVELS - 1 - k, columns << LEVELS - 1 - k) * step)
    for k, parts in enumerate(latents.chroma):
        chroma.append(from_parities(parts, rows << LEVELS - 2 - k, columns << LEVELS - 2 - k) * chroma_step)
    y = synthesise(luma, latents.lowpass[0] * step)
    u = synthesise([bands[:3] for bands in chroma], latents.lowpass[1] * chroma_step)
    v = synthesise([bands[3:] for bands in chroma], latents.lowpass[2] * chroma_step)
    return y, u, v


def from_parities(parts: Tensor, rows: int, columns: int) -> Tensor:
    """The inverse of `parities`: [4 n, h, w] -> [n, rows, columns]."""
    n, h, w = len(parts) // 4, *parts.shape[1:]
    p = parts.reshape(n, 4, h, w)
    even = torch.stack([p[:, 0], p[:, 2]], -1).reshape(n, h, 2 * w)
    odd = torch.stack([p[:, 3], p[:, 1]], -1).reshape(n, h, 2 * w)
    return torch.stack([even, odd], 2).reshape(n, 2 * h, 2 * w)[:, :rows, :columns]


class Synthesis(nn.Module):
    """Corrects planes by convolutions over U, V and the four phases of Y, in units of the step.

    Args:
        inputs: 6 planes, or 12 with those of the residual.
        width: channels of the hidden layers.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        sizes = [(inputs, width), (width, width), (width, width), (width, 6)]
        layers = [nn.Conv2d(a, b, 3, padding=1) for a, b in sizes]
        output = layers[-1]
        assert output.bias is not None
        with torch.no_grad():
            output.weight.mul_(0.05)
            output.bias.zero_()
        self.layers = nn.ModuleList(layers)

    def forward(self, planes: Planes, step: float, residual: Planes | None = None) -> Planes:
        """Correct planes; residual: what an inter frame adds to its prediction."""
        y, u, v = planes
        x = self.correction(stack_planes(planes), step, None if residual is None else stack_planes(residual))[0]
        return y + F.pixel_shuffle(x[:4].contiguous(), 2)[0], u + x[4], v + x[5]

    def correction(self, planes: Tensor, step: float | Tensor, residual: Tensor | None) -> Tensor:
        """What is added to stacked planes [batch, 6, rows, columns]."""
        x = planes - local_mean(planes)
        if residual is not None:
            x = torch.cat([x, residual], 1)
        x = (x / step).clamp(-CLIP, CLIP).contiguous(memory_format=torch.channels_last)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x).float() * step  # type: ignore[no-any-return]


def stack_planes(planes: Planes) -> Tensor:
    """The four phases of Y, then U and V: [1, 6, rows / 2, columns / 2]."""
    y, u, v = planes
    return torch.cat([F.pixel_unshuffle(y[None], 2), u[None], v[None]])[None]


def local_mean(x: Tensor) -> Tensor:
    """The mean of 3x3 neighbours, for the phases of Y that of all four: what the network is not given."""
    x = torch.cat([x[:, :4].mean(1, keepdim=True), x[:, 4:]], 1)
    x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return torch.cat([x[:, :1].expand(-1, 4, -1, -1), x[:, 1:]], 1)


class FrameNetworks(nn.Module):
    """The context networks of luma and chroma, and the synthesis, of one kind of frame.

    Args:
        kind: `key` or `inter`.
        hidden: width of luma's context network.
        hidden_chroma: width of chroma's.
        width: of the synthesis.
    """

    def __init__(self, kind: str, *, hidden: int, hidden_chroma: int, width: int) -> None:
        super().__init__()
        contexts = CONTEXTS[kind]
        self.luma = ContextNetwork(*contexts["luma"], hidden)
        self.chroma = ContextNetwork(*contexts["chroma"], hidden_chroma)
        self.synthesis = Synthesis(12 if kind == "inter" else 6, width)

    def indices(self, features: list[Tensor], quality: float, temporal: list[Tensor] | None = None) -> list[Tensor]:
        """Compute the table indices of all parts.

        Args:
            features: of all parts, as `Latents.parts` has them.
            quality: of the frame, about -1..1.
            temporal: context of an inter frame: features of luma's parts in the frames before.

        Returns:
            Real indices, of the shapes of `features`.
        """
        luma, chroma = features[:LEVELS], features[LEVELS:]
        result = []
        for k, own in enumerate(luma):
            conditioning = [coarser_features(luma, k, own, 3), *([] if temporal is None else [temporal[k]])]
            result.append(self.luma(torch.cat([*conditioning, own]), k, quality))
        for k, own in enumerate(chroma):
            grids = torch.cat([coarser_features(chroma, k, own, 6), luma[k + 1], own])
            result.append(self.chroma(grids, k, quality))
        return result


def coarser_features(levels: list[Tensor], level: int, own: Tensor, count: int) -> Tensor:
    """Those of the next coarser level's grids, which are as large as the parts of this one; zeros where there is none.

    Args:
        levels: features of parts, finest first.
        level: that is coded.
        own: its features.
        count: grids of a level.
    """
    if level + 1 == len(levels):
        return own.new_zeros(count, *own.shape[1:])
    return from_parities(levels[level + 1], *own.shape[1:])


def part_features(parts: list[Tensor]) -> list[Tensor]:
    """What context networks are given for parts."""
    return [features_of(part) for part in parts]


def subtract(planes: Planes, other: Planes) -> Planes:
    """planes - other."""
    y, u, v = (a - b for a, b in zip(planes, other, strict=True))
    return y, u, v


def add(planes: Planes, other: Planes) -> Planes:
    """planes + other."""
    y, u, v = (a + b for a, b in zip(planes, other, strict=True))
    return y, u, v
