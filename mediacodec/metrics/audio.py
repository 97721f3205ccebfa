"""How far a decoded signal is from its original, computed with numpy alone.

Every function takes two one-dimensional arrays of samples in [-1, 1], reference first. All but `align` need
them equally long and lined up; call `align` first. What a listener would say is asked of PESQ, STOI and
ViSQOL in `mediacodec.bench.audio.quality`, which need the extra `bench`.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediacodec.errors import ParameterError

__all__ = ["align", "log_spectral_distance", "mel_distance", "si_sdr", "snr"]

Samples = NDArray[np.float64]

DECIBEL_LIMIT = 100.0  # keeps ratios of equal signals finite, so that means and JSON stay usable
MEL_SCALES = ((32, 5), (64, 10), (128, 20), (256, 40), (512, 80), (1024, 160), (2048, 320))  # window, bands
MEL_FLOOR = 1e-5
LSD_FLOOR = 1e-10  # power; -100 dB under one bin of a full-scale sine
ALIGN_SECONDS = 60.0
ALIGN_MIN_CORRELATION = 0.1
FRAMES_AT_ONCE = 4096  # bounds the memory of a long file's spectra


def align(
    reference: ArrayLike, distorted: ArrayLike, sample_rate: int, *, max_shift_seconds: float = 0.25
) -> tuple[Samples, Samples, int]:
    """Cut both signals to the stretch they share, at the integer shift where they correlate best.

    The cross-correlation is taken by FFT, means removed, over the minute with most energy where the files are longer.
    Where no lag reaches a correlation coefficient of 0.1 (silence, unrelated signals) the shift is 0.

    Args:
        reference, distorted: samples, [n] and [m]; lengths may differ.
        sample_rate: Hz.
        max_shift_seconds: lags up to this either way are tried; the nearest to zero wins a tie.

    Returns:
        Both, equally long and lined up, and the shift in samples: positive when `distorted` lags, so that
        `distorted[i + shift]` belongs to `reference[i]`.

    Raises:
        ParameterError: a signal is empty or not finite, or the rate is not positive.
    """
    ref, dist = _checked(reference, "reference"), _checked(distorted, "distorted")
    if sample_rate <= 0 or max_shift_seconds < 0:
        raise ParameterError(
            f"sample_rate {sample_rate} must be positive, max_shift_seconds {max_shift_seconds} not negative"
        )
    reach = min(round(max_shift_seconds * sample_rate), ref.size - 1, dist.size - 1)
    start, stop = _loudest(ref[: dist.size], round(ALIGN_SECONDS * sample_rate))
    shift = _best_lag(ref[start:stop], dist[start:stop], reach)
    ref, dist = ref[max(0, -shift) :], dist[max(0, shift) :]
    length = min(ref.size, dist.size)
    return ref[:length], dist[:length], shift


def si_sdr(reference: ArrayLike, distorted: ArrayLike) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, means removed; higher is better, within [-100, 100].

    Le Roux, Wisdom, Erdogan and Hershey, "SDR: half-baked or well done?", ICASSP 2019: the distortion is what is left
    after projecting `distorted` on `reference`, so gain does not count, while delay and phase do.

    Args:
        reference, distorted: samples [n], lined up.

    Raises:
        ParameterError: lengths differ, signals are empty, or the reference is silent (undefined).
    """
    ref, dist = _pair(reference, distorted)
    ref, dist = ref - ref.mean(), dist - dist.mean()
    target = ref * (ref @ dist / _energy(ref))
    return _ratio_db(target @ target, _square(dist - target))


def snr(reference: ArrayLike, distorted: ArrayLike) -> float:
    """Signal-to-noise ratio in dB, the noise being `distorted - reference`; higher is better, in [-100, 100].

    Args:
        reference, distorted: samples [n], lined up.

    Raises:
        ParameterError: lengths differ, signals are empty, or the reference is silent (undefined).
    """
    ref, dist = _pair(reference, distorted)
    return _ratio_db(_energy(ref), _square(dist - ref))


