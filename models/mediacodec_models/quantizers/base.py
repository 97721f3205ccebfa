"""What every quantizer offers, so that the codec, its training, its export and its tests know none of them by name.

A quantizer turns a latent [batch, frames, dim] into codes [batch, codebooks, frames / stride] and back. Each code may
also be "no code", `codebook_size`, one past the last entry: then its codebook adds nothing to the latent, which is how
lower rates are made. `num_kept` counts the codebooks that stay, from the first.
"""

import torch
from torch import Tensor, nn

AVERAGES = ("sums", "usage")  # buffers that follow from the batches seen: training needs them, a model does not


class Quantizer(nn.Module):
    """Base of all, for a latent of `dim`; subclasses write `forward`, `encode`, `decode` and `initialise`."""

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__()
        if codebook_size < 2 or num_codebooks < 1:
            raise ValueError(f"{num_codebooks} codebooks of {codebook_size} entries code nothing")
        self.num_codebooks, self.codebook_size, self.dim = num_codebooks, codebook_size, dim
        self.stride = self.stride_for(num_codebooks)

    @staticmethod
    def stride_for(num_codebooks: int) -> int:  # noqa: ARG004 - most need not know
        """Frames of the latent that share one frame of codes."""
        return 1

    def forward(self, x: Tensor, num_kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantize [batch, frames, dim], keeping the first num_kept[b] codebooks of sample b.

        Returns the quantized latent, through which gradients reach x, the commitment loss (a number), and all codes,
        those of dropped codebooks too. In training mode codebooks that are moving averages move.
        """
        raise NotImplementedError

    def encode(self, x: Tensor) -> Tensor:
        """[batch, frames, dim] to codes [batch, codebooks, frames / stride]."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [batch, codebooks, frames / stride] to the latent [batch, frames, dim]; fewer codebooks are fine."""
        raise NotImplementedError

    def initialise(self, x: Tensor) -> None:
        """Fit to the latents [n, dim]: consecutive frames, n a multiple of the stride."""
        raise NotImplementedError

    def restart(self, x: Tensor) -> int:  # noqa: ARG002 - the contract
        """Move entries that are hardly used onto the latents [n, dim]; returns how many moved."""
        return 0

    def weights(self) -> dict[str, Tensor]:
        """All that decides codes and latents, by name: what a model ships."""
        return {k: v for k, v in self.state_dict().items() if k.rpartition(".")[2] not in AVERAGES}

    def dropped(self, codes: Tensor, num_kept: Tensor) -> Tensor:
        """Codes of which only the first num_kept[b] of sample b stay; the others become no code."""
        keep = num_kept[:, None, None] > torch.arange(codes.shape[1], device=codes.device)[None, :, None]
        return codes.masked_fill(~keep, self.codebook_size)


def looked_up(codes: Tensor, book: Tensor) -> Tensor:
    """Rows of book [size, dim] for codes [...]; zeros where there is no code."""
    size = book.shape[0]
    return book[codes.clamp_max(size - 1)] * (codes < size).unsqueeze(-1)


def nearest(x: Tensor, book: Tensor) -> Tensor:
    """Index of the entry of book [size, dim] nearest to each of x [..., dim]."""
    return (2 * x @ book.T - book.square().sum(1)).argmax(-1)
