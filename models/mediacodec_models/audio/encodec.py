"""The network of EnCodec (Défossez et al. 2022, arXiv:2210.13438) as ONNX graphs.

A convolutional encoder with an LSTM, residual vector quantization with Euclidean codebooks, and a decoder that mirrors
the encoder. The causal variant runs in steps, the other over whole segments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.layers.graph_layers import Array, Conv, GraphLayers, Lstm

Weights = Mapping[str, NDArray[np.float32]]

GROUP = 4  # codebooks that are searched or left out together


@dataclass(frozen=True, kw_only=True)
class EncodecConfig:
    """Shape of the network; the defaults are the published 24 kHz model.

    ratios: upsampling factors of the decoder, the encoder's are these backwards; latent: channels between the two;
    normalize: whether each segment is divided by its RMS; segment: samples of one and `stride` from one to the next,
    0 where the signal is one.
    """

    sample_rate: int = 24_000
    channels: int = 1
    filters: int = 32
    latent: int = 128
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    kernel: int = 7
    last_kernel: int = 7
    residual_kernel: int = 3
    residual_layers: int = 1
    dilation_base: int = 2
    compress: int = 2
    lstm_layers: int = 2
    shortcut: bool = True
    causal: bool = True
    normalize: bool = False
    segment: int = 0
    stride: int = 0
    num_codebooks: int = 32
    codebook_size: int = 1024

    @property
    def frame_size(self) -> int:
        return math.prod(self.ratios)

    @property
    def start_frames(self) -> int:
        """Frames that the first step of a stream must hold: more than any padding, counted in frames.

        The longest padding is that of the kernels at the frame rate: everywhere else a frame has more samples.
        """
        ahead = [self.kernel, self.last_kernel]
        dilated = (self.residual_kernel - 1) * self.dilation_base ** max(0, self.residual_layers - 1) + 1
        return max(*ahead, -(-dilated // self.ratios[0]))


PUBLISHED_24K = EncodecConfig()
PUBLISHED_48K = EncodecConfig(
    sample_rate=48_000,
    channels=2,
    causal=False,
    normalize=True,
    segment=48_000,
    stride=47_520,
    num_codebooks=16,
)


@dataclass(frozen=True)
class Part:
    """One layer with weights, named as it is saved.

    kind: conv, up (a transposed one), residual (a unit of several) or lstm; factor: its stride or, of a unit, dilation.
    """

    kind: str
    name: str
    inputs: int
    outputs: int
    kernel: int = 0
    factor: int = 1


def encoder_parts(config: EncodecConfig) -> Iterator[Part]:
    """In order; numbers in names count activations too."""
    n, width = 0, config.filters
    yield Part("conv", "encoder.layers.0", config.channels, width, config.kernel)
    for ratio in reversed(config.ratios):
        for j in range(config.residual_layers):
            n += 1
            dilation = config.dilation_base**j
            yield Part("residual", f"encoder.layers.{n}", width, width, config.residual_kernel, dilation)
        n += 2
        yield Part("conv", f"encoder.layers.{n}", width, 2 * width, 2 * ratio, ratio)
        width *= 2
    yield Part("lstm", f"encoder.layers.{n + 1}", width, width)
    yield Part("conv", f"encoder.layers.{n + 3}", width, config.latent, config.last_kernel)


def decoder_parts(config: EncodecConfig) -> Iterator[Part]:
    """In order; numbers in names count activations too."""
    n, width = 1, config.filters * 2 ** len(config.ratios)
    yield Part("conv", "decoder.layers.0", config.latent, width, config.kernel)
    yield Part("lstm", "decoder.layers.1", width, width)
    for ratio in config.ratios:
        n += 2
        yield Part("up", f"decoder.layers.{n}", width, width // 2, 2 * ratio, ratio)
        width //= 2
        for j in range(config.residual_layers):
            n += 1
            dilation = config.dilation_base**j
            yield Part("residual", f"decoder.layers.{n}", width, width, config.residual_kernel, dilation)
    yield Part("conv", f"decoder.layers.{n + 2}", width, config.channels, config.last_kernel)


def unit(config: EncodecConfig, part: Part) -> list[Part]:
    """The convolutions of a residual unit: two in a row and, unless the unit is added to its input as it is, a third
    beside them.
    """
    width, hidden = part.inputs, part.inputs // config.compress
    wide = Part("dilated", f"{part.name}.block.1", width, hidden, part.kernel, part.factor)
    narrow = Part("conv", f"{part.name}.block.3", hidden, width, 1)
    beside = [Part("conv", f"{part.name}.shortcut", width, width, 1)] if config.shortcut else []
    return [wide, narrow, *beside]


def shapes(config: EncodecConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor that the network is made of, weight normalisation folded."""
    result: dict[str, tuple[int, ...]] = {}
    for part in (*encoder_parts(config), *decoder_parts(config)):
        if part.kind == "lstm":
            result |= _lstm_shapes(config, part)
            continue
        for conv in unit(config, part) if part.kind == "residual" else [part]:
            ends = (conv.inputs, conv.outputs) if conv.kind == "up" else (conv.outputs, conv.inputs)
            result |= {f"{conv.name}.conv.weight": (*ends, conv.kernel), f"{conv.name}.conv.bias": (conv.outputs,)}
            if not config.causal:
                result |= {f"{conv.name}.norm.{leaf}": (conv.outputs,) for leaf in ("weight", "bias")}
    book = (config.codebook_size, config.latent)
    return result | {f"quantizer.layers.{k}.codebook.embed": book for k in range(config.num_codebooks)}