def mel_distance(reference: ArrayLike, distorted: ArrayLike, sample_rate: int) -> float:
    """Multi-scale log-mel distance; 0 for equal signals, lower is better, no upper bound.

    Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN", NeurIPS 2023, with the settings of its
    training loss: the sum over windows of 32, 64, 128, 256, 512, 1024 and 2048 samples (Hann, hop a quarter, frames
    centred with reflected ends) of the mean |log10 a - log10 b| over 5, 10, 20, 40, 80, 160 and 320 bands, where a and
    b are magnitude spectra through Slaney's mel filters from 0 to half the rate, of unit area, floored at 1e-5. Compare
    figures at one sample rate only: windows are counted in samples.

    Args:
        reference, distorted: samples [n], lined up.
        sample_rate: Hz.

    Raises:
        ParameterError: lengths differ, signals are empty, or the rate is not positive.
    """
    ref, dist = _pair(reference, distorted)
    if sample_rate <= 0:
        raise ParameterError(f"sample_rate {sample_rate} must be positive")
    total = 0.0
    for window, bands in MEL_SCALES:
        filters = _mel_filters(window, bands, sample_rate)
        difference, count = 0.0, 0
        for a, b in zip(_magnitudes(ref, window, window // 4), _magnitudes(dist, window, window // 4), strict=True):
            ratio = np.maximum(a @ filters, MEL_FLOOR) / np.maximum(b @ filters, MEL_FLOOR)
            difference += float(np.abs(np.log10(ratio)).sum())
            count += ratio.size
        total += difference / count
    return total


def log_spectral_distance(reference: ArrayLike, distorted: ArrayLike, sample_rate: int) -> float:
    """Log-spectral distance in dB; 0 for equal signals, lower is better.

    Gray and Markel, "Distance measures for speech processing", IEEE Trans. ASSP 24(5), 1976: per frame of 32 ms (Hann,
    hop 8 ms) the root mean square over bins of the difference of both power spectra in dB, then the mean over frames.
    Powers, a full-scale sine counting as 1, are floored at 1e-10.

    Args:
        reference, distorted: samples [n], lined up.
        sample_rate: Hz, at least 500.

    Raises:
        ParameterError: lengths differ, signals are empty, or the rate is too low.
    """
    ref, dist = _pair(reference, distorted)
    if sample_rate < 500:
        raise ParameterError(f"sample_rate {sample_rate} must be at least 500")
    hop = sample_rate // 125
    scale = 4 / (4 * hop)  # a sine of amplitude 1 has the magnitude window/4 under a Hann window
    distances = []
    for a, b in zip(_magnitudes(ref, 4 * hop, hop), _magnitudes(dist, 4 * hop, hop), strict=True):
        power_a, power_b = np.maximum((a * scale) ** 2, LSD_FLOOR), np.maximum((b * scale) ** 2, LSD_FLOOR)
        distances.append(np.sqrt(np.mean((10 * np.log10(power_a / power_b)) ** 2, axis=1)))
    return float(np.concatenate(distances).mean())


def _checked(samples: ArrayLike, name: str) -> Samples:
    array = np.asarray(samples, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ParameterError(f"{name} must be one-dimensional with at least one sample, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ParameterError(f"{name} contains NaN or infinity")
    return array


def _pair(reference: ArrayLike, distorted: ArrayLike) -> tuple[Samples, Samples]:
    ref, dist = _checked(reference, "reference"), _checked(distorted, "distorted")
    if ref.size != dist.size:
        raise ParameterError(f"reference has {ref.size} samples and distorted {dist.size}; line them up with align()")
    return ref, dist


def _square(x: Samples) -> float:
    return float(x @ x)


def _energy(reference: Samples) -> float:
    energy = _square(reference)
    if energy == 0:
        raise ParameterError("reference is silent, so a ratio to it is undefined")
    return energy


def _ratio_db(signal: float, noise: float) -> float:
    if signal == 0:
        return -DECIBEL_LIMIT
    if noise == 0:
        return DECIBEL_LIMIT
    return float(np.clip(10 * np.log10(signal / noise), -DECIBEL_LIMIT, DECIBEL_LIMIT))


def _loudest(x: Samples, length: int) -> tuple[int, int]:
    """The stretch of `length` samples of `x` with most energy, as start and stop."""
    if x.size <= length:
        return 0, x.size
    energy = np.concatenate(([0.0], np.cumsum(x * x)))
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return start, start + length


def _best_lag(ref: Samples, dist: Samples, reach: int) -> int:
    """The lag in [-reach, reach] at which `dist` [n] correlates best with `ref` [n]; 0 where nothing does."""
    ref, dist = ref - ref.mean(), dist - dist.mean()
    scale = np.sqrt((ref @ ref) * (dist @ dist))
    if scale == 0:
        return 0
    size = 1 << (ref.size + reach).bit_length()
    spectrum = np.conj(np.fft.rfft(ref, size)) * np.fft.rfft(dist, size)
    correlation = np.fft.irfft(spectrum, size) / scale
    lags = np.arange(-reach, reach + 1)
    values = correlation[lags]  # negative lags wrap to the end, which is where the FFT puts them
    best = values.max()
    if best < ALIGN_MIN_CORRELATION:
        return 0
    tied = lags[values >= best - 1e-9]
    return int(tied[np.argmin(np.abs(tied))])


def _magnitudes(x: Samples, window: int, hop: int) -> Iterator[NDArray[np.float64]]:
    """Magnitude spectra of centred Hann-windowed frames, in blocks of [frames, window // 2 + 1]."""
    mode = "reflect" if x.size > window // 2 else "constant"  # too short to be reflected
    padded = np.pad(x, window // 2, mode=mode)  # type: ignore[call-overload]
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        yield np.abs(np.fft.rfft(frames[start : start + FRAMES_AT_ONCE] * hann, axis=1))


@lru_cache(maxsize=32)
def _mel_filters(window: int, bands: int, sample_rate: int) -> NDArray[np.float64]:
    """Triangular filters of unit area on Slaney's mel scale, [window // 2 + 1, bands]."""
    bins = np.arange(window // 2 + 1) * sample_rate / window
    edges = _slaney_hertz(np.linspace(0.0, _slaney_mel(sample_rate / 2), bands + 2))
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    filters: NDArray[np.float64] = np.maximum(0.0, np.minimum(rise, fall)) * 2 / (edges[2:] - edges[:-2])
    return filters


# Slaney, Auditory Toolbox, 1998: linear to 1 kHz (15 mel), then logarithmic, 27 mel for each factor of 6.4.


def _slaney_mel(hertz: float) -> float:
    return float(15 + 27 * np.log(hertz / 1000) / np.log(6.4)) if hertz > 1000 else hertz * 3 / 200


def _slaney_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel > 15, 1000 * 6.4 ** ((mel - 15) / 27), mel * 200 / 3)
