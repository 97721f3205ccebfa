"""How far a decoded frame is from its original: PSNR with numpy alone, MS-SSIM through a package (extra `bench`).

Frames are 8-bit 4:2:0: uint8 planes [h, w] and twice [ceil(h/2), ceil(w/2)], reference first.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import MissingExtraError, ParameterError, ParameterTypeError

__all__ = ["MS_SSIM_MIN_SIDE", "PSNR_LIMIT", "ms_ssim", "ms_ssim_db", "psnr", "psnr_611"]

Plane = NDArray[np.uint8]

PSNR_LIMIT = 100.0  # dB; keeps the PSNR of equal planes finite, so that means and CSV stay usable
PEAK = 255.0
MS_SSIM_MIN_SIDE = 161  # five scales of an 11-sample window: the smallest is (11 - 1) * 2**4 + 1 wide at full size


def psnr(reference: Plane, distorted: Plane) -> float:
    """PSNR of a plane in dB, 0 to 100 (the cap, which equal planes have); higher is better.

    Args:
        reference, distorted: uint8 [h, w], peak 255.

    Raises:
        ParameterTypeError: a plane is no uint8 array.
        ParameterError: shapes differ or hold nothing.
    """
    _check(reference, distorted)
    difference = reference.astype(np.int32) - distorted
    error = float(np.mean(np.square(difference, dtype=np.int32)))
    if error == 0:
        return PSNR_LIMIT
    return min(PSNR_LIMIT, 10 * math.log10(PEAK**2 / error))


def psnr_611(reference: Sequence[Plane], distorted: Sequence[Plane]) -> float:
    """PSNR of a frame in dB, (6 Y + U + V) / 8 of its planes' PSNRs, each capped at 100 dB.

    The figure of a clip is the mean over its frames.

    Args:
        reference, distorted: (y, u, v), uint8 [h, w] each.

    Raises:
        ParameterError: there are other than three planes, or their shapes differ.
        ParameterTypeError: a plane is no uint8 array.
    """
    if len(reference) != 3 or len(distorted) != 3:
        raise ParameterError(f"psnr_611 needs three planes each, not {len(reference)} and {len(distorted)}")
    y, u, v = (psnr(a, b) for a, b in zip(reference, distorted, strict=True))
    return (6 * y + u + v) / 8


def ms_ssim(reference: Plane, distorted: Plane) -> float:
    """Multi-scale SSIM of a plane, 0 to 1, higher is better: five scales, Gaussian window of 11, sigma 1.5.

    Wang, Simoncelli and Bovik (2003) through the package `pytorch-msssim`, at a data range of 255.

    Args:
        reference, distorted: uint8 [h, w], each side at least 161 samples, since the coarsest of the five scales must
            hold the window.

    Raises:
        ParameterError: a plane is smaller, or shapes differ.
        ParameterTypeError: a plane is no uint8 array.
        MissingExtraError: the package is not installed.
    """
    _check(reference, distorted)
    if min(reference.shape) < MS_SSIM_MIN_SIDE:
        height, width = reference.shape
        raise ParameterError(
            f"MS-SSIM needs at least {MS_SSIM_MIN_SIDE} samples a side, not {width}x{height}; use PSNR or a larger size"
        )
    # The package takes torch's tensors and brings torch along. Both are loaded by name and only here, as every
    # package of the extra is: no import of the runtime leads to torch.
    package, torch = _package("pytorch_msssim"), _package("torch")
    pair = (torch.from_numpy(plane[None, None].astype(np.float32)) for plane in (reference, distorted))
    with torch.no_grad():
        return float(package.ms_ssim(*pair, data_range=PEAK))


def ms_ssim_db(value: float) -> float:
    """An MS-SSIM of 0 to 1 as -10 log10(1 - value), 0 to 100 (the cap): the scale on which BD-rates are taken."""
    return min(PSNR_LIMIT, -10 * math.log10(max(1.0 - value, 1e-10)))


def _check(reference: Plane, distorted: Plane) -> None:
    for plane in (reference, distorted):
        if not isinstance(plane, np.ndarray) or plane.dtype != np.uint8:
            kind = getattr(plane, "dtype", type(plane).__name__)
            raise ParameterTypeError(f"a plane must be a numpy array of uint8, not {kind}")
    if reference.ndim != 2 or reference.shape != distorted.shape or not reference.size:
        raise ParameterError(
            f"planes must be [h, w] and equally large, not {list(reference.shape)} and {list(distorted.shape)}"
        )


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError("MS-SSIM", "bench") from error
