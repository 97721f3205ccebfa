"""Binary spherical quantization: a few numbers on a sphere, each rounded to its sign; no codebook is learnt.

Zhao, Xiong and Krähenbühl, "Image and Video Tokenization with Binary Spherical Quantization", 2024; as the quantizer of
a speech codec: Della Libera et al., FocalCodec, 2025.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec_models.quantizers.base import Quantizer
from mediacodec_models.quantizers.start import principal_axes


class BinarySpherical(Quantizer):
    """`num_codebooks` spheres; an entry is a corner of the cube in one, `codebook_size`, a power of two, of them."""

    mean: Tensor
    places: Tensor

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__(num_codebooks, codebook_size, dim)
        self.bits = codebook_size.bit_length() - 1
        if codebook_size != 1 << self.bits:
            raise ValueError(f"codebook_size {codebook_size} of a binary quantizer is no power of two")
        if num_codebooks * self.bits > dim:
            raise ValueError(f"{num_codebooks} codebooks of {self.bits} bits are more than {dim} dimensions")
        self.entry = nn.Linear(dim, num_codebooks * self.bits)
        self.exit = nn.Linear(num_codebooks * self.bits, dim, bias=False)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("places", 2 ** torch.arange(self.bits), persistent=False)

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The commitment, which keeps a sphere's points near its corners, is at most 4 however latents grow."""
        point = self._on_sphere(x)
        corner = self._corner(point > 0)
        codes = self._codes(point)
        keep = (self.dropped(codes, num_kept) < self.codebook_size).transpose(1, 2)[..., None]
        commitment = ((point - corner).square().sum(-1, keepdim=True) * keep).mean()
        chosen = (point + (corner - point).detach()) * keep
        return self.exit(chosen.flatten(2)) + self.mean, commitment, codes

    def encode(self, x: Tensor) -> Tensor:
        return self._codes(self._on_sphere(x))

    def decode(self, codes: Tensor) -> Tensor:
        codes = codes.transpose(1, 2)[..., None]
        chosen = self._corner(codes // self.places % 2 > 0) * (codes < self.codebook_size)
        chosen = chosen.flatten(2)
        return chosen @ self.exit.weight[:, : chosen.shape[2]].T + self.mean

    def _on_sphere(self, x: Tensor) -> Tensor:
        """[B, T, books, bits] of unit length."""
        return F.normalize(self.entry(x - self.mean).unflatten(2, (self.num_codebooks, self.bits)), dim=-1)

    def _corner(self, positive: Tensor) -> Tensor:
        return (2 * positive.to(self.mean.dtype) - 1) / self.bits**0.5

    def _codes(self, point: Tensor) -> Tensor:
        return ((point > 0).long() * self.places).sum(-1).transpose(1, 2)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Principal axes of the latents [n, dim] as bits, those of most variance first, each of unit variance."""
        self.mean.copy_(x.mean(0))
        axes, values = principal_axes(x - self.mean, self.entry.out_features)
        self.entry.weight.copy_((axes / values.sqrt().clamp_min(1e-6)).T)
        self.entry.bias.zero_()
        corners = self._corner(self._on_sphere(x[None]) > 0).flatten(2)[0]
        self.exit.weight.copy_(torch.linalg.lstsq(corners, x - self.mean).solution.T)
