"""Layers of convolutional codecs as ONNX nodes, over whole signals or over streams in steps with a state.

All take and give [1, channels, time]. Signals are continued by reflection at their ends; where one is too short for
that, it counts as continued by zeros first, as published codecs have it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder

Array = NDArray[np.float32]
NORM_EPSILON = 1e-5


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution.

    weight: [out, in, kernel], or [in, out, kernel] of a transposed one; bias: [out]; norm: scale and offset, [out]
    each, of the group normalisation over all channels that follows, if one does.
    """

    name: str
    weight: Array
    bias: Array
    stride: int = 1
    dilation: int = 1
    norm: tuple[Array, Array] | None = None

    @property
    def padding(self) -> int:
        """Samples of padding in all, without what a ragged end adds."""
        return (self.weight.shape[2] - 1) * self.dilation + 1 - self.stride


@dataclass(frozen=True, eq=False)
class Lstm:
    """Layers of an LSTM: for each its weights [4 size, in] and [4 size, size] and its biases, gates in torch's order
    (input, forget, cell, output).
    """

    name: str
    layers: tuple[tuple[Array, Array, Array, Array], ...]


class GraphLayers(ABC):
    """Layers as nodes of one graph."""

    def __init__(self, graph: GraphBuilder) -> None:
        self.graph = graph

    @abstractmethod
    def conv(self, x: str, layer: Conv) -> str:
        """A convolution; with a stride, ceil(time / stride) samples."""

    @abstractmethod
    def transposed(self, x: str, layer: Conv) -> str:
        """A transposed convolution, cut to time * stride samples."""

    def elu(self, x: str) -> str:
        return str(self.graph.op("Elu", x))

    def lstm(self, x: str, layer: Lstm) -> str:
        """x + LSTM(x)."""
        g = self.graph
        start = y = g.op("Transpose", x, perm=[2, 0, 1])
        for i, (w, r, wb, rb) in enumerate(layer.layers):
            parts = gates(w)[None], gates(r)[None], np.concatenate([gates(wb), gates(rb)])[None]
            names = [g.weight(f"{layer.name}.{i}.{n}", part) for n, part in zip("WRB", parts, strict=True)]
            y = g.op("Squeeze", self._recurrent(y, names, r.shape[1]), g.ints(1))
        return str(g.op("Transpose", g.op("Add", y, start), perm=[1, 2, 0]))

    def _recurrent(self, x: str, weights: list[str], size: int) -> str:
        """One LSTM layer over [time, 1, in]: [time, 1, 1, size]."""
        return str(self.graph.op("LSTM", x, *weights, hidden_size=size))

    def _convolved(self, kind: str, x: str, layer: Conv) -> str:
        """The convolution alone, without padding, and its norm."""
        g = self.graph
        names = g.weight(f"{layer.name}.weight", layer.weight), g.weight(f"{layer.name}.bias", layer.bias)
        y = g.op(kind, x, *names, strides=[layer.stride], dilations=[layer.dilation])
        return self._normed(y, layer)

    def _normed(self, y: str, layer: Conv) -> str:
        if layer.norm is None:
            return y
        g = self.graph
        one, none = (g.constant(np.array([v], dtype=np.float32)) for v in (1, 0))
        flat = g.op("InstanceNormalization", g.op("Reshape", y, g.ints(1, 1, -1)), one, none, epsilon=NORM_EPSILON)
        y = g.op("Reshape", flat, g.op("Shape", y))
        scale, offset = (g.weight(f"{layer.name}.norm.{i}", v[None, :, None]) for i, v in enumerate(layer.norm))
        return str(g.op("Add", g.op("Mul", y, scale), offset))

    def _missing(self, length: str, stride: int) -> str:
        """Samples that a signal of this length lacks to whole strides."""
        return str(self.graph.op("Mod", self.graph.op("Neg", length), self.graph.scalar(stride)))

    def _mirrored(self, places: str, full: str) -> str:
        """Places behind the first `full` ones, seen in the mirror that their last one is."""
        g = self.graph
        last = g.op("Sub", full, g.scalar(1))
        return str(g.op("Sub", last, g.op("Abs", g.op("Sub", last, places))))

    def _zero_behind(self, x: str) -> str:
        return str(self.graph.op("Pad", x, self.graph.ints(0, 0, 0, 0, 0, 1)))


class Whole(GraphLayers):
    """Over a whole signal, padded half on each side (the odd sample on the left)."""

    def conv(self, x: str, layer: Conv) -> str:
        return self._convolved("Conv", self._padded(x, layer) if layer.padding else x, layer)

    def transposed(self, x: str, layer: Conv) -> str:
        right = layer.padding // 2
        y = self._convolved("ConvTranspose", x, layer)
        return self.graph.cut(y, layer.padding - right, -right if right else None)

    def _padded(self, x: str, layer: Conv) -> str:
        g, one = self.graph, self.graph.scalar(1)
        length, half = g.length(x), layer.padding // 2
        right = g.op("Add", self._missing(length, layer.stride), g.scalar(half))
        left = layer.padding - half
        most = g.op("Max", g.scalar(left), right)
        full = g.op("Max", length, g.op("Add", most, one))
        places = g.op("Abs", g.op("Range", g.scalar(-left), g.op("Add", length, right), one))
        found = g.op("Min", self._mirrored(places, full), length)  # what lies behind the end is one zero
        return str(g.op("Gather", self._zero_behind(x), found, axis=2))


