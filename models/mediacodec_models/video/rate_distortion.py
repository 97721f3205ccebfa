"""Coefficients to symbols, and what they cost, while training."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mediacodec.codecs.conditional.rate_distortion import RATE_WEIGHT
from mediacodec_models.layers.rounding import straight_through
from mediacodec_models.video.prior import SCALES

SMALLEST, LARGEST = 0.07, 60.0  # Laplace scales of index 1 and of the last one, in quantization steps


def laplace_scale(index: Tensor) -> Tensor:
    """The scale of an index (a real number while training)."""
    return SMALLEST * torch.exp((index - 1) * (math.log(LARGEST / SMALLEST) / (SCALES - 2)))


def bits(symbols: Tensor, scale_index: Tensor) -> Tensor:
    """-log2 of a Laplace distribution over integers; nothing where the index is 0."""
    cost = laplace_bits(symbols.abs(), laplace_scale(scale_index))
    return torch.where(scale_index >= 1, cost, torch.zeros_like(cost))


def laplace_bits(size: Tensor, scale: Tensor) -> Tensor:
    """Bits of integers of magnitude `size`: the mass of size - 1/2 .. size + 1/2."""
    zero = -torch.log2(-torch.expm1(-0.5 / scale) + 1e-9)
    other = (size - 0.5) / scale / math.log(2) + 1 - torch.log2(-torch.expm1(-1 / scale) + 1e-9)
    return zero + size.clamp(0, 1) * (other - zero)


def quantise(values: Tensor, scale_index: Tensor) -> Tensor:
    """Symbols that minimise squared error + RATE_WEIGHT * bits, under the table of each index; gradient 1.

    Zero where the index is 0, which is not coded.
    """
    with torch.no_grad():
        scale = laplace_scale(scale_index)
        step = 1 / scale / math.log(2)  # bits between neighbours from 1 up
        first = (
            step / 2 + 1 + torch.log2(-torch.expm1(-0.5 / scale) + 1e-9) - torch.log2(-torch.expm1(-1 / scale) + 1e-9)
        )
        size = values.abs()
        chosen = torch.floor((size + 0.5 - RATE_WEIGHT / 2 * step).clamp(min=0))
        one = (size > 0.5 + RATE_WEIGHT / 2 * first).to(size.dtype)
        chosen = torch.where(chosen >= 2, chosen, one)
        symbols = torch.where(scale_index >= 1, chosen * values.sign(), torch.zeros_like(values))
    return straight_through(values, symbols)


def hyper_bits(symbols: Tensor, log_scale: Tensor) -> Tensor:
    """Bits of hyper-latents under a Laplace distribution a channel; [b]."""
    scale = log_scale.exp().clamp(0.05, 8)[None, :, None, None]
    return laplace_bits(symbols.abs(), scale).sum(dim=(1, 2, 3))
