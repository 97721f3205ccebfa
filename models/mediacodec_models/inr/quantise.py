"""Quantisation while fitting: steps that are learned, and how many bits the integers will take (after Zhang et al.)."""

import math

import torch
from torch import Tensor

FINEST, COARSEST = -20.0, 11.0  # logarithms of steps that a packet can say
_LOG2E = math.log2(math.e)


def rounded(x: Tensor, step: Tensor) -> Tensor:
    """x in whole steps, with the gradient of x, and with that of the step as in LSQ (Esser et al. 2020)."""
    units = x / step
    return (units + (units.round() - units).detach()) * step


def bits_of_mean(mean: Tensor) -> Tensor:
    """Bits of an integer whose magnitude is `mean` on average, under the two-sided geometric distribution of that mean.

    It is the least that any table states for integers of that mean at the worst, and what ours state within a few
    per cent.
    """
    mean = mean.clamp_min(1e-4)
    ratio = mean / (1 + torch.sqrt(1 + mean * mean))
    return torch.log2((1 + ratio) / (1 - ratio)) - mean * torch.log2(ratio)


def step_for(bits: float, mean: Tensor) -> Tensor:
    """log2 of the step at which numbers of a mean magnitude take so many bits."""
    return torch.log2(mean.clamp_min(1e-6)) - (bits - math.log2(2 * math.e))


def step_number(log_step: Tensor) -> Tensor:
    """The number that a packet says for a step, as float."""
    return (8 * log_step.clamp(FINEST, COARSEST) + 160).round().clamp(0, 255)


def settled(log_step: Tensor) -> Tensor:
    """The logarithm of the step that the number stands for."""
    return (step_number(log_step) - 160) / 8
