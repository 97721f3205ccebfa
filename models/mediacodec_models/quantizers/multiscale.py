"""Multi-scale residual vector quantization: the first codebooks run at a fraction of the frame rate.

Siuzdak et al., "SNAC: Multi-Scale Neural Audio Codec", 2024: each stage averages what is left over so many frames,
codes the average and holds it as long; strides halve from stage to stage.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mediacodec_models.quantizers.base import looked_up
from mediacodec_models.quantizers.moving import MovingCodebooks


class MultiScaleVQ(MovingCodebooks):
    """1 + 2 + 4 + … codes for as many frames as the last stage has: `num_codebooks` is 1, 3, 7, 15, …

    The codes of stage s for one frame of codes are the codebooks 2^s - 1 to 2^(s + 1) - 2, in order of time. They share
    the stage's entries.
    """

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        stages = self.stride_for(num_codebooks).bit_length()
        super().__init__(num_codebooks, codebook_size, dim, stages=stages)

    @staticmethod
    def stride_for(num_codebooks: int) -> int:
        if num_codebooks < 1 or num_codebooks & (num_codebooks + 1):
            raise ValueError(f"multiscale has 1, 3, 7, 15, … codes a frame, not {num_codebooks}")
        return (num_codebooks + 1) // 2

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        residual, total = x.detach(), torch.zeros_like(x)
        commitment = x.new_zeros(())
        codes = []
        for stage in range(len(self.codebooks)):
            index = self._nearest(self._pooled(residual, stage), stage)  # [B, T / hold]
            kept = self.dropped(self._framed(index, stage), num_kept - (2**stage - 1))
            keep = self._in_time(kept) < self.codebook_size
            chosen = looked_up(self._in_time(kept), self.codebooks[stage])
            if self.training:
                self._move(self._pooled(residual, stage)[keep], index[keep], stage)
            distance = (self._pooled(x - total, stage) - chosen).square() * keep[..., None]
            commitment = commitment + distance.mean()
            held = self._held(chosen, stage)
            total, residual = total + held, residual - held
            codes.append(self._framed(index, stage))
        return x + (total - x).detach(), commitment / len(self.codebooks), torch.cat(codes, dim=1)

    def encode(self, x: Tensor) -> Tensor:
        codes: list[Tensor] = []
        self.walk(x, lambda pooled, stage: codes.append(self._framed(self._nearest(pooled, stage), stage)))
        return torch.cat(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        held = []
        for stage in range(len(self.codebooks)):
            first, count = 2**stage - 1, 2**stage
            own = codes[:, first : first + count]
            missing = count - own.shape[1]
            if missing:
                own = F.pad(own, (0, 0, 0, missing), value=self.codebook_size)
            held.append(self._held(looked_up(self._in_time(own), self.codebooks[stage]), stage))
        return torch.stack(held).sum(0)

    def walk(self, x: Tensor, visit: Callable[[Tensor, int], None]) -> None:
        """Latents [n, dim] or [batch, frames, dim]; frames beyond a whole number of strides are not seen."""
        frames = x.shape[-2] // self.stride * self.stride
        residual = x[..., :frames, :]
        for stage in range(len(self.codebooks)):
            pooled = self._pooled(residual, stage)
            visit(pooled, stage)
            residual = residual - self._held(self.codebooks[stage][self._nearest(pooled, stage)], stage)

    def _pooled(self, x: Tensor, stage: int) -> Tensor:
        """Means over the frames that a code of the stage holds for."""
        if x.shape[-2] % self.stride:
            raise ValueError(f"{x.shape[-2]} frames are not a multiple of the stride {self.stride}")
        return x.unflatten(-2, (-1, self.stride >> stage)).mean(-2)

    def _held(self, x: Tensor, stage: int) -> Tensor:
        """Each vector as often as its code holds."""
        return x.unsqueeze(-2).expand(*x.shape[:-1], self.stride >> stage, x.shape[-1]).flatten(-3, -2)

    def _framed(self, index: Tensor, stage: int) -> Tensor:
        """[B, codes in time] to [B, codes a frame, frames]."""
        return index.unflatten(1, (-1, 2**stage)).transpose(1, 2)

    def _in_time(self, codes: Tensor) -> Tensor:
        """The inverse of `_framed`."""
        return codes.transpose(1, 2).flatten(1)