def _lstm_shapes(config: EncodecConfig, part: Part) -> dict[str, tuple[int, ...]]:
    size = part.outputs
    leaves = {"weight_ih": (4 * size, size), "weight_hh": (4 * size, size), "bias_ih": (4 * size,)}
    leaves["bias_hh"] = leaves["bias_ih"]
    return {f"{part.name}.lstm.{k}_l{i}": shape for i in range(config.lstm_layers) for k, shape in leaves.items()}


class Network:
    """The network over some kind of layers: `Stream` where it is causal, else `Whole`."""

    def __init__(self, config: EncodecConfig, weights: Weights, layers: GraphLayers) -> None:
        self.config, self._weights, self._layers = config, weights, layers
        self._graph: GraphBuilder = layers.graph

    def encode(self, samples: str, wanted: str) -> str:
        """[1, channels, n] to codes [1, codebooks, frames], of at least as many codebooks as are `wanted` [1]."""
        return self._quantized(self._run(samples, list(encoder_parts(self.config))), wanted)

    def decode(self, codes: str) -> str:
        """[1, books, frames] to [1, channels, frames * frame_size]."""
        return self._run(self._looked_up(codes), list(decoder_parts(self.config)))

    def _run(self, x: str, parts: list[Part]) -> str:
        for i, part in enumerate(parts):
            if part.kind == "residual":
                x = self._unit(x, part)
            elif part.kind == "lstm":
                x = self._layers.lstm(x, self._lstm(part))
            else:
                x = self._conv(self._layers.elu(x) if i else x, part)
        return x

    def _unit(self, x: str, part: Part) -> str:
        wide, narrow, *beside = unit(self.config, part)
        y = self._conv(self._layers.elu(x), wide)
        y = self._conv(self._layers.elu(y), narrow)
        return str(self._graph.op("Add", self._conv(x, beside[0]) if beside else x, y))

    def _conv(self, x: str, part: Part) -> str:
        w = self._weights
        norm = None if self.config.causal else (w[f"{part.name}.norm.weight"], w[f"{part.name}.norm.bias"])
        stride, dilation = (1, part.factor) if part.kind == "dilated" else (part.factor, 1)
        layer = Conv(part.name, w[f"{part.name}.conv.weight"], w[f"{part.name}.conv.bias"], stride, dilation, norm)
        return self._layers.transposed(x, layer) if part.kind == "up" else self._layers.conv(x, layer)

    def _lstm(self, part: Part) -> Lstm:
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        each = range(self.config.lstm_layers)
        rows = [[self._weights[f"{part.name}.lstm.{kind}_l{i}"] for kind in kinds] for i in each]
        return Lstm(part.name, tuple((w, r, wb, rb) for w, r, wb, rb in rows))

    def _book(self, k: int) -> Array:
        return self._weights[f"quantizer.layers.{k}.codebook.embed"]

    def _quantized(self, latent: str, wanted: str) -> str:
        """The nearest entry of each codebook to what the ones before left over.

        Codebooks are searched in groups: in steps, reading those that nobody wants would take a quarter of the time.
        """
        g, books = self._graph, self.config.num_codebooks
        rest = g.op("Squeeze", g.op("Transpose", latent, perm=[0, 2, 1]), g.ints(0))  # [frames, latent]
        codes, rest = self._searched(rest, range(min(books, GROUP)))
        found = [codes]
        none = g.cut(codes, 0, 0, axis=0)
        for first in range(GROUP, books, GROUP):
            group = range(first, min(books, first + GROUP))

            def search(group: range = group, rest: str = rest) -> list[str]:
                return list(self._searched(rest, group))

            def skip(rest: str = rest) -> list[str]:
                return [none, rest]

            more = g.op("Greater", wanted, g.ints(first))
            codes, rest = g.either(more, search, skip, dtypes=("int64", "float32"))
            found.append(codes)
        return str(g.op("Unsqueeze", g.op("Concat", *found, axis=0), g.ints(0)))

    def _searched(self, rest: str, group: range) -> tuple[str, str]:
        """Codes [books, frames] of some codebooks, and what they leave of `rest` [frames, latent]."""
        g, found = self._graph, []
        for k in group:
            book = self._book(k)
            entries = g.weight(f"quantizer.{k}", book)
            half = g.weight(f"quantizer.{k}.half_square", -0.5 * np.square(book).sum(1))
            # nearest: |x|² - 2 x·e + |e|² is least where x·e - |e|²/2 is most
            best = g.op("ArgMax", g.op("Gemm", rest, entries, half, transB=1), axis=1, keepdims=0)
            rest = g.op("Sub", rest, g.op("Gather", entries, best))
            found.append(g.op("Unsqueeze", best, g.ints(0)))
        return g.op("Concat", *found, axis=0), rest

    def _looked_up(self, codes: str) -> str:
        """The sum of the entries that codes of the first codebooks stand for, [1, latent, frames]."""
        g, size = self._graph, self.config.codebook_size
        table = g.weight("quantizer", np.concatenate([self._book(k) for k in range(self.config.num_codebooks)]))
        firsts = g.op("Range", g.scalar(0), g.op("Mul", g.length(codes, 1), g.scalar(size)), g.scalar(size))
        places = g.op("Add", codes, g.op("Unsqueeze", firsts, g.ints(1)))
        total = g.op("ReduceSum", g.op("Gather", table, places), g.ints(1), keepdims=0)  # [1, frames, latent]
        return str(g.op("Transpose", total, perm=[0, 2, 1]))
