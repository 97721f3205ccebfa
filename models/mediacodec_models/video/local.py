"""Local quantization steps while training: what `video_coding.adaptive_quantization` does, with more variety."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mediacodec.video_coding.adaptive_quantization import FINEST, LOCAL_LEVELS, SSIM_C2, USUAL

STRENGTHS = (0.3, 0.8)  # powers of masking that are drawn
PLAIN = 0.15  # share of pictures that have one step throughout
JITTER = 0.1  # share of blocks whose step is a level off, as inherited ones are


def draw_strengths(count: int, device: torch.device) -> Tensor:
    """Powers of masking, [count]."""
    low, high = STRENGTHS
    drawn = low + (high - low) * torch.rand(count, device=device)
    return drawn * (torch.rand(count, device=device) >= PLAIN)


def local_steps(luma: Tensor, strength: Tensor) -> Tensor:
    """Factors of the step of each 16x16 block, [b, 1, h/16, w/16], of luma [b, 1, h, w]; strength: [b]."""
    levels = torch.round(LOCAL_LEVELS / 2 * torch.log2(busyness(luma)) * strength[:, None, None, None])
    off = torch.rand_like(levels) < JITTER
    levels = levels + off * (2 * torch.randint_like(levels, 2) - 1) * (strength > 0)[:, None, None, None]
    return torch.exp2(levels.clamp(-FINEST, FINEST) / LOCAL_LEVELS)


def busyness(luma: Tensor) -> Tensor:
    """Twice the variance of each block and C2, over what is usual: [b, 1, h/16, w/16]."""
    mean = F.avg_pool2d(luma, 8)
    variance = (F.avg_pool2d(luma.square(), 8) - mean.square()).clamp(min=0)
    return (2 * F.avg_pool2d(variance, 2) + SSIM_C2) / USUAL
