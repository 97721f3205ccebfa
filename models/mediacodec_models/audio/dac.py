"""The network of DAC (Kumar et al. 2023, arXiv:2306.06546) as ONNX graphs: whole signals, both sides seen."""

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
    snake,
)


@dataclass(frozen=True, kw_only=True)
class DacConfig:
    """Shape of the network; the defaults are the published 44.1 kHz model.

    latent: channels between encoder and decoder; 0 stands for what the encoder ends with.
    """

    sample_rate: int = 44_100
    encoder_dim: int = 64
    encoder_rates: tuple[int, ...] = (2, 4, 8, 8)
    decoder_dim: int = 1536
    decoder_rates: tuple[int, ...] = (8, 8, 4, 2)
    latent: int = 0
    num_codebooks: int = 9
    codebook_size: int = 1024
    codebook_dim: int = 8

    @property
    def frame_size(self) -> int:
        return math.prod(self.encoder_rates)

    @property
    def width(self) -> int:
        """Channels between encoder and decoder."""
        return self.latent or self.encoder_dim * 2 ** len(self.encoder_rates)


def encoder_layers(config: DacConfig) -> Iterator[Layer]:
    """Samples to what is quantized."""
    yield from encoder_stages(config.encoder_dim, config.encoder_rates, depthwise=False)
    last, width = len(config.encoder_rates) + 1, config.encoder_dim * 2 ** len(config.encoder_rates)
    yield snake(f"encoder.block.{last}", width)
    yield conv(f"encoder.block.{last + 1}", width, config.width, 3)


def decoder_layers(config: DacConfig) -> Iterator[Layer]:
    """What was quantized to samples."""
    yield conv("decoder.model.0", config.width, config.decoder_dim, 7)
    yield from decoder_stages(1, config.decoder_dim, config.decoder_rates, depthwise=False, whole=False)


def tensors(config: DacConfig) -> Shapes:
    """Every tensor that the network is made of."""
    result = shapes(encoder_layers(config)) | shapes(decoder_layers(config))
    for name in _books(config):
        result |= book_shapes(name, config.width, config.codebook_size, config.codebook_dim)
    return result


def context_frames(config: DacConfig) -> int:
    """Frames on each side that a frame depends on."""
    return context(encoder_layers(config), decoder_layers(config), config.frame_size)


def encoder_graph(config: DacConfig, weights: Weights) -> GraphBuilder:
    """`samples` [1, 1, frames * frame_size] to `codes` [1, codebooks, frames]."""
    g = GraphBuilder("encoder")
    rest = add_layers(g, weights, g.input("samples", [1, 1, "samples"]), encoder_layers(config))
    found = []
    for name in _books(config):
        codes, said = quantized(g, weights, rest, name)
        rest = g.op("Sub", rest, said)
        found.append(g.op("Unsqueeze", codes, g.ints(1)))
    g.output("codes", g.op("Concat", *found, axis=1), [1, config.num_codebooks, "frames"], "int64")
    return g


def decoder_graph(config: DacConfig, weights: Weights) -> GraphBuilder:
    """`codes` [1, codebooks, frames] to `samples` [1, 1, n]: frames * frame_size less what odd strides leave out."""
    g = GraphBuilder("decoder")
    codes = g.input("codes", [1, config.num_codebooks, "frames"], "int64")
    samples = add_layers(g, weights, looked_up(g, weights, codes, _books(config)), decoder_layers(config))
    g.output("samples", samples, [1, 1, "samples"])
    return g


def _books(config: DacConfig) -> list[str]:
    return [f"quantizer.quantizers.{k}" for k in range(config.num_codebooks)]
