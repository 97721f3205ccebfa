"""Attention within windows that follow each other, with rotary positions inside a window, as ONNX nodes.

Rotary positions: Su et al. 2021, arXiv:2104.09864.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder

HEAD_SIZE = 64
NORM_EPSILON = 1e-5
ROTARY_BASE = 10_000.0


def attention_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    """The tensors of one such layer over `width` channels."""
    norm = {f"{name}.norm.{leaf}": (width,) for leaf in ("weight", "bias")}
    return norm | {f"{name}.to_qkv.weight": (3 * width, width), f"{name}.to_out.weight": (width, width)}


def local_attention(
    graph: GraphBuilder, weights: Mapping[str, NDArray[np.float32]], x: str, name: str, width: int, window: int
) -> str:
    """x + attention over the layer norm of x, [1, width, time]; time is a multiple of `window`."""
    g, heads = graph, width // HEAD_SIZE
    scale, offset = (g.weight(f"{name}.norm.{leaf}", weights[f"{name}.norm.{leaf}"]) for leaf in ("weight", "bias"))
    steps = g.op("Transpose", x, perm=[0, 2, 1])
    normed = g.op("LayerNormalization", steps, scale, offset, axis=-1, epsilon=NORM_EPSILON)
    parts = g.op("MatMul", normed, g.weight(f"{name}.qkv", weights[f"{name}.to_qkv.weight"].T))
    # [windows, window, 3, heads, size] to three of [windows, heads, window, size]
    split = g.op("Transpose", g.op("Reshape", parts, g.ints(-1, window, 3, heads, HEAD_SIZE)), perm=[2, 0, 3, 1, 4])
    query, key, value = (g.op("Gather", split, g.scalar(i), axis=0) for i in range(3))
    query, key = _rotated(g, query, window), _rotated(g, key, window)
    factor = g.constant(np.array(HEAD_SIZE**-0.5, dtype=np.float32))
    likeness = g.op("MatMul", g.op("Mul", query, factor), g.op("Transpose", key, perm=[0, 1, 3, 2]))
    found = g.op("MatMul", g.op("Softmax", likeness, axis=-1), value)
    joined = g.op("Reshape", g.op("Transpose", found, perm=[0, 2, 1, 3]), g.ints(1, -1, width))
    out = g.op("MatMul", joined, g.weight(f"{name}.out", weights[f"{name}.to_out.weight"].T))
    return str(g.op("Add", x, g.op("Transpose", out, perm=[0, 2, 1])))


def _rotated(g: GraphBuilder, x: str, window: int) -> str:
    """[windows, heads, window, size], each pair of (i, i + size/2) turned by its place in the window."""
    half = HEAD_SIZE // 2
    speeds = ROTARY_BASE ** (-np.arange(half, dtype=np.float32) / half)
    angles = np.tile(np.outer(np.arange(window, dtype=np.float32), speeds), 2)
    cos, sin = (g.weight(f"rotary.{kind.__name__}", kind(angles).astype(np.float32)) for kind in (np.cos, np.sin))
    turned = g.op("Concat", g.op("Neg", g.cut(x, half, axis=3)), g.cut(x, 0, half, axis=3), axis=3)
    return str(g.op("Add", g.op("Mul", x, cos), g.op("Mul", turned, sin)))
