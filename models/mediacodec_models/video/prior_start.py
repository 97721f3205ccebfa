"""Where the prior begins: each coefficient's scale index as measured at each quality, before anything is learned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mediacodec.video_coding.gop import quality_offset
from mediacodec_models.video.clips import motion_at
from mediacodec_models.video.coding import block_errors, code
from mediacodec_models.video.integer import QualityBias
from mediacodec_models.video.motion import compensate, follow
from mediacodec_models.video.network import at_level
from mediacodec_models.video.prior import SCALES
from mediacodec_models.video.rate_distortion import LARGEST, SMALLEST
from mediacodec_models.video.transform import COEFFICIENTS, Planes

if TYPE_CHECKING:
    from mediacodec_models.video.train import Run

BATCHES = 6


@torch.no_grad()
def start_prior(run: Run) -> None:
    """Set the output biases of the prior from the mean magnitude of latents of training frames."""
    codec = run.codec
    sizes = torch.zeros(QualityBias.KNOTS, COEFFICIENTS, device=run.device)
    for knot in range(QualityBias.KNOTS):
        level = round(knot * (QualityBias.LEVELS - 1) / (QualityBias.KNOTS - 1))
        for _ in range(BATCHES):
            frames, motion, base = run.sample(1 if run.key is None else 2)
            quality = torch.full_like(base, level)
            latent = _latent(run, frames, motion, quality, at_level(quality, quality_offset(0)))
            sizes[knot] += latent.abs().mean(dim=(0, 2, 3)) / BATCHES
    index = 1 + (sizes.clamp(min=1e-3) / SMALLEST).log() * ((SCALES - 2) / math.log(LARGEST / SMALLEST))
    for bias, gain in (
        (codec.prior.leave_bias, codec.prior.leave),
        (codec.prior.leave_second_bias, codec.prior.leave_second),
    ):
        bias.knots.copy_(index.clamp(0.5, SCALES - 1))
        gain.weight.mul_(0.3)  # what is random matters little to begin with


def _latent(run: Run, frames: list[Planes], motion: list[Tensor], quality: Tensor, key_quality: Tensor) -> Tensor:
    if run.key is None:
        return run.codec.analyse(frames[0], None, None, None, quality)
    plain = torch.ones_like(block_errors(frames[0], frames[0]))
    reference = code(run.key, frames[0], None, None, key_quality, plain).reference
    vectors = motion_at(motion[1], quality)
    predicted = compensate(reference.planes, vectors)
    context, deep = run.codec.extract_context(predicted, follow(reference.features, vectors), quality)
    mean = run.codec.context_mean(predicted, deep, quality)
    return run.codec.analyse(frames[1], predicted, context, mean, quality)
