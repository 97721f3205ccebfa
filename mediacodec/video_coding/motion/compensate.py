"""Motion compensation, exact on every machine: integers throughout.

Luma goes through one of three interpolation filters at quarter samples, named for each frame (as in AV1: what is busy
wants a sharp one, what is noisy or smooth a soft one), chroma is bilinear at eighths, borders repeat. Blocks are read
as machine words, many at once (see `block_matching`). The filters run as matrix products in float32: their products
and sums are integers below 2^24, which float32 adds without rounding in any order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.video_coding.motion.vectors import BLOCK, MotionVectors

Plane = npt.NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
"""Y, U and V of a frame: uint8 [H, W] and twice [H/2, W/2]."""

Index = npt.NDArray[np.int64]

BYTES_16 = np.dtype("V16")  # sixteen bytes that are moved at once and never computed with
_MARGIN = 16  # samples of repeated border: a patch that lies farther out sees nothing else
_FETCH = 16  # bytes read at once of a patch's row
_HALF = BLOCK // 2
_CENTRE = 3  # the tap at the sample itself
# 256 times each filter at 0, 1/4, 1/2 and 3/4 from its fourth tap on; ids are written into packets
FILTERS = (
    (  # six taps
        (0, 0, 0, 256, 0, 0, 0, 0),
        (0, 4, -28, 228, 64, -14, 2, 0),
        (0, 4, -28, 152, 152, -28, 4, 0),
        (0, 2, -14, 64, 228, -28, 4, 0),
    ),
    (  # soft: Keys' cubic, a = -0.5, whose gain is nowhere above 1
        (0, 0, 0, 256, 0, 0, 0, 0),
        (0, 0, -18, 222, 58, -6, 0, 0),
        (0, 0, -16, 144, 144, -16, 0, 0),
        (0, 0, -6, 58, 222, -18, 0, 0),
    ),
    (  # sharp: eight taps, HEVC's
        (0, 0, 0, 256, 0, 0, 0, 0),
        (-4, 16, -40, 232, 68, -20, 4, 0),
        (-4, 16, -44, 160, 160, -44, 16, -4),
        (0, 4, -20, 68, 232, -40, 16, -4),
    ),
)


def compensate(planes: Planes, motion: MotionVectors, *, filter_id: int = 0) -> Planes:
    """The motion-compensated prediction from a frame.

    Args:
        planes: uint8 [H, W] and twice [H/2, W/2], H and W multiples of 16.
        motion: int16 [2 (x, y), H/8, W/8], quarter samples of luma within ±512.
        filter_id: of FILTERS, for luma.

    Returns:
        New arrays of the same shapes, save where nothing moves: then they are the ones given.
    """
    y, u, v = planes
    x_of, y_of = (axis.reshape(-1).astype(np.int64) for axis in motion)
    moving = np.flatnonzero(x_of | y_of)
    if not len(moving):
        return planes
    x, dy = x_of[moving], y_of[moving]
    luma = _compensated_luma(y, moving, x, dy, _KERNELS[filter_id])
    return luma, _compensated_chroma(u, moving, x, dy), _compensated_chroma(v, moving, x, dy)


def source_cells(motion: MotionVectors) -> Index:
    """Where each block's features come from, to the nearest block.

    Args:
        motion: int16 [2, H/8, W/8].

    Returns:
        Flat indices of blocks in raster order, int64 [1, 1, H/8, W/8].
    """
    _, rows, columns = motion.shape
    moved = (motion.astype(np.int64) + 16) >> 5
    x = np.clip(np.arange(columns) + moved[0], 0, columns - 1)
    y = np.clip(np.arange(rows)[:, None] + moved[1], 0, rows - 1)
    return np.asarray(y * columns + x)[None, None]


def compensate_luma(plane: Plane, motion: MotionVectors, *, filter_id: int) -> Plane:
    """Luma alone, as in `compensate`.

    Args:
        plane: uint8 [H, W].
        motion: int16 [2, H/8, W/8], quarter samples.
        filter_id: of FILTERS.

    Returns:
        A new array, uint8 [H, W].
    """
    x, y = (axis.reshape(-1).astype(np.int64) for axis in motion)
    moving = np.flatnonzero(x | y)
    return _compensated_luma(plane, moving, x[moving], y[moving], _KERNELS[filter_id])


@dataclass(frozen=True)
class _Kernel:
    """A filter as matrices.

    Attributes:
        lead: samples before a block that it reads.
        patch: rows of what it reads for a block.
        across: a row of a patch to a row of a block, [phase] of [16, 8].
        down: columns likewise, [phase] of [8, patch].
    """

    lead: int
    patch: int
    across: list[npt.NDArray[np.float32]]
    down: list[npt.NDArray[np.float32]]


def _compensated_luma(plane: Plane, ids: Index, x: Index, y: Index, kernel: _Kernel) -> Plane:
    """The plane with the blocks `ids` (raster order) replaced by those that vectors x, y point at."""
    out = plane.copy()
    words = out.view(np.uint64).reshape(-1, BLOCK, out.shape[1] // BLOCK)
    fraction = ((y & 3) << 2 | (x & 3)).astype(np.uint8)
    order = np.argsort(fraction, kind="stable")
    ids, x, y = ids[order], x[order], y[order]
    row, column = np.divmod(ids, plane.shape[1] // BLOCK)
    padded = _padded(plane)
    top, left = row * BLOCK + (y >> 2) - kernel.lead, column * BLOCK + (x >> 2) - kernel.lead
    at = _places(plane, top, left, padded.shape[1])
    ends = np.cumsum(np.bincount(fraction, minlength=16)).tolist()
    for phase, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if start < end:
            found = _interpolated(padded, at[start:end], phase & 3, phase >> 2, kernel)
            words[row[start:end], :, column[start:end]] = found.T
    return out


def _interpolated(padded: Plane, at: Index, phase_x: int, phase_y: int, kernel: _Kernel) -> npt.NDArray[np.uint64]:
    """Blocks at one fraction, as words [8 rows, n]; at: flat places of the patches' first samples."""
    stride, lead = padded.shape[1], kernel.lead
    if not phase_x and not phase_y:
        whole = np.arange(lead, BLOCK + lead)[:, None] * stride + (at + lead)
        return _fetch(padded, whole, BLOCK).view(np.uint64)[..., 0]
    rows = np.arange(kernel.patch)[:, None] * stride
    patch = _fetch(padded, rows + at, _FETCH).astype(np.float32).reshape(-1, _FETCH)
    across = patch @ kernel.across[phase_x]
    across += 2
    across *= 0.25
    np.floor(across, out=across)
    down = kernel.down[phase_y] @ across.reshape(kernel.patch, -1)
    down += 1 << 13
    down *= 1 / (1 << 14)
    np.clip(down, 0, 255, out=down)
    return down.astype(np.uint8).view(np.uint64)  # what is cut off by the conversion is what floor would cut off


