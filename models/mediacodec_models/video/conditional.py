"""The conditional video codec: one latent a picture, coded given the motion-compensated last one.

After DCVC-FM and DCVC-RT (Li et al., CVPR 2024; Jia et al., CVPR 2025): propagated features, a hyperprior, a two-step
checkerboard prior, gains for variable rate. Unlike them it moves blocks explicitly and starts as a DCT codec: every
network here is a correction that begins at zero, in units of the quantization step.

Shapes: a picture of [h, w], both multiples of 16, has its features at 1/8, its latent at 1/16, its hyper-latent at 1/32
(rounded up). Symbols are latent coefficients minus what context and the first pass predict, in quantization steps. The
step of a coefficient is its picture's (`ConditionalCodec.step`) times that of its block, `local`, [b, 1, h/16, w/16].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec.codecs.conditional.frame_coder import STILL
from mediacodec_models.video.integer import round_through
from mediacodec_models.video.layers import KNOTS, LEVELS, DepthBlock, QualityGain, Trunk, silent
from mediacodec_models.video.prior import HYPER_LIMIT, IntegerPrior
from mediacodec_models.video.quantise import RATE_WEIGHT, bits, quantise
from mediacodec_models.video.transform import (
    COEFFICIENTS,
    LUMA_KEPT,
    PACKED,
    UNIT,
    pack,
    transform_matrix,
    unpack,
)

Planes = tuple[Tensor, Tensor, Tensor]
CHROMA_STEP = 2**-0.5  # of luma's: PSNR averaged over planes asks for more of chroma than its squared error does


@dataclass(frozen=True, kw_only=True)
class ConditionalConfig:
    """Sizes of one network. inter: conditioned on a prediction; without, it codes keyframes."""

    inter: bool
    width: int = 96  # channels at 1/8
    deep: int = 128  # channels at 1/16
    context_blocks: int = 2
    encoder_blocks: int = 2
    decoder_blocks: int = 4
    features: int = 32
    hyper: int = 16
    memory: int = 64
    prior: int = 96


@dataclass
class Reference:
    """What one picture leaves to the next: planes in whole levels, features at 1/8, the prior's memory at 1/16."""

    planes: Planes
    features: Tensor
    memory: Tensor


def step_size(quality: Tensor) -> Tensor:
    """The quantization step in grey levels at quality levels (crf) 0..63: 1 to 235, doubling every 8."""
    return torch.exp2(quality.float() / 8)


def at_level(base: Tensor, offset: int) -> Tensor:
    """Quality levels, int64, moved by an offset and kept in 0..63."""
    return (base + offset).clamp(0, LEVELS - 1)


