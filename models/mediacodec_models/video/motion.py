"""Motion compensation in torch, for training; the runtime does the same in integers (mediacodec.motion.compensate)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mediacodec_models.video.integer import straight_through

BLOCK = 8


def compensate(planes: tuple[Tensor, Tensor, Tensor], motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Planes [b, 1, h, w], [b, 1, h/2, w/2] in 0..255, motion [b, 2, h/8, w/8] in quarter samples -> their prediction.

    Luma through Keys' cubic filter (a = -0.75), chroma bilinear at eighths, edges repeated; rounded to 8 bits.
    """
    y, u, v = planes
    luma = F.grid_sample(y, _grid(motion, BLOCK, 0.25), mode="bicubic", padding_mode="border", align_corners=False)
    chroma = F.grid_sample(
        torch.cat([u, v], dim=1), _grid(motion, BLOCK // 2, 0.125), padding_mode="border", align_corners=False
    )
    luma, chroma = _to_levels(luma), _to_levels(chroma)
    return luma, chroma[:, :1], chroma[:, 1:]


def follow(features: Tensor, motion: Tensor) -> Tensor:
    """Features [b, c, h, w], one cell a block: each taken from the cell nearest to where its block came from."""
    batch, channels, height, width = features.shape
    moved = torch.floor((motion + 16) / 32).long()
    x = (torch.arange(width, device=motion.device) + moved[:, 0]).clamp(0, width - 1)
    y = (torch.arange(height, device=motion.device)[:, None] + moved[:, 1]).clamp(0, height - 1)
    cells = (y * width + x).reshape(batch, 1, -1).expand(-1, channels, -1)
    return features.flatten(2).gather(2, cells).reshape(features.shape)


def _to_levels(plane: Tensor) -> Tensor:
    return straight_through(plane, plane.clamp(0, 255).round())


def _grid(motion: Tensor, block: int, step: float) -> Tensor:
    """Sampling positions for grid_sample, [b, h, w, 2] in -1..1."""
    flow = motion.repeat_interleave(block, dim=2).repeat_interleave(block, dim=3) * step
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    return torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=3)