def _compensated_chroma(plane: Plane, ids: Index, x: Index, y: Index) -> Plane:
    out = plane.copy()
    words = out.view(np.uint32).reshape(-1, _HALF, out.shape[1] // _HALF)
    row, column = np.divmod(ids, plane.shape[1] // _HALF)
    padded = _padded(plane)
    at = _places(plane, row * _HALF + (y >> 3), column * _HALF + (x >> 3), padded.shape[1])
    rows = np.arange(_HALF + 1)[:, None] * padded.shape[1]
    # eight samples of a row are kept of which five count: then a sample's neighbour is the next of the flat array
    patch = _fetch(padded, rows + at, BLOCK).astype(np.int16)
    right, down = (np.repeat((axis & 7).astype(np.int16), BLOCK) for axis in (x, y))
    flat = patch.reshape(_HALF + 1, -1)
    across = flat * (np.int16(8) - right)
    across[:, :-1] += flat[:, 1:] * right[:-1]  # at most 2040
    mixed = across[:-1] * (np.int16(8) - down)
    mixed += across[1:] * down  # at most 16320
    mixed += np.int16(32)
    mixed >>= np.int16(6)
    words[row, :, column] = mixed.astype(np.uint8).view(np.uint32).reshape(_HALF, -1, 2)[..., 0].T
    return out


def _padded(plane: Plane) -> Plane:
    """The plane with its border repeated, and one row more for words that reach beyond the last sample."""
    height, width = plane.shape
    m = _MARGIN
    result = np.empty((height + 2 * m + 1, width + 2 * m), np.uint8)
    result[m : m + height, m:-m] = plane
    result[m : m + height, :m] = plane[:, :1]
    result[m : m + height, -m:] = plane[:, -1:]
    result[:m] = result[m]
    result[m + height :] = result[m + height - 1]
    return result


def _places(plane: Plane, y: Index, x: Index, stride: int) -> Index:
    """Flat places in the padded plane of patches that begin at x, y, brought back to where it has samples."""
    height, width = plane.shape
    y = np.clip(y, -_MARGIN, height + _MARGIN - _FETCH) + _MARGIN
    x = np.clip(x, -_MARGIN, width + _MARGIN - _FETCH) + _MARGIN
    return y * stride + x


def _fetch(padded: Plane, at: Index, size: int) -> Plane:
    """`size` (8 or 16) bytes from each place of the flat plane, uint8 [*at.shape, size]."""
    flat = padded.reshape(-1)
    kind = np.dtype(np.uint64) if size == 8 else BYTES_16
    words: npt.NDArray[np.generic] = np.ndarray((flat.size - size + 1,), kind, buffer=flat, strides=(1,))
    return words[at].view(np.uint8).reshape(*at.shape, size)


def _kernel(taps: tuple[tuple[int, ...], ...]) -> _Kernel:
    used = np.flatnonzero(np.any(taps, axis=0))
    first, count = int(used[0]), int(used[-1] - used[0] + 1)
    patch = BLOCK + count - 1
    matrices = []
    for phase in taps:
        matrix = np.zeros((_FETCH, BLOCK), np.float32)
        for column in range(BLOCK):
            matrix[column : column + count, column] = phase[first : first + count]
        matrices.append(matrix)
    return _Kernel(_CENTRE - first, patch, matrices, [np.ascontiguousarray(m[:patch].T) for m in matrices])


_KERNELS = [_kernel(taps) for taps in FILTERS]
