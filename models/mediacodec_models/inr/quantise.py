"""Quantization while fitting: steps that are learned, and the bits that integers will take (after Zhang et al.)."""

import math

import torch
from torch import Tensor

MIN_LOG_STEP, MAX_LOG_STEP = -20.0, 11.0  # base 2, of steps that a packet can say


def quantise_ste(x: Tensor, step: Tensor) -> Tensor:
    """Round to whole steps, with a straight-through gradient.

    Args:
        x: any shape.
        step: that broadcasts with x.

    Returns:
        x in whole steps; its gradient is that of x, and that of the step as in LSQ (Esser et al. 2020).
    """
    units = x / step
    return (units + (units.round() - units).detach()) * step


def expected_bits(mean: Tensor) -> Tensor:
    """Estimate the bits of an integer from its mean magnitude, under the two-sided geometric distribution of that mean.

    It is the greatest entropy that integers of that mean can have, and what our tables state within a few per cent.

    Args:
        mean: magnitudes, in steps.

    Returns:
        Bits an integer.
    """
    mean = mean.clamp_min(1e-4)
    ratio = mean / (1 + torch.sqrt(1 + mean * mean))
    return torch.log2((1 + ratio) / (1 - ratio)) - mean * torch.log2(ratio)


def log_step_for(bits: float, mean: Tensor) -> Tensor:
    """log2 of the step at which numbers of a mean magnitude take so many bits."""
    return torch.log2(mean.clamp_min(1e-6)) - (bits - math.log2(2 * math.e))


def step_index(log_step: Tensor) -> Tensor:
    """The index that a packet says for a step, as float: into `mediacodec.codecs.inr.tensors.STEP_SIZES`."""
    return (8 * log_step.clamp(MIN_LOG_STEP, MAX_LOG_STEP) + 160).round().clamp(0, 255)


def snapped(log_step: Tensor) -> Tensor:
    """log2 of the nearest step that a packet can say."""
    return (step_index(log_step) - 160) / 8
