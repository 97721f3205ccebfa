"""The network of WavTokenizer (Ji et al. 2024, arXiv:2408.16532) as ONNX graphs.

EnCodec's encoder without its causality, one codebook, and a decoder after Vocos: residual blocks around one attention
layer, ConvNeXt blocks, and a spectrum that an inverse short-time Fourier transform turns to samples. Normalisation and
attention see all of a signal, so a window's audio is not quite that of the whole signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.audio.encodec import EncodecConfig, Network
from mediacodec_models.audio.encodec import shapes as encodec_shapes
from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.layers.global_layers import (
    Weights,
    added_attention,
    convolved,
    gelu,
    group_norm,
    layer_norm,
    linear,
    swish,
)
from mediacodec_models.layers.graph_layers import Whole
from mediacodec_models.layers.inverse_stft import inverse_stft

Shapes = dict[str, tuple[int, ...]]
MAX_MAGNITUDE = 1e2
ATTENTION = 2  # which of the residual blocks it is; another normalisation follows the last one
RESIDUAL = (0, 1, 3, 4)


@dataclass(frozen=True, kw_only=True)
class WavTokenizerConfig:
    """Shape of the network.

    encodec: of the encoder; width: channels of the decoder; hidden: of its ConvNeXt blocks; blocks: how many those are;
    bandwidths: rows of each adaptive normalisation, of which the first is used; fft: samples of an inverse transform.
    """

    encodec: EncodecConfig
    width: int = 768
    hidden: int = 2304
    blocks: int = 12
    bandwidths: int = 4
    fft: int = 1280


def tensors(config: WavTokenizerConfig) -> Shapes:
    """Every tensor that is used, the encoder's as the importer of EnCodec calls them."""
    encoder = encodec_shapes(config.encodec)
    result = {name: shape for name, shape in encoder.items() if not name.startswith("decoder.")}
    width, hidden = config.width, config.hidden
    result |= _conv("backbone.embed", width, config.encodec.latent, 7) | _adaptive("backbone.norm", config)
    for i in RESIDUAL:
        for part in "12":
            result |= _pair(f"backbone.pos_net.{i}.norm{part}", width)
            result |= _conv(f"backbone.pos_net.{i}.conv{part}", width, width, 3)
    result |= _pair(f"backbone.pos_net.{ATTENTION}.norm", width) | _pair("backbone.pos_net.5", width)
    for part in ("q", "k", "v", "proj_out"):
        result |= _conv(f"backbone.pos_net.{ATTENTION}.{part}", width, width, 1)
    for i in range(config.blocks):
        name = f"backbone.convnext.{i}"
        result |= _conv(f"{name}.dwconv", width, 1, 7) | _adaptive(f"{name}.norm", config) | {f"{name}.gamma": (width,)}
        result |= {f"{name}.pwconv1.weight": (hidden, width), f"{name}.pwconv1.bias": (hidden,)}
        result |= {f"{name}.pwconv2.weight": (width, hidden), f"{name}.pwconv2.bias": (width,)}
    result |= _pair("backbone.final_layer_norm", width)
    bins = config.fft + 2
    return result | {"head.out.weight": (bins, width), "head.out.bias": (bins,), "head.istft.window": (config.fft,)}


def _conv(name: str, outputs: int, inputs: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, kernel), f"{name}.bias": (outputs,)}


