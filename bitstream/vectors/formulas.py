"""What stands for the integer networks of `cond` in its vectors: formulas, told in NETWORKS and computed below."""

from __future__ import annotations

import numpy as np
from arrays import Array

COEFFICIENTS, LUMA, SCALES, HYPER, LIMIT, MEMORY = 3, 2, 4, 2, 3, 2
SETTINGS = {
    "coefficients": COEFFICIENTS, "luma": LUMA, "scales": SCALES, "hyper": HYPER, "hyper_limit": LIMIT, "features": 1,
    "memory": MEMORY, "block": 16, "refresh": 32,
}  # fmt: skip

NETWORKS = [
    "All is integers; // rounds down; what lies outside of the grid of blocks counts as 0.",
    "place[0..1][y][x] = 8 * hyper[0..1][y // 2][x // 2]; place[2..3] = memory[0..1].",
    "hidden[j] = min(255, |place[j]| + place[j + 2] + j * quality), j = 0, 1.",
    "key_prior, inter_prior: index[c] = min(3, (hidden[c mod 2] // 24 + c) mod 5).",
    "key_second, inter_second: index[c] = min(3, (hidden[c mod 2] // 32 + near) mod 5), where near is the sum of "
    "|symbols[k]| over all k and the blocks above, below, left and right.",
    "key_recall, inter_recall: memory[m] = min(255, place[m + 2] // 2 + 16 * sum over k of |symbols[k]| + |place[m]|).",
]


def first(hyper: Array, memory: Array, quality: int) -> tuple[Array, Array, Array]:
    """Scale indices, hidden and place."""
    _, rows, columns = memory.shape
    wide = (8 * hyper).repeat(2, axis=1).repeat(2, axis=2)[:, :rows, :columns]
    place = np.concatenate([wide, memory]).astype(np.float32)
    level = np.array([0, quality])[:, None, None]
    hidden = np.minimum(np.abs(place[:2]) + place[2:] + level, 255).astype(np.float32)
    chosen = np.arange(COEFFICIENTS) % 2
    index = np.minimum((hidden[chosen] // 24 + np.arange(COEFFICIENTS)[:, None, None]) % 5, 3)
    return index.astype(np.uint8), hidden, place


def second(symbols: Array, hidden: Array) -> Array:
    """Scale indices of the second pass."""
    size = np.pad(np.abs(symbols).sum(axis=0), 1)
    near = size[:-2, 1:-1] + size[2:, 1:-1] + size[1:-1, :-2] + size[1:-1, 2:]
    chosen = np.arange(COEFFICIENTS) % 2
    return np.minimum((hidden[chosen] // 32 + near) % 5, 3).astype(np.uint8)


def memory(symbols: Array, place: Array) -> Array:
    """What the next frame remembers."""
    size = np.abs(symbols).sum(axis=0)
    return np.minimum(place[2:] // 2 + 16 * size + np.abs(place[:2]), 255).astype(np.float32)
