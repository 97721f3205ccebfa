"""Masked residual vector quantization: the first codebooks see only their share of the channels.

Ji et al., "Language-Codec: Bridging Discrete Codec Representations and Speech Language Models", 2024. The first
codebook of a plain residual quantizer holds most of what there is to say; here that is spread over the first few, and
the later ones see whatever they left over.
"""

import torch
from torch import Tensor

from mediacodec_models.quantizers.rvq import ResidualVQ

SHARED_OUT = 3  # first codebooks that divide the channels among them


class MaskedVQ(ResidualVQ):
    """`num_codebooks` stages; the first three at most see a share of the channels each, the others all."""

    views: Tensor

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__(num_codebooks, codebook_size, dim)
        self.register_buffer("views", torch.ones(num_codebooks, dim), persistent=False)
        shares = min(SHARED_OUT, num_codebooks)
        for stage, channels in enumerate(torch.arange(dim).tensor_split(shares)):
            self.views[stage] = 0
            self.views[stage, channels] = 1

    def seen(self, residual: Tensor, stage: int) -> Tensor:
        return residual * self.views[stage]
