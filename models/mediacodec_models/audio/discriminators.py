"""Networks that tell decoded audio from real audio, for the adversarial stage of training.

One discriminator a resolution of the complex short-time spectrum, after EnCodec (Défossez et al. 2022): what is wrong
in a few bins of a few frames is told there, and the features on the way are a distance of their own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.2  # of leaky ReLU
FLOOR = 1e-4  # magnitude under which the square root of magnitudes turns linear
DILATIONS = (1, 2, 4)  # in frames, of the layers that halve the number of bins


@dataclass(frozen=True)
class Verdict:
    """What a discriminator says of a batch: logits [batch, frames, bins'], above 0 for real, and hidden features."""

    logits: Tensor
    features: list[Tensor]


class SpectrumDiscriminator(nn.Module):
    """Looks at spectra of `window` samples every quarter of it."""

    hann: Tensor

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("hann", torch.hann_window(window), persistent=False)
        layers = [nn.Conv2d(2, channels, (3, 9), padding=(1, 4))]
        layers += [
            nn.Conv2d(channels, channels, (3, 9), stride=(1, 2), dilation=(d, 1), padding=(d, 4)) for d in DILATIONS
        ]
        layers.append(nn.Conv2d(channels, channels, 3, padding=1))
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)
        self.head = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, samples: Tensor) -> Verdict:
        """[batch, samples], one window at least."""
        x, features = self._spectrum(samples), []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return Verdict(self.head(x).squeeze(1), features)

    def _spectrum(self, samples: Tensor) -> Tensor:
        """Real and imaginary parts, magnitudes to the power 0.5, [batch, 2, frames, bins]."""
        frames = samples.unfold(1, self.window, self.window // 4) * self.hann
        parts = torch.view_as_real(torch.fft.rfft(frames, norm="ortho")).permute(0, 3, 1, 2)
        return parts * (parts.square().sum(1, keepdim=True) + FLOOR**2).pow(-0.25)


class Discriminators(nn.Module):
    """One for each resolution."""

    def __init__(self, windows: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(SpectrumDiscriminator(window, channels) for window in windows)

    def forward(self, samples: Tensor) -> list[Verdict]:
        return [part(samples) for part in self.parts]


def discriminator_loss(real: list[Verdict], fake: list[Verdict]) -> Tensor:
    """Hinge loss of telling one from the other (Lim and Ye 2017), mean over resolutions: 2 where nothing is told."""
    pairs = zip(real, fake, strict=True)
    return torch.stack([F.relu(1 - r.logits).mean() + F.relu(1 + f.logits).mean() for r, f in pairs]).mean()


def generator_losses(real: list[Verdict], fake: list[Verdict]) -> tuple[Tensor, Tensor]:
    """(adversarial, feature): how far the fake ones are from passing for real, and the distance of features (Larsen et
    al. 2016) relative to the size of the real ones; means over resolutions and layers."""
    passing = torch.stack([F.relu(1 - verdict.logits).mean() for verdict in fake]).mean()
    distances = [
        (theirs - ours.detach()).abs().mean() / ours.detach().abs().mean()
        for r, f in zip(real, fake, strict=True)
        for ours, theirs in zip(r.features, f.features, strict=True)
    ]
    return passing, torch.stack(distances).mean()
