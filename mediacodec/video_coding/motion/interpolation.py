"""Reference planes for the motion search: borders repeated, and interpolated at quarter samples.

The search needs to know how well a vector predicts, not to the last bit: one filter stands for the three that
`compensate` has.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.block_matching import ReferencePlanes
from mediacodec.video_coding.motion.compensate import Plane
from mediacodec.video_coding.motion.vectors import BLOCK

MARGIN = 16  # a block that lies wholly outside sees only repeated samples: farther out nothing changes
# Keys' cubic convolution with a = -0.75 at 1/4, 1/2 and 3/4, in 128ths: near enough to each of the codec's filters
_TAPS = {1: (-13, 112, 33, -4), 2: (-12, 76, 76, -12), 3: (-4, 33, 112, -13)}


def pad(plane: Plane, margin: int) -> Plane:
    """The plane with its border repeated `margin` samples outwards."""
    height, width = plane.shape
    result = np.empty((height + 2 * margin, width + 2 * margin), np.uint8)
    result[margin:-margin, margin:-margin] = plane
    result[margin:-margin, :margin] = plane[:, :1]
    result[margin:-margin, -margin:] = plane[:, -1:]
    result[:margin] = result[margin]
    result[-margin:] = result[-margin - 1]
    return result


def whole_samples(plane: Plane) -> ReferencePlanes:
    """A reference for whole-sample vectors."""
    return ReferencePlanes(pad(plane, MARGIN)[None], top=-MARGIN, left=-MARGIN)


def quarter_samples(plane: Plane, *, rows: tuple[int, int], columns: tuple[int, int], exact: bool) -> ReferencePlanes:
    """A reference at all 16 quarter-sample phases.

    Args:
        plane: luma, uint8 [H, W].
        rows: first and last but one of the samples that are wanted, which may lie outside.
        columns: likewise.
        exact: with a filter of four taps, else quarters are means of their half- and whole-sample neighbours.
    """
    height, width = plane.shape
    (top, bottom), (left, right) = _within(rows, height), _within(columns, width)
    extra = MARGIN + 3
    window = pad(plane, extra)[top - 2 + extra : bottom + 3 + extra, left - 2 + extra : right + 3 + extra]
    planes = np.empty((4, 4, bottom - top, right - left), np.uint8)
    if exact:
        _fill_exact(planes, window[:-1, :-1])
    else:
        _fill_means(planes, window)
    return ReferencePlanes(planes.reshape(16, bottom - top, right - left), top=top, left=left)


def _within(span: tuple[int, int], size: int) -> tuple[int, int]:
    """A span cut to the padded plane, and room for a block of 16 at least, however far outside it lies."""
    first = min(max(span[0], -MARGIN), size + MARGIN - 2 * BLOCK)
    return first, max(min(span[1], size + MARGIN), first + 2 * BLOCK)


def _fill_exact(planes: npt.NDArray[np.uint8], window: Plane) -> None:
    signed = window.astype(np.int16)
    signed -= 128  # with this offset 7-bit taps fit in 16 bits
    for phase_x in range(4):
        across = signed[:, 2:-2] if phase_x == 0 else _filter(signed, phase_x, axis=1)
        for phase_y in range(4):
            down = across[2:-2] if phase_y == 0 else _filter(across, phase_y, axis=0)
            _store(down, planes[phase_y, phase_x])


def _fill_means(planes: npt.NDArray[np.uint8], window: Plane) -> None:
    signed = window.astype(np.int16)
    signed -= 128
    across = _filter(signed, 2, axis=1)
    shape = (across.shape[0] - 4, across.shape[1])  # one sample more each way than the planes
    half = np.empty((2, 2, *shape), np.uint8)
    half[0, 0] = window[2:-2, 2:-2]
    _store(across[2:-2], half[0, 1])
    _store(_filter(signed[:, 2:-2], 2, axis=0), half[1, 0])
    _store(_filter(across, 2, axis=0), half[1, 1])

    def at(y: int, x: int) -> Plane:  # in half samples, 0..2
        return half[y & 1, x & 1, y >> 1 : shape[0] - 1 + (y >> 1), x >> 1 : shape[1] - 1 + (x >> 1)]

    for y in range(4):
        for x in range(4):
            if x & y & 1:  # between the half samples that lie across and down from it
                _mean(at(y - 1 if y == 1 else 2, 1), at(1, x - 1 if x == 1 else 2), planes[y, x])
            elif (x | y) & 1:
                _mean(at(y >> 1, x >> 1), at((y + 1) >> 1, (x + 1) >> 1), planes[y, x])
            else:
                planes[y, x] = at(y >> 1, x >> 1)


def _store(signed: npt.NDArray[np.int16], out: Plane) -> None:
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


def _mean(first: Plane, second: Plane, out: Plane) -> None:
    """(first + second) / 2 rounded down, without leaving eight bits."""
    np.bitwise_xor(first, second, out=out)
    out >>= 1
    out += first & second
