"""The encoder's search of the codebooks: several candidates a stage, and bits weighed against distortion.

Multi-path search of a residual quantizer (Juang and Gray 1982) under entropy constraint (Chou, Lookabaugh and Gray
1989): what is minimised is distortion + lambda * bits, so that rare entries are used only where they are worth their
bits. It costs the decoder nothing and no arithmetic in the encoder: the bits of an entry are a constant beside its
squared length.
"""

import math

import torch
from torch import Tensor


def beam_search(latent: Tensor, codebooks: Tensor, penalty: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The `width` best partial sums survive each stage.

    latent: [1, T, dim]; codebooks: [stages, size, dim]; penalty: [stages, size], lambda times the bits of each entry.
    Returns entries and parents, int32 [1, T, stages, width], for `codecs.rvq.analysis.backtrack`; the candidates of
    every stage are sorted, best first, so each prefix of stages has its own best codes.
    """
    residual = latent.unsqueeze(2)  # [1, T, 1, dim]
    cost = residual.square().sum(-1, keepdim=True)  # [1, T, 1, 1]
    entries, parents = [], []
    for book, price in zip(codebooks.unbind(0), penalty.unbind(0), strict=True):
        size, dim = book.shape
        # minus the cost, 2 r·b - |b|^2 - price - cost so far, as one product with a constant matrix
        table = torch.cat([2 * book.T, -(book.square().sum(1) + price)[None], -torch.ones(1, size)])
        gain = torch.cat([residual, torch.ones_like(cost), cost], -1) @ table  # [1, T, W, size]
        best, flat = gain.flatten(2).topk(width)  # [1, T, width]
        parent, entry = flat // size, flat % size
        index = parent.unsqueeze(-1).expand(-1, -1, -1, dim)
        residual = residual.gather(2, index) - book[entry]
        cost = -best.unsqueeze(-1)
        entries.append(entry)
        parents.append(parent)
    return torch.stack(entries, 2).int(), torch.stack(parents, 2).int()


def rate_penalties(latents: Tensor, codebooks: Tensor, weight: float) -> Tensor:
    """[stages, size]: lambda times the bits of each entry, from how often a plain search of latents [n, dim] uses it.

    lambda is `weight` times what a bit is worth at a stage: for a Gaussian of `dim` dimensions with distortion D one
    bit more lowers D by 2 ln 2 / dim of it.
    """
    residual, result = latents, []
    for book in codebooks.unbind(0):
        size, dim = book.shape
        index = (2 * residual @ book.T - book.square().sum(1)).argmax(-1)
        residual = residual - book[index]
        share = torch.bincount(index, minlength=size) + 0.5
        bits = (share.sum() / share).log2()
        slope = 2 * math.log(2) / dim * residual.square().sum(-1).mean()
        result.append(weight * slope * bits)
    return torch.stack(result)
