"""Vector quantization in a narrow space with entries compared by angle, as ONNX nodes.

Factorised and l2-normalised codes: Yu et al. 2021, arXiv:2110.04627. Each codebook has a projection into its space and
one back. The nearest entry is that of least angle; what it stands for is the entry as it is, not its direction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder

Weights = Mapping[str, NDArray[np.float32]]
NORM_FLOOR = 1e-12


def book_shapes(name: str, width: int, size: int, dim: int) -> dict[str, tuple[int, ...]]:
    """The tensors of one codebook of `size` entries of `dim` numbers."""
    return {
        f"{name}.in_proj.weight": (dim, width, 1),
        f"{name}.in_proj.bias": (dim,),
        f"{name}.out_proj.weight": (width, dim, 1),
        f"{name}.out_proj.bias": (width,),
        f"{name}.codebook.weight": (size, dim),
    }


def quantized(graph: GraphBuilder, weights: Weights, x: str, name: str) -> tuple[str, str]:
    """[1, width, time] to codes [1, time] and what they stand for, [1, width, time]."""
    g = graph
    entries = weights[f"{name}.codebook.weight"]
    lengths = np.maximum(np.linalg.norm(entries, axis=1, keepdims=True), NORM_FLOOR)
    narrow = _projected(g, weights, x, f"{name}.in_proj")
    # how long the projected vector is makes no difference to which direction fits it best
    likeness = g.op("MatMul", g.weight(f"{name}.directions", entries / lengths), narrow)  # [1, size, time]
    codes = g.op("ArgMax", likeness, axis=1, keepdims=0)
    found = g.op("Transpose", g.op("Gather", g.weight(f"{name}.codebook", entries), codes), perm=[0, 2, 1])
    return str(codes), _projected(g, weights, found, f"{name}.out_proj")


def looked_up(graph: GraphBuilder, weights: Weights, codes: str, names: Sequence[str]) -> str:
    """Codes [1, books, time] to the sum of what they stand for, [1, width, time].

    The code behind the last entry stands for nothing: a codebook that was dropped.
    """
    g = graph
    books = [weights[f"{name}.codebook.weight"] for name in names]
    size, dim = books[0].shape
    # a one beside each entry brings the bias of the projection in
    table = np.zeros((len(books), size + 1, dim + 1), dtype=np.float32)
    table[:, :size, :dim], table[:, :size, dim] = np.stack(books), 1
    back = [
        np.concatenate([weights[f"{name}.out_proj.weight"][:, :, 0], weights[f"{name}.out_proj.bias"][:, None]], axis=1)
        for name in names
    ]
    key = names[0]
    firsts = g.constant(np.arange(len(books), dtype=np.int64)[None, :, None] * (size + 1))
    entries = g.op("Gather", g.weight(f"{key}.table", table.reshape(-1, dim + 1)), g.op("Add", codes, firsts))
    columns = g.op("Reshape", g.op("Transpose", entries, perm=[0, 1, 3, 2]), g.ints(1, len(books) * (dim + 1), -1))
    return str(g.op("MatMul", g.weight(f"{key}.back", np.concatenate(back, axis=1)), columns))


def _projected(g: GraphBuilder, weights: Weights, x: str, name: str) -> str:
    names = [g.weight(f"{name}.{leaf}", weights[f"{name}.{leaf}"]) for leaf in ("weight", "bias")]
    return str(g.op("Conv", x, *names))
