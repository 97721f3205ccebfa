"""The context network in exact integers: under which table each symbol of a frame is coded.

What is known goes in as what the decoder makes of symbols, in units that mean the same at every quality: all channels
of the frames before in the context, and the channels of this frame whose groups came before. Weights are integers over
2^SHIFT; activations are integers, held in float32. No sum reaches 2^24 (checked when a model is exported and when it
loads), so every machine gets the same integers in whatever order it adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.ecsq.settings import MAX_SYMBOL, QUALITIES, Shape
from mediacodec.errors import ModelError

SHIFT: Final = 6  # weights and biases are integers over 2^SHIFT
INPUT_TOP, TOP = 127, 255  # magnitudes of inputs and activations
EXACT: Final = 1 << 24  # below it every integer is a float32
STEP_SHIFT: Final = 8  # of `steps`
MEAN_SHIFT, MEAN_ROUND = 12, 7  # of `mean_gains`; of the means that the network gives
SCALE_SHIFT: Final = 10  # of the scales that the network gives, and of `scale_base`
FRACTIONS: Final = 4  # of a mean: it is a whole number of quarters of a step
MAX_MEAN: Final = FRACTIONS * MAX_SYMBOL

Exact = NDArray[np.float32]  # integers
Int64s = NDArray[np.int64]
Arrays = Mapping[str, NDArray[np.generic]]

_UNIT = np.float32(2.0**-SHIFT)


Past = tuple[Exact, ...]  # activations of each layer in the frames before, [batch, dilation, trunk]


@dataclass(frozen=True)
class ContextState:
    """What frames leave to those behind them.

    Attributes:
        past: activations of the layers.
        last: inputs of the last frame, [batch, 1, latent].
    """

    past: Past
    last: Exact


@dataclass(frozen=True)
class Distribution:
    """What is known of some symbols before they are decoded.

    Attributes:
        mean: int64, quarters of a step.
        scale: int64, index of a scale.
    """

    mean: Int64s
    scale: Int64s


class ContextWeights:
    """The arrays of a context network, checked.

    By name, with n latents, t trunk and h hidden units, m units of a group's layer, 64 qualities:
    steps int32 [64, n]: of a symbol, in inputs over 2^STEP_SHIFT; active uint8 [64, n]: whether a channel is coded;
    join int8 [t, n], join_bias int32 [64, t]; for each layer k: expandK int8 [h, 2 t], expandK_bias int32 [64, h],
    contractK int8 [t, h]; for each group g: hiddenG int8 [m, t + inputs], hiddenG_bias int32 [64, m], headG int8
    [2 * size, m], headG_bias int32 [64, 2 * size]: means, then scales; mean_gains, scale_base int32 [64, n].

    Raises:
        ModelError: they contradict each other, or a sum could leave the integers that float32 holds exactly.
    """

    def __init__(self, arrays: Arrays, shape: Shape) -> None:
        try:
            self._read(arrays, shape)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ModelError(f"the model's context network cannot be used: {error!r}; reinstall it") from error

    def _read(self, arrays: Arrays, shape: Shape) -> None:
        def table(name: str, width: int) -> Int64s:
            array = np.asarray(arrays[name])
            if array.shape != (QUALITIES, width) or array.dtype.kind not in "iu":
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
            return array.astype(np.int64)

        def matrix(name: str, columns: int, rows: int | None = None) -> Exact:
            array = np.asarray(arrays[name])
            if array.dtype != np.int8 or array.ndim != 2 or array.shape[1] != columns or rows not in (None, len(array)):
                raise ValueError(f"{name} is {array.dtype} {array.shape}, not int8 [{rows}, {columns}]")
            return array.astype(np.float32)

        n = shape.latent
        self.steps, self.active = table("steps", n), table("active", n) > 0
        self.mean_gains, self.scale_base = table("mean_gains", n), table("scale_base", n)
        if not (1 <= self.steps.min() <= self.steps.max() < 1 << 22 and self.mean_gains.min() >= 0):
            raise ValueError("steps or mean_gains are out of range")
        if max(self.mean_gains.max(), np.abs(self.scale_base).max()) >= 1 << 30:
            raise ValueError("mean_gains or scale_base are out of range")
        join = matrix("join", n)
        width = len(join)
        self.join = _Layer(join, table("join_bias", width), INPUT_TOP)
        self.layers = []
        for k in range(len(shape.dilations)):
            expand = matrix(f"expand{k}", 2 * width)
            contract = matrix(f"contract{k}", len(expand), width)
            zeros = np.zeros((QUALITIES, width), np.int64)
            self.layers.append(
                (_Layer(expand, table(f"expand{k}_bias", len(expand)), TOP), _Layer(contract, zeros, TOP))
            )
        self.heads, before = [], 0
        for g, size in enumerate(shape.groups):
            hidden = matrix(f"hidden{g}", width + before)
            head = matrix(f"head{g}", len(hidden), 2 * size)
            self.heads.append(
                (
                    _Layer(hidden, table(f"hidden{g}_bias", len(hidden)), TOP),
                    _Layer(head, table(f"head{g}_bias", 2 * size), TOP),
                )
            )
            before += size


class _Layer:
    """A product and a bias by quality; accumulators stay in units of 2^-SHIFT."""

    def __init__(self, weight: Exact, bias: Int64s, largest_input: int) -> None:
        # the last term: what `trunk` adds before it rounds
        bound = largest_input * int(np.abs(weight).sum(1).max()) + int(np.abs(bias).max()) + (TOP << SHIFT)
        if bound >= EXACT:
            raise ValueError(f"a sum may reach {bound}, beyond what float32 holds exactly")
        self.weight, self.bias = np.ascontiguousarray(weight.T), bias.astype(np.float32)

    def __call__(self, inputs: Exact, quality: NDArray[np.int64]) -> Exact:
        """[..., inputs] -> [..., outputs]; quality: [...] of the leading axis."""
        sums: Exact = inputs @ self.weight
        bias = self.bias[quality]
        sums += bias.reshape(bias.shape[0], *(1,) * (sums.ndim - 2), bias.shape[1])
        return sums


def _floored(sums: Exact, low: int, high: int) -> Exact:
    """Sums over 2^SHIFT, rounded down, within limits; in place."""
    sums *= _UNIT
    np.floor(sums, out=sums)
    return np.clip(sums, low, high, out=sums)


class ContextNetwork:
    """Runs a context network over whole packets (encoding) or frame by frame (decoding), many packets at a time.

    Args:
        weights: of the model.
        shape: likewise.
    """

    def __init__(self, weights: ContextWeights, shape: Shape) -> None:
        self.weights, self.shape = weights, shape
        ends = np.cumsum(shape.groups)
        self.slices = [slice(int(end) - size, int(end)) for end, size in zip(ends, shape.groups, strict=True)]

    def inputs(self, symbols: NDArray[np.integer], quality: NDArray[np.int64], channels: slice | None = None) -> Exact:
        """What symbols [batch, ..., channels] go in as, in -INPUT_TOP..INPUT_TOP."""
        steps = self.weights.steps[quality]
        if channels is not None:
            steps = steps[:, channels]
        steps = steps.reshape(len(steps), *(1,) * (symbols.ndim - 2), steps.shape[1])
        units = symbols.astype(np.int64) * steps + (1 << STEP_SHIFT - 1) >> STEP_SHIFT
        return np.asarray(np.clip(units, -INPUT_TOP, INPUT_TOP), np.float32)

    def initial_state(self, batch: int) -> ContextState:
        """Nothing known."""
        width = self.weights.join.weight.shape[1]
        past = tuple(np.zeros((batch, d, width), np.float32) for d in self.shape.dilations)
        return ContextState(past, np.zeros((batch, 1, self.shape.latent), np.float32))

    def trunk(self, before: Exact, quality: NDArray[np.int64], past: Past) -> tuple[Exact, Past]:
        """What the frames before say of each of some frames that follow each other.

        Args:
            before: inputs of the frame before each of them, [batch, frames, latent].
            quality: [batch].
            past: activations of the layers in the frames before them.

        Returns:
            [batch, frames, trunk], and the activations behind them.
        """
        w, frames, after = self.weights, before.shape[1], []
        x = _floored(w.join(before, quality), -TOP, TOP)
        for (expand, contract), earlier, dilation in zip(w.layers, past, self.shape.dilations, strict=True):
            history = np.concatenate([earlier, x], axis=1)
            hidden = _floored(expand(np.concatenate([x, history[:, :frames]], axis=2), quality), 0, TOP)
            sums = contract(hidden, quality)
            sums += x * np.float32(1 << SHIFT)
            x = _floored(sums, -TOP, TOP)
            after.append(history[:, -dilation:])
        return x, tuple(after)

    def distribution(self, group: int, trunk: Exact, inputs: Exact, quality: NDArray[np.int64]) -> Distribution:
        """What is known of the symbols of a group.

        Args:
            group: its number.
            trunk: [batch, frames, trunk].
            inputs: of the channels before it, [batch, frames, channels].
            quality: [batch].
        """
        w, channels = self.weights, self.slices[group]
        hidden, head = w.heads[group]
        seen = np.concatenate([trunk, inputs], axis=2) if inputs.shape[2] else trunk
        found = head(_floored(hidden(seen, quality), 0, TOP), quality).astype(np.int64)
        size = channels.stop - channels.start
        mean = found[..., :size] + (1 << MEAN_ROUND - 1) >> MEAN_ROUND
        gains, base = (table[quality][:, None, channels] for table in (w.mean_gains, w.scale_base))
        mean = np.clip(mean * gains + (1 << MEAN_SHIFT - 1) >> MEAN_SHIFT, -MAX_MEAN, MAX_MEAN)
        return Distribution(mean, found[..., size:] + base + (1 << SCALE_SHIFT - 1) >> SCALE_SHIFT)
