"""What listeners would say: PESQ, STOI and ViSQOL, each through a package that implements it (extra `bench`).

A metric that is undefined for a clip (no speech in it, too short) is None: recorded as missing and counted by
the bench, never dropped from a mean in silence. `score` lines two signals up and computes any selection of
METRICS.
"""

import importlib
import importlib.util
import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediacodec.errors import MissingExtraError, ParameterError
from mediacodec.metrics import audio as numeric

__all__ = ["DEFAULT_METRICS", "METRICS", "available_metrics", "pesq_wb", "score", "stoi", "visqol_speech"]

SPEECH_RATE = 16_000
PESQ_SECONDS = 30.0
MOS_FLOOR = 1.0


def pesq_wb(reference: ArrayLike, distorted: ArrayLike, sample_rate: int) -> float | None:
    """Wideband PESQ as MOS-LQO, 1.0 to 4.64, higher is better.

    ITU-T P.862.2 (2007) through the package `pesq`. P.862 was validated on recordings of up to 30 s, so a longer one is
    cut into equal parts of at most that, and the mean of the parts' scores returned (parts without an utterance left
    out).

    Args:
        reference, distorted: samples [n], lined up.
        sample_rate: 16000 Hz.

    Returns:
        The score; None where it finds no utterance.

    Raises:
        ParameterError: it is another rate, or lengths differ.
        MissingExtraError: the package is not installed.
    """
    ref, dist = _speech_pair(reference, distorted, sample_rate)
    package = _package("pesq")
    parts = math.ceil(ref.size / (PESQ_SECONDS * SPEECH_RATE))
    scores = []
    for a, b in zip(np.array_split(ref, parts), np.array_split(dist, parts), strict=True):
        if not b.any():  # the package divides by zero; a decoder gone silent must not count as missing
            scores += [MOS_FLOOR] * bool(a.any())
            continue
        try:
            scores.append(float(package.pesq(SPEECH_RATE, a, b, "wb")))
        except (package.NoUtterancesError, package.BufferTooShortError):
            continue
    return _finite(float(np.mean(scores))) if scores else None


def stoi(reference: ArrayLike, distorted: ArrayLike, sample_rate: int) -> float | None:
    """Short-time objective intelligibility, about 0 to 1, higher is better.

    Taal, Hendriks, Heusdens and Jensen, IEEE Trans. Audio, Speech and Language Processing 19(7), 2011, through the
    package `pystoi`.

    Args:
        reference, distorted: samples [n], lined up.
        sample_rate: Hz (resampled to 10 kHz inside).

    Returns:
        The score; None with under 0.4 s of signal.

    Raises:
        ParameterError: lengths differ.
        MissingExtraError: the package is not installed.
    """
    ref, dist = _pair(reference, distorted)
    package = _package("pystoi")
    if not ref.any():
        return None
    with warnings.catch_warnings():
        # With too few frames the package warns and returns 1e-5, which would pass for a score.
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            return _finite(float(package.stoi(ref, dist, sample_rate)))
        except (RuntimeWarning, ValueError):  # ValueError: shorter than one frame
            return None


def visqol_speech(reference: ArrayLike, distorted: ArrayLike, sample_rate: int) -> float | None:
    """ViSQOL in speech mode as MOS-LQO, 1 to 5, higher is better.

    Chinen et al., "ViSQOL v3", QoMEX 2020, through the package `visqol-python` with the lattice mapping (without it
    speech scores are 1 to 2 too high, so its absence is an error). Its ceiling depends on the clip: 25 recordings of
    speech, each against itself, got 3.56 to 4.75, 4.49 in the mean.

    Args:
        reference, distorted: samples [n], lined up.
        sample_rate: 16000 Hz.

    Returns:
        The score; None where it finds no patch to compare.

    Raises:
        ParameterError: it is another rate, or lengths differ.
        MissingExtraError: the packages are not installed.
    """
    ref, dist = _speech_pair(reference, distorted, sample_rate)
    api = _visqol_api()
    if not ref.any() or not dist.any():  # as for PESQ
        return MOS_FLOOR if ref.any() else None
    try:
        return _finite(float(api.measure_from_arrays(ref, dist, SPEECH_RATE).moslqo))
    except (ValueError, IndexError):  # too short, or no patch with speech
        return None


