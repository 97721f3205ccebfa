"""SEANet (Tagliasacchi et al. 2020, arXiv:2009.02095) as EnCodec and Mimi have it: layers as data, and as ONNX nodes.

A convolutional encoder that halves time and doubles channels stage by stage, residual units between, and a decoder that
mirrors it; where there is an LSTM it stands next to the latent. Names are those that Hugging Face gives to the tensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.layers.graph_layers import Conv, GraphLayers, Lstm

Weights = Mapping[str, NDArray[np.float32]]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class SeanetConfig:
    """Shape of encoder and decoder.

    ratios: upsampling factors of the decoder, the encoder's are these backwards; latent: channels between the two;
    lstm_layers: 0 where there is none; shortcut: whether a unit's input goes through a convolution of its own.
    """

    channels: int = 1
    filters: int
    latent: int
    ratios: tuple[int, ...]
    kernel: int = 7
    last_kernel: int
    residual_kernel: int = 3
    residual_layers: int = 1
    dilation_base: int = 2
    compress: int = 2
    lstm_layers: int = 0
    shortcut: bool = False

    @property
    def hop(self) -> int:
        """Samples of a step of the latent."""
        return math.prod(self.ratios)


@dataclass(frozen=True)
class Part:
    """One layer with weights, named as it is saved.

    kind: conv, up (a transposed one), residual (a unit of several) or lstm.
    """

    kind: Literal["conv", "up", "residual", "lstm"]
    name: str
    inputs: int
    outputs: int
    kernel: int = 0
    stride: int = 1
    dilation: int = 1


def encoder_parts(config: SeanetConfig) -> Iterator[Part]:
    """In order; numbers in names count activations too."""
    n, width = 0, config.filters
    yield Part("conv", "encoder.layers.0", config.channels, width, config.kernel)
    for ratio in reversed(config.ratios):
        yield from _units(config, "encoder", n + 1, width)
        n += config.residual_layers + 2
        yield Part("conv", f"encoder.layers.{n}", width, 2 * width, 2 * ratio, ratio)
        width *= 2
    if config.lstm_layers:
        n += 1
        yield Part("lstm", f"encoder.layers.{n}", width, width)
    yield Part("conv", f"encoder.layers.{n + 2}", width, config.latent, config.last_kernel)


def decoder_parts(config: SeanetConfig) -> Iterator[Part]:
    """In order; numbers in names count activations too."""
    n, width = 0, config.filters * 2 ** len(config.ratios)
    yield Part("conv", "decoder.layers.0", config.latent, width, config.kernel)
    if config.lstm_layers:
        n += 1
        yield Part("lstm", f"decoder.layers.{n}", width, width)
    for ratio in config.ratios:
        n += 2
        yield Part("up", f"decoder.layers.{n}", width, width // 2, 2 * ratio, ratio)
        width //= 2
        yield from _units(config, "decoder", n + 1, width)
        n += config.residual_layers
    yield Part("conv", f"decoder.layers.{n + 2}", width, config.channels, config.last_kernel)


def _units(config: SeanetConfig, side: str, first: int, width: int) -> Iterator[Part]:
    """Residual units of increasing dilation, numbered from `first`."""
    for j in range(config.residual_layers):
        dilation = config.dilation_base**j
        name = f"{side}.layers.{first + j}"
        yield Part("residual", name, width, width, config.residual_kernel, dilation=dilation)


def within(config: SeanetConfig, unit: Part) -> list[Part]:
    """The convolutions of a residual unit: two in a row and, where it has a shortcut, a third beside them."""
    width, hidden = unit.inputs, unit.inputs // config.compress
    wide = Part("conv", f"{unit.name}.block.1", width, hidden, unit.kernel, dilation=unit.dilation)
    narrow = Part("conv", f"{unit.name}.block.3", hidden, width, 1)
    beside = [Part("conv", f"{unit.name}.shortcut", width, width, 1)] if config.shortcut else []
    return [wide, narrow, *beside]


def shapes(config: SeanetConfig, *, normed: bool) -> Shapes:
    """Every tensor of both sides, weight normalisation folded; normed: with group normalisation behind convolutions."""
    result: Shapes = {}
    for part in (*encoder_parts(config), *decoder_parts(config)):
        if part.kind == "lstm":
            result |= _lstm_shapes(config, part)
            continue
        for conv in within(config, part) if part.kind == "residual" else [part]:
            ends = (conv.inputs, conv.outputs) if conv.kind == "up" else (conv.outputs, conv.inputs)
            result |= {f"{conv.name}.conv.weight": (*ends, conv.kernel), f"{conv.name}.conv.bias": (conv.outputs,)}
            if normed:
                result |= {f"{conv.name}.norm.{leaf}": (conv.outputs,) for leaf in ("weight", "bias")}
    return result


def _lstm_shapes(config: SeanetConfig, part: Part) -> Shapes:
    size = part.outputs
    leaves = {"weight_ih": (4 * size, size), "weight_hh": (4 * size, size), "bias_ih": (4 * size,)}
    leaves["bias_hh"] = leaves["bias_ih"]
    return {f"{part.name}.lstm.{k}_l{i}": shape for i in range(config.lstm_layers) for k, shape in leaves.items()}


class Seanet:
    """Parts as nodes, over some kind of layers."""

    def __init__(self, config: SeanetConfig, weights: Weights, layers: GraphLayers) -> None:
        self._config, self._weights, self._layers = config, weights, layers

    def run(self, x: str, parts: Iterable[Part]) -> str:
        """Parts in a row, with an activation before each but the first; a unit has its own."""
        for i, part in enumerate(parts):
            if part.kind == "residual":
                x = self._unit(x, part)
            elif part.kind == "lstm":
                x = self._layers.lstm(x, self._lstm(part))
            else:
                layer = self._layers.transposed if part.kind == "up" else self._layers.conv
                x = layer(self._layers.elu(x) if i else x, self.conv(part))
        return x

    def conv(self, part: Part) -> Conv:
        """A convolution with its weights."""
        w, name = self._weights, part.name
        normed = f"{name}.norm.weight" in w
        norm = (w[f"{name}.norm.weight"], w[f"{name}.norm.bias"]) if normed else None
        return Conv(name, w[f"{name}.conv.weight"], w[f"{name}.conv.bias"], part.stride, part.dilation, norm)

    def _unit(self, x: str, part: Part) -> str:
        wide, narrow, *beside = within(self._config, part)
        y = self._layers.conv(self._layers.elu(x), self.conv(wide))
        y = self._layers.conv(self._layers.elu(y), self.conv(narrow))
        past = self._layers.conv(x, self.conv(beside[0])) if beside else x
        return str(self._layers.graph.op("Add", past, y))

    def _lstm(self, part: Part) -> Lstm:
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        each = range(self._config.lstm_layers)
        rows = [[self._weights[f"{part.name}.lstm.{kind}_l{i}"] for kind in kinds] for i in each]
        return Lstm(part.name, tuple((w, r, wb, rb) for w, r, wb, rb in rows))
