"""Codebooks that are exponential moving averages of what they are chosen for (van den Oord et al., 2017).

No optimiser touches them. Entries that hardly anything chooses move onto latents (Zeghidour et al., SoundStream, 2021).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mediacodec_models.quantizers.base import Quantizer, nearest
from mediacodec_models.quantizers.start import kmeans


class MovingCodebooks(Quantizer):
    """`stages` codebooks of `codebook_size` vectors in `dim` dimensions; a subclass says what each of them codes.

    decay: of the averages, a step; restart_below: the share of mean usage under which an entry is dead; iterations: of
    k-means to begin with.
    """

    sums: Tensor
    usage: Tensor

    decay = 0.99
    restart_below = 0.02
    iterations = 10

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int, *, stages: int | None = None) -> None:
        super().__init__(num_codebooks, codebook_size, dim)
        stages = num_codebooks if stages is None else stages
        self.codebooks = nn.Parameter(torch.zeros(stages, codebook_size, dim), requires_grad=False)
        self.register_buffer("sums", torch.zeros(stages, codebook_size, dim))
        self.register_buffer("usage", torch.ones(stages, codebook_size))

    def walk(self, x: Tensor, visit: Callable[[Tensor, int], None]) -> None:
        """Call visit(what reaches the stage [n, dim], stage) for the latents [n, dim], stage by stage as coded."""
        raise NotImplementedError

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """k-means of each stage on what the stages before left over."""
        self.walk(x, self._fill)

    @torch.no_grad()
    def restart(self, x: Tensor) -> int:
        moved: list[int] = []
        self.walk(x, lambda residual, stage: moved.append(self._revive(residual, stage)))
        return sum(moved)

    def _nearest(self, x: Tensor, stage: int) -> Tensor:
        return nearest(x, self.codebooks[stage])

    @torch.no_grad()
    def _move(self, residual: Tensor, index: Tensor, stage: int) -> None:
        """Take the vectors residual [..., dim] into the averages of the entries index [...] chosen for them."""
        flat, index = residual.reshape(-1, residual.shape[-1]), index.reshape(-1)
        count, share = torch.bincount(index, minlength=self.codebook_size), 1 - self.decay
        self.usage[stage].mul_(self.decay).add_(count, alpha=share)
        self.sums[stage].mul_(self.decay).index_add_(0, index, flat, alpha=share)
        self.codebooks.data[stage] = self.sums[stage] / self.usage[stage].clamp_min(1e-6)[:, None]

    def _fill(self, residual: Tensor, stage: int) -> None:
        book, count = kmeans(residual, self.codebook_size, iterations=self.iterations)
        self.codebooks.data[stage] = book
        self.usage[stage] = count.clamp_min(1) / count.clamp_min(1).mean()
        self.sums[stage] = book * self.usage[stage][:, None]

    def _revive(self, residual: Tensor, stage: int) -> int:
        """Move dead entries onto vectors, each onto its own: what is left of them waits for the next time."""
        usage = self.usage[stage]
        dead = (usage < self.restart_below * usage.mean()).nonzero()[: len(residual), 0]
        if len(dead):
            pick = residual[torch.randperm(len(residual), device=residual.device)[: len(dead)]]
            usage[dead] = usage.mean()
            self.codebooks.data[stage, dead] = pick
            self.sums[stage, dead] = pick * usage[dead, None]
        return len(dead)
