"""A causal spectral codec with scalar latents: compressed complex STFT in, ConvNeXt, rounding, ConvNeXt, and back.

Every frame of 20 ms becomes `latent` real numbers, of which a gain for each quality and channel makes integers: one
network for all rates, in which a channel that does not pay at a quality is always 0 and costs next to nothing. The
entropy model here is the one that the codec is trained with, real-valued and differentiable; the integers that ship
are in `context`. After Ballé et al. 2018 (rate as a loss, noise for rounding), Minnen et al. 2018 (context), the gains
of Cui et al. 2021 ("Asymmetric gained deep image compression") and RDO-VAE in Opus's DRED (Valin et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec_models.layers.module_list import ModuleList
from mediacodec_models.layers.quality import QualityStack, knot_weights
from mediacodec_models.layers.spectrum import CausalISTFT, CausalSTFT, compress, expand

State = list[Tensor]
LEAST_PROBABILITY = 2.0**-16  # of a symbol, while training
SCALE_RANGE = (-4.6, 6.0)  # logarithm of the scale of a logistic distribution, in quantization steps
PACKET_FRAMES = 50  # after which the context of the entropy model begins anew


@dataclass(frozen=True, kw_only=True)
class ScalarConfig:
    """Shape of the codec.

    Attributes:
        sample_rate, hop: Hz, samples a frame.
        encoder, decoder, context: (width, hidden width, blocks) of each network.
        latent: scalars a frame.
        groups: how many of them are coded together; each group sees those before it in the frame.
        group_hidden: width of the layer that predicts a group.
        knots: at which what depends on the quality is stored.
    """

    sample_rate: int = 16_000
    hop: int = 320
    encoder: tuple[int, int, int] = (352, 1056, 6)
    decoder: tuple[int, int, int] = (352, 1056, 8)
    context: tuple[int, int, int] = (192, 576, 3)
    latent: int = 192
    groups: tuple[int, ...] = (16, 16, 32, 128)
    group_hidden: int = 192
    knots: int = 8

    def __post_init__(self) -> None:
        if sum(self.groups) != self.latent:
            raise ValueError(f"groups {self.groups} are not {self.latent} latents in all")

    @property
    def delay(self) -> int:
        """Samples by which the output lags the input: the overlap of the synthesis window."""
        return self.hop


class Encoder(nn.Module):
    """Samples to latents, step by step."""

    def __init__(self, config: ScalarConfig) -> None:
        super().__init__()
        width = config.encoder[0]
        self.stft = CausalSTFT(config.hop)
        self.join = nn.Linear(2 * (config.hop + 1), width)
        self.stack = QualityStack(*config.encoder, knots=config.knots)
        self.head = nn.Linear(width, config.latent)

    def initial_state(self, batch: int) -> State:
        return [self.stft.initial_state(batch), *self.stack.initial_state(batch)]

    def step(self, samples: Tensor, state: State, knots: Tensor) -> tuple[Tensor, State]:
        """[batch, frames * hop], and weights [batch, knots] -> [batch, frames, latent]."""
        spectra, first = self.stft.step(samples, state[0])
        x, after = self.stack(self.join(compress(spectra)), state[1:], knots)
        return self.head(x), [first, *after]


class Decoder(nn.Module):
    """Latents to samples, step by step; one hop late."""

    def __init__(self, config: ScalarConfig) -> None:
        super().__init__()
        width = config.decoder[0]
        self.join = nn.Linear(config.latent, width)
        self.stack = QualityStack(*config.decoder, knots=config.knots)
        self.head = nn.Linear(width, 2 * (config.hop + 1))
        self.istft = CausalISTFT(config.hop)

    def initial_state(self, batch: int) -> State:
        return [*self.stack.initial_state(batch), self.istft.initial_state(batch)]

    def step(self, latent: Tensor, state: State, knots: Tensor) -> tuple[Tensor, State]:
        """[batch, frames, latent], and weights [batch, knots] -> [batch, frames * hop]."""
        x, after = self.stack(self.join(latent), state[:-1], knots)
        with torch.autocast(latent.device.type, enabled=False):  # overlap-add in half precision is audible
            samples, last = self.istft.step(expand(self.head(x).float()), state[-1])
        return samples, [*after, last]


class EntropyModel(nn.Module):
    """Bits of symbols, from the frames before in a packet and the groups before in a frame.

    A logistic distribution with a mean and a scale for each symbol. Means are predicted in units of the latent, so that
    they mean the same at every quality.
    """

    def __init__(self, config: ScalarConfig) -> None:
        super().__init__()
        width, hidden = config.context[0], config.group_hidden
        self.groups = config.groups
        self.join = nn.Linear(config.latent, width)
        self.stack = QualityStack(*config.context, knots=config.knots)
        before = [sum(config.groups[:i]) for i in range(len(config.groups))]
        self.hidden = nn.ModuleList(nn.Linear(width + n, hidden) for n in before)
        self.heads: ModuleList[nn.Linear] = ModuleList(nn.Linear(hidden, 2 * size) for size in config.groups)
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def bits(self, symbols: Tensor, latent: Tensor, knots: Tensor, log_gain: Tensor) -> Tensor:
        """Bits of each symbol.

        Args:
            symbols: [batch, frames, latent], rounded or with noise in place of rounding.
            latent: what the decoder gets of them, likewise, in units of the latent: the context.
            knots: interpolation weights [batch, knots].
            log_gain: logarithm of the gain of each channel, [batch, latent].

        Returns:
            [batch, frames, latent].
        """
        before = F.pad(latent, (0, 0, 1, 0))[:, :-1]
        trunk, _ = self.stack(self.join(before), self.stack.initial_state(len(latent)), knots)
        means, scales, used = [], [], 0
        for size, layer, head in zip(self.groups, self.hidden, self.heads, strict=True):
            seen = torch.cat([trunk, latent[..., :used].to(trunk.dtype)], -1) if used else trunk
            mean, scale = head(F.gelu(layer(seen))).float().chunk(2, -1)
            means.append(mean)
            scales.append(scale)
            used += size
        gain = log_gain.exp()[:, None]
        log_scale = (torch.cat(scales, -1) + log_gain[:, None] - 0.7).clamp(*SCALE_RANGE)
        return logistic_bits(symbols - torch.cat(means, -1) * gain, log_scale)


def logistic_bits(distance: Tensor, log_scale: Tensor) -> Tensor:
    """-log2 of the mass of a logistic distribution within half a step of `distance` from its mean."""
    inverse = torch.exp(-log_scale)
    upper, lower = (distance.abs() + 0.5) * -inverse, (distance.abs() - 0.5) * -inverse  # on the side that is exact
    return -torch.log2((torch.sigmoid(lower) - torch.sigmoid(upper)).clamp_min(LEAST_PROBABILITY))


@dataclass(frozen=True)
class CodedSegments:
    """What `ScalarCodec.forward` gives.

    Attributes:
        samples: [batch, n], aligned with the input, the decoder's delay taken off.
        bits: [batch, frames, latent].
        latent: what the decoder was given, [batch, frames, latent].
    """

    samples: Tensor
    bits: Tensor
    latent: Tensor


class ScalarCodec(nn.Module):
    """Encoder, gains, entropy model, decoder."""

    def __init__(self, config: ScalarConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.entropy = EntropyModel(config)
        start = torch.linspace(0.0, 1.8, config.knots)  # logarithms: coarse steps at low qualities, finer ones above
        self.log_gain = nn.Parameter(start[:, None].repeat(1, config.latent))

    def forward(self, samples: Tensor, quality: Tensor, *, noisy: bool) -> CodedSegments:
        """Code whole segments.

        Args:
            samples: [batch, frames * hop].
            quality: [batch] in 0..1.
            noisy: whether bits are counted of noise in place of rounding, which has a gradient (Ballé et al. 2018);
                the decoder gets rounded latents, through which gradients pass straight.
        """
        batch, autocasts = len(samples), torch.is_autocast_enabled(samples.device.type)
        knots = knot_weights(quality, self.config.knots)
        log_gain = knots.float() @ self.log_gain
        gain = log_gain.exp()[:, None]
        latent = self.encoder.step(samples, self.encoder.initial_state(batch), knots)[0].float()
        exact = latent * gain
        rounded = exact + (exact.round() - exact).detach()
        with torch.autocast(samples.device.type, torch.bfloat16, enabled=autocasts):
            counted = exact + torch.rand_like(exact) - 0.5 if noisy else rounded
            bits = self.packet_bits(counted, rounded / gain, knots, log_gain)
            output, _ = self.decoder.step(rounded / gain, self.decoder.initial_state(batch), knots)
        return CodedSegments(output[:, self.config.delay :].float(), bits, rounded / gain)

    def packet_bits(self, symbols: Tensor, latent: Tensor, knots: Tensor, log_gain: Tensor) -> Tensor:
        """As `EntropyModel.bits`, in packets of PACKET_FRAMES where the segment is whole ones; else in one packet."""
        frames = symbols.shape[1]
        if frames <= PACKET_FRAMES or frames % PACKET_FRAMES:
            return self.entropy.bits(symbols, latent, knots, log_gain)
        packets = frames // PACKET_FRAMES
        parts = [x.unflatten(1, (packets, PACKET_FRAMES)).flatten(0, 1) for x in (symbols, latent)]
        repeated = [x.repeat_interleave(packets, 0) for x in (knots, log_gain)]
        return self.entropy.bits(*parts, *repeated).unflatten(0, (-1, packets)).flatten(1, 2)
