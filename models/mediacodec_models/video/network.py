"""The conditional video codec: one latent a frame, coded given the motion-compensated last one.

After DCVC-FM and DCVC-RT (Li et al., CVPR 2024; Jia et al., CVPR 2025): propagated features, a hyperprior, a two-step
checkerboard prior, gains for variable rate. Unlike them it moves blocks explicitly and starts as a DCT codec: every
network here is a correction that begins at zero, in units of the quantization step.

Shapes: a frame of [h, w], both multiples of 16, has its features at 1/8, its latent at 1/16, its hyper-latent at 1/32
(rounded up). Symbols are latent coefficients minus what context and the first pass predict, in quantization steps. The
step of a coefficient is its frame's (`ConditionalCodec.step`) times what adaptive quantization makes of it in its
block, `step_factors`, [b, 1, h/16, w/16].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec_models.video.layers import KNOTS, LEVELS, DepthBlock, QualityGain, Trunk, silent
from mediacodec_models.video.prior import IntegerPrior
from mediacodec_models.video.transform import (
    COEFFICIENTS,
    LUMA_KEPT,
    PACKED,
    UNIT,
    Planes,
    pack,
    transform_matrix,
    unpack,
)

CHROMA_STEP = 2**-0.5  # of luma's: PSNR averaged over planes asks for more of chroma than its squared error does


@dataclass(frozen=True, kw_only=True)
class ConditionalConfig:
    """Sizes of one network.

    Attributes:
        inter: conditioned on a prediction; without, it codes keyframes.
        width: channels at 1/8.
        deep: channels at 1/16.
        context_blocks, encoder_blocks, decoder_blocks: depth of the trunks.
        features: channels that are propagated.
        hyper: channels of the hyper-latent.
        memory: channels that the prior remembers.
        prior: channels inside the prior.
    """

    inter: bool
    width: int = 96
    deep: int = 128
    context_blocks: int = 2
    encoder_blocks: int = 2
    decoder_blocks: int = 4
    features: int = 32
    hyper: int = 16
    memory: int = 64
    prior: int = 96


def step_size(quality: Tensor) -> Tensor:
    """The quantization step in grey levels at quality levels (crf) 0..63: 1 to 235, doubling every 8."""
    return torch.exp2(quality.float() / 8)


def at_level(base: Tensor, offset: int) -> Tensor:
    """Quality levels, int64, moved by an offset and kept in 0..63."""
    return (base + offset).clamp(0, LEVELS - 1)


class ConditionalCodec(nn.Module):
    """Encoder and decoder of one kind of frame (key or inter).

    Names of parameters stand in the hash of a model's weights, so they stay: `shift_*` computes the conditional mean.
    """

    def __init__(self, config: ConditionalConfig) -> None:
        super().__init__()
        self.config = c = config
        context = c.width if c.inter else 0
        predicted = PACKED if c.inter else 0
        matrix = transform_matrix()[:, :, None, None]
        self.forward_transform = nn.Parameter(matrix.clone())
        self.inverse_transform = nn.Parameter(matrix.transpose(0, 1).clone())
        relative = torch.ones(KNOTS, COEFFICIENTS)
        relative[:, LUMA_KEPT:] = CHROMA_STEP
        self.relative_step = nn.Parameter(relative.log())
        if c.inter:
            self.context_trunk = Trunk(PACKED + c.features, c.width, c.context_blocks)
            self.context_down = nn.Conv2d(4 * c.width, c.deep, 1)
            self.mean_block = DepthBlock(c.deep)
            self.mean_out = silent(c.deep, COEFFICIENTS)
            self.features_out = nn.Conv2d(c.width, c.features, 1)
        self.encoder_trunk = Trunk(PACKED + predicted + context, c.width, c.encoder_blocks)
        self.encoder_down = nn.Conv2d(4 * c.width, c.deep, 1)
        self.encoder_block = DepthBlock(c.deep)
        self.encoder_out = silent(c.deep, COEFFICIENTS)
        self.hyper_enter = nn.Conv2d(COEFFICIENTS + c.memory, c.deep, 1)
        self.hyper_down = nn.Conv2d(4 * c.deep, c.deep, 1)
        self.hyper_gain = QualityGain(c.hyper)
        self.hyper_out = nn.Conv2d(c.deep, c.hyper, 1)
        self.hyper_scale = nn.Parameter(torch.zeros(c.hyper))
        self.prior = IntegerPrior(c.hyper, c.memory, c.prior)
        self.shift_enter = nn.Conv2d(COEFFICIENTS, c.deep, 1)
        self.shift_near = nn.Conv2d(c.deep, c.deep, 3, padding=1, groups=c.deep)
        self.shift_mix = nn.Conv2d(c.deep + (c.deep if c.inter else 0), c.deep, 1)
        self.shift_gain = QualityGain(c.deep)
        self.shift_straight = nn.Conv2d(COEFFICIENTS, COEFFICIENTS, 3, padding=1, groups=COEFFICIENTS, bias=False)
        nn.init.zeros_(self.shift_straight.weight)
        self.shift_out = silent(c.deep, COEFFICIENTS)
        self.decoder_trunk = Trunk(PACKED + predicted + context, c.width, c.decoder_blocks)
        self.decoder_out = silent(c.width, PACKED)

    def step(self, quality: Tensor) -> Tensor:
        """The step of every coefficient, [b, COEFFICIENTS, 1, 1], in network units."""
        at = quality.float() * (KNOTS - 1) / 63
        low = at.floor().long().clamp(max=KNOTS - 2)
        part = (at - low)[:, None]
        relative = self.relative_step[low] * (1 - part) + self.relative_step[low + 1] * part
        return (relative.exp() * step_size(quality)[:, None] / UNIT)[:, :, None, None]

    # -- what both ends compute -------------------------------------------------------------------------------------

    def extract_context(self, predicted: Planes, features: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Prediction planes and the last features (moved along) -> context at 1/8, context at 1/16."""
        x = self.context_trunk(torch.cat([pack(*predicted), features], dim=1), quality)
        deep = self.mean_block(F.relu(self.context_down(F.pixel_unshuffle(x, 2))))
        return x, deep

    def context_mean(self, predicted: Planes, deep: Tensor, quality: Tensor) -> Tensor:
        """What the context predicts of the latent, in steps."""
        return self._transformed(pack(*predicted)) / self.step(quality) + self.mean_out(deep)

    def conditional_mean(self, symbols: Tensor, step_factors: Tensor, deep: Tensor | None, quality: Tensor) -> Tensor:
        """What the symbols of the first pass predict of the second's, in the block's own steps."""
        known = symbols * step_factors
        near = self.shift_near(self.shift_enter(known * self.step(quality)))
        near = near if deep is None else torch.cat([near, deep], dim=1)
        mixed = F.relu(self.shift_mix(near)) * self.shift_gain(quality)
        return (self.shift_straight(known) + self.shift_out(mixed)) / step_factors

    def synthesise(
        self, latent: Tensor, step_factors: Tensor, predicted: Planes | None, context: Tensor | None, quality: Tensor
    ) -> tuple[Planes, Tensor | None]:
        """The latent in the frame's steps -> planes, not clamped, and features for the next frame."""
        coarse = F.conv2d(latent * self.step(quality), self.inverse_transform)
        coarse = F.pixel_shuffle(coarse, 2)
        inputs = [coarse]
        if predicted is not None and context is not None:
            inputs += [coarse - pack(*predicted), context]
        x = self.decoder_trunk(torch.cat(inputs, dim=1), quality)
        scale = (step_size(quality) / UNIT)[:, None, None, None] * spread(step_factors)
        features = self.features_out(x).clamp(-4, 4) if self.config.inter else None
        return unpack(coarse + self.decoder_out(x) * scale), features

    # -- what only the encoder computes -----------------------------------------------------------------------------

    def analyse(
        self, current: Planes, predicted: Planes | None, context: Tensor | None, mean: Tensor | None, quality: Tensor
    ) -> Tensor:
        """The latent minus its mean, in the frame's steps."""
        packed = pack(*current)
        inputs, base = [packed], packed
        if predicted is not None and context is not None:
            inputs += [packed - pack(*predicted), context]
        x = self.encoder_trunk(torch.cat(inputs, dim=1), quality)
        x = self.encoder_block(F.relu(self.encoder_down(F.pixel_unshuffle(x, 2))))
        latent = self._transformed(base) / self.step(quality) + self.encoder_out(x)
        return latent if mean is None else latent - mean

    def analyse_hyper(self, latent: Tensor, memory: Tensor, quality: Tensor) -> Tensor:
        """The hyper-latent of a latent minus its mean in the blocks' steps, not rounded, at 1/32."""
        compressed = torch.log1p(latent.abs())
        x = F.relu(self.hyper_enter(torch.cat([compressed, memory / 64], dim=1)))
        odd_rows, odd_columns = x.shape[2] % 2, x.shape[3] % 2
        x = F.pad(x, (0, odd_columns, 0, odd_rows), mode="replicate")
        x = F.relu(self.hyper_down(F.pixel_unshuffle(x, 2)))
        return self.hyper_out(x) * self.hyper_gain(quality)

    def _transformed(self, packed: Tensor) -> Tensor:
        return F.conv2d(F.pixel_unshuffle(packed, 2), self.forward_transform)


def spread(blocks: Tensor) -> Tensor:
    """What belongs to 16x16 blocks, for the cells of 8x8."""
    return blocks.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
