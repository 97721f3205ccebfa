"""Motion compensation, exact on every machine: integers throughout.

Luma goes through Keys' cubic filter with a = -0.75 at quarter samples, chroma is bilinear at eighths, borders repeat.
Blocks are fetched as machine words, many at once (see `planes`). The filters run as matrix products in float32: their
products and sums are integers below 2^24, which float32 adds without rounding in any order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Planes = tuple[Picture, Picture, Picture]
Field = npt.NDArray[np.int16]
Index = npt.NDArray[np.int64]

BLOCK = 8
_MARGIN = 16  # samples of repeated border: a patch that lies farther out sees nothing else
_PATCH = BLOCK + 3  # samples that four taps over a block read
_FETCH = 16  # bytes read at once of a patch's row
_HALF = BLOCK // 2
# 256 times the cubic at a quarter, a half and three quarters; each row sums to 256
_TAPS = ((0, 256, 0, 0), (-27, 225, 67, -9), (-24, 152, 152, -24), (-9, 67, 225, -27))


def compensate(planes: Planes, motion: Field) -> Planes:
    """The prediction from planes moved by a field.

    planes: uint8 [H, W] and twice [H/2, W/2], H and W multiples of 16. motion: int16 [2 (x, y), H/8, W/8], quarter
    samples of luma within ±512: a sample at p comes from p + motion/4. Returns new arrays of the same shapes, save
    where nothing moves: then they are the ones given.
    """
    y, u, v = planes
    x_of, y_of = (axis.reshape(-1).astype(np.int64) for axis in motion)
    moving = np.flatnonzero(x_of | y_of)
    if not len(moving):
        return planes
    x, dy = x_of[moving], y_of[moving]
    luma = _moved_luma(y, moving, x, dy)
    return luma, _moved_chroma(u, moving, x, dy), _moved_chroma(v, moving, x, dy)


def source_cells(motion: Field) -> Index:
    """Where each block's features come from, to the nearest block: flat indices, int64 [1, H/8 * W/8]."""
    _, rows, columns = motion.shape
    moved = (motion.astype(np.int64) + 16) >> 5
    x = np.clip(np.arange(columns) + moved[0], 0, columns - 1)
    y = np.clip(np.arange(rows)[:, None] + moved[1], 0, rows - 1)
    return np.asarray(y * columns + x).reshape(1, -1)


def _moved_luma(plane: Picture, ids: Index, x: Index, y: Index) -> Picture:
    """The plane with the blocks `ids` (raster order) replaced by those that vectors x, y point at."""
    out = plane.copy()
    words = out.view(np.uint64).reshape(-1, BLOCK, out.shape[1] // BLOCK)
    fraction = ((y & 3) << 2 | (x & 3)).astype(np.uint8)
    order = np.argsort(fraction, kind="stable")
    ids, x, y = ids[order], x[order], y[order]
    row, column = np.divmod(ids, plane.shape[1] // BLOCK)
    padded = _padded(plane)
    at = _places(plane, row * BLOCK + (y >> 2) - 1, column * BLOCK + (x >> 2) - 1, padded.shape[1])
    ends = np.cumsum(np.bincount(fraction, minlength=16)).tolist()
    for phase, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if start < end:
            found = _interpolated(padded, at[start:end], phase & 3, phase >> 2)
            words[row[start:end], :, column[start:end]] = found.T
    return out


def _interpolated(padded: Picture, at: Index, phase_x: int, phase_y: int) -> npt.NDArray[np.uint64]:
    """Blocks at one fraction, as words [8 rows, n]; at: flat places of the patches' first samples."""
    stride = padded.shape[1]
    if not phase_x and not phase_y:
        return _fetch(padded, np.arange(1, BLOCK + 1)[:, None] * stride + (at + 1), BLOCK).view(np.uint64)[..., 0]
    rows = np.arange(_PATCH)[:, None] * stride
    patch = _fetch(padded, rows + at, _FETCH).astype(np.float32).reshape(-1, _FETCH)
    across = patch @ _ACROSS[phase_x]
    across += 2
    across *= 0.25
    np.floor(across, out=across)
    down = _DOWN[phase_y] @ across.reshape(_PATCH, -1)
    down += 1 << 13
    down *= 1 / (1 << 14)
    np.clip(down, 0, 255, out=down)
    return down.astype(np.uint8).view(np.uint64)  # what is cut off by the conversion is what floor would cut off


def _moved_chroma(plane: Picture, ids: Index, x: Index, y: Index) -> Picture:
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


def _padded(plane: Picture) -> Picture:
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


def _places(plane: Picture, y: Index, x: Index, stride: int) -> Index:
    """Flat places in the padded plane of patches that begin at x, y, brought back to where it has samples."""
    height, width = plane.shape
    y = np.clip(y, -_MARGIN, height + _MARGIN - _PATCH) + _MARGIN
    x = np.clip(x, -_MARGIN, width + _MARGIN - _PATCH) + _MARGIN
    return y * stride + x


def _fetch(padded: Picture, at: Index, size: int) -> Picture:
    """`size` (8 or 16) bytes from each place of the flat picture, uint8 [*at.shape, size]."""
    flat = padded.reshape(-1)
    kind = np.dtype(np.uint64 if size == 8 else np.complex128)  # complex128: the only plain type of 16 bytes
    words: npt.NDArray[np.generic] = np.ndarray((flat.size - size + 1,), kind, buffer=flat, strides=(1,))
    return words[at].view(np.uint8).reshape(*at.shape, size)


def _across(phase: int) -> npt.NDArray[np.float32]:
    """[16, 8]: a row of a patch to a row of a block."""
    matrix = np.zeros((_FETCH, BLOCK), np.float32)
    for column in range(BLOCK):
        matrix[column : column + 4, column] = _TAPS[phase]
    return matrix


_ACROSS = [_across(phase) for phase in range(4)]
_DOWN = [np.ascontiguousarray(_across(phase)[:_PATCH].T) for phase in range(4)]