def _pair(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _adaptive(name: str, config: WavTokenizerConfig) -> Shapes:
    return {f"{name}.{leaf}.weight": (config.bandwidths, config.width) for leaf in ("scale", "shift")}


def encoder_graph(config: WavTokenizerConfig, weights: Weights) -> GraphBuilder:
    """`samples` [1, 1, frames * frame_size] to `codes` [1, 1, frames]."""
    g = GraphBuilder("encoder")
    samples = g.input("samples", [1, 1, "samples"])
    codes = Network(config.encodec, weights, Whole(g)).encode(samples, g.ints(1))
    g.output("codes", codes, [1, 1, "frames"], "int64")
    return g


def decoder_graph(config: WavTokenizerConfig, weights: Weights) -> GraphBuilder:
    """`codes` [1, 1, frames] to `samples` [1, 1, frames * frame_size]; the code behind the last stands for zeros."""
    g = GraphBuilder("decoder")
    codes = g.op("Squeeze", g.input("codes", [1, 1, "frames"], "int64"), g.ints(1))
    book = weights["quantizer.layers.0.codebook.embed"]
    table = g.weight("codebook", np.concatenate([book, np.zeros_like(book[:1])]))
    latent = g.op("Transpose", g.op("Gather", table, codes), perm=[0, 2, 1])
    spectrum = linear(g, weights, _backbone(g, config, weights, latent), "head.out")
    samples = _samples(g, config, weights, g.op("Transpose", spectrum, perm=[0, 2, 1]))
    g.output("samples", samples, [1, 1, "samples"])
    return g


def _backbone(g: GraphBuilder, config: WavTokenizerConfig, weights: Weights, latent: str) -> str:
    """[1, latent, time] to [1, time, width]."""
    x = convolved(g, weights, latent, "backbone.embed", padding=3)
    for i in range(5):
        name = f"backbone.pos_net.{i}"
        x = added_attention(g, weights, x, name) if i == ATTENTION else _residual(g, weights, x, name)
    x = g.op("Transpose", group_norm(g, weights, x, "backbone.pos_net.5"), perm=[0, 2, 1])
    x = layer_norm(g, *_chosen(weights, "backbone.norm"), x, "backbone.norm")
    for i in range(config.blocks):
        x = _convnext(g, config, weights, x, f"backbone.convnext.{i}")
    name = "backbone.final_layer_norm"
    return layer_norm(g, weights[f"{name}.weight"], weights[f"{name}.bias"], x, name)


def _residual(g: GraphBuilder, weights: Weights, x: str, name: str) -> str:
    y = x
    for part in "12":
        y = swish(g, group_norm(g, weights, y, f"{name}.norm{part}"))
        y = convolved(g, weights, y, f"{name}.conv{part}", padding=1)
    return str(g.op("Add", x, y))


def _convnext(g: GraphBuilder, config: WavTokenizerConfig, weights: Weights, x: str, name: str) -> str:
    """Over [1, time, width]."""
    deep = g.op("Transpose", x, perm=[0, 2, 1])
    deep = convolved(g, weights, deep, f"{name}.dwconv", padding=3, groups=config.width)
    y = layer_norm(g, *_chosen(weights, f"{name}.norm"), g.op("Transpose", deep, perm=[0, 2, 1]), f"{name}.norm")
    y = linear(g, weights, gelu(g, linear(g, weights, y, f"{name}.pwconv1")), f"{name}.pwconv2")
    return str(g.op("Add", x, g.op("Mul", y, g.weight(f"{name}.gamma", weights[f"{name}.gamma"]))))


def _chosen(weights: Weights, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale and offset of an adaptive normalisation, as the published code chooses them."""
    return weights[f"{name}.scale.weight"][0], weights[f"{name}.shift.weight"][0]


def _samples(g: GraphBuilder, config: WavTokenizerConfig, weights: Weights, spectrum: str) -> str:
    """Logarithms of magnitudes and phases [1, fft + 2, time] to [1, 1, time * frame_size]."""
    bins = config.fft // 2 + 1
    limit = g.constant(np.array(MAX_MAGNITUDE, dtype=np.float32))
    size = g.op("Min", g.op("Exp", g.cut(spectrum, 0, bins, axis=1)), limit)
    phase = g.cut(spectrum, bins, axis=1)
    parts = [g.op("Mul", size, g.op(wave, phase)) for wave in ("Cos", "Sin")]
    return inverse_stft(g, g.op("Concat", *parts, axis=1), weights["head.istft.window"], config.encodec.frame_size)
