"""SimVQ: a frozen random codebook seen through one trained linear layer, so that all entries move together.

Zhu et al., "Addressing Representation Collapse in Vector Quantized Models with One Linear Layer", 2024. With several
codebooks, each codes what the last one left over, with a layer of its own.
"""

import torch
from torch import Tensor, nn

from mediacodec_models.quantizers.base import Quantizer, looked_up, nearest

DECAY = 0.99
LAYER_WEIGHT = 4.0  # of the term that moves the layers, beside the one that moves the latents


class SimVQ(Quantizer):
    """`num_codebooks` stages of `codebook_size` entries in `dim` dimensions.

    Entries are compared with latents whose running mean and size are taken out: a layer follows its optimiser's small
    steps, and latents whose scale grew faster than those left it behind for good.
    """

    basis: Tensor
    mean: Tensor
    size: Tensor

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__(num_codebooks, codebook_size, dim)
        self.register_buffer("basis", torch.randn(num_codebooks, codebook_size, dim))
        self.layers = nn.Parameter(torch.eye(dim).repeat(num_codebooks, 1, 1))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("size", torch.ones(()))

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss pulls latents to entries and, harder, entries to latents (van den Oord et al. 2017)."""
        if self.training:
            self._follow(x.detach().flatten(0, 1))
        residual, total = (x - self.mean) / self.size, torch.zeros_like(x)
        loss, codes = x.new_zeros(()), []
        for stage in range(self.num_codebooks):
            keep = (num_kept > stage).to(x.dtype)[:, None, None]
            index = nearest(residual.detach(), self.book(stage).detach())
            chosen = self.basis[stage][index] @ self.layers[stage] * keep
            distance = (residual - chosen.detach()).square() + LAYER_WEIGHT * (residual.detach() - chosen).square()
            loss = loss + (distance * keep).mean()
            total, residual = total + chosen, residual - chosen.detach()
            codes.append(index)
        total = total * self.size + self.mean
        return x + (total - x).detach(), loss / self.num_codebooks, torch.stack(codes, dim=1)

    def book(self, stage: int) -> Tensor:
        """The entries of a stage, [size, dim], in units of the latents' running size."""
        return self.basis[stage] @ self.layers[stage]

    def encode(self, x: Tensor) -> Tensor:
        residual, codes = (x - self.mean) / self.size, []
        for stage in range(self.num_codebooks):
            book = self.book(stage)
            codes.append(nearest(residual, book))
            residual = residual - book[codes[-1]]
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        chosen = [looked_up(codes[:, k], self.basis[k]) @ self.layers[k] for k in range(codes.shape[1])]
        return torch.stack(chosen).sum(0) * self.size + self.mean

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Each layer gives its entries the covariance of what reaches its stage, so that every entry has neighbours."""
        self.mean.copy_(x.mean(0))
        self.size.copy_((x - self.mean).square().mean().sqrt().clamp_min(1e-6))
        residual = (x - self.mean) / self.size
        for stage in range(self.num_codebooks):
            values, axes = torch.linalg.eigh(torch.cov(residual.T))
            self.layers.data[stage] = axes * values.clamp_min(0).sqrt() @ axes.T  # E[(bW)'(bW)] = W'W for a basis of 1
            book = self.book(stage)
            residual = residual - book[nearest(residual, book)]

    @torch.no_grad()
    def _follow(self, x: Tensor) -> None:
        """Move mean and size towards those of the latents [n, dim]."""
        self.mean.lerp_(x.mean(0), 1 - DECAY)
        self.size.lerp_((x - self.mean).square().mean().sqrt().clamp_min(1e-6), 1 - DECAY)
