"""A causal transformer with a sliding window, over the next positions of a stream, as ONNX nodes.

Keys are kept as they were projected, before rotation, and are rotated at each step by their place in the window. Only
differences of positions matter to rotary embeddings, so this is what absolute positions would give; but nothing ever
counts how long the stream is, and hours of it are as exact as its first seconds. The one number kept is how much of
the window is filled, which stops at its length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder

Array = NDArray[np.float32]
HIDDEN = -1e9  # added to the score of what must not be seen: its exponential is exactly 0


@dataclass(frozen=True, eq=False)
class Layer:
    """Weights of one layer, as matrices that rows are multiplied with from the left.

    norms: scale and offset, [width] each, of the normalisation before the attention and of that before the MLP; qkv:
    [width, 3 * width], the halves of each head's queries and keys that rotate together half a head apart; out:
    [width, width]; up: [width, hidden]; down: [hidden, width].
    """

    name: str
    norms: tuple[tuple[Array, Array], tuple[Array, Array]]
    qkv: Array
    out: Array
    up: Array
    down: Array


@dataclass(frozen=True)
class Attention:
    """context: positions that one sees, itself included; theta: of the rotary embedding."""

    heads: int
    head_dim: int
    context: int
    theta: float
    norm_epsilon: float


class CausalTransformer:
    """Layers in a row, which share the rotations and the mask of a step.

    filled: the state that tells how many past positions there are, [1], 0 at the start of a stream.
    """

    def __init__(self, graph: GraphBuilder, attention: Attention) -> None:
        self._graph, self._attention = graph, attention
        self.filled = graph.state(1)

    def run(self, x: str, layers: list[Layer]) -> str:
        """[positions, width] to the same."""
        g, past = self._graph, self._attention.context - 1
        count = g.length(x, 0)
        total = g.op("Add", count, g.scalar(past))
        cos, sin = self._rotations(total)
        now = (g.cut(cos, past, axis=0), g.cut(sin, past, axis=0))
        mask = self._mask(count, total)
        after = g.op("Add", self.filled, g.op("Cast", count, to=1))
        g.keep(self.filled, g.op("Min", after, g.constant(np.array([past], dtype=np.float32))))
        for layer in layers:
            x = self._layer(x, layer, (cos, sin), now, mask)
        return x

    def _rotations(self, total: str) -> tuple[str, str]:
        """Cosines and signed sines, [total, head_dim], of each place in the window."""
        g, a = self._graph, self._attention
        frequencies = a.theta ** (-np.arange(0, a.head_dim, 2, dtype=np.float32) / np.float32(a.head_dim))
        places = g.op("Cast", g.op("Range", g.scalar(0), total, g.scalar(1)), to=1)
        turns = g.op("Mul", g.op("Unsqueeze", places, g.ints(1)), g.constant(frequencies.astype(np.float32)[None]))
        cos, sin = g.op("Cos", turns), g.op("Sin", turns)
        return g.op("Concat", cos, cos, axis=1), g.op("Concat", g.op("Neg", sin), sin, axis=1)

    def _mask(self, count: str, total: str) -> str:
        """[count, total]: row i sees places i to i + context - 1, of which the last is itself, if they are filled."""
        g, past = self._graph, self._attention.context - 1
        rows = g.op("Unsqueeze", g.op("Range", g.scalar(0), count, g.scalar(1)), g.ints(1))
        places = g.op("Unsqueeze", g.op("Range", g.scalar(0), total, g.scalar(1)), g.ints(0))
        empty = g.op("Sub", g.scalar(past), g.op("Cast", self.filled, to=7))
        first, last = g.op("Max", rows, empty), g.op("Add", rows, g.scalar(past))
        seen = g.op("And", g.op("GreaterOrEqual", places, first), g.op("LessOrEqual", places, last))
        values = (g.constant(np.array(v, dtype=np.float32)) for v in (0, HIDDEN))
        return str(g.op("Where", seen, *values))

    def _layer(self, x: str, layer: Layer, window: tuple[str, str], now: tuple[str, str], mask: str) -> str:
        g, name = self._graph, layer.name
        attended = self._attend(self._norm(x, f"{name}.norm1", layer.norms[0]), layer, window, now, mask)
        x = g.op("Add", x, g.op("MatMul", attended, g.weight(f"{name}.out", layer.out)))
        y = g.op("MatMul", self._norm(x, f"{name}.norm2", layer.norms[1]), g.weight(f"{name}.up", layer.up))
        y = g.op("MatMul", self._gelu(y), g.weight(f"{name}.down", layer.down))
        return str(g.op("Add", x, y))

    def _attend(self, x: str, layer: Layer, window: tuple[str, str], now: tuple[str, str], mask: str) -> str:
        g, a = self._graph, self._attention
        # queries carry the scaling of the scores
        scale = np.repeat(np.array([a.head_dim**-0.5, 1, 1], dtype=np.float32), a.heads * a.head_dim)
        product = g.op("MatMul", x, g.weight(f"{layer.name}.qkv", layer.qkv * scale))
        parts = g.op("Split", product, outputs=3, axis=1, num_outputs=3)
        queries, keys, values = (self._by_head(part) for part in parts)
        keys, values = self._with_past(keys), self._with_past(values)
        turned = g.op("Transpose", self._rotated(keys, *window), perm=[0, 2, 1])
        scores = g.op("Add", g.op("MatMul", self._rotated(queries, *now), turned), mask)
        seen = g.op("MatMul", g.op("Softmax", scores, axis=-1), values)
        return str(g.op("Reshape", g.op("Transpose", seen, perm=[1, 0, 2]), g.ints(-1, a.heads * a.head_dim)))

    def _by_head(self, x: str) -> str:
        """[positions, width] to [heads, positions, head_dim]."""
        g, a = self._graph, self._attention
        return str(g.op("Transpose", g.op("Reshape", x, g.ints(-1, a.heads, a.head_dim)), perm=[1, 0, 2]))

    def _with_past(self, x: str) -> str:
        g, a = self._graph, self._attention
        past = a.context - 1
        state = g.state(a.heads, past, a.head_dim)
        x = g.op("Concat", state, x, axis=1)
        g.keep(state, g.cut(x, -past, axis=1))
        return x

    def _rotated(self, x: str, cos: str, sin: str) -> str:
        g, half = self._graph, self._attention.head_dim // 2
        swapped = g.op("Concat", g.cut(x, half, axis=2), g.cut(x, 0, half, axis=2), axis=2)
        return str(g.op("Add", g.op("Mul", x, cos), g.op("Mul", swapped, sin)))

    def _norm(self, x: str, name: str, weights: tuple[Array, Array]) -> str:
        g = self._graph
        names = (g.weight(f"{name}.{leaf}", array) for leaf, array in zip(("scale", "offset"), weights, strict=True))
        return str(g.op("LayerNormalization", x, *names, axis=-1, epsilon=self._attention.norm_epsilon))

    def _gelu(self, x: str) -> str:
        """Written the way that ONNX Runtime recognises and fuses."""
        g = self._graph
        root, one, half = (g.constant(np.array(v, dtype=np.float32)) for v in (2**0.5, 1, 0.5))
        return str(g.op("Mul", g.op("Mul", x, g.op("Add", g.op("Erf", g.op("Div", x, root)), one)), half))
