"""Which table codes which coefficient: the integer half of the video codec (design rule: only integers choose tables).

Every input is an integer that both ends know exactly: the hyper-latent, the coefficients of the first pass, and a
memory of integers that runs along from picture to picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mediacodec_models.video.integer import EXACT, SHIFT, TOP, IntegerConv, QualityBias, floor_through, requantise
from mediacodec_models.video.transform import COEFFICIENTS

SCALES = 48  # scale indices; 0 means that the coefficient is zero and not coded
HYPER_LIMIT = 8  # hyper-latents lie in -8..8
OUT_SHIFT = 4
LARGEST = 184.0  # of `magnitude`


def magnitude(symbols: Tensor) -> Tensor:
    """A compressed |symbol|, integers 0..LARGEST, exact: steep at first, then flatter."""
    size = symbols.abs()
    return 32 * size.clamp(max=1) + 12 * size.clamp(max=4) + 5 * size.clamp(max=20) + 4 * (size > 0).to(size.dtype)


@dataclass(frozen=True)
class PriorState:
    """What the second pass takes over from the first."""

    hidden: Tensor
    place: Tensor  # the memory and the hyper-latent, at 1/16


class IntegerPrior(nn.Module):
    """Scale indices of both checkerboard passes, and the memory for the next picture."""

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
        """hyper [b, hyper, ceil(h/2), ceil(w/2)], memory [b, memory, h, w] -> scale indices [b, COEFFICIENTS, h, w]
        for the first pass, hidden and place for `second` and `recall`."""
        height, width = memory.shape[2:]
        wide = hyper.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)[:, :, :height, :width]
        place = torch.cat([8 * wide, memory], dim=1)
        hidden = requantise(self.enter(place) + self.enter_bias(quality))
        hidden = requantise(self.mix(requantise(self.spread(hidden))) + self.mix_bias(quality))
        scores = self.leave(hidden) * 2.0**-OUT_SHIFT + self.leave_bias(quality)
        return as_index(scores), hidden, place

    def second(self, symbols: Tensor, hidden: Tensor, quality: Tensor) -> Tensor:
        """Scale indices for the second pass, given the symbols of the first (zero elsewhere)."""
        around = requantise(self.around(requantise(self.near(magnitude(symbols)))))
        joined = requantise(self.join(torch.cat([hidden, around], dim=1)) + self.join_bias(quality))
        return as_index(self.leave_second(joined) * 2.0**-OUT_SHIFT + self.leave_second_bias(quality))

    def recall(self, symbols: Tensor, place: Tensor, quality: Tensor) -> Tensor:
        """The memory for the next picture, [b, memory, h, w] of integers in 0..255."""
        return requantise(self.remember(magnitude(symbols)) + self.keep(place) + self.keep_bias(quality))

    def largest_sum(self) -> int:
        """A bound of every |accumulator| in units of its last bit; must stay below 2^24."""
        place = max(TOP, 8.0 * HYPER_LIMIT)
        bias = max(
            int(float(b.table().abs().max().detach()) * 2 ** (SHIFT + OUT_SHIFT))
            for b in self.modules()
            if isinstance(b, QualityBias)
        )
        sums = [
            self.enter.bound(place),
            self.spread.bound(TOP),
            self.mix.bound(TOP),
            self.leave.bound(TOP),
            self.near.bound(LARGEST),
            self.around.bound(TOP),
            self.join.bound(TOP),
            self.leave_second.bound(TOP),
            self.remember.bound(LARGEST) + self.keep.bound(place),
        ]
        return max(sums) + bias

    def check(self) -> None:
        """Raise ValueError where sums might not be exact."""
        largest = self.largest_sum()
        if largest >= EXACT:
            raise ValueError(f"an accumulator of the prior may reach {largest}, beyond 2^24: sums would be rounded")


def as_index(scores: Tensor) -> Tensor:
    """Scores to integers in 0..SCALES-1."""
    return floor_through(scores.clamp(0.0, SCALES - 0.001))
