"""The layers of DAC and its kin as data: what they are called and shaped like, how far they reach, ONNX nodes of them.

A network is a list of layers, each over [1, channels, time] and padded by zeros. Names are those that the authors of
DAC gave to the tensors. Snake is x + sin²(αx) / α with an α for each channel (Ziyin et al. 2020, arXiv:2006.08195).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.layers.local_attention import attention_shapes, local_attention

Weights = Mapping[str, NDArray[np.float32]]
Shapes = dict[str, tuple[int, ...]]

UNIT_KERNEL = 7
DILATIONS = (1, 3, 9)


@dataclass(frozen=True)
class Layer:
    """One layer.

    kind: conv; up (a transposed one of kernel 2 * stride); snake; unit (x + a dilated convolution and a narrow
    one, each behind a snake); attention (over windows of `kernel` steps); tanh.
    extra: samples at the end of a transposed convolution that its padding would cut.
    """

    kind: Literal["conv", "up", "snake", "unit", "attention", "tanh"]
    name: str
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    extra: int = 0

    @property
    def padding(self) -> int:
        """Zeros on each side; what a transposed convolution lacks on each side."""
        return -(-self.stride // 2) if self.stride > 1 else (self.kernel - 1) * self.dilation // 2


def conv(name: str, inputs: int, outputs: int, kernel: int, groups: int = 1) -> Layer:
    return Layer("conv", name, inputs, outputs, kernel, groups=groups)


def snake(name: str, width: int) -> Layer:
    return Layer("snake", name, width, width)


def down_block(name: str, width: int, stride: int, *, depthwise: bool) -> Iterator[Layer]:
    """Three units and a convolution that doubles the channels."""
    yield from units(name, 0, width, depthwise=depthwise)
    yield snake(f"{name}.block.3", width)
    yield Layer("conv", f"{name}.block.4", width, 2 * width, 2 * stride, stride)


def up_block(name: str, inputs: int, outputs: int, stride: int, **options: int) -> Iterator[Layer]:
    """A transposed convolution; the units behind it are the caller's."""
    yield snake(f"{name}.block.0", inputs)
    yield Layer("up", f"{name}.block.1", inputs, outputs, 2 * stride, stride, **options)


def units(name: str, first: int, width: int, *, depthwise: bool) -> Iterator[Layer]:
    """Three units of increasing dilation, numbered from `first`."""
    groups = width if depthwise else 1
    for i, dilation in enumerate(DILATIONS, first):
        yield Layer("unit", f"{name}.block.{i}", width, width, UNIT_KERNEL, dilation=dilation, groups=groups)


def encoder_stages(width: int, strides: Sequence[int], *, depthwise: bool) -> Iterator[Layer]:
    """`encoder.block.0` and on: a convolution, then a block a stride."""
    yield conv("encoder.block.0", 1, width, 7)
    for i, stride in enumerate(strides, 1):
        yield from down_block(f"encoder.block.{i}", width, stride, depthwise=depthwise)
        width *= 2


def decoder_stages(
    first: int, width: int, strides: Sequence[int], *, skipped: int = 0, depthwise: bool, whole: bool
) -> Iterator[Layer]:
    """`decoder.model.FIRST` and on: a block a stride, then what makes samples of the last one.

    skipped: layers that blocks were saved with before their units; whole: whether odd strides leave nothing out.
    """
    for n, stride in enumerate(strides, first):
        name, narrow = f"decoder.model.{n}", width // 2
        yield from up_block(name, width, narrow, stride, extra=stride % 2 if whole else 0)
        yield from units(name, 2 + skipped, narrow, depthwise=depthwise)
        width = narrow
    last = first + len(strides)
    yield snake(f"decoder.model.{last}", width)
    yield conv(f"decoder.model.{last + 1}", width, 1, 7)
    yield Layer("tanh", "", 1, 1)


