"""Finite scalar quantization: a latent of a few dimensions, each rounded to a few levels; no codebook is learnt.

Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2023. Grouped, as here with several codebooks, it is
the quantizer of the Low Frame-rate Speech Codec (Casanova et al., 2024): each codebook rounds dimensions of its own.
"""

import torch
from torch import Tensor, nn

from mediacodec_models.quantizers.base import Quantizer
from mediacodec_models.quantizers.start import principal_axes

# The products nearest to powers of two that the paper recommends, no dimension under five levels
LEVELS = {
    240: (8, 6, 5),
    1000: (8, 5, 5, 5),
    4375: (7, 5, 5, 5, 5),
    15360: (8, 8, 8, 6, 5),
    64000: (8, 8, 8, 5, 5, 5),
}
SLOPE = 0.8  # tanh(0.8 z) is nearly the distribution function of a standard normal: all levels equally likely


class FiniteScalar(Quantizer):
    """`num_codebooks` groups of scalars; a codebook's entries are the points of its grid, `codebook_size` of them."""

    mean: Tensor
    levels: Tensor
    places: Tensor

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__(num_codebooks, codebook_size, dim)
        if codebook_size not in LEVELS:
            raise ValueError(f"codebook_size {codebook_size} is no product of levels; there are {sorted(LEVELS)}")
        levels = torch.tensor(LEVELS[codebook_size])
        if num_codebooks * len(levels) > dim:
            raise ValueError(f"{num_codebooks} codebooks of {len(levels)} scalars are more than {dim} dimensions")
        self.entry = nn.Linear(dim, num_codebooks * len(levels))
        self.exit = nn.Linear(num_codebooks * len(levels), dim, bias=False)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("places", torch.cumprod(torch.cat([levels.new_ones(1), levels[:-1]]), 0), persistent=False)

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss spreads the scalars evenly and independently over their levels; a grid has nothing to commit to."""
        bounded = self._bounded(x)
        rounded = bounded + (bounded.round() - bounded).detach()
        codes = self._codes(rounded)
        keep = self.dropped(codes, num_kept) < self.codebook_size  # [B, books, T]
        chosen = self._centred(rounded) * keep.transpose(1, 2)[..., None]
        return self.exit(chosen.flatten(2)) + self.mean, self._unevenness(bounded), codes

    def encode(self, x: Tensor) -> Tensor:
        return self._codes(self._bounded(x).round())

    def decode(self, codes: Tensor) -> Tensor:
        codes = codes.transpose(1, 2)[..., None]
        digits = codes // self.places % self.levels  # [B, T, books, scalars]
        chosen = (self._centred(digits.to(self.mean.dtype)) * (codes < self.codebook_size)).flatten(2)
        return chosen @ self.exit.weight[:, : chosen.shape[2]].T + self.mean

    def _bounded(self, x: Tensor) -> Tensor:
        """[B, T, books, scalars] in the open interval that rounds to 0..levels - 1."""
        z = self.entry(x - self.mean).unflatten(2, (self.num_codebooks, -1))
        return (torch.tanh(SLOPE * z) + 1) * (self.levels / 2) * 0.9999 - 0.5

    def _unevenness(self, bounded: Tensor) -> Tensor:
        """Distance of the scalars' moments from those of independent uniform ones in -1..1."""
        u = self._centred(bounded).flatten(2).flatten(0, 1)  # [n, scalars]
        second = u.T @ u / len(u)
        return (second - torch.eye(len(second), device=u.device) / 3).square().sum() + u.mean(0).square().sum()

    def _centred(self, digits: Tensor) -> Tensor:
        """Levels as numbers in -1..1."""
        return (2 * digits + 1) / self.levels - 1

    def _codes(self, rounded: Tensor) -> Tensor:
        return (rounded.long() * self.places).sum(-1).transpose(1, 2)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Take the latents' [n, dim] principal axes as scalars, those of most variance first, each of unit variance."""
        self.mean.copy_(x.mean(0))
        count = self.entry.out_features
        axes, values = principal_axes(x - self.mean, count)
        # in rows: a codebook's scalars lie together, and the first codebook gets the strongest
        self.entry.weight.copy_((axes / values.sqrt().clamp_min(1e-6)).T)
        self.entry.bias.zero_()
        centred = self._centred(self._bounded(x[None]).round()).flatten(2)[0]
        self.exit.weight.copy_(torch.linalg.lstsq(centred, x - self.mean).solution.T)
