"""The cheapest of the candidate vectors that blocks have tried so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from mediacodec.video_coding.motion.block_matching import Cost
from mediacodec.video_coding.motion.compensate import Index
from mediacodec.video_coding.motion.vectors import LIMIT


class BestVectors:
    """The best vector of each of n blocks.

    Args:
        count: n.
        cost: rate-distortion cost, float32 [n], of the blocks under the vectors x, y.

    Attributes:
        x, y: int64 [n], quarter samples.
    """

    def __init__(self, count: int, cost: Callable[[Index, Index], Cost]) -> None:
        self._cost = cost
        self._least = np.full(count, np.inf, np.float32)
        self.x, self.y = np.zeros(count, np.int64), np.zeros(count, np.int64)

    def consider(self, x: Index, y: Index) -> None:
        """Try a vector for each block, int64 [n] each."""
        cost = self._cost(x, y)
        better = cost < self._least
        np.copyto(self._least, cost, where=better)
        np.copyto(self.x, x, where=better)
        np.copyto(self.y, y, where=better)

    def step(self, size: int, offsets: Iterable[tuple[int, int]]) -> None:
        """Try the places `size` quarter samples away from where the best is now."""
        x, y = self.x.copy(), self.y.copy()
        for dx, dy in offsets:
            self.consider(_limit(x + dx * size), _limit(y + dy * size))


def _limit(vectors: Index) -> Index:
    np.maximum(vectors, -LIMIT, out=vectors)
    return np.minimum(vectors, LIMIT, out=vectors)
