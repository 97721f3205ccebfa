"""Bjontegaard's delta rate between two rate-distortion curves, through the package `bjontegaard` (extra `bench`)."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mediacodec.errors import MissingExtraError

__all__ = ["MIN_POINTS", "BdRate", "bd_rate"]

MIN_POINTS = 5  # on each curve; four are known to swing by several per cent with the choice of points
METHOD = "akima"  # follows the points where a cubic fit overshoots

Curve = Sequence[tuple[float, float | None]]
"""(kbit/s, quality in dB) of each point, in any order; None for an undefined quality."""


@dataclass(frozen=True)
class BdRate:
    """How much more rate a curve takes than the anchor's, at equal quality.

    Attributes:
        percent: the mean difference over the shared range of quality; negative is fewer bits; None is undefined.
        overlap: the shared range of quality over the range of both curves together, 0 to 1.
        remark: why it is undefined, or what to doubt it for; else "".
    """

    percent: float | None
    overlap: float
    remark: str = ""


def bd_rate(anchor: Curve, test: Curve) -> BdRate:
    """The BD-rate of a curve against another, by Akima interpolation of log rate over quality.

    Undefined with fewer than 5 points on a curve, a point without a quality, two of equal quality, or no shared range.

    Args:
        anchor: the curve to compare with.
        test: the curve that is judged.

    Raises:
        MissingExtraError: the package is not installed.
    """
    curves = [_sorted(anchor), _sorted(test)]
    if not all(curves):
        return BdRate(None, 0.0, "a quality is undefined")
    if min(map(len, curves)) < MIN_POINTS:
        return BdRate(None, _overlap(*curves), f"fewer than {MIN_POINTS} points")
    if any(low[0] == high[0] for curve in curves for low, high in pairwise(curve)):
        return BdRate(None, _overlap(*curves), "two points of equal quality")
    overlap = _overlap(*curves)
    if overlap <= 0:
        return BdRate(None, 0.0, "no shared quality")
    try:
        package = importlib.import_module("bjontegaard")
    except ImportError as error:
        raise MissingExtraError("the BD-rate", "bench") from error
    (quality_a, rate_a), (quality_t, rate_t) = (tuple(zip(*curve, strict=True)) for curve in curves)
    options = {"method": METHOD, "require_matching_points": False, "min_overlap": 0}  # the overlap is stated instead
    percent = float(package.bd_rate(rate_a, quality_a, rate_t, quality_t, **options))
    falls = any(low[1] >= high[1] for curve in curves for low, high in pairwise(curve))
    return BdRate(percent if math.isfinite(percent) else None, overlap, "quality falls with rate" if falls else "")


def _sorted(curve: Curve) -> list[tuple[float, float]]:
    """(quality, rate), by quality; nothing where a quality is undefined."""
    points = [(quality, rate) for rate, quality in curve if quality is not None]
    return sorted(points) if len(points) == len(curve) else []


def _overlap(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> float:
    low, high = max(anchor[0][0], test[0][0]), min(anchor[-1][0], test[-1][0])
    total = max(anchor[-1][0], test[-1][0]) - min(anchor[0][0], test[0][0])
    return max(0.0, high - low) / total if total else 0.0
