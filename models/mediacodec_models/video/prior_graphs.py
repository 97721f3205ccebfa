"""The integer graphs of the video codec, as modules for the exporter: the methods of `IntegerPrior`.

Weights and biases are the quantised ones, stored exactly; sums are exact in any order, so folding OUT_SHIFT into a
layer or adding a bias first changes nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mediacodec.codecs.conditional.exactness import HYPER_GAIN, LARGEST_MAGNITUDE, OUT_SHIFT, TOP
from mediacodec_models.video.folded import Fixed, Table, halves
from mediacodec_models.video.integer import IntegerConv, QualityBias
from mediacodec_models.video.prior import SCALES, IntegerPrior


def fixed(layer: IntegerConv, *, shift: int = 0) -> Fixed:
    return Fixed(layer.quantised() * 2.0**-shift, groups=layer.groups, exact=True)


def table(bias: QualityBias) -> Table:
    return Table(bias.table())


def requantise(x: Tensor) -> Tensor:
    return x.clamp(0.0, TOP + 0.999).floor()


def as_index(scores: Tensor) -> Tensor:
    """Casting rounds down what is not negative."""
    return scores.clamp(0.0, SCALES - 0.001).to(torch.uint8)


def magnitude(symbols: Tensor) -> Tensor:
    """`prior.magnitude` of integers, in fewer passes: it is concave, hence the least of its four lines."""
    size = symbols.abs()
    upper = torch.minimum(5 * size + 84, torch.tensor(float(LARGEST_MAGNITUDE)))
    return torch.minimum(torch.minimum(53 * size, 17 * size + 36), upper)


class PriorFirst(nn.Module):
    """`IntegerPrior.first`."""

    def __init__(self, prior: IntegerPrior) -> None:
        super().__init__()
        self.enter, self.enter_bias = fixed(prior.enter), table(prior.enter_bias)
        self.spread = fixed(prior.spread)
        self.mix, self.mix_bias = fixed(prior.mix), table(prior.mix_bias)
        self.leave, self.leave_bias = fixed(prior.leave, shift=OUT_SHIFT), table(prior.leave_bias)

    def forward(self, hyper: Tensor, memory: Tensor, quality: Tensor) -> tuple[Tensor, ...]:
        height, width = memory.shape[2:]
        wide = (HYPER_GAIN * hyper).index_select(2, halves(height)).index_select(3, halves(width))
        prior_input = torch.cat([wide, memory], dim=1)
        hidden = requantise(self.enter(prior_input, bias=self.enter_bias(quality)))
        hidden = requantise(self.mix(requantise(self.spread(hidden)), bias=self.mix_bias(quality)))
        return as_index(self.leave(hidden, bias=self.leave_bias(quality))), hidden, prior_input


class PriorSecond(nn.Module):
    """`IntegerPrior.second`."""

    def __init__(self, prior: IntegerPrior) -> None:
        super().__init__()
        self.near, self.around = fixed(prior.near), fixed(prior.around)
        self.join, self.join_bias = fixed(prior.join), table(prior.join_bias)
        self.leave = fixed(prior.leave_second, shift=OUT_SHIFT)
        self.leave_bias = table(prior.leave_second_bias)

    def forward(self, symbols: Tensor, hidden: Tensor, quality: Tensor) -> Tensor:
        around = requantise(self.around(requantise(self.near(magnitude(symbols)))))
        joined = requantise(self.join(torch.cat([hidden, around], dim=1), bias=self.join_bias(quality)))
        return as_index(self.leave(joined, bias=self.leave_bias(quality)))


class MemoryUpdate(nn.Module):
    """`IntegerPrior.update_memory`."""

    def __init__(self, prior: IntegerPrior) -> None:
        super().__init__()
        self.remember, self.keep = fixed(prior.remember), fixed(prior.keep)
        self.bias = table(prior.keep_bias)

    def forward(self, symbols: Tensor, prior_input: Tensor, quality: Tensor) -> Tensor:
        return requantise(self.remember(magnitude(symbols)) + self.keep(prior_input, bias=self.bias(quality)))
