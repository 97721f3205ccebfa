"""Motion compensation in torch, for training; the runtime does the same in integers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mediacodec.video_coding.motion.compensate import FILTERS
from mediacodec_models.layers.rounding import straight_through
from mediacodec_models.video.transform import Planes

BLOCK = 8
MARGIN = 16  # samples of repeated border, as in the runtime
REACH = 4  # samples that the longest filter reads to either side


def compensate(planes: Planes, motion: Tensor, filters: Tensor | None = None) -> Planes:
    """The motion-compensated prediction, rounded to 8 bits; edges are repeated, chroma is bilinear at eighths.

    Args:
        planes: [b, 1, h, w] and twice [b, 1, h/2, w/2], in 0..255.
        motion: [b, 2, h/8, w/8], quarter samples.
        filters: which of FILTERS luma goes through, int64 [b]; the first where it is None.
    """
    y, u, v = planes
    chosen = torch.zeros(len(y), dtype=torch.int64, device=y.device) if filters is None else filters
    luma = _to_levels(_moved(y, motion, chosen))
    chroma = F.grid_sample(
        torch.cat([u, v], dim=1), _grid(motion, BLOCK // 2, 0.125), padding_mode="border", align_corners=False
    )
    chroma = _to_levels(chroma)
    return luma, chroma[:, :1], chroma[:, 1:]


@torch.no_grad()
def best_filters(current: Tensor, reference: Tensor, motion: Tensor) -> Tensor:
    """Which of FILTERS predicts luma [b, 1, h, w] best, int64 [b]."""
    errors = []
    for which in range(len(FILTERS)):
        predicted = _moved(reference, motion, torch.full((len(reference),), which, device=reference.device))
        errors.append((predicted - current).square().mean(dim=(1, 2, 3)))
    return torch.stack(errors).argmin(dim=0)


def follow(features: Tensor, motion: Tensor) -> Tensor:
    """Features [b, c, h, w], one cell a block: each taken from the cell nearest to where its block came from."""
    batch, channels, height, width = features.shape
    moved = torch.floor((motion + 16) / 32).long()
    x = (torch.arange(width, device=motion.device) + moved[:, 0]).clamp(0, width - 1)
    y = (torch.arange(height, device=motion.device)[:, None] + moved[:, 1]).clamp(0, height - 1)
    cells = (y * width + x).reshape(batch, 1, -1).expand(-1, channels, -1)
    return features.flatten(2).gather(2, cells).reshape(features.shape)


def _moved(luma: Tensor, motion: Tensor, filters: Tensor) -> Tensor:
    """Luma [b, 1, h, w] moved, not rounded: every sample is read from one of sixteen filtered planes."""
    height, width = luma.shape[2:]
    phases = _phases(luma, filters)
    tall, wide = phases.shape[2:]
    x, y = (axis.long().repeat_interleave(BLOCK, dim=1).repeat_interleave(BLOCK, dim=2) for axis in motion.unbind(1))
    column = (torch.arange(width, device=luma.device) + (x >> 2) + MARGIN).clamp(0, wide - 1)
    row = (torch.arange(height, device=luma.device)[:, None] + (y >> 2) + MARGIN).clamp(0, tall - 1)
    place = ((4 * (y & 3) + (x & 3)) * tall + row) * wide + column
    return phases.flatten(1).gather(1, place.flatten(1)).reshape(luma.shape)


def _phases(luma: Tensor, filters: Tensor) -> Tensor:
    """Luma at 4x4 quarter-sample phases (row first), with MARGIN around it: [b, 16, h + 2 MARGIN, w + 2 MARGIN]."""
    around = MARGIN + REACH
    padded = F.pad(luma, (around - 1, around, around - 1, around), mode="replicate")
    taps = torch.tensor(FILTERS, dtype=luma.dtype, device=luma.device)[filters] / 256  # [b, 4, 8]
    across = F.conv2d(padded.transpose(0, 1), taps.flatten(0, 1)[:, None, None], groups=len(luma))
    across = across.reshape(len(luma) * 4, 1, *across.shape[2:])
    weights = taps.repeat_interleave(4, dim=0).flatten(0, 1)[:, None, :, None]  # phases of y for each phase of x
    both = F.conv2d(across.transpose(0, 1), weights, groups=len(luma) * 4)
    return both.reshape(len(luma), 4, 4, *both.shape[2:]).transpose(1, 2).flatten(1, 2)


def _to_levels(plane: Tensor) -> Tensor:
    return straight_through(plane, plane.clamp(0, 255).round())


def _grid(motion: Tensor, block: int, step: float) -> Tensor:
    """Sampling positions for grid_sample, [b, h, w, 2] in -1..1."""
    flow = motion.repeat_interleave(block, dim=2).repeat_interleave(block, dim=3) * step
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    return torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=3)
