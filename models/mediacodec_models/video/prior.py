"""Which table codes which coefficient: the integer half of the video codec (design rule: only integers choose tables).

Every input is an integer that both ends know exactly: the hyper-latent, the coefficients of the first pass, and a
memory of integers that runs along from frame to frame.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mediacodec.codecs.conditional.exactness import HYPER_GAIN, OUT_SHIFT, TOP
from mediacodec_models.layers.rounding import floor_through, requantise
from mediacodec_models.video.integer import IntegerConv, QualityBias
from mediacodec_models.video.transform import COEFFICIENTS

SCALES = 48  # scale indices; 0 means that the coefficient is zero and not coded
HYPER_LIMIT = 8  # hyper-latents lie in -8..8


def magnitude(symbols: Tensor) -> Tensor:
    """A compressed |symbol|, integers 0..184, exact: steep at first, then flatter."""
    size = symbols.abs()
    return 32 * size.clamp(max=1) + 12 * size.clamp(max=4) + 5 * size.clamp(max=20) + 4 * (size > 0).to(size.dtype)


class IntegerPrior(nn.Module):
    """Scale indices of both checkerboard passes, and the memory for the next frame.

    Names of parameters stand in the hash of a model's weights, so they stay.
    """

    def __init__(self, hyper: int, memory: int, width: int) -> None:
        super().__init__()
        self.memory = memory
        self.enter = IntegerConv(hyper + memory, width, gain=0.7)
        self.enter_bias = QualityBias(width, start=8.0)
        self.spread = IntegerConv(width, width, kernel=3, gain=0.7)
        self.mix = IntegerConv(width, width, gain=0.7)
        self.mix_bias = QualityBias(width, start=8.0)
        self.leave = IntegerConv(width, COEFFICIENTS, gain=0.3)
        self.leave_bias = QualityBias(COEFFICIENTS)
        self.near = IntegerConv(COEFFICIENTS, width, gain=0.5)
        self.around = IntegerConv(width, width, kernel=3, gain=0.7)
        self.join = IntegerConv(2 * width, width, gain=0.7)
        self.join_bias = QualityBias(width, start=8.0)
        self.leave_second = IntegerConv(width, COEFFICIENTS, gain=0.3)
        self.leave_second_bias = QualityBias(COEFFICIENTS)
        self.remember = IntegerConv(COEFFICIENTS, memory, gain=0.5)
        self.keep = IntegerConv(hyper + memory, memory, gain=0.5)
        self.keep_bias = QualityBias(memory, start=4.0)

    def first(self, hyper: Tensor, memory: Tensor, quality: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first pass.

        Args:
            hyper: [b, hyper, ceil(h/2), ceil(w/2)].
            memory: [b, memory, h, w].
            quality: levels, int64 [b].

        Returns:
            Scale indices [b, COEFFICIENTS, h, w], what `second` goes on from, and what `update_memory` goes on from.
        """
        height, width = memory.shape[2:]
        wide = hyper.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)[:, :, :height, :width]
        prior_input = torch.cat([HYPER_GAIN * wide, memory], dim=1)
        hidden = activated(self.enter(prior_input) + self.enter_bias(quality))
        hidden = activated(self.mix(activated(self.spread(hidden))) + self.mix_bias(quality))
        scores = self.leave(hidden) * 2.0**-OUT_SHIFT + self.leave_bias(quality)
        return as_index(scores), hidden, prior_input

    def second(self, symbols: Tensor, hidden: Tensor, quality: Tensor) -> Tensor:
        """Scale indices for the second pass, given the symbols of the first (zero elsewhere)."""
        around = activated(self.around(activated(self.near(magnitude(symbols)))))
        joined = activated(self.join(torch.cat([hidden, around], dim=1)) + self.join_bias(quality))
        return as_index(self.leave_second(joined) * 2.0**-OUT_SHIFT + self.leave_second_bias(quality))

    def update_memory(self, symbols: Tensor, prior_input: Tensor, quality: Tensor) -> Tensor:
        """The memory for the next frame, [b, memory, h, w] of integers in 0..255."""
        return activated(self.remember(magnitude(symbols)) + self.keep(prior_input) + self.keep_bias(quality))


def as_index(scores: Tensor) -> Tensor:
    """Scores to integers in 0..SCALES-1."""
    return floor_through(scores.clamp(0.0, SCALES - 0.001))


def activated(x: Tensor) -> Tensor:
    """Sums to activations, integers in 0..TOP."""
    return requantise(x, TOP)
