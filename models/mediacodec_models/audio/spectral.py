"""A causal spectral codec: compressed complex STFT in, ConvNeXt, RVQ, ConvNeXt, compressed complex STFT out.

After Vocos (Siuzdak 2023) and the streaming ConvNeXt codecs that follow it. Two things decide whether it learns phase
at all: both ends work in a power-law compressed complex spectrum, and no layer norm stands before the head.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mediacodec_models.layers.convnext import ConvNeXtStack
from mediacodec_models.layers.module_list import ModuleList
from mediacodec_models.layers.spectrum import CausalISTFT, CausalSTFT, compress, expand
from mediacodec_models.quantizers import QUANTIZERS

State = list[Tensor]


@dataclass(frozen=True, kw_only=True)
class SpectralConfig:
    """Shape of the codec. Stages are (width, hidden, blocks); each encoder stage after the first halves the frame rate
    and each decoder stage after the first doubles it.

    ahead: blocks of the encoder's last and of the decoder's first stage that look one latent frame ahead each.
    """

    sample_rate: int = 16_000
    hop: int = 320
    encoder: tuple[tuple[int, int, int], ...] = ((256, 768, 6),)
    decoder: tuple[tuple[int, int, int], ...] = ((320, 960, 8),)
    latent: int = 64
    quantizer: str = "rvq"
    num_codebooks: int = 17
    codebook_size: int = 1024
    ahead: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if len(self.encoder) != len(self.decoder):
            raise ValueError(f"encoder has {len(self.encoder)} stages, decoder {len(self.decoder)}; they must agree")
        if not (0 <= self.ahead[0] <= self.encoder[-1][2] and 0 <= self.ahead[1] <= self.decoder[0][2]):
            raise ValueError(f"ahead {self.ahead} is more than the blocks at the latent's frame rate")
        if self.quantizer not in QUANTIZERS:
            raise ValueError(f"no quantizer {self.quantizer!r}; there are: {', '.join(QUANTIZERS)}")

    @property
    def latent_size(self) -> int:
        """Samples a frame of the latent."""
        return self.hop << (len(self.encoder) - 1)

    @property
    def frame_size(self) -> int:
        """Samples a frame of codes."""
        return self.latent_size * QUANTIZERS[self.quantizer].stride_for(self.num_codebooks)

    @property
    def delay(self) -> int:
        """Samples by which the output lags the input: the overlap of the synthesis window, and what is looked ahead."""
        return self.hop + sum(self.ahead) * self.latent_size


class Encoder(nn.Module):
    """Samples to latent, `step` by `step`; the state is a list of tensors."""

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__()
        self.stft = CausalSTFT(config.hop)
        depth = sum(blocks for _, _, blocks in config.encoder)
        joins, stacks, width_in = [], [], 2 * (config.hop + 1)
        for i, (width, hidden, blocks) in enumerate(config.encoder):
            joins.append(nn.Linear(width_in * (2 if i else 1), width))
            ahead = config.ahead[0] if i == len(config.encoder) - 1 else 0
            stacks.append(ConvNeXtStack(width, hidden, blocks, scale=1 / depth, ahead=ahead))
            width_in = width
        self.joins = nn.ModuleList(joins)
        self.stacks: ModuleList[ConvNeXtStack] = ModuleList(stacks)
        self.head = nn.Linear(width_in, config.latent)

    def initial_state(self, batch: int) -> State:
        return [self.stft.initial_state(batch), *(s for stack in self.stacks for s in stack.initial_state(batch))]

    def step(self, samples: Tensor, state: State) -> tuple[Tensor, State]:
        """[batch, frames * latent_size] -> [batch, frames, latent]."""
        x, first = self.stft.step(samples, state[0])
        x, after, used = compress(x), [first], 1
        for i, (join, stack) in enumerate(zip(self.joins, self.stacks, strict=True)):
            if i:
                x = x.unflatten(1, (-1, 2)).flatten(2)  # two frames side by side: the rate halves
            count = len(stack.blocks)
            x, new = stack.step(join(x), state[used : used + count])
            after, used = after + new, used + count
        return self.head(x), after


class Decoder(nn.Module):
    """Latent to samples, `step` by `step`; one hop late."""

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__()
        depth = sum(blocks for _, _, blocks in config.decoder)
        joins, stacks, width_in = [], [], config.latent
        for i, (width, hidden, blocks) in enumerate(config.decoder):
            joins.append(nn.Linear(width_in, width * (2 if i else 1)))
            ahead = 0 if i else config.ahead[1]
            stacks.append(ConvNeXtStack(width, hidden, blocks, scale=1 / depth, ahead=ahead))
            width_in = width
        self.joins = nn.ModuleList(joins)
        self.stacks: ModuleList[ConvNeXtStack] = ModuleList(stacks)
        self.head = nn.Linear(width_in, 2 * (config.hop + 1))
        self.istft = CausalISTFT(config.hop)

    def initial_state(self, batch: int) -> State:
        return [*(s for stack in self.stacks for s in stack.initial_state(batch)), self.istft.initial_state(batch)]

    def step(self, latent: Tensor, state: State) -> tuple[Tensor, State]:
        """[batch, frames, latent] -> [batch, frames * latent_size]."""
        after: State = []
        x, used = latent, 0
        for i, (join, stack) in enumerate(zip(self.joins, self.stacks, strict=True)):
            x = join(x)
            if i:
                x = x.unflatten(2, (2, -1)).flatten(1, 2)
            count = len(stack.blocks)
            x, new = stack.step(x, state[used : used + count])
            after, used = after + new, used + count
        samples, last = self.istft.step(expand(self.head(x)), state[-1])
        return samples, [*after, last]


class SpectralCodec(nn.Module):
    """Encoder, quantizer, decoder."""

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.quantizer = QUANTIZERS[config.quantizer](config.num_codebooks, config.codebook_size, config.latent)

    def forward(self, samples: Tensor, num_kept: Tensor | None) -> tuple[Tensor, Tensor]:
        """Whole segments [batch, samples] from a zero state; None bypasses the quantizer (warm-up).

        Returns the output aligned with the input, [batch, samples - delay], and the commitment loss.
        """
        latent, _ = self.encoder.step(samples, self.encoder.initial_state(len(samples)))
        commitment = samples.new_zeros(())
        if num_kept is not None:
            with torch.autocast(samples.device.type, enabled=False):
                latent, commitment, _ = self.quantizer(latent.float(), num_kept)
        output, _ = self.decoder.step(latent, self.decoder.initial_state(len(samples)))
        return output[:, self.config.delay :], commitment
