"""Random crops of packed clips for training, with their motion.

The pack (see `mediacodec_models.video.data`) holds frames as I420 planes and motion vectors from each frame to the one
before it. Crops begin at multiples of 16, so that they take whole blocks of motion along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediacodec_models.video.transform import Planes

LEVELS = (20, 32, 44)  # quality levels at whose price of motion a pack is searched


@dataclass(frozen=True)
class Clip:
    """A packed clip.

    Attributes:
        y: uint8 [n, h, w].
        u, v: uint8 [n, h/2, w/2].
        motion: int16 [n, k, 2, h/8, w/8], quarter samples, for each of the levels that a pack is searched at; zeros for
            the first frame.
    """

    name: str
    y: NDArray[Any]
    u: NDArray[Any]
    v: NDArray[Any]
    motion: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)


class Crops:
    """Random crops of `size` x `size` (a multiple of 16), `length` frames long, mirrored every other time."""

    def __init__(self, clips: list[Clip], *, size: int, seed: int) -> None:
        self.clips = [clip for clip in clips if min(clip.y.shape[1:]) >= size]
        self.size = size
        self.random = np.random.default_rng(seed)

    def batch(self, count: int, length: int) -> tuple[list[Planes], list[Tensor]]:
        """A batch of crops.

        Args:
            count: crops.
            length: frames of each.

        Returns:
            The frames' planes, [count, 1, size, size] in 0..255, and their motion, [count, k, 2, size/8, size/8]
            (`motion_at` takes that of a level).
        """
        long = [clip for clip in self.clips if len(clip) >= length]
        # the longer a clip the more often it is drawn, but a still is a clip too
        weights = np.array([min(48, len(clip)) ** 0.5 for clip in long])
        cuts = [self._cut(long[i], length) for i in self.random.choice(len(long), count, p=weights / weights.sum())]
        frames = [
            tuple(torch.from_numpy(np.stack([cut[plane][t] for cut in cuts])[:, None]).float() for plane in range(3))
            for t in range(length)
        ]
        motion = [torch.from_numpy(np.stack([cut[3][t] for cut in cuts])).float() for t in range(length)]
        return frames, motion  # type: ignore[return-value]

    def _cut(self, clip: Clip, length: int) -> list[NDArray[Any]]:
        size, random = self.size, self.random
        start = random.integers(len(clip) - length + 1)
        top, left = (16 * random.integers((side - size) // 16 + 1) for side in clip.y.shape[1:])
        span = slice(start, start + length)
        parts = [
            plane[span, top // d : (top + size) // d, left // d : (left + size) // d]
            for plane, d in ((clip.y, 1), (clip.u, 2), (clip.v, 2))
        ]
        motion = clip.motion[span, :, :, top // 8 : (top + size) // 8, left // 8 : (left + size) // 8]
        if random.integers(2):
            parts = [part[:, :, ::-1] for part in parts]
            motion = motion[..., ::-1] * np.array([-1, 1], np.int16)[:, None, None]
        return [*parts, motion]


def motion_at(motion: Tensor, quality: Tensor) -> Tensor:
    """Motion [b, k, 2, h, w] -> that of the level nearest to each quality level, [b, 2, h, w]."""
    nearest = (quality[:, None] - torch.tensor(LEVELS, device=quality.device)).abs().argmin(dim=1)
    return motion[torch.arange(len(motion), device=motion.device), nearest]