def _mel(ref: ArrayLike, dist: ArrayLike, sample_rate: int) -> float | None:
    return numeric.mel_distance(ref, dist, sample_rate)


def _lsd(ref: ArrayLike, dist: ArrayLike, sample_rate: int) -> float | None:
    return numeric.log_spectral_distance(ref, dist, sample_rate)


def _si_sdr(ref: ArrayLike, dist: ArrayLike, _: int) -> float | None:
    return numeric.si_sdr(ref, dist) if np.ptp(ref) else None


def _snr(ref: ArrayLike, dist: ArrayLike, _: int) -> float | None:
    return numeric.snr(ref, dist) if np.any(ref) else None


Metric = Callable[[ArrayLike, ArrayLike, int], float | None]

METRICS: dict[str, tuple[Metric, tuple[str, ...]]] = {  # name -> function, packages it needs
    "pesq": (pesq_wb, ("pesq",)),
    "stoi": (stoi, ("pystoi",)),
    "visqol": (visqol_speech, ("visqol", "ai_edge_litert")),
    "mel": (_mel, ()),
    "si_sdr": (_si_sdr, ()),
    "snr": (_snr, ()),
    "lsd": (_lsd, ()),
}
DEFAULT_METRICS = ("pesq", "stoi", "mel", "si_sdr")


def available_metrics() -> tuple[str, ...]:
    """The names in METRICS whose packages are installed here; none of them is imported by asking."""
    return tuple(name for name, (_, packages) in METRICS.items() if all(map(_installed, packages)))


def score(
    reference: ArrayLike,
    distorted: ArrayLike,
    sample_rate: int,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> dict[str, float | None]:
    """Line both signals up, then compute metrics, in the order given.

    The metrics that need 16 kHz get a resampled copy; the others work at `sample_rate`.

    Args:
        reference, distorted: samples [n] and [m].
        sample_rate: of both, Hz.
        metrics: keys of METRICS; `available_metrics()` for all that run here.

    Returns:
        Scores by name; None marks a metric that is undefined for this pair.

    Raises:
        ParameterError: a metric is not known, or the samples cannot be used.
        MissingExtraError: a package is not installed.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ParameterError(f"unknown metrics {unknown}; known: {', '.join(METRICS)}")
    ref, dist, _ = numeric.align(reference, distorted, sample_rate)
    at_rate = {sample_rate: (ref, dist)}
    results = {}
    for name in metrics:
        rate = SPEECH_RATE if name in ("pesq", "visqol") else sample_rate
        if rate not in at_rate:
            at_rate[rate] = _resampled(ref, sample_rate), _resampled(dist, sample_rate)
        results[name] = METRICS[name][0](*at_rate[rate], rate)
    return results


def _resampled(x: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    from mediacodec.media import resample_audio  # loads PyAV, which a 16 kHz comparison does not need

    return resample_audio(x, sample_rate, SPEECH_RATE).astype(np.float64)


def _pair(reference: ArrayLike, distorted: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ref, dist = np.asarray(reference, dtype=np.float64), np.asarray(distorted, dtype=np.float64)
    if ref.ndim != 1 or ref.shape != dist.shape or not ref.size:
        raise ParameterError(
            f"reference {ref.shape} and distorted {dist.shape} must be one-dimensional and equally long; "
            "line them up with metrics.align"
        )
    return ref, dist


def _speech_pair(
    reference: ArrayLike, distorted: ArrayLike, sample_rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if sample_rate != SPEECH_RATE:
        raise ParameterError(f"this metric is defined at {SPEECH_RATE} Hz, not {sample_rate}; score() resamples")
    return _pair(reference, distorted)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"the package {name}", "bench") from error


class _Similarity(Protocol):
    """What ViSQOL finds."""

    moslqo: float


class _Visqol(Protocol):
    """What is used of the package `visqol`, which has no types."""

    def create(self, *, mode: str, use_lattice_model: bool) -> None: ...

    def measure_from_arrays(
        self, reference: NDArray[np.float64], degraded: NDArray[np.float64], sample_rate: int
    ) -> _Similarity: ...


@lru_cache(maxsize=1)
def _visqol_api() -> _Visqol:
    """Built once: loading the mapping costs more than scoring a clip."""
    _package("ai_edge_litert")
    api = cast("_Visqol", _package("visqol").VisqolApi())
    api.create(mode="speech", use_lattice_model=True)
    return api
