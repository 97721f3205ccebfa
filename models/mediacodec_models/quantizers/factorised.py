"""Factorised residual vector quantization: entries are looked up by angle in a few dimensions.

Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN" (DAC), 2023, after Yu et al., 2022: each stage
projects what is left to eight dimensions, takes the entry of the most similar direction and projects it back. All is
learnt by gradients; nothing is an average.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec_models.layers.module_list import ModuleList
from mediacodec_models.quantizers.base import Quantizer, looked_up, nearest
from mediacodec_models.quantizers.start import assigned, kmeans, principal_axes

LOOKUP_DIM = 8
ENTRY_WEIGHT = 4.0  # of the term that moves the entries, beside the one that moves the latents


class FactorisedVQ(Quantizer):
    """`num_codebooks` stages of `codebook_size` entries in eight dimensions, of a latent of `dim`."""

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__(num_codebooks, codebook_size, dim)
        small = min(LOOKUP_DIM, dim)
        self.entries: ModuleList[nn.Linear] = ModuleList(nn.Linear(dim, small) for _ in range(num_codebooks))
        self.exits: ModuleList[nn.Linear] = ModuleList(nn.Linear(small, dim) for _ in range(num_codebooks))
        self.codebooks = nn.ParameterList(torch.randn(codebook_size, small) for _ in range(num_codebooks))

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss pulls projections to entries and, harder, entries to projections."""
        residual, total = x, torch.zeros_like(x)
        loss, codes = x.new_zeros(()), []
        for stage in range(self.num_codebooks):
            keep = (num_kept > stage).to(x.dtype)[:, None, None]
            z = self.entries[stage](residual)
            index = self._nearest(z.detach(), stage)
            entry = self.codebooks[stage][index]
            distance = (z - entry.detach()).square() + ENTRY_WEIGHT * (entry - z.detach()).square()
            loss = loss + (distance * keep).mean()
            chosen = self.exits[stage](z + (entry - z).detach()) * keep
            total, residual = total + chosen, residual - chosen
            codes.append(index)
        return total, loss / self.num_codebooks, torch.stack(codes, dim=1)

    def encode(self, x: Tensor) -> Tensor:
        residual, codes = x, []
        for stage in range(self.num_codebooks):
            codes.append(self._nearest(self.entries[stage](residual), stage))
            residual = residual - self.exits[stage](self.codebooks[stage][codes[-1]])
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        return torch.stack([self._chosen(codes[:, k], k) for k in range(codes.shape[1])]).sum(0)

    def _chosen(self, index: Tensor, stage: int) -> Tensor:
        present = (index < self.codebook_size).unsqueeze(-1)
        return self.exits[stage](looked_up(index, self.codebooks[stage])) * present

    def _nearest(self, z: Tensor, stage: int) -> Tensor:
        """By angle: lengths of both are taken out."""
        return nearest(F.normalize(z, dim=-1), F.normalize(self.codebooks[stage], dim=-1))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Projections are principal axes of what is left, entries means of what is near by angle, exits best fits."""
        residual = x
        for stage, (entry, exit_) in enumerate(zip(self.entries, self.exits, strict=True)):
            mean = residual.mean(0)
            axes, values = principal_axes(residual - mean, entry.out_features)
            scale = values.mean().sqrt().clamp_min(1e-6)  # one for all: angles must stay those of the residual
            entry.weight.copy_(axes.T / scale)
            entry.bias.copy_(-entry.weight @ mean)
            z = entry(residual)
            directions, _ = kmeans(F.normalize(z, dim=-1), self.codebook_size, iterations=10)
            index = assigned(F.normalize(z, dim=-1), F.normalize(directions, dim=-1))
            count = torch.bincount(index, minlength=self.codebook_size)[:, None]
            sums = torch.zeros_like(directions).index_add_(0, index, z)
            book = torch.where(count > 0, sums / count.clamp_min(1), directions)
            self.codebooks[stage].copy_(book)
            chosen = book[self._nearest(z, stage)]
            solution = torch.linalg.lstsq(F.pad(chosen, (0, 1), value=1.0), residual).solution
            exit_.weight.copy_(solution[:-1].T)
            exit_.bias.copy_(solution[-1])
            residual = residual - exit_(chosen)
