"""Where a latent moves: to the integer of least cost."""

from __future__ import annotations

import torch
from torch import Tensor

from mediacodec_models.overfit.context import features

RATE_WEIGHT = 0.14  # squared steps that a bit is worth
INFLUENCE = 0.5  # of what is said of others: to first order, and they all move at once


def nearest(
    target: Tensor, index: Tensor, costs: Tensor, *, curvature: float = 1.0, influence: Tensor | None = None
) -> Tensor:
    """The nearest integer, the one nearer to zero or zero: which costs least.

    target: real latents; index: of their tables, real numbers; costs: bits of each magnitude under each table;
    curvature: of the error over a latent; influence: d cost / d feature, through the tables of others.
    """
    size, most = target.abs(), costs.shape[1] - 1
    row, flat = index.round().long() * costs.shape[1], costs.reshape(-1)
    near = size.round()
    best: Tensor | None = None
    chosen = near
    for candidate in (near, (near - 1).clamp(min=0), torch.zeros_like(near)):
        cost = curvature * (size - candidate).square()
        cost += RATE_WEIGHT * flat[row + candidate.clamp(max=most).long()]
        if influence is not None:
            cost += INFLUENCE * influence * features(candidate)
        if best is None:
            best = cost
            continue
        better = cost < best
        chosen = torch.where(better, candidate, chosen)
        best = torch.where(better, cost, best)
    return chosen * target.sign()
