"""Rate-distortion optimized quantization of latents: each becomes the integer of least cost."""

from __future__ import annotations

import torch
from torch import Tensor

from mediacodec_models.overfit.context import features_of

RATE_WEIGHT = 0.14  # squared steps that a bit is worth: the Lagrange multiplier
CONTEXT_WEIGHT = 0.5  # of the effect on tables of other latents: it holds to first order, and all change at once


def rdo_quantise(
    target: Tensor, index: Tensor, costs: Tensor, *, curvature: float = 1.0, context_gradient: Tensor | None = None
) -> Tensor:
    """Choose for each latent between the nearest integer, the one nearer to zero, and zero.

    Args:
        target: real latents in steps, any shape.
        index: of their tables, real numbers of the same shape.
        costs: bits of each magnitude under each table, [tables, magnitudes].
        curvature: of the squared error over a latent.
        context_gradient: d bits / d feature of each latent, through the tables of others; None to leave that out.

    Returns:
        The integers of least cost, as floats.
    """
    size, most = target.abs(), costs.shape[1] - 1
    row, flat = index.round().long() * costs.shape[1], costs.reshape(-1)
    near = size.round()
    best: Tensor | None = None
    chosen = near
    for candidate in (near, (near - 1).clamp(min=0), torch.zeros_like(near)):
        cost = curvature * (size - candidate).square()
        cost += RATE_WEIGHT * flat[row + candidate.clamp(max=most).long()]
        if context_gradient is not None:
            cost += CONTEXT_WEIGHT * context_gradient * features_of(candidate)
        if best is None:
            best = cost
            continue
        better = cost < best
        chosen = torch.where(better, candidate, chosen)
        best = torch.where(better, cost, best)
    return chosen * target.sign()
