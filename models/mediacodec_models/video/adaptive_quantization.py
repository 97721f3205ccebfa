"""Adaptive quantization (AQ) while training: what `video_coding.adaptive_quantization` does, with more variety."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mediacodec.video_coding.adaptive_quantization import OFFSETS_PER_DOUBLING, SSIM_C2, USUAL_VARIANCE
from mediacodec.video_coding.aq_syntax import MAX_OFFSET

STRENGTHS = (0.3, 0.8)  # exponents of the perceptual weight that are drawn
PLAIN = 0.15  # share of frames that have one step throughout
JITTER = 0.1  # share of blocks whose offset is one off, as inherited ones are


def draw_strengths(count: int, device: torch.device) -> Tensor:
    """Exponents of the perceptual weight, [count]."""
    low, high = STRENGTHS
    drawn = low + (high - low) * torch.rand(count, device=device)
    return drawn * (torch.rand(count, device=device) >= PLAIN)


def draw_step_factors(luma: Tensor, strength: Tensor) -> Tensor:
    """What the step of each 16x16 block is multiplied by.

    Args:
        luma: [b, 1, h, w].
        strength: exponents of the perceptual weight, [b].

    Returns:
        [b, 1, h/16, w/16].
    """
    offsets = torch.round(OFFSETS_PER_DOUBLING / 2 * torch.log2(busyness(luma)) * strength[:, None, None, None])
    off = torch.rand_like(offsets) < JITTER
    offsets = offsets + off * (2 * torch.randint_like(offsets, 2) - 1) * (strength > 0)[:, None, None, None]
    return torch.exp2(offsets.clamp(-MAX_OFFSET, MAX_OFFSET) / OFFSETS_PER_DOUBLING)


def busyness(luma: Tensor) -> Tensor:
    """Twice the variance of each block and C2, over what is usual: [b, 1, h/16, w/16]."""
    mean = F.avg_pool2d(luma, 8)
    variance = (F.avg_pool2d(luma.square(), 8) - mean.square()).clamp(min=0)
    return (2 * F.avg_pool2d(variance, 2) + SSIM_C2) / USUAL_VARIANCE
