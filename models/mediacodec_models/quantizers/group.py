"""Grouped residual vector quantization: the latent's channels in two groups, each with residual codebooks of its own.

Yang et al., "HiFi-Codec: Group-residual Vector Quantization for High Fidelity Audio Codec", 2023.
"""

import torch
from torch import Tensor

from mediacodec_models.quantizers.rvq import ResidualVQ

GROUPS = 2


class GroupVQ(ResidualVQ):
    """Codebook k serves group k % 2, so that the first of both groups come first and any number of them may stay."""

    views: Tensor

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__(num_codebooks, codebook_size, dim)
        if dim < GROUPS:
            raise ValueError(f"{dim} channels are no {GROUPS} groups")
        self.register_buffer("views", torch.zeros(GROUPS, dim), persistent=False)
        for group, channels in enumerate(torch.arange(dim).tensor_split(GROUPS)):
            self.views[group, channels] = 1

    def seen(self, residual: Tensor, stage: int) -> Tensor:
        return residual * self.views[stage % GROUPS]
