"""Where codebooks and projections begin: on the latents of a network that has already learnt something.

Random codebooks collapse onto one entry for hundreds of steps; these do not.
"""

import torch
from torch import Tensor

from mediacodec_models.quantizers.base import nearest

DISTANCES = 1 << 25  # in memory at once


def assigned(x: Tensor, book: Tensor) -> Tensor:
    """Nearest entry of book [size, dim] for each of x [n, dim], in bounded memory."""
    return torch.cat([nearest(part, book) for part in x.split(max(1, DISTANCES // len(book)))])


def kmeans(x: Tensor, size: int, *, iterations: int) -> tuple[Tensor, Tensor]:
    """Entries [size, dim] for x [n, dim], and how many of x are nearest to each; n may be smaller than size."""
    order = torch.randperm(len(x), device=x.device)
    book = x[order.repeat(-(-size // len(x)))[:size]].clone()
    for _ in range(iterations):
        index = assigned(x, book)
        count = torch.bincount(index, minlength=size).to(x.dtype)
        mean = torch.zeros_like(book).index_add_(0, index, x) / count.clamp_min(1)[:, None]
        refill = x[torch.randint(len(x), (size,), device=x.device)]
        book = torch.where(count[:, None] > 0, mean, refill)
    return book, count


def principal_axes(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` axes of most variance of centred x [n, dim], as columns [dim, count], and the variances [count]."""
    values, axes = torch.linalg.eigh(torch.cov(x.T))
    return axes.flip(1)[:, :count], values.flip(0)[:count].clamp_min(0)
