"""A picture prepared for block matching: quarter-sample planes, block gathers and sums of absolute differences.

A block is eight rows of eight samples, and eight samples are one unsigned 64-bit word. A word may begin at any
byte, so one indexed read of eight words per block fetches blocks at arbitrary places; this is what makes a search
in numpy affordable.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Picture = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
Cost = npt.NDArray[np.float32]

BLOCK = 8
MARGIN = 16  # a block that lies wholly outside sees only repeated samples: farther out nothing changes

_LOW_BYTES = np.uint64(0x00FF00FF00FF00FF)
_BYTE = np.uint64(8)
_SUM_LANES = np.uint64(0x0001000100010001)
_TOP_LANE = np.uint64(48)
_CEILING = np.full(1 << 19, 63, np.uint8)
# Keys' cubic convolution with a = -0.75 at 1/4, 1/2 and 3/4, in 128ths: near enough to each of the codec's filters
_TAPS = {1: (-13, 112, 33, -4), 2: (-12, 76, 76, -12), 3: (-4, 33, 112, -13)}


class Target:
    """Blocks of the current picture, those that `ids` names in a raster of 8x8 blocks.

    words: uint64 [8 rows, n]; x, y: the blocks' top left samples, int64 [n].
    """

    def __init__(self, words: Words, ids: Index, width: int) -> None:
        self.words = words[:, ids]
        self.y, self.x = np.divmod(ids, width // BLOCK)
        self.y *= BLOCK
        self.x *= BLOCK

    def some(self, chosen: Index) -> Target:
        """Some of the blocks."""
        result = Target.__new__(Target)
        result.words, result.x, result.y = self.words[:, chosen], self.x[chosen], self.y[chosen]
        return result


class LargeTarget:
    """The 16x16 blocks that `chosen`, bool [H/16, W/16], names, every step-th row of each.

    rows: uint8 [n, 16 / step * 16]; x, y: the blocks' top left samples, int64 [n].
    """

    def __init__(self, picture: Picture, chosen: npt.NDArray[np.bool_], *, step: int) -> None:
        self.step = step
        self.y, self.x = (2 * BLOCK * place for place in np.nonzero(chosen))
        height, width = chosen.shape
        blocks = picture.reshape(height, 2 * BLOCK, width, 2 * BLOCK)[:, ::step].transpose(0, 2, 1, 3)
        self.rows = blocks[chosen].reshape(len(self.x), -1)


def block_words(picture: Picture) -> Words:
    """The 8x8 blocks of uint8 [H, W] in raster order, as uint64 [8 rows, H/8 * W/8]."""
    height, width = picture.shape
    rows = np.ascontiguousarray(picture).view(np.uint64).reshape(height // BLOCK, BLOCK, width // BLOCK)
    return np.ascontiguousarray(rows.transpose(1, 0, 2)).reshape(BLOCK, -1)


class Reference:
    """A reference picture with its borders repeated, at 1 or at 16 quarter-sample phases.

    Only a window of the picture may be held: `top`, `left` are the sample that comes first in each plane.
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

    def fetch(self, target: Target, mv_x: Index, mv_y: Index, *, step: int = 1) -> Words:
        """The blocks that vectors (quarter samples, int64 [n]) point at: uint64 [8 / step, n], every step-th row.

        A reference of one phase ignores the fractions.
        """
        places = self._places(target, mv_x, mv_y, 0)
        rows = np.arange(0, BLOCK, step, dtype=np.int64)[:, None] * self._stride
        found: Words = self._words[rows + places]
        return found

    def _places(self, target: Target | LargeTarget, mv_x: Index, mv_y: Index, larger: int) -> Index:
        """Where in the planes blocks begin, moved to where they lie wholly inside; larger: their size beyond 8."""
        x = mv_x >> 2
        x += target.x
        np.minimum(np.maximum(x, self._left, out=x), self._right - larger, out=x)
        y = mv_y >> 2
        y += target.y
        np.minimum(np.maximum(y, self._top, out=y), self._bottom - larger, out=y)
        y -= self._top
        y *= self._stride
        y += x
        y -= self._left
        if self._fractional:
            y += ((mv_y & 3) * 4 + (mv_x & 3)) * self._plane
        return y

    def large_sad(self, target: LargeTarget, mv_x: Index, mv_y: Index) -> Index:
        """As `sad`, of blocks of 16x16: [n] in 0..16128."""
        windows = self._large_windows(target.step)
        found = windows[self._places(target, mv_x, mv_y, BLOCK)].view(np.uint8)
        high = np.maximum(target.rows, found)
        np.minimum(target.rows, found, out=found)
        np.subtract(high, found, out=high)
        np.minimum(high, _ceiling(high), out=high)
        lanes = np.add.reduce(_pair_bytes(high.view(np.uint64)), axis=1)
        return _sum_lanes(lanes, target.step)

    def _large_windows(self, step: int) -> npt.NDArray[np.complex128]:
        """At each place the rows of a 16x16 block, each read as one number of 16 bytes (never computed with)."""
        size, stride = self._bytes.size, int(self._stride)
        count = size - 15 * stride - 15
        return np.ndarray((count, 16 // step), np.complex128, buffer=self._bytes, strides=(1, stride * step))

    def sad(self, target: Target, mv_x: Index, mv_y: Index, *, step: int = 1) -> Index:
        """Sums of absolute differences, each clipped at 63, times step: [n] in 0..4032."""
        found = self.fetch(target, mv_x, mv_y, step=step)
        return sum_differences(target.words[::step], found, step=step)


def sum_differences(first: Words, second: Words, *, step: int) -> Index:
    """The sums over the 64 samples of |first - second|, clipped at 63 so that four rows add up in a byte."""
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


def _ceiling(like: Picture) -> Picture | np.uint8:
    """63, as an array where one is at hand: with a scalar numpy's minimum is ten times slower."""
    return _CEILING[: like.size].reshape(like.shape) if like.size <= _CEILING.size else np.uint8(63)


def _pair_bytes(words: Words) -> Words:
    """Sums of neighbouring bytes, as four lanes of 16 bits; words is overwritten."""
    odd = words >> _BYTE
    odd &= _LOW_BYTES
    words &= _LOW_BYTES
    words += odd
    return words


def pad(picture: Picture, margin: int) -> Picture:
    """The picture with its border repeated `margin` samples outwards."""
    height, width = picture.shape
    result = np.empty((height + 2 * margin, width + 2 * margin), np.uint8)
    result[margin:-margin, margin:-margin] = picture
    result[margin:-margin, :margin] = picture[:, :1]
    result[margin:-margin, -margin:] = picture[:, -1:]
    result[:margin] = result[margin]
    result[-margin:] = result[-margin - 1]
    return result


def whole_samples(picture: Picture) -> Reference:
    """A reference for whole-sample vectors."""
    return Reference(pad(picture, MARGIN)[None], top=-MARGIN, left=-MARGIN)


def quarter_samples(picture: Picture, *, rows: tuple[int, int], columns: tuple[int, int], exact: bool) -> Reference:
    """A reference at all 16 phases, for the samples rows[0] <= y < rows[1] and columns likewise (cut to the picture).

    exact: with a filter of four taps, else quarters are means of their half- and whole-sample neighbours.
    """
    height, width = picture.shape
    (top, bottom), (left, right) = _within(rows, height), _within(columns, width)
    extra = MARGIN + 3
    window = pad(picture, extra)[top - 2 + extra : bottom + 3 + extra, left - 2 + extra : right + 3 + extra]
    planes = np.empty((4, 4, bottom - top, right - left), np.uint8)
    if exact:
        _fill_exact(planes, window[:-1, :-1])
    else:
        _fill_means(planes, window)
    return Reference(planes.reshape(16, bottom - top, right - left), top=top, left=left)


def _within(span: tuple[int, int], size: int) -> tuple[int, int]:
    """A span cut to the padded picture, and room for a block of 16 at least, however far outside it lies."""
    first = min(max(span[0], -MARGIN), size + MARGIN - 2 * BLOCK)
    return first, max(min(span[1], size + MARGIN), first + 2 * BLOCK)


def _fill_exact(planes: npt.NDArray[np.uint8], window: Picture) -> None:
    signed = window.astype(np.int16)
    signed -= 128  # with this offset 7-bit taps fit in 16 bits
    for phase_x in range(4):
        across = signed[:, 2:-2] if phase_x == 0 else _filter(signed, phase_x, axis=1)
        for phase_y in range(4):
            down = across[2:-2] if phase_y == 0 else _filter(across, phase_y, axis=0)
            _store(down, planes[phase_y, phase_x])


def _fill_means(planes: npt.NDArray[np.uint8], window: Picture) -> None:
    signed = window.astype(np.int16)
    signed -= 128
    across = _filter(signed, 2, axis=1)
    shape = (across.shape[0] - 4, across.shape[1])  # one sample more each way than the planes
    half = np.empty((2, 2, *shape), np.uint8)
    half[0, 0] = window[2:-2, 2:-2]
    _store(across[2:-2], half[0, 1])
    _store(_filter(signed[:, 2:-2], 2, axis=0), half[1, 0])
    _store(_filter(across, 2, axis=0), half[1, 1])

    def at(y: int, x: int) -> Picture:  # in half samples, 0..2
        return half[y & 1, x & 1, y >> 1 : shape[0] - 1 + (y >> 1), x >> 1 : shape[1] - 1 + (x >> 1)]

    for y in range(4):
        for x in range(4):
            if x & y & 1:  # between the half samples that lie across and down from it
                _mean(at(y - 1 if y == 1 else 2, 1), at(1, x - 1 if x == 1 else 2), planes[y, x])
            elif (x | y) & 1:
                _mean(at(y >> 1, x >> 1), at((y + 1) >> 1, (x + 1) >> 1), planes[y, x])
            else:
                planes[y, x] = at(y >> 1, x >> 1)


def _store(signed: npt.NDArray[np.int16], out: Picture) -> None:
    np.bitwise_xor(signed.astype(np.int8).view(np.uint8), np.uint8(128), out=out)


def _filter(signed: npt.NDArray[np.int16], phase: int, *, axis: int) -> npt.NDArray[np.int16]:
    """Four taps along an axis, of which four samples are lost; the result clipped to -128..127."""
    size = signed.shape[axis] - 4
    a, b, c, d = (signed[(slice(None),) * axis + (slice(k, k + size),)] for k in (1, 2, 3, 4))
    first, second, third, fourth = (np.int16(tap) for tap in _TAPS[phase])
    result = b * second
    result += c * third
    result += a * first
    result += d * fourth
    result += 64
    result >>= 7
    return np.clip(result, -128, 127, out=result)


def _mean(first: Picture, second: Picture, out: Picture) -> None:
    """(first + second) / 2 rounded down, without leaving eight bits."""
    np.bitwise_xor(first, second, out=out)
    out >>= 1
    out += first & second
