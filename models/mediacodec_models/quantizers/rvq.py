"""Residual vector quantization (Zeghidour et al., SoundStream, 2021): each codebook codes what the last left over."""

from collections.abc import Callable

import torch
from torch import Tensor

from mediacodec_models.quantizers.base import looked_up
from mediacodec_models.quantizers.moving import MovingCodebooks


class ResidualVQ(MovingCodebooks):
    """`num_codebooks` stages of `codebook_size` vectors in `dim` dimensions."""

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        residual, total = x.detach(), torch.zeros_like(x)
        commitment = x.new_zeros(())
        codes = []
        for stage in range(self.num_codebooks):
            keep = (num_kept > stage).to(x.dtype)[:, None, None]  # [B, 1, 1]
            seen = self.seen(residual, stage)
            index = self._nearest(seen, stage)
            chosen = self.codebooks[stage][index] * keep
            if self.training:
                self._move(seen[num_kept > stage], index[num_kept > stage], stage)
            # Distance of what reaches this stage, with its gradient, from the entry chosen for it.
            commitment = commitment + ((self.seen(x - total, stage) - chosen).square() * keep).mean()
            total = total + chosen
            residual = residual - chosen
            codes.append(index)
        return x + (total - x).detach(), commitment / self.num_codebooks, torch.stack(codes, dim=1)

    def seen(self, residual: Tensor, stage: int) -> Tensor:  # noqa: ARG002 - for codebooks that see less
        """What of the residual [..., dim] a stage codes: all of it."""
        return residual

    def encode(self, x: Tensor) -> Tensor:
        residual, codes = x, []
        for stage in range(self.num_codebooks):
            codes.append(self._nearest(self.seen(residual, stage), stage))
            residual = residual - self.codebooks[stage][codes[-1]]
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        return torch.stack([looked_up(codes[:, k], self.codebooks[k]) for k in range(codes.shape[1])]).sum(0)

    def walk(self, x: Tensor, visit: Callable[[Tensor, int], None]) -> None:
        residual = x
        for stage in range(self.num_codebooks):
            seen = self.seen(residual, stage)
            visit(seen, stage)
            residual = residual - self.codebooks[stage][self._nearest(seen, stage)]
