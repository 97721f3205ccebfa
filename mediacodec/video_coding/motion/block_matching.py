"""Block matching: gathers of 8x8 and 16x16 blocks from reference planes, and sums of absolute differences.

A block is eight rows of eight samples, and eight samples are one unsigned 64-bit word. A word may begin at any
byte, so one indexed read of eight words per block fetches blocks at arbitrary places; this is what makes a search
in NumPy affordable.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.compensate import BYTES_16, Index, Plane
from mediacodec.video_coding.motion.vectors import BLOCK

Words = npt.NDArray[np.uint64]
Cost = npt.NDArray[np.float32]

_LOW_BYTES = np.uint64(0x00FF00FF00FF00FF)
_BYTE = np.uint64(8)
_SUM_LANES = np.uint64(0x0001000100010001)
_TOP_LANE = np.uint64(48)
_CEILING = np.full(1 << 19, 63, np.uint8)


class Blocks:
    """8x8 blocks of the current frame that are looked for in a reference.

    Args:
        words: all blocks of the frame, as `block_words` has them.
        ids: which of them, in raster order.
        width: of the frame, in samples.

    Attributes:
        words: uint64 [8 rows, n].
        x, y: the blocks' top left samples, int64 [n].
    """

    def __init__(self, words: Words, ids: Index, width: int) -> None:
        self.words = words[:, ids]
        self.y, self.x = np.divmod(ids, width // BLOCK)
        self.y *= BLOCK
        self.x *= BLOCK

    def subset(self, chosen: Index) -> Blocks:
        """Some of the blocks."""
        result = Blocks.__new__(Blocks)
        result.words, result.x, result.y = self.words[:, chosen], self.x[chosen], self.y[chosen]
        return result


class LargeBlocks:
    """16x16 blocks of the current frame, every step-th row of each.

    Args:
        plane: luma, uint8 [H, W].
        chosen: which blocks, bool [H/16, W/16].
        step: 1 or 2.

    Attributes:
        rows: uint8 [n, 16 / step * 16].
        x, y: the blocks' top left samples, int64 [n].
    """

    def __init__(self, plane: Plane, chosen: npt.NDArray[np.bool_], *, step: int) -> None:
        self.step = step
        self.y, self.x = (2 * BLOCK * place for place in np.nonzero(chosen))
        height, width = chosen.shape
        blocks = plane.reshape(height, 2 * BLOCK, width, 2 * BLOCK)[:, ::step].transpose(0, 2, 1, 3)
        self.rows = blocks[chosen].reshape(len(self.x), -1)


def block_words(plane: Plane) -> Words:
    """The 8x8 blocks of uint8 [H, W] in raster order, as uint64 [8 rows, H/8 * W/8]."""
    height, width = plane.shape
    rows = np.ascontiguousarray(plane).view(np.uint64).reshape(height // BLOCK, BLOCK, width // BLOCK)
    return np.ascontiguousarray(rows.transpose(1, 0, 2)).reshape(BLOCK, -1)


class ReferencePlanes:
    """A reference frame with its borders repeated, at 1 or at 16 quarter-sample phases.

    Args:
        planes: uint8 [1 or 16, H, W], which may be a window of the frame.
        top, left: the sample of the frame that comes first in each plane.
    """

    def __init__(self, planes: npt.NDArray[np.uint8], *, top: int, left: int) -> None:
        phases, height, width = planes.shape
        self._bytes = planes
        flat = planes.reshape(-1)
        self._words: Words = np.ndarray((flat.size - 7,), np.uint64, buffer=flat, strides=(1,))
        self._fractional = phases > 1
        self._plane, self._stride = height * width, width
        self._top, self._left = np.int64(top), np.int64(left)
        self._bottom, self._right = np.int64(top + height - BLOCK), np.int64(left + width - BLOCK)

    def fetch(self, blocks: Blocks, mv_x: Index, mv_y: Index, *, step: int = 1) -> Words:
        """The samples that vectors point at.

        Args:
            blocks: where the vectors start.
            mv_x, mv_y: quarter samples, int64 [n]; a reference of one phase ignores the fractions.
            step: every how manieth row is fetched.

        Returns:
            uint64 [8 / step, n].
        """
        places = self._places(blocks, mv_x, mv_y, 0)
        rows = np.arange(0, BLOCK, step, dtype=np.int64)[:, None] * self._stride
        found: Words = self._words[rows + places]
        return found

    def sad(self, blocks: Blocks, mv_x: Index, mv_y: Index, *, step: int = 1) -> Index:
        """Sums of absolute differences, each clipped at 63, times step: [n] in 0..4032. Arguments as of `fetch`."""
        found = self.fetch(blocks, mv_x, mv_y, step=step)
        return sum_differences(blocks.words[::step], found, step=step)

    def large_sad(self, blocks: LargeBlocks, mv_x: Index, mv_y: Index) -> Index:
        """As `sad`, of blocks of 16x16: [n] in 0..16128."""
        windows = self._large_windows(blocks.step)
        found = windows[self._places(blocks, mv_x, mv_y, BLOCK)].view(np.uint8)
        high = np.maximum(blocks.rows, found)
        np.minimum(blocks.rows, found, out=found)
        np.subtract(high, found, out=high)
        np.minimum(high, _ceiling(high), out=high)
        lanes = np.add.reduce(_pair_bytes(high.view(np.uint64)), axis=1)
        return _sum_lanes(lanes, blocks.step)

    def _places(self, blocks: Blocks | LargeBlocks, mv_x: Index, mv_y: Index, larger: int) -> Index:
        """Where in the planes blocks begin, moved to where they lie wholly inside; larger: their size beyond 8."""
        x = mv_x >> 2
        x += blocks.x
        np.minimum(np.maximum(x, self._left, out=x), self._right - larger, out=x)
        y = mv_y >> 2
        y += blocks.y
        np.minimum(np.maximum(y, self._top, out=y), self._bottom - larger, out=y)
        y -= self._top
        y *= self._stride
        y += x
        y -= self._left
        if self._fractional:
            y += ((mv_y & 3) * 4 + (mv_x & 3)) * self._plane
        return y

    def _large_windows(self, step: int) -> npt.NDArray[np.void]:
        """At each place the rows of a 16x16 block, sixteen bytes each."""
        size, stride = self._bytes.size, int(self._stride)
        count = size - 15 * stride - 15
        return np.ndarray((count, 16 // step), BYTES_16, buffer=self._bytes, strides=(1, stride * step))


def sum_differences(first: Words, second: Words, *, step: int) -> Index:
    """The sums over the 64 samples of |first - second|, clipped at 63 so that four rows add up in a byte.

    Args:
        first, second: uint64 [8 or 4 rows, n]; the second is overwritten.
        step: what the sums are multiplied by.

    Returns:
        int64 [n].
    """
    a, b = np.ascontiguousarray(first).view(np.uint8), second.view(np.uint8)
    high = np.maximum(a, b)
    np.minimum(a, b, out=b)
    np.subtract(high, b, out=high)
    np.minimum(high, _ceiling(high), out=high)
    sums = high[0] + high[1]
    sums += high[2]
    sums += high[3]
    lanes = _pair_bytes(sums.view(np.uint64))
    if len(high) == 8:
        sums = high[4] + high[5]
        sums += high[6]
        sums += high[7]
        lanes += _pair_bytes(sums.view(np.uint64))
    return _sum_lanes(lanes, step)


def _sum_lanes(lanes: Words, step: int) -> Index:
    lanes *= _SUM_LANES
    lanes >>= _TOP_LANE
    if step > 1:
        lanes *= np.uint64(step)
    return lanes.view(np.int64)


def _ceiling(like: Plane) -> Plane | np.uint8:
    """63, as an array where one is at hand: with a scalar NumPy's minimum is ten times slower."""
    return _CEILING[: like.size].reshape(like.shape) if like.size <= _CEILING.size else np.uint8(63)


def _pair_bytes(words: Words) -> Words:
    """Sums of neighbouring bytes, as four lanes of 16 bits; words is overwritten."""
    odd = words >> _BYTE
    odd &= _LOW_BYTES
    words &= _LOW_BYTES
    words += odd
    return words
