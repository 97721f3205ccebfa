"""SimVQ: a frozen random codebook seen through one trained linear layer, so that all entries move together.

Zhu et al., "Addressing Representation Collapse in Vector Quantized Models with One Linear Layer", 2024. With several
codebooks, each codes what the last one left over, with a layer of its own.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SimVQ(nn.Module):
    """`num_codebooks` stages of `codebook_size` entries in `dim` dimensions."""

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.randn(num_codebooks, codebook_size, dim) / dim**0.5)
        self.layers = nn.Parameter(torch.eye(dim).repeat(num_codebooks, 1, 1))
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantize [batch, frames, dim], keeping the first num_kept[b] codebooks of sample b.

        Returns the quantized latent with a straight-through gradient, the commitment loss (which also moves the
        layers towards the latents, four times as hard: van den Oord et al. 2017), and codes [batch, stages, frames].
        """
        residual, total = x - self.mean, torch.zeros_like(x)
        loss, codes = x.new_zeros(()), []
        for stage in range(len(self.basis)):
            keep = (num_kept > stage).to(x.dtype)[:, None, None]
            book = self.book(stage)
            index = nearest(residual.detach(), book.detach())
            chosen = F.embedding(index, self.basis[stage]) @ self.layers[stage] * keep
            commitment = (residual - chosen.detach()).square() + 4 * (residual.detach() - chosen).square()
            loss = loss + (commitment * keep).mean()
            total, residual = total + chosen, residual - chosen.detach()
            codes.append(index)
        total = total + self.mean
        return x + (total - x).detach(), loss / len(self.basis), torch.stack(codes, dim=1)

    def book(self, stage: int) -> Tensor:
        """The entries of a stage, [size, dim]."""
        return self.basis[stage] @ self.layers[stage]

    def encode(self, x: Tensor) -> Tensor:
        """[batch, frames, dim] to codes [batch, stages, frames]."""
        residual, codes = x - self.mean, []
        for stage in range(len(self.basis)):
            codes.append(nearest(residual, self.book(stage)))
            residual = residual - F.embedding(codes[-1], self.book(stage))
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [batch, stages, frames] to the latent [batch, frames, dim]; fewer stages than trained are fine."""
        return torch.stack([F.embedding(codes[:, k], self.book(k)) for k in range(codes.shape[1])]).sum(0) + self.mean

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Each layer gives its entries the covariance of what reaches its stage, so that every entry has neighbours."""
        self.mean.copy_(x.mean(0))
        residual = x - self.mean
        for stage in range(len(self.basis)):
            values, axes = torch.linalg.eigh(torch.cov(residual.T))
            root = axes * values.clamp_min(0).sqrt() @ axes.T  # E[(bW)'(bW)] = W'W / dim: basis has variance 1 / dim
            self.layers.data[stage] = root * x.shape[1] ** 0.5
            index = nearest(residual, self.book(stage))
            residual = residual - F.embedding(index, self.book(stage))

    def restart(self, x: Tensor) -> int:  # noqa: ARG002 - the contract of a quantizer
        """Nothing: entries cannot die one by one, they move together."""
        return 0


def nearest(x: Tensor, book: Tensor) -> Tensor:
    """Index of the entry of book [size, dim] nearest to each of x [..., dim]."""
    return (2 * x @ book.T - book.square().sum(1)).argmax(-1)
