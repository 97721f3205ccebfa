"""Cross-scale residual vector quantization: coarse to fine, each scale codes what the one below does not foretell.

Gu and Diao, "ESC: Efficient Speech Coding with Cross-Scale Residual Vector Quantized Transformers", 2024. There scales
are the resolutions of a U-Net's spectra; here they are projections of one latent onto more and more channels, so that
the quantizer fits any backbone: codebook k of n sees (k + 1) / n of them.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mediacodec_models.quantizers.base import looked_up
from mediacodec_models.quantizers.moving import MovingCodebooks
from mediacodec_models.quantizers.start import principal_axes


class CrossScaleVQ(MovingCodebooks):
    """`num_codebooks` scales of `codebook_size` vectors; the last scale has all `dim` channels.

    merges: the latent as seen at each scale; splits: what a scale foretells of the next; exit: back to the latent.
    """

    mean: Tensor
    views: Tensor

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__(num_codebooks, codebook_size, dim)
        self.merges = nn.Parameter(torch.eye(dim).repeat(num_codebooks, 1, 1))
        self.splits = nn.Parameter(torch.eye(dim).repeat(num_codebooks, 1, 1))
        self.exit = nn.Parameter(torch.eye(dim))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("views", torch.zeros(num_codebooks, dim), persistent=False)
        for scale in range(num_codebooks):
            self.views[scale, : -(-dim * (scale + 1) // num_codebooks)] = 1

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss pulls what is left at each scale to its entry, and splits to what they should have foretold."""
        centred, made = x - self.mean, torch.zeros_like(x)
        loss, codes = x.new_zeros(()), []
        for scale in range(self.num_codebooks):
            target, foretold = self._target(centred, scale), self._foretold(made, scale)
            residual = target - foretold
            index = self._nearest(residual.detach(), scale)
            keep = (num_kept > scale).to(x.dtype)[:, None, None]
            chosen = self.codebooks[scale][index]
            if self.training:
                self._move(residual.detach()[num_kept > scale], index[num_kept > scale], scale)
            missed = target.detach() - self._foretold(made.detach(), scale)
            loss = loss + (((residual - chosen).square() + missed.square()) * keep).mean()
            made = foretold + (residual + (chosen - residual).detach()) * keep
            codes.append(index)
        return made @ self.exit + self.mean, loss / self.num_codebooks, torch.stack(codes, dim=1)

    def encode(self, x: Tensor) -> Tensor:
        codes: list[Tensor] = []
        self.walk(x, lambda residual, scale: codes.append(self._nearest(residual, scale)))
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        made = self.mean.new_zeros(codes.shape[0], codes.shape[2], self.mean.shape[0])
        for scale in range(self.num_codebooks):
            made = self._foretold(made, scale)
            if scale < codes.shape[1]:
                made = made + looked_up(codes[:, scale], self.codebooks[scale])
        return made @ self.exit + self.mean

    def walk(self, x: Tensor, visit: Callable[[Tensor, int], None]) -> None:
        centred, made = x - self.mean, torch.zeros_like(x)
        for scale in range(self.num_codebooks):
            foretold = self._foretold(made, scale)
            residual = self._target(centred, scale) - foretold
            visit(residual, scale)
            made = foretold + self.codebooks[scale][self._nearest(residual, scale)]

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Scales are principal axes, those of most variance in all of them; then k-means."""
        self.mean.copy_(x.mean(0))
        axes, _ = principal_axes(x - self.mean, x.shape[1])
        self.merges.data[:] = axes
        self.splits.data[:] = torch.eye(x.shape[1])
        self.exit.data.copy_(axes.T)
        super().initialise(x)

    def _target(self, centred: Tensor, scale: int) -> Tensor:
        return centred @ self.merges[scale] * self.views[scale]

    def _foretold(self, made: Tensor, scale: int) -> Tensor:
        return made @ self.splits[scale] * self.views[scale]