class Stream(GraphLayers):
    """Over the next samples of a stream, padded on the left alone: by what came before or, in the first step, by
    reflection of what comes. The first step must be longer than any padding, unless the stream ends with it.
    """

    def __init__(self, graph: GraphBuilder) -> None:
        super().__init__(graph)
        started = graph.state(1)
        self._goes_on = graph.op("Greater", started, graph.constant(np.zeros(1, dtype=np.float32)))
        graph.keep(started, graph.constant(np.ones(1, dtype=np.float32)))

    def conv(self, x: str, layer: Conv) -> str:
        pad = layer.padding
        if not pad:
            return self._convolved("Conv", x, layer)
        if layer.norm is not None or pad + 1 < layer.stride:
            raise ValueError(f"{layer.name}: not a convolution that can run in steps")
        g = self.graph
        history = g.state(1, layer.weight.shape[1], pad)
        before = self._chosen(self._goes_on, lambda: history, lambda: self._reflected(x, pad))
        padded = self._joined(before, x) if layer.stride == 1 else self._whole(before, x, layer)
        g.keep(history, g.cut(padded, -pad))
        return self._convolved("Conv", padded, layer)

    def _whole(self, before: str, x: str, layer: Conv) -> str:
        """History and signal, and behind a ragged end, which is that of the stream, what it lacks to whole strides."""
        length = self.graph.length(x)
        missing = self._missing(length, layer.stride)
        return self._chosen(
            self.graph.op("Greater", missing, self.graph.scalar(0)),
            lambda: self._joined(before, x, self._tail(before, x, length, missing, layer)),
            lambda: self._joined(before, x),
        )

    def _chosen(self, condition: str, *values: Callable[[], str]) -> str:
        """The first value where the condition holds, else the second.

        Start and ragged end of a stream are branches, since their many small nodes would be a tenth of a short step.
        """
        first, second = ((lambda value=value: [value()]) for value in values)
        return self.graph.either(condition, first, second, dtypes=("float32",))[0]

    def _joined(self, *parts: str) -> str:
        return str(self.graph.op("Concat", *parts, axis=2))

    def _reflected(self, x: str, pad: int) -> str:
        """What comes before a stream's first samples: these in the mirror."""
        g = self.graph
        ahead = g.op("Min", g.ints(*range(pad, 0, -1)), g.length(x))
        return str(g.op("Gather", self._zero_behind(g.cut(x, 0, pad + 1)), ahead, axis=2))

    def transposed(self, x: str, layer: Conv) -> str:
        """What overlaps with the next step's first samples is a state."""
        pad = layer.padding
        if layer.norm is not None or pad > layer.stride:
            raise ValueError(f"{layer.name}: not a transposed convolution that can run in steps")
        g = self.graph
        overlap = g.state(1, layer.weight.shape[1], pad)
        y = self._convolved("ConvTranspose", x, layer)
        # the bias is in both parts that overlap, and wanted once
        g.keep(overlap, g.op("Sub", g.cut(y, -pad), g.weight(f"{layer.name}.bias_column", layer.bias[None, :, None])))
        return str(g.op("Concat", g.op("Add", g.cut(y, 0, pad), overlap), g.cut(y, pad, -pad), axis=2))

    def _recurrent(self, x: str, weights: list[str], size: int) -> str:
        g = self.graph
        states = [g.state(1, 1, size) for _ in "hc"]
        y, *after = g.op("LSTM", x, *weights, "", *states, outputs=3, hidden_size=size)
        for state, value in zip(states, after, strict=True):
            g.keep(state, value)
        return str(y)

    def _tail(self, before: str, x: str, length: str, missing: str, layer: Conv) -> str:
        """What a ragged end lacks to whole strides: reflected, across steps where the last one is short."""
        g, pad = self.graph, layer.padding
        end = self._joined(before, g.cut(x, -pad - 1))
        stop = g.op("Add", length, missing)
        full = g.op("Where", self._goes_on, length, g.op("Max", length, g.scalar(pad + 1)))
        places = self._mirrored(g.op("Range", length, stop, g.scalar(1)), full)
        from_end = g.op("Sub", g.op("Add", places, g.scalar(pad + 1)), length)
        found = g.op("Min", from_end, g.scalar(pad + 1))
        return str(g.op("Gather", self._zero_behind(g.cut(end, -pad - 1)), found, axis=2))


def gates(parts: Any) -> Array:
    """Rows in torch's order of gates (input, forget, cell, output) in ONNX's (input, output, forget, cell)."""
    i, f, c, o = np.split(np.asarray(parts, dtype=np.float32), 4)
    return np.concatenate([i, o, f, c])
