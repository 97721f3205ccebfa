"""The synthesis: a few small convolutions that correct planes. Float: pixels lie within a tolerance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.overfit.context import im2col
from mediacodec.codecs.overfit.settings import SYNTHESIS_SHIFT, Arrays
from mediacodec.video_coding.motion.compensate import Planes

Floats = npt.NDArray[np.float32]
FloatPlanes = tuple[Floats, Floats, Floats]
STRIP = 1 << 14  # places computed at once: what bounds the memory
CLIP = 4.0  # steps: beyond it an edge is an edge, however fine the steps are


def apply_synthesis(
    planes: FloatPlanes, weights: Arrays, step: float, residual: FloatPlanes | None = None
) -> FloatPlanes:
    """Add to planes what the synthesis network finds.

    The network is given U, V and the four phases of Y, each less its surroundings, in units of the step and clipped at
    CLIP; in inter frames then the same of the residual, as it is.

    Args:
        planes: Y, U and V around 0, chroma at half the size.
        weights: integers, `layers.N.weight` and `layers.N.bias`.
        step: the quantization step of luma.
        residual: what inter frames add to their prediction; None in keyframes.

    Returns:
        The corrected planes.
    """
    x = _stack(planes)
    x[:4] -= _local_mean(x[:4].mean(0))
    x[4] -= _local_mean(x[4])
    x[5] -= _local_mean(x[5])
    if residual is not None:
        x = np.concatenate([x, _stack(residual)])
    x *= np.float32(1 / step)
    np.clip(x, -CLIP, CLIP, out=x)
    count = len(weights) // 2
    for k in range(count):
        weight, bias = (weights[f"layers.{k}.{name}"] for name in ("weight", "bias"))
        x = _convolve(x, _dequantise(weight), _dequantise(bias), relu=k + 1 < count)
    x *= np.float32(step)
    y, u, v = planes
    out = y.copy()
    for k in range(4):
        out[k // 2 :: 2, k % 2 :: 2] += x[k]
    return out, u + x[4], v + x[5]


def _stack(planes: FloatPlanes) -> Floats:
    y, u, v = planes
    return np.stack([y[0::2, 0::2], y[0::2, 1::2], y[1::2, 0::2], y[1::2, 1::2], u, v])


def to_bytes(planes: FloatPlanes) -> Planes:
    """Round planes around 0 to 8-bit levels around 128."""
    y, u, v = (np.clip(np.rint(plane + np.float32(128)), 0, 255).astype(np.uint8) for plane in planes)
    return y, u, v


def to_floats(planes: Planes) -> FloatPlanes:
    """Invert `to_bytes`."""
    y, u, v = (plane.astype(np.float32) - np.float32(128) for plane in planes)
    return y, u, v


def _dequantise(integers: npt.NDArray[np.integer]) -> Floats:
    return (integers * 2.0**-SYNTHESIS_SHIFT).astype(np.float32)


def _local_mean(plane: Floats) -> Floats:
    """The mean of 3x3 neighbours, borders repeated."""
    padded = np.pad(plane, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9))


def _convolve(x: Floats, weight: Floats, bias: Floats, *, relu: bool) -> Floats:
    """A 3x3 convolution with a border of zeros."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    flat = weight.reshape(len(weight), -1)
    result = np.empty((len(weight), height, width), np.float32)
    lines = max(1, STRIP // width)
    for top in range(0, height, lines):
        bottom = min(top + lines, height)
        rows = flat @ im2col(padded, top, bottom)
        rows += bias[:, None]
        if relu:
            np.maximum(rows, 0, out=rows)
        result[:, top:bottom] = rows.reshape(-1, bottom - top, width)
    return result
