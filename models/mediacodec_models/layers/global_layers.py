"""Layers that look at all of a signal, and those between them, as ONNX nodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder

Weights = Mapping[str, NDArray[np.float32]]
GROUPS = 32
NORM_EPSILON = 1e-6


def convolved(g: GraphBuilder, weights: Weights, x: str, name: str, *, padding: int = 0, groups: int = 1) -> str:
    """A convolution over [1, channels, time] with zeros on both sides."""
    names = [g.weight(f"{name}.{leaf}", weights[f"{name}.{leaf}"]) for leaf in ("weight", "bias")]
    return str(g.op("Conv", x, *names, pads=[padding, padding], group=groups))


def linear(g: GraphBuilder, weights: Weights, x: str, name: str) -> str:
    """Over the last axis."""
    matrix, bias = weights[f"{name}.weight"].T, weights[f"{name}.bias"]
    return str(g.op("Add", g.op("MatMul", x, g.weight(f"{name}.weight", matrix)), g.weight(f"{name}.bias", bias)))


def layer_norm(g: GraphBuilder, scale: NDArray[np.float32], offset: NDArray[np.float32], x: str, name: str) -> str:
    """Over the last axis."""
    names = g.weight(f"{name}.scale", scale), g.weight(f"{name}.offset", offset)
    return str(g.op("LayerNormalization", x, *names, axis=-1, epsilon=NORM_EPSILON))


def group_norm(g: GraphBuilder, weights: Weights, x: str, name: str) -> str:
    """Each of 32 groups of the channels of [1, channels, time], over all of its time."""
    one, none = (g.constant(np.full(GROUPS, value, dtype=np.float32)) for value in (1, 0))
    flat = g.op("Reshape", x, g.ints(1, GROUPS, -1))
    normal = g.op("Reshape", g.op("InstanceNormalization", flat, one, none, epsilon=NORM_EPSILON), g.op("Shape", x))
    scale, offset = (g.weight(f"{name}.{leaf}", weights[f"{name}.{leaf}"][:, None]) for leaf in ("weight", "bias"))
    return str(g.op("Add", g.op("Mul", normal, scale), offset))


def added_attention(g: GraphBuilder, weights: Weights, x: str, name: str) -> str:
    """x + attention of one head over all of its normalised time, [1, channels, time]."""
    normal = group_norm(g, weights, x, f"{name}.norm")
    query, key, value = (convolved(g, weights, normal, f"{name}.{part}") for part in "qkv")
    width = len(weights[f"{name}.q.bias"])
    factor = g.constant(np.array(width**-0.5, dtype=np.float32))
    likeness = g.op("Mul", g.op("MatMul", g.op("Transpose", query, perm=[0, 2, 1]), key), factor)
    weight = g.op("Transpose", g.op("Softmax", likeness, axis=-1), perm=[0, 2, 1])
    return str(g.op("Add", x, convolved(g, weights, g.op("MatMul", value, weight), f"{name}.proj_out")))


def swish(g: GraphBuilder, x: str) -> str:
    return str(g.op("Mul", x, g.op("Sigmoid", x)))


def gelu(g: GraphBuilder, x: str) -> str:
    """Exact, with the error function."""
    half, root = (g.constant(np.array(value, dtype=np.float32)) for value in (0.5, 0.5**0.5))
    wave = g.op("Erf", g.op("Mul", x, root))
    return str(g.op("Mul", x, g.op("Add", g.op("Mul", wave, half), half)))
