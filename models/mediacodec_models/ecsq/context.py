"""The context network of a scalar codec, trained as the integers that `mediacodec.codecs.ecsq.context` computes.

Weights are multiples of 2^-SHIFT, activations are rounded as the runtime rounds them, and gradients pass straight
through (Bengio et al. 2013, arXiv:1308.3432). Its targets are the symbols of a codec that is done.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec.codecs.ecsq.context import (
    FRACTIONS,
    INPUT_TOP,
    MAX_MEAN,
    MEAN_ROUND,
    MEAN_SHIFT,
    SCALE_SHIFT,
    SHIFT,
    STEP_SHIFT,
    TOP,
)
from mediacodec.codecs.ecsq.settings import QUALITIES
from mediacodec_models.ecsq.network import logistic_bits
from mediacodec_models.layers.module_list import ModuleList
from mediacodec_models.layers.quality import knot_weights

LIMIT = 127 / 2**SHIFT  # of a weight
BIAS_GAIN = 32.0  # biases are learnt in these units: they must move as far as whole sums do
LOWEST_SCALE, SCALE_STEP, SCALES = -4.5, 0.25, 42  # logarithms of the scales that tables are made for
RANGE = 0.9998  # share of the latents that the inputs are to hold


@dataclass(frozen=True, kw_only=True)
class ContextConfig:
    """Shape of the network, and how to train it.

    Attributes:
        trunk, hidden, dilations: width, hidden width of a layer, frames that each looks back.
        group_hidden: width of the layer that predicts a group.
        batch, learning_rate, weight_decay: of AdamW; packets a step.
        minutes: of training.
        steps: of training at most; 0: as many as there is time for.
    """

    trunk: int = 192
    hidden: int = 256
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    group_hidden: int = 128
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    minutes: float = 60.0
    steps: int = 0


class _Straight(torch.autograd.Function):
    """Another value with the gradient of the first."""

    @staticmethod
    def forward(_ctx: object, _values: Tensor, instead: Tensor) -> Tensor:  # type: ignore[override]
        return instead.clone()

    @staticmethod
    def backward(_ctx: object, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return gradient, None


def rounded(x: Tensor) -> Tensor:
    """round(x), gradient 1."""
    return _Straight.apply(x, x.round())  # type: ignore[no-untyped-call, no-any-return]


def floored(x: Tensor, low: float, high: float) -> Tensor:
    """floor(x) within limits, gradient 1 inside them."""
    inside = x.clamp(low, high + 0.99)
    return _Straight.apply(inside, inside.floor())  # type: ignore[no-untyped-call, no-any-return]


def half_up(x: Tensor) -> Tensor:
    """The nearest integer, the upper one of two, as a shift of an integer rounds; gradient 1."""
    return _Straight.apply(x, (x + 0.5).floor())  # type: ignore[no-untyped-call, no-any-return]


class IntegerLinear(nn.Module):
    """A product with weights that are multiples of 2^-SHIFT and fit eight bits."""

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * gain / inputs**0.5)

    def effective(self) -> Tensor:
        """The weights as they ship, over 2^SHIFT."""
        return rounded(self.weight.clamp(-LIMIT, LIMIT) * 2**SHIFT) / 2**SHIFT

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.effective().T


class QualityBias(nn.Module):
    """A bias for each output and quality, linear between knots, a multiple of 2^-SHIFT."""

    def __init__(self, outputs: int, knots: int) -> None:
        super().__init__()
        self.knots = nn.Parameter(torch.zeros(knots, outputs))

    def table(self) -> Tensor:
        """[QUALITIES, outputs]."""
        weights = knot_weights(torch.arange(QUALITIES) / (QUALITIES - 1), len(self.knots))
        return rounded(weights @ self.knots * BIAS_GAIN * 2**SHIFT) / 2**SHIFT

    def forward(self, quality: Tensor) -> Tensor:
        """quality: int64 [batch] -> [batch, 1, outputs]."""
        return self.table()[quality][:, None]


class ContextNetwork(nn.Module):
    """See `mediacodec.codecs.ecsq.context` for what is computed.

    Args:
        config: shape.
        groups: of channels, coded one after the other.
        log_gain: logarithm of the gain of each channel at each quality, [QUALITIES, latent].
        largest: of the latents of each channel that the inputs are to hold, [latent].
        knots: at which biases are stored.
    """

    steps: Tensor
    mean_gains: Tensor
    log_gain: Tensor

    def __init__(
        self, config: ContextConfig, groups: tuple[int, ...], log_gain: Tensor, largest: Tensor, knots: int = 8
    ) -> None:
        super().__init__()
        self.groups, self.dilations, latent = groups, config.dilations, sum(groups)
        gain = log_gain.exp()
        unit = INPUT_TOP / largest.clamp_min(1e-3)  # inputs a unit of the latent
        self.register_buffer("steps", (unit / gain * 2**STEP_SHIFT).round().clamp(1, (1 << 22) - 1).long())
        # a mean of 1 is a unit of the input: quarters of a step of the symbol, over 2^MEAN_SHIFT
        self.register_buffer("mean_gains", (FRACTIONS * gain / unit / 4 * 2**MEAN_SHIFT).round().long())
        self.register_buffer("log_gain", log_gain)
        t = config.trunk
        self.join, self.join_bias = IntegerLinear(latent, t), QualityBias(t, knots)
        self.expand: ModuleList[IntegerLinear] = ModuleList(
            IntegerLinear(2 * t, config.hidden) for _ in config.dilations
        )
        self.expand_bias: ModuleList[QualityBias] = ModuleList(
            QualityBias(config.hidden, knots) for _ in config.dilations
        )
        self.contract: ModuleList[IntegerLinear] = ModuleList(
            IntegerLinear(config.hidden, t, 0.3) for _ in config.dilations
        )
        before = [sum(groups[:i]) for i in range(len(groups))]
        self.hidden: ModuleList[IntegerLinear] = ModuleList(IntegerLinear(t + n, config.group_hidden) for n in before)
        self.hidden_bias: ModuleList[QualityBias] = ModuleList(QualityBias(config.group_hidden, knots) for _ in groups)
        self.heads: ModuleList[IntegerLinear] = ModuleList(
            IntegerLinear(config.group_hidden, 2 * size, 0.05) for size in groups
        )
        self.head_bias: ModuleList[QualityBias] = ModuleList(QualityBias(2 * size, knots) for size in groups)
        self.base = nn.Parameter(torch.zeros(knots, latent))  # of the logarithm of the scales

    def scale_base(self) -> Tensor:
        """[QUALITIES, latent], in units of the scales that the network gives, over 2^SCALE_SHIFT."""
        weights = knot_weights(torch.arange(QUALITIES) / (QUALITIES - 1), len(self.base))
        start = self.log_gain - 0.7 + weights @ self.base - LOWEST_SCALE
        return rounded(start / SCALE_STEP * 2**SCALE_SHIFT)

    def inputs(self, symbols: Tensor, quality: Tensor) -> Tensor:
        """Symbols [batch, frames, latent] as the network sees them."""
        units = torch.floor((symbols * self.steps[quality][:, None] + 2 ** (STEP_SHIFT - 1)) / 2**STEP_SHIFT)
        return units.clamp(-INPUT_TOP, INPUT_TOP)

    def distribution(self, symbols: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Means in quarters of a step and indices of scales, whole numbers [batch, frames, latent]."""
        inputs = self.inputs(symbols, quality)
        x = self.join(F.pad(inputs, (0, 0, 1, 0))[:, :-1]) + self.join_bias(quality)
        x = floored(x, -TOP, TOP)
        for d, expand, bias, contract in zip(self.dilations, self.expand, self.expand_bias, self.contract, strict=True):
            earlier = F.pad(x, (0, 0, d, 0))[:, :-d]
            hidden = floored(expand(torch.cat([x, earlier], -1)) + bias(quality), 0, TOP)
            x = floored(x + contract(hidden), -TOP, TOP)
        means, scales, used = [], [], 0
        for g, size in enumerate(self.groups):
            seen = torch.cat([x, inputs[..., :used].to(x.dtype)], -1)
            hidden = floored(self.hidden[g](seen) + self.hidden_bias[g](quality), 0, TOP)
            found = (self.heads[g](hidden) + self.head_bias[g](quality)).float() * 2**SHIFT
            means.append(found[..., :size])
            scales.append(found[..., size:])
            used += size
        mean = half_up(torch.cat(means, -1) / 2**MEAN_ROUND)
        mean = half_up(mean.double() * self.mean_gains[quality][:, None] / 2**MEAN_SHIFT).float()
        mean = mean.clamp(-MAX_MEAN, MAX_MEAN)
        scale = (torch.cat(scales, -1) + self.scale_base()[quality][:, None]) / 2**SCALE_SHIFT
        return mean, half_up(scale)

    def forward(self, symbols: Tensor, quality: Tensor) -> Tensor:
        """Bits of each symbol, [batch, frames, latent]."""
        mean, scale = self.distribution(symbols, quality)
        log_scale = LOWEST_SCALE + SCALE_STEP * scale.clamp(0, SCALES - 1)
        return logistic_bits(symbols - mean / FRACTIONS, log_scale)

    @torch.no_grad()
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The integers that ship, all but which channels are coded."""
        found: dict[str, Tensor] = {"join": self.join.effective(), "join_bias": self.join_bias.table()}
        for k, (expand, bias, contract) in enumerate(zip(self.expand, self.expand_bias, self.contract, strict=True)):
            found |= {f"expand{k}": expand.effective(), f"expand{k}_bias": bias.table()}
            found[f"contract{k}"] = contract.effective()
        heads = zip(self.hidden, self.hidden_bias, self.heads, self.head_bias, strict=True)
        for g, (hidden, hidden_bias, head, head_bias) in enumerate(heads):
            found |= {f"hidden{g}": hidden.effective(), f"hidden{g}_bias": hidden_bias.table()}
            found |= {f"head{g}": head.effective(), f"head{g}_bias": head_bias.table()}
        result: dict[str, NDArray[np.generic]] = {}
        for name, value in found.items():
            result[name] = (value * 2**SHIFT).round().numpy().astype(np.int32 if name.endswith("bias") else np.int8)
        tables = {"steps": self.steps, "mean_gains": self.mean_gains, "scale_base": self.scale_base()}
        return result | {name: value.round().numpy().astype(np.int32) for name, value in tables.items()}
