"""Causal STFT and its inverse as matrix products, and the power law that networks see.

The transform is a fixed matrix, so that the exported graph holds no complex numbers and no FFT operator. Analysis and
synthesis use the same sine window at 50 % overlap, which reconstructs perfectly (Princen-Bradley, 1986).
"""

import math

import torch
from torch import Tensor, nn

COMPRESSION = 0.4  # network input: magnitudes to this power; the inverse expands by 1 / 0.4
FLOOR = 1e-5  # magnitude under which compression turns linear, so that digital silence has a gradient


def _sine_window(size: int) -> Tensor:
    return torch.sin(math.pi * (torch.arange(size, dtype=torch.float64) + 0.5) / size)


def _fourier(size: int) -> Tensor:
    """Real DFT as [size, 2 * bins]: cosines, then negative sines; scaled so that speech has magnitudes around one."""
    time = torch.arange(size, dtype=torch.float64)[:, None]
    bins = torch.arange(size // 2 + 1, dtype=torch.float64)[None, :]
    angle = 2 * math.pi * ((time * bins) % size) / size
    return torch.cat([torch.cos(angle), -torch.sin(angle)], dim=1) / size**0.5


def compress(spectrum: Tensor) -> Tensor:
    """[..., 2 * bins] to the power COMPRESSION in magnitude, phase kept."""
    # In units of FLOOR: the exporter takes an added 1e-10 for zero and drops it, and then silence is 0 * infinity.
    real, imag = (spectrum / FLOOR).chunk(2, dim=-1)
    gain = FLOOR**COMPRESSION * (real * real + imag * imag + 1).pow((COMPRESSION - 1) / 2)
    return torch.cat([real * gain, imag * gain], dim=-1)


def expand(spectrum: Tensor) -> Tensor:
    """Inverse of `compress` up to FLOOR."""
    real, imag = spectrum.chunk(2, dim=-1)
    gain = (real * real + imag * imag + 1e-12).pow((1 / COMPRESSION - 1) / 2)
    return torch.cat([real * gain, imag * gain], dim=-1)


class CausalSTFT(nn.Module):
    """Samples [batch, frames * hop] to spectra [batch, frames, 2 * bins]. State: the last hop samples, [batch, hop]."""

    matrix: Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        matrix = _sine_window(2 * hop)[:, None] * _fourier(2 * hop)
        self.register_buffer("matrix", matrix.float(), persistent=False)

    def initial_state(self, batch: int) -> Tensor:
        return self.matrix.new_zeros(batch, self.hop)

    def step(self, samples: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        hops = torch.cat([state, samples], dim=1).unflatten(1, (-1, self.hop))  # [B, 1 + T, hop]
        windows = torch.cat([hops[:, :-1], hops[:, 1:]], dim=2)  # [B, T, 2 hop]
        return windows @ self.matrix, hops[:, -1]


class CausalISTFT(nn.Module):
    """Spectra [batch, frames, 2 * bins] to samples [batch, frames * hop], one hop late.

    State: the second half of the last windowed frame, [batch, hop].
    """

    matrix: Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        # Bins between DC and Nyquist stand for two conjugate halves each.
        weight = torch.full((hop + 1,), 2.0, dtype=torch.float64)
        weight[0] = weight[-1] = 1.0
        forward = _fourier(2 * hop) * torch.cat([weight, weight])[None, :]
        matrix = forward.T * _sine_window(2 * hop)[None, :]
        self.register_buffer("matrix", matrix.float(), persistent=False)

    def initial_state(self, batch: int) -> Tensor:
        return self.matrix.new_zeros(batch, self.hop)

    def step(self, spectra: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        head, tail = (spectra @ self.matrix).chunk(2, dim=2)  # [B, T, hop] each
        overlap = torch.cat([state[:, None], tail], dim=1)  # [B, 1 + T, hop]
        return (head + overlap[:, :-1]).flatten(1), overlap[:, -1]
