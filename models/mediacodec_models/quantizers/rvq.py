"""Residual vector quantization with codebooks learnt by exponential moving averages.

Zeghidour et al., SoundStream, 2021 (residual VQ, dropout of codebooks, restart of dead entries); van den Oord et al.,
2017 (moving averages instead of a codebook loss).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec_models.quantizers.base import Quantizer, looked_up, nearest

DECAY = 0.99
RESTART_BELOW = 0.02  # of uniform usage: an entry used less is moved onto a residual of the current batch


class ResidualVQ(Quantizer):
    """`num_codebooks` stages of `codebook_size` vectors in `dim` dimensions; each codes what the last left over."""

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__(num_codebooks, codebook_size)
        self.codebooks = nn.Parameter(torch.zeros(num_codebooks, codebook_size, dim), requires_grad=False)
        self.register_buffer("sums", torch.zeros(num_codebooks, codebook_size, dim))
        self.register_buffer("usage", torch.ones(num_codebooks, codebook_size))

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        residual, total = x.detach(), torch.zeros_like(x)
        commitment = x.new_zeros(())
        codes = []
        for stage in range(len(self.codebooks)):
            keep = (num_kept > stage).to(x.dtype)[:, None, None]  # [B, 1, 1]
            index = self._nearest(residual, stage)
            chosen = F.embedding(index, self.codebooks[stage]) * keep
            if self.training:
                self._move(residual[num_kept > stage], index[num_kept > stage], stage)
            # Distance of what reaches this stage, with its gradient, from the entry chosen for it.
            commitment = commitment + ((x - total - chosen).square() * keep).mean()
            total = total + chosen
            residual = residual - chosen
            codes.append(index)
        return x + (total - x).detach(), commitment / len(self.codebooks), torch.stack(codes, dim=1)

    def encode(self, x: Tensor) -> Tensor:
        residual, codes = x, []
        for stage in range(self.num_codebooks):
            codes.append(self._nearest(residual, stage))
            residual = residual - self.codebooks[stage][codes[-1]]
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        return torch.stack([looked_up(codes[:, k], self.codebooks[k]) for k in range(codes.shape[1])]).sum(0)

    def _nearest(self, x: Tensor, stage: int) -> Tensor:
        return nearest(x, self.codebooks[stage])

    @torch.no_grad()
    def _move(self, residual: Tensor, index: Tensor, stage: int) -> None:
        flat, index = residual.reshape(-1, residual.shape[-1]), index.reshape(-1)
        size = self.usage.shape[1]
        self.usage[stage].mul_(DECAY).add_(torch.bincount(index, minlength=size), alpha=1 - DECAY)
        self.sums[stage].mul_(DECAY).index_add_(0, index, flat, alpha=1 - DECAY)
        self.codebooks.data[stage] = self.sums[stage] / self.usage[stage].clamp_min(1e-6)[:, None]

    @torch.no_grad()
    def restart(self, x: Tensor) -> int:
        """Entries are moved onto residuals of the latents."""
        moved, residual = 0, x
        for stage in range(len(self.codebooks)):
            usage = self.usage[stage]
            dead = (usage < RESTART_BELOW * usage.mean()).nonzero()[:, 0]
            if len(dead):
                pick = residual[torch.randint(len(residual), (len(dead),), device=x.device)]
                usage[dead] = usage.mean()
                self.codebooks.data[stage, dead] = pick
                self.sums[stage, dead] = pick * usage[dead, None]
                moved += len(dead)
            residual = residual - F.embedding(self._nearest(residual, stage), self.codebooks[stage])
        return moved

    @torch.no_grad()
    def initialise(self, x: Tensor, *, iterations: int = 10) -> None:
        """k-means of each stage on the latents [n, dim] and then on the residuals: random codebooks collapse."""
        stages, size, _ = self.codebooks.shape
        residual = x
        for stage in range(stages):
            book = residual[torch.randperm(len(residual), device=x.device)[:size]].clone()
            for _ in range(iterations):
                index = (residual @ book.T * 2 - book.square().sum(1)).argmax(-1)
                count = torch.bincount(index, minlength=size).to(x.dtype)
                mean = torch.zeros_like(book).index_add_(0, index, residual) / count.clamp_min(1)[:, None]
                refill = residual[torch.randint(len(residual), (size,), device=x.device)]
                book = torch.where(count[:, None] > 0, mean, refill)
            self.codebooks.data[stage] = book
            self.usage[stage] = count.clamp_min(1) / count.clamp_min(1).mean()
            self.sums[stage] = book * self.usage[stage][:, None]
            residual = residual - F.embedding(self._nearest(residual, stage), book)
