"""The network of SNAC (Siuzdak et al. 2024, arXiv:2410.14411) as ONNX graphs: codebooks at several rates.

The layers of DAC with depthwise convolutions and, in some models, attention over windows. A frame is the shortest
stretch that whole windows and whole codes of every rate fill: `steps` steps of the latent. Its codes are one column,
the coarsest codebook first, and of each codebook in the order of time: with strides 4, 2, 1 and a frame of four steps
the rows are c0, c1 c1', c2 c2' c2'' c2'''.

The published decoder adds noise in proportion to its input, anew in each run. Here it adds none, so that a stream
is the same audio wherever and whenever it is decoded; the tensors of that layer are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.layers.factorised import Weights, book_shapes, looked_up, quantized
from mediacodec_models.layers.snake_layers import (
    Layer,
    Shapes,
    add_layers,
    context,
    conv,
    decoder_stages,
    encoder_stages,
    shapes,
)


@dataclass(frozen=True, kw_only=True)
class SnacConfig:
    """Shape of the network; the defaults are the published 24 kHz model.

    vq_strides: steps of the latent that a code of each codebook stands for, coarsest first; window: steps that attend
    to each other, 0 where none do; noise: whether decoder blocks were saved with a layer of noise.
    """

    sample_rate: int = 24_000
    encoder_dim: int = 48
    encoder_rates: tuple[int, ...] = (2, 4, 8, 8)
    latent: int = 0
    decoder_dim: int = 1024
    decoder_rates: tuple[int, ...] = (8, 8, 4, 2)
    window: int = 0
    codebook_size: int = 4096
    codebook_dim: int = 8
    vq_strides: tuple[int, ...] = (4, 2, 1)
    noise: bool = True
    depthwise: bool = True

    @property
    def steps(self) -> int:
        """Of the latent, in a frame."""
        return math.lcm(*self.vq_strides, self.window or 1)

    @property
    def frame_size(self) -> int:
        return math.prod(self.encoder_rates) * self.steps

    @property
    def slots(self) -> tuple[int, ...]:
        """Codes of each codebook in a frame."""
        return tuple(self.steps // stride for stride in self.vq_strides)

    @property
    def width(self) -> int:
        """Channels between encoder and decoder."""
        return self.latent or self.encoder_dim * 2 ** len(self.encoder_rates)


def encoder_layers(config: SnacConfig) -> Iterator[Layer]:
    """Samples to what is quantized."""
    yield from encoder_stages(config.encoder_dim, config.encoder_rates, depthwise=config.depthwise)
    last, width = len(config.encoder_rates) + 1, config.encoder_dim * 2 ** len(config.encoder_rates)
    if config.window:
        yield Layer("attention", f"encoder.block.{last}", width, width, config.window)
        last += 1
    yield conv(f"encoder.block.{last}", width, width, 7, width if config.depthwise else 1)


def decoder_layers(config: SnacConfig) -> Iterator[Layer]:
    """What was quantized to samples."""
    width, n = config.decoder_dim, 1
    if config.depthwise:
        yield conv("decoder.model.0", config.width, config.width, 7, config.width)
        yield conv("decoder.model.1", config.width, width, 1)
        n = 2
    else:
        yield conv("decoder.model.0", config.width, width, 7)
    if config.window:
        yield Layer("attention", f"decoder.model.{n}", width, width, config.window)
        n += 1
    skipped = 1 if config.noise else 0
    yield from decoder_stages(n, width, config.decoder_rates, skipped=skipped, depthwise=config.depthwise, whole=True)


def tensors(config: SnacConfig) -> Shapes:
    """Every tensor that the network is made of."""
    result = shapes(encoder_layers(config)) | shapes(decoder_layers(config))
    for name in _books(config):
        result |= book_shapes(name, config.width, config.codebook_size, config.codebook_dim)
    return result


def context_frames(config: SnacConfig) -> int:
    """Frames on each side that a frame depends on."""
    return context(encoder_layers(config), decoder_layers(config), config.frame_size, config.steps)


def encoder_graph(config: SnacConfig, weights: Weights) -> GraphBuilder:
    """`samples` [1, 1, frames * frame_size] to `codes` [1, slots, frames]."""
    g = GraphBuilder("encoder")
    rest = add_layers(g, weights, g.input("samples", [1, 1, "samples"]), encoder_layers(config))
    rows = []
    for name, stride, count in zip(_books(config), config.vq_strides, config.slots, strict=True):
        mean = g.op("AveragePool", rest, kernel_shape=[stride], strides=[stride]) if stride > 1 else rest
        codes, said = quantized(g, weights, mean, name)
        rest = g.op("Sub", rest, _repeated(g, said, config.width, stride))
        rows.append(g.op("Transpose", g.op("Reshape", codes, g.ints(1, -1, count)), perm=[0, 2, 1]))
    g.output("codes", g.op("Concat", *rows, axis=1), [1, sum(config.slots), "frames"], "int64")
    return g


def decoder_graph(config: SnacConfig, weights: Weights) -> GraphBuilder:
    """`codes` [1, slots, frames] to `samples` [1, 1, frames * frame_size]."""
    g = GraphBuilder("decoder")
    codes, first, total = g.input("codes", [1, sum(config.slots), "frames"], "int64"), 0, ""
    for name, stride, count in zip(_books(config), config.vq_strides, config.slots, strict=True):
        rows = g.op("Transpose", g.cut(codes, first, first + count, axis=1), perm=[0, 2, 1])
        said = looked_up(g, weights, g.op("Reshape", rows, g.ints(1, 1, -1)), [name])
        said = _repeated(g, said, config.width, stride)
        total, first = g.op("Add", total, said) if total else said, first + count
    g.output("samples", add_layers(g, weights, total, decoder_layers(config)), [1, 1, "samples"])
    return g


def _repeated(g: GraphBuilder, x: str, width: int, times: int) -> str:
    """[1, width, time] with each step `times` times in a row."""
    if times == 1:
        return x
    wide = g.op("Expand", g.op("Unsqueeze", x, g.ints(3)), g.ints(1, width, 1, times))
    return str(g.op("Reshape", wide, g.ints(1, width, -1)))


def _books(config: SnacConfig) -> list[str]:
    return [f"quantizer.quantizers.{k}" for k in range(len(config.vq_strides))]
