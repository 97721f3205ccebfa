"""The block transform that the video codec starts from: a 16x16 DCT as a 1x1 convolution.

A frame is packed to 96 channels at 1/8 of its size (`pack`), and the transform maps 2x2 of those cells to
COEFFICIENTS coefficients at 1/16. Networks begin as this transform and learn corrections to it: what a DCT codec gets
for nothing would otherwise take days of training.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Planes = tuple[Tensor, Tensor, Tensor]

PACKED = 96  # 64 of luma, 16 each of the chroma planes
LUMA_KEPT, CHROMA_KEPT = 216, 36  # coefficients of 256 and of 64, the lowest frequencies: enough for some 46 dB
COEFFICIENTS = LUMA_KEPT + 2 * CHROMA_KEPT
UNIT = 64.0  # grey levels that count as 1 inside the networks


def pack(y: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Planes [b, 1, h, w] and [b, 1, h/2, w/2] in 0..255 -> [b, 96, h/8, w/8], grey as 0, UNIT levels as 1."""
    parts = [F.pixel_unshuffle(y, 8), F.pixel_unshuffle(u, 4), F.pixel_unshuffle(v, 4)]
    return (torch.cat(parts, dim=1) - 128.0) / UNIT


def unpack(packed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The inverse of `pack`; values are not clamped."""
    levels = packed * UNIT + 128.0
    y, u, v = levels.split([64, 16, 16], dim=1)
    return F.pixel_shuffle(y, 8), F.pixel_shuffle(u, 4), F.pixel_shuffle(v, 4)


def dct_basis(size: int, kept: int) -> NDArray[np.float64]:
    """The `kept` lowest frequencies of the orthonormal 2-D DCT-II, [kept, size, size]."""
    n = np.arange(size)
    one = np.sqrt(2 / size) * np.cos(np.pi * (n[None] + 0.5) * n[:, None] / size)
    one[0] /= np.sqrt(2)
    order = sorted((i * i + j * j, i, j) for i in range(size) for j in range(size))[:kept]
    return np.stack([np.outer(one[i], one[j]) for _, i, j in order])


def transform_matrix() -> Tensor:
    """[COEFFICIENTS, 4 * PACKED]: rows are orthonormal, its transpose is the inverse."""
    matrix = np.zeros((COEFFICIENTS, 4 * PACKED))
    for first, start, block, cell, kept in _planes():
        basis = dct_basis(block, kept)
        for i in range(block):
            for j in range(block):
                channel = start + (i % cell) * cell + j % cell
                matrix[first : first + kept, channel * 4 + (i // cell) * 2 + j // cell] = basis[:, i, j]
    return torch.from_numpy(matrix).float()


def _planes() -> list[tuple[int, int, int, int, int]]:
    """For y, u, v: first coefficient, first packed channel, block size, cell size, coefficients."""
    return [
        (0, 0, 16, 8, LUMA_KEPT),
        (LUMA_KEPT, 64, 8, 4, CHROMA_KEPT),
        (LUMA_KEPT + CHROMA_KEPT, 80, 8, 4, CHROMA_KEPT),
    ]
