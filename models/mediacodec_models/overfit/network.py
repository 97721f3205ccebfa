"""All networks of a picture, and its latents as they see them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec.codecs.overfit.settings import CHROMA_STEP, CONTEXTS, LEVELS
from mediacodec.codecs.overfit.synthesis import CLIP
from mediacodec_models.overfit.context import ContextNetwork, features, parities
from mediacodec_models.overfit.transform import analyse, synthesise

Planes = tuple[Tensor, Tensor, Tensor]  # [h, w], and two of half the size; multiples of 2^LEVELS; about -128..127


@dataclass
class Latents:
    """Grids in units of their step: parts of a level's grids, finest level first.

    luma: LEVELS times [12, h, w]; chroma: LEVELS - 1 times [24, h, w], U's before V's; low: what is left of the planes.
    """

    luma: list[Tensor]
    chroma: list[Tensor]
    low: list[Tensor]

    @property
    def parts(self) -> list[Tensor]:
        return [*self.luma, *self.chroma]

    @classmethod
    def of_parts(cls, parts: list[Tensor], low: list[Tensor]) -> Latents:
        return cls(parts[:LEVELS], parts[LEVELS:], low)


def split(planes: Planes, step: float) -> Latents:
    """The latents, real numbers, of a picture."""
    (y, low_y), (u, low_u), (v, low_v) = (analyse(p, LEVELS - (k > 0)) for k, p in enumerate(planes))
    small = step * CHROMA_STEP
    luma = [parities(band / step).flatten(0, 1) for band in y]
    chroma = [parities(torch.cat(pair) / small).flatten(0, 1) for pair in zip(u, v, strict=True)]
    return Latents(luma, chroma, [low_y / step, low_u / small, low_v / small])


def join(latents: Latents, step: float) -> Planes:
    """The planes that latents stand for, before synthesis."""
    small = step * CHROMA_STEP
    rows, columns = latents.low[0].shape
    luma, chroma = [], []
    for k, parts in enumerate(latents.luma):
        luma.append(interleave(parts, rows << LEVELS - 1 - k, columns << LEVELS - 1 - k) * step)
    for k, parts in enumerate(latents.chroma):
        chroma.append(interleave(parts, rows << LEVELS - 2 - k, columns << LEVELS - 2 - k) * small)
    y = synthesise(luma, latents.low[0] * step)
    u = synthesise([bands[:3] for bands in chroma], latents.low[1] * small)
    v = synthesise([bands[3:] for bands in chroma], latents.low[2] * small)
    return y, u, v


def interleave(parts: Tensor, rows: int, columns: int) -> Tensor:
    """The inverse of `parities`: [4 n, h, w] -> [n, rows, columns]."""
    n, h, w = len(parts) // 4, *parts.shape[1:]
    p = parts.reshape(n, 4, h, w)
    even = torch.stack([p[:, 0], p[:, 2]], -1).reshape(n, h, 2 * w)
    odd = torch.stack([p[:, 3], p[:, 1]], -1).reshape(n, h, 2 * w)
    return torch.stack([even, odd], 2).reshape(n, 2 * h, 2 * w)[:, :rows, :columns]


class Synthesis(nn.Module):
    """Corrects planes by convolutions over U, V and the four parities of Y, in units of the step."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        sizes = [(inputs, width), (width, width), (width, width), (width, 6)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in sizes)
        with torch.no_grad():
            self.layers[-1].weight *= 0.05  # type: ignore[operator]
            self.layers[-1].bias.zero_()  # type: ignore[union-attr, operator]

    def forward(self, planes: Planes, step: float, residual: Planes | None = None) -> Planes:
        y, u, v = planes
        x = self.correction(stacked(planes), step, None if residual is None else stacked(residual))[0]
        return y + F.pixel_shuffle(x[:4].contiguous(), 2)[0], u + x[4], v + x[5]

    def correction(self, planes: Tensor, step: float | Tensor, residual: Tensor | None) -> Tensor:
        """What is added to the six planes [b, 6, h, w]."""
        x = planes - around(planes)
        if residual is not None:
            x = torch.cat([x, residual], 1)
        x = (x / step).clamp(-CLIP, CLIP).contiguous(memory_format=torch.channels_last)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x).float() * step  # type: ignore[no-any-return]


def stacked(planes: Planes) -> Tensor:
    """[1, 6, h, w]."""
    y, u, v = planes
    return torch.cat([F.pixel_unshuffle(y[None], 2), u[None], v[None]])[None]


def around(x: Tensor) -> Tensor:
    """The mean of 3x3 neighbours, for the parities of Y that of all four: what the network need not see."""
    x = torch.cat([x[:, :4].mean(1, keepdim=True), x[:, 4:]], 1)
    x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return torch.cat([x[:, :1].expand(-1, 4, -1, -1), x[:, 1:]], 1)


class PictureNetworks(nn.Module):
    """The context networks of luma and chroma, and the synthesis, of one kind of picture: `key` or `inter`."""

    def __init__(self, kind: str, *, hidden: int, hidden_chroma: int, width: int) -> None:
        super().__init__()
        contexts = CONTEXTS[kind]
        self.luma = ContextNetwork(*contexts["luma"], hidden)
        self.chroma = ContextNetwork(*contexts["chroma"], hidden_chroma)
        self.synthesis = Synthesis(12 if kind == "inter" else 6, width)

    def indices(self, seen: list[Tensor], quality: float, memory: list[Tensor] | None = None) -> list[Tensor]:
        """Table indices of all parts; seen: features of all parts; memory: of luma's parts in the pictures before."""
        luma, chroma = seen[:LEVELS], seen[LEVELS:]
        result = []
        for k, own in enumerate(luma):
            outside = [above(luma, k, own, 3), *([] if memory is None else [memory[k]])]
            result.append(self.luma(torch.cat([*outside, own]), k, quality))
        for k, own in enumerate(chroma):
            grids = torch.cat([above(chroma, k, own, 6), luma[k + 1], own])
            result.append(self.chroma(grids, k, quality))
        return result


def above(levels: list[Tensor], level: int, own: Tensor, count: int) -> Tensor:
    """The grids of the next coarser level, which are as large as the parts of this one; zeros where there is none."""
    if level + 1 == len(levels):
        return own.new_zeros(count, *own.shape[1:])
    return interleave(levels[level + 1], *own.shape[1:])


def seen_of(parts: list[Tensor]) -> list[Tensor]:
    return [features(part) for part in parts]


def less(planes: Planes, other: Planes) -> Planes:
    y, u, v = (a - b for a, b in zip(planes, other, strict=True))
    return y, u, v


def plus(planes: Planes, other: Planes) -> Planes:
    y, u, v = (a + b for a, b in zip(planes, other, strict=True))
    return y, u, v
