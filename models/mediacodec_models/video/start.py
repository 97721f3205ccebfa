"""Where the prior begins: each coefficient's scale index as measured at each quality, before anything is learned."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mediacodec.codecs.conditional.settings import quality_offset
from mediacodec_models.video.clips import Planes, motion_at
from mediacodec_models.video.conditional import ConditionalCodec, at_level, block_errors, code
from mediacodec_models.video.integer import QualityBias
from mediacodec_models.video.motion import compensate, follow
from mediacodec_models.video.prior import SCALES
from mediacodec_models.video.quantise import LARGEST, SMALLEST
from mediacodec_models.video.transform import COEFFICIENTS

BATCHES = 6

Batch = tuple[list[Planes], list[Tensor], Tensor]
"""Frames one after the other, the motion of each, and the quality level of each clip."""


@torch.no_grad()
def start_prior(codec: ConditionalCodec, key: ConditionalCodec | None, sample: Callable[[int], Batch]) -> None:
    """Set the output biases of a codec's prior from the mean magnitude of latents of training frames.

    Args:
        codec: whose prior is set.
        key: the codec of keyframes, where `codec` is for predicted frames; else None.
        sample: draws clips of so many frames.
    """
    device = next(codec.parameters()).device
    sizes = torch.zeros(QualityBias.KNOTS, COEFFICIENTS, device=device)
    for knot in range(QualityBias.KNOTS):
        level = round(knot * (QualityBias.LEVELS - 1) / (QualityBias.KNOTS - 1))
        for _ in range(BATCHES):
            batch = sample(1 if key is None else 2)
            latent = _latent(codec, key, batch, torch.full_like(batch[2], level))
            sizes[knot] += latent.abs().mean(dim=(0, 2, 3)) / BATCHES
    index = 1 + (sizes.clamp(min=1e-3) / SMALLEST).log() * ((SCALES - 2) / math.log(LARGEST / SMALLEST))
    for bias, gain in (
        (codec.prior.leave_bias, codec.prior.leave),
        (codec.prior.leave_second_bias, codec.prior.leave_second),
    ):
        bias.knots.copy_(index.clamp(0.5, SCALES - 1))
        gain.weight.mul_(0.3)  # what is random matters little to begin with


def _latent(codec: ConditionalCodec, key: ConditionalCodec | None, batch: Batch, quality: Tensor) -> Tensor:
    frames, motion, _ = batch
    if key is None:
        return codec.analyse(frames[0], None, None, None, quality)
    plain = torch.ones_like(block_errors(frames[0], frames[0]))
    reference = code(key, frames[0], None, None, at_level(quality, quality_offset(0)), plain).reference
    field = motion_at(motion[1], quality)
    predicted = compensate(reference.planes, field)
    context, deep = codec.context(predicted, follow(reference.features, field), quality)
    mean = codec.mean(predicted, deep, quality)
    return codec.analyse(frames[1], predicted, context, mean, quality)