def within(unit: Layer) -> list[Layer]:
    """The layers of a unit, in a row."""
    width, name = unit.inputs, unit.name
    wide = Layer("conv", f"{name}.block.1", width, width, unit.kernel, dilation=unit.dilation, groups=unit.groups)
    narrow = conv(f"{name}.block.3", width, width, 1)
    return [snake(f"{name}.block.0", width), wide, snake(f"{name}.block.2", width), narrow]


def shapes(layers: Iterable[Layer]) -> Shapes:
    """Every tensor of the layers, weight normalisation folded."""
    result: Shapes = {}
    for layer in layers:
        ends = (layer.inputs, layer.outputs) if layer.kind == "up" else (layer.outputs, layer.inputs // layer.groups)
        match layer.kind:
            case "unit":
                result |= shapes(within(layer))
            case "snake":
                result[f"{layer.name}.alpha"] = (1, layer.inputs, 1)
            case "attention":
                result |= attention_shapes(layer.name, layer.inputs)
            case "conv" | "up":
                result |= {f"{layer.name}.weight": (*ends, layer.kernel), f"{layer.name}.bias": (layer.outputs,)}
    return result


def reach(layers: Iterable[Layer], first: int, last: int) -> tuple[int, int]:
    """The first and the last step of the input that steps first..last of the output depend on."""
    for layer in reversed(list(layers)):
        pad, span = layer.padding, (layer.kernel - 1) * layer.dilation
        match layer.kind:
            case "conv" | "unit":
                first, last = first * layer.stride - pad, last * layer.stride - pad + span
            case "up":
                first, last = -((span - first - pad) // layer.stride), (last + pad) // layer.stride
            case "attention":
                size = layer.kernel
                first, last = first // size * size, last // size * size + size - 1
    return first, last


def context(encoder: Iterable[Layer], decoder: Iterable[Layer], frame_size: int, steps: int = 1) -> int:
    """Frames on each side that a frame's codes or its samples depend on, whichever reaches further.

    frame_size: samples; steps: of the encoder's output in a frame.
    """
    first, last = reach(encoder, 0, steps - 1)
    earliest, latest = reach(decoder, 0, frame_size - 1)
    frames = -first / frame_size, (last + 1 - frame_size) / frame_size, -earliest / steps, (latest + 1 - steps) / steps
    return max(0, *(int(np.ceil(n)) for n in frames))


def add_layers(graph: GraphBuilder, weights: Weights, x: str, layers: Iterable[Layer]) -> str:
    """The nodes of layers behind the value x."""
    for layer in layers:
        match layer.kind:
            case "unit":
                x = str(graph.op("Add", x, add_layers(graph, weights, x, within(layer))))
            case "snake":
                x = _snake(graph, weights, x, layer)
            case "attention":
                x = local_attention(graph, weights, x, layer.name, layer.inputs, layer.kernel)
            case "tanh":
                x = str(graph.op("Tanh", x))
            case _:
                x = _convolved(graph, weights, x, layer)
    return x


def _snake(graph: GraphBuilder, weights: Weights, x: str, layer: Layer) -> str:
    alpha = weights[f"{layer.name}.alpha"]
    factor = graph.weight(f"{layer.name}.alpha", alpha)
    share = graph.weight(f"{layer.name}.share", np.float32(1) / (alpha + np.float32(1e-9)))
    wave = graph.op("Sin", graph.op("Mul", x, factor))
    return str(graph.op("Add", x, graph.op("Mul", graph.op("Mul", wave, wave), share)))


def _convolved(graph: GraphBuilder, weights: Weights, x: str, layer: Layer) -> str:
    names = [graph.weight(name, weights[name]) for name in (f"{layer.name}.weight", f"{layer.name}.bias")]
    pads, strides = [layer.padding, layer.padding], [layer.stride]
    if layer.kind == "up":
        extra = [layer.extra]
        return str(graph.op("ConvTranspose", x, *names, pads=pads, strides=strides, output_padding=extra))
    spread = [layer.dilation]
    return str(graph.op("Conv", x, *names, pads=pads, strides=strides, dilations=spread, group=layer.groups))
