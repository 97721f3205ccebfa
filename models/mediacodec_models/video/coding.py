"""One frame through encoder and decoder, as training sees it: the networks, skipping, and both passes of the prior."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mediacodec.codecs.conditional.rate_distortion import RATE_WEIGHT
from mediacodec.codecs.conditional.skip_decision import EARLY_SKIP_ERROR
from mediacodec_models.layers.rounding import round_through
from mediacodec_models.video.network import ConditionalCodec, step_size
from mediacodec_models.video.prior import HYPER_LIMIT
from mediacodec_models.video.rate_distortion import bits, quantise
from mediacodec_models.video.transform import Planes


@dataclass
class ReferenceFrame:
    """What one frame leaves to the next.

    Attributes:
        planes: in whole levels.
        features: at 1/8.
        memory: of the prior, at 1/16.
    """

    planes: Planes
    features: Tensor
    memory: Tensor


@dataclass
class CodedFrame:
    """One frame through encoder and decoder.

    Attributes:
        planes: decoded, not clamped.
        reference: what it leaves.
        symbols, scale_index: [b, COEFFICIENTS, h/16, w/16].
        hyper: [b, hyper, h/32, w/32].
    """

    planes: Planes
    reference: ReferenceFrame
    symbols: Tensor
    scale_index: Tensor
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
    reference: ReferenceFrame | None,
    quality: Tensor,
    step_factors: Tensor,
) -> CodedFrame:
    """Encode and decode one frame.

    Args:
        codec: of this kind of frame.
        current: the source's planes, [b, 1, h, w] in 0..255.
        predicted: the motion-compensated planes, None in keyframes.
        reference: what the last frame left, its features already moved along; None in keyframes.
        quality: levels, int64 [b].
        step_factors: what adaptive quantization multiplies the step by, [b, 1, h/16, w/16].
    """
    context = deep = mean = None
    height, width = current[0].shape[2] // 16, current[0].shape[3] // 16
    memory = current[0].new_zeros(len(quality), codec.config.memory, height, width)
    kept = torch.ones_like(step_factors)
    if predicted is not None and reference is not None:
        memory = reference.memory
        context, deep = codec.extract_context(predicted, reference.features, quality)
        mean = codec.context_mean(predicted, deep, quality)
        kept = 1 - early_skip(current, predicted, step_factors, quality)
    latent = codec.analyse(current, predicted, context, mean, quality) / step_factors
    hyper = round_through(codec.analyse_hyper(latent, memory, quality).clamp(-HYPER_LIMIT, HYPER_LIMIT))
    hyper = hyper * F.max_pool2d(kept, 2, ceil_mode=True)
    first = checkerboard(latent)
    index_first, hidden, prior_input = codec.prior.first(hyper, memory, quality)
    symbols_first = quantise(latent, index_first) * first * kept
    index_second = codec.prior.second(symbols_first, hidden, quality)
    conditional_mean = codec.conditional_mean(symbols_first, step_factors, deep, quality) * (1 - first)
    symbols = symbols_first + quantise(latent - conditional_mean, index_second) * (1 - first) * kept
    scale_index = index_first * first + index_second * (1 - first)
    decoded = (symbols + conditional_mean) * step_factors
    decoded = decoded if mean is None else decoded + mean
    planes, features = codec.synthesise(decoded, step_factors, predicted, context, quality)
    skipped = torch.zeros_like(symbols[:, :1])
    if predicted is not None:
        skipped = skip_decision(current, planes, predicted, symbols, scale_index, step_factors, quality)
        skipped = torch.maximum(skipped, 1 - kept)
        planes = paste(planes, predicted, skipped)
    updated = codec.prior.update_memory(symbols, prior_input, quality)
    if features is None:
        features = latent.new_zeros(len(quality), codec.config.features, 2 * height, 2 * width)
    y, u, v = (plane.clamp(0, 255) for plane in planes)
    levels = (round_through(y), round_through(u), round_through(v))
    reference = ReferenceFrame(levels, features, updated)
    return CodedFrame(planes, reference, symbols, scale_index * (1 - skipped), hyper)


def early_skip(current: Planes, predicted: Planes, step_factors: Tensor, quality: Tensor) -> Tensor:
    """Blocks, [b, 1, h/16, w/16], that the encoder skips at once, since coding them would not come closer."""
    with torch.no_grad():
        step = step_size(quality)[:, None, None, None] * step_factors
        return (block_errors(current, predicted) <= EARLY_SKIP_ERROR * step**2).to(step_factors.dtype)


def skip_decision(
    current: Planes,
    decoded: Planes,
    predicted: Planes,
    symbols: Tensor,
    scale_index: Tensor,
    step_factors: Tensor,
    quality: Tensor,
) -> Tensor:
    """Blocks of 16x16, [b, 1, h/16, w/16], for which the prediction as it is is the better bargain.

    Only blocks without a symbol can be skipped; skipping saves the bits that say so coefficient by coefficient.
    """
    with torch.no_grad():
        empty = symbols.abs().amax(dim=1, keepdim=True) == 0
        rate_lambda = RATE_WEIGHT * (step_size(quality)[:, None, None, None] * step_factors) ** 2
        saved = bits(symbols, scale_index).sum(dim=1, keepdim=True) * rate_lambda
        lost = block_errors(current, predicted) - block_errors(current, decoded)
        return (empty & (lost < saved)).to(symbols.dtype)


def block_errors(one: Planes, other: Planes) -> Tensor:
    """Squared error of each 16x16 block, chroma counted twice, [b, 1, h/16, w/16]."""
    y, u, v = ((a - b).square() for a, b in zip(one, other, strict=True))
    return 256 * F.avg_pool2d(y, 16) + 2 * 64 * F.avg_pool2d(u + v, 8)


def paste(planes: Planes, predicted: Planes, skipped: Tensor) -> Planes:
    """The decoded planes with skipped blocks replaced by their prediction."""
    luma = skipped.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3)
    chroma = luma[:, :, ::2, ::2]
    y, u, v = (torch.where(m > 0, p, d) for d, p, m in zip(planes, predicted, (luma, chroma, chroma), strict=True))
    return y, u, v