class ConditionalCodec(nn.Module):
    """Encoder and decoder of one kind of picture (key or predicted)."""

    def __init__(self, config: ConditionalConfig) -> None:
        super().__init__()
        self.config = c = config
        known = c.width if c.inter else 0
        seen = PACKED if c.inter else 0
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
        self.encoder_trunk = Trunk(PACKED + seen + known, c.width, c.encoder_blocks)
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
        self.decoder_trunk = Trunk(PACKED + seen + known, c.width, c.decoder_blocks)
        self.decoder_out = silent(c.width, PACKED)

    def step(self, quality: Tensor) -> Tensor:
        """The step of every coefficient, [b, COEFFICIENTS, 1, 1], in network units."""
        at = quality.float() * (KNOTS - 1) / 63
        low = at.floor().long().clamp(max=KNOTS - 2)
        part = (at - low)[:, None]
        relative = self.relative_step[low] * (1 - part) + self.relative_step[low + 1] * part
        return (relative.exp() * step_size(quality)[:, None] / UNIT)[:, :, None, None]

    # -- what both ends compute -------------------------------------------------------------------------------------

    def context(self, predicted: Planes, features: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Prediction planes and the last features (moved along) -> context at 1/8, context at 1/16."""
        x = self.context_trunk(torch.cat([pack(*predicted), features], dim=1), quality)
        deep = self.mean_block(F.relu(self.context_down(F.pixel_unshuffle(x, 2))))
        return x, deep

    def mean(self, predicted: Planes, deep: Tensor, quality: Tensor) -> Tensor:
        """What the context predicts of the latent, in steps."""
        return self._transformed(pack(*predicted)) / self.step(quality) + self.mean_out(deep)

    def shift(self, symbols: Tensor, local: Tensor, deep: Tensor | None, quality: Tensor) -> Tensor:
        """What the symbols of the first pass predict of the second's, in the block's own steps."""
        known = symbols * local
        near = self.shift_near(self.shift_enter(known * self.step(quality)))
        near = near if deep is None else torch.cat([near, deep], dim=1)
        mixed = F.relu(self.shift_mix(near)) * self.shift_gain(quality)
        return (self.shift_straight(known) + self.shift_out(mixed)) / local

    def synthesise(
        self, latent: Tensor, local: Tensor, predicted: Planes | None, context: Tensor | None, quality: Tensor
    ) -> tuple[Planes, Tensor | None]:
        """The latent in the picture's steps -> planes, not clamped, and features for the next picture."""
        coarse = F.conv2d(latent * self.step(quality), self.inverse_transform)
        coarse = F.pixel_shuffle(coarse, 2)
        seen = [coarse]
        if predicted is not None and context is not None:
            seen += [coarse - pack(*predicted), context]
        x = self.decoder_trunk(torch.cat(seen, dim=1), quality)
        scale = (step_size(quality) / UNIT)[:, None, None, None] * spread(local)
        features = self.features_out(x).clamp(-4, 4) if self.config.inter else None
        return unpack(coarse + self.decoder_out(x) * scale), features

    # -- what only the encoder computes -----------------------------------------------------------------------------

    def analyse(
        self, current: Planes, predicted: Planes | None, context: Tensor | None, mean: Tensor | None, quality: Tensor
    ) -> Tensor:
        """The latent minus its mean, in the picture's steps."""
        packed = pack(*current)
        seen, base = [packed], packed
        if predicted is not None and context is not None:
            seen += [packed - pack(*predicted), context]
        x = self.encoder_trunk(torch.cat(seen, dim=1), quality)
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


@dataclass
class Coded:
    """One picture through encoder and decoder."""

    planes: Planes
    reference: Reference
    symbols: Tensor
    index: Tensor
    hyper: Tensor


def checkerboard(like: Tensor) -> Tensor:
    """[1, c, h, w]: 1 where the first pass codes: row + column + coefficient even.

    So that the second pass knows, of every block, each other frequency, and of the blocks beside it the frequencies
    that it codes (after the two halves of channels in DCVC-RT).
    """
    coefficients = torch.arange(like.shape[1], device=like.device)[:, None, None]
    rows = torch.arange(like.shape[2], device=like.device)[:, None]
    columns = torch.arange(like.shape[3], device=like.device)
    return ((coefficients + rows + columns) % 2 == 0).to(like.dtype)[None]


def code(
    codec: ConditionalCodec,
    current: Planes,
    predicted: Planes | None,
    reference: Reference | None,
    quality: Tensor,
    local: Tensor,
) -> Coded:
    """Encode and decode one picture, as training sees it.

    predicted: the motion-compensated planes; reference: what the last picture left, its features already moved along.
    """
    context = deep = mean = None
    height, width = current[0].shape[2] // 16, current[0].shape[3] // 16
    memory = current[0].new_zeros(len(quality), codec.config.memory, height, width)
    kept = torch.ones_like(local)
    if predicted is not None and reference is not None:
        memory = reference.memory
        context, deep = codec.context(predicted, reference.features, quality)
        mean = codec.mean(predicted, deep, quality)
        kept = 1 - still(current, predicted, local, quality)
    latent = codec.analyse(current, predicted, context, mean, quality) / local
    hyper = round_through(codec.analyse_hyper(latent, memory, quality).clamp(-HYPER_LIMIT, HYPER_LIMIT))
    hyper = hyper * F.max_pool2d(kept, 2, ceil_mode=True)
    first = checkerboard(latent)
    index_first, hidden, place = codec.prior.first(hyper, memory, quality)
    symbols_first = quantise(latent, index_first) * first * kept
    index_second = codec.prior.second(symbols_first, hidden, quality)
    shift = codec.shift(symbols_first, local, deep, quality) * (1 - first)
    symbols = symbols_first + quantise(latent - shift, index_second) * (1 - first) * kept
    index = index_first * first + index_second * (1 - first)
    decoded = (symbols + shift) * local
    decoded = decoded if mean is None else decoded + mean
    planes, features = codec.synthesise(decoded, local, predicted, context, quality)
    skipped = torch.zeros_like(symbols[:, :1])
    if predicted is not None:
        skipped = skip_choice(current, planes, predicted, symbols, index, local, quality)
        skipped = torch.maximum(skipped, 1 - kept)
        planes = paste(planes, predicted, skipped)
    remembered = codec.prior.recall(symbols, place, quality)
    if features is None:
        features = latent.new_zeros(len(quality), codec.config.features, 2 * height, 2 * width)
    y, u, v = (plane.clamp(0, 255) for plane in planes)
    levels = (round_through(y), round_through(u), round_through(v))
    return Coded(planes, Reference(levels, features, remembered), symbols, index * (1 - skipped), hyper)


def still(current: Planes, predicted: Planes, local: Tensor, quality: Tensor) -> Tensor:
    """Blocks, [b, 1, h/16, w/16], that the encoder skips unseen, since coding them would not come closer."""
    with torch.no_grad():
        step = step_size(quality)[:, None, None, None] * local
        return (block_errors(current, predicted) <= STILL * step**2).to(local.dtype)


def skip_choice(
    current: Planes,
    decoded: Planes,
    predicted: Planes,
    symbols: Tensor,
    index: Tensor,
    local: Tensor,
    quality: Tensor,
) -> Tensor:
    """Blocks of 16x16, [b, 1, h/16, w/16], for which the prediction as it is is the better bargain.

    Only blocks without a symbol can be skipped; skipping saves the bits that say so coefficient by coefficient.
    """
    with torch.no_grad():
        empty = symbols.abs().amax(dim=1, keepdim=True) == 0
        worth = RATE_WEIGHT * (step_size(quality)[:, None, None, None] * local) ** 2
        saved = bits(symbols, index).sum(dim=1, keepdim=True) * worth
        lost = block_errors(current, predicted) - block_errors(current, decoded)
        return (empty & (lost < saved)).to(symbols.dtype)


def block_errors(one: Planes, other: Planes) -> Tensor:
    """Squared error of each 16x16 block, chroma counted twice, [b, 1, h/16, w/16]."""
    y, u, v = ((a - b).square() for a, b in zip(one, other, strict=True))
    return 256 * F.avg_pool2d(y, 16) + 2 * 64 * F.avg_pool2d(u + v, 8)


def spread(local: Tensor) -> Tensor:
    """What belongs to 16x16 blocks, for the cells of 8x8."""
    return local.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def paste(planes: Planes, predicted: Planes, skipped: Tensor) -> Planes:
    """The decoded planes with skipped blocks replaced by their prediction."""
    luma = skipped.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)
    chroma = luma[:, :, ::2, ::2]
    y, u, v = (torch.where(m > 0, p, d) for d, p, m in zip(planes, predicted, (luma, chroma, chroma), strict=True))
    return y, u, v
