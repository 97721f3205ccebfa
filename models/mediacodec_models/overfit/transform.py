"""The separable upsampling of latent grids as matrices: one product an axis and level, which trains fast on a CPU.

The filters are those of `mediacodec.codecs.overfit.transform`, whose lifting steps make the matrices here.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mediacodec.codecs.overfit.transform import analyse_rows, synthesise_rows

Bands = list[Tensor]
"""[3, rows, columns] a level, finest first: detail across, down and both ways."""

Pyramid = tuple[Bands, Tensor]
"""Bands, and the lowpass plane, [rows, columns]."""


@lru_cache(maxsize=64)
def _matrices(size: int) -> tuple[Tensor, Tensor]:
    """(analysis, synthesis) of one axis: [size, size], lowpass half first."""
    one = np.eye(size, dtype=np.float32)
    return torch.from_numpy(analyse_rows(one)), torch.from_numpy(synthesise_rows(one))


def analyse(plane: Tensor, levels: int) -> Pyramid:
    """Transform a plane [rows, columns] whose sides are multiples of 2^levels."""
    bands = []
    for _ in range(levels):
        rows, columns = plane.shape
        both = _matrices(rows)[0] @ plane @ _matrices(columns)[0].T
        plane, high_x = both[: rows // 2, : columns // 2], both[: rows // 2, columns // 2 :]
        bands.append(torch.stack([high_x, both[rows // 2 :, : columns // 2], both[rows // 2 :, columns // 2 :]]))
    return bands, plane


def synthesise(bands: Bands, plane: Tensor) -> Tensor:
    """Invert `analyse`; plane: the lowpass one."""
    for band in reversed(bands):
        both = torch.cat([torch.cat([plane, band[0]], 1), torch.cat([band[1], band[2]], 1)], 0)
        plane = _matrices(both.shape[0])[1] @ both @ _matrices(both.shape[1])[1].T
    return plane
