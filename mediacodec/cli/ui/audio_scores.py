"""Quality of audio against its original, as `compare` and `roundtrip` show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mediacodec.bench.audio.quality import DEFAULT_METRICS, METRICS, available_metrics
from mediacodec.bench.audio.report import LOWER_IS_BETTER
from mediacodec.cli.ui.console import Console
from mediacodec.cli.ui.frame_scores import FRAME_METRICS, TITLES
from mediacodec.errors import InputError, UsageError
from mediacodec.media import AudioSource, Converter

RATE = 16_000  # PESQ and the models' own; distances of spectra compare at one rate only
MAX_SECONDS = 1800.0  # all of it lies in memory at once
UNITS = {"si_sdr": " dB", "snr": " dB", "lsd": " dB", "psnr": " dB", "psnr_y": " dB"}
MEANINGS = {
    "pesq": "1 to 4.64, higher is better",
    "stoi": "0 to 1, higher is better",
    "visqol": "1 to 5, higher is better",
    "psnr": "(6 Y + U + V) / 8, at most 100, higher is better",
    "mel": "0 is equal, lower is better",
    "si_sdr": "higher is better; neural codecs do not keep the waveform",
}


def default_metrics(console: Console) -> list[str]:
    """Those of the default set that can be computed here; says once what the others need."""
    here = available_metrics()
    absent = [name for name in DEFAULT_METRICS if name not in here]
    if absent:
        named = " and ".join(TITLES[name] for name in absent)
        console.info(f"without {named}: pip install 'mediacodec[bench]' brings them")
    return [name for name in DEFAULT_METRICS if name in here]


def check_names(names: Sequence[str]) -> None:
    """Raise UsageError for a metric that does not exist."""
    for name in names:
        if name not in METRICS and name not in FRAME_METRICS:
            raise UsageError(f"no metric {name!r}; there are {', '.join((*METRICS, *FRAME_METRICS))}")


def read_mono(source: str, *, start: float = 0.0, duration: float | None = None) -> NDArray[np.float32]:
    """Audio of a file as mono float32 [n] at RATE, mixed as the encoder mixes.

    Args:
        source: its name, "-" for standard input.
        start, duration: seconds; None for all.

    Raises:
        InputError: it cannot be read or holds no audio.
        UsageError: it is longer than memory should hold.
    """
    parts, seconds = [], 0.0
    with AudioSource(source, start=start, duration=duration) as audio:
        converter = Converter(audio.sample_rate, audio.channels, RATE, 1)
        for chunk in audio.blocks():
            parts.append(converter.push(chunk).samples[0])
            seconds += chunk.duration_seconds
            if seconds > MAX_SECONDS + 1:
                limit = f"{MAX_SECONDS / 60:.0f} min"
                raise UsageError(f"'{source}' is longer than {limit}; choose a stretch with -ss and -t")
        parts.append(converter.flush().samples[0])
    samples = np.concatenate(parts)
    if not samples.size:
        raise InputError(f"'{source}' holds no audio there")
    return samples


def written(name: str, value: float | None) -> str:
    """A score with its unit; a dash where it is undefined for this audio.

    Args:
        name: of the metric.
        value: of it.
    """
    if value is None:
        return "-"
    return f"{value:.3f}" if name in ("stoi", "mel", "ms_ssim") else f"{value:.2f}{UNITS.get(name, '')}"


def failures(scores: Mapping[str, float | None], under: Mapping[str, float], over: Mapping[str, float]) -> list[str]:
    """What misses its threshold, a clause each. An undefined score misses every threshold.

    Args:
        scores: by metric.
        under: least values.
        over: most values, of distances.
    """
    missed = []
    for name, limit in (*under.items(), *over.items()):
        value = scores[name]
        if value is None:
            missed.append(f"{TITLES[name]} is undefined for this audio")
        elif name in under and value < limit:
            missed.append(f"{TITLES[name]} {written(name, value)} is under {limit:g}")
        elif name in over and value > limit:
            missed.append(f"{TITLES[name]} {written(name, value)} is over {limit:g}")
    return missed


def check_direction(under: Mapping[str, float], over: Mapping[str, float]) -> None:
    """Raise UsageError where a threshold stands on the wrong side."""
    for name in under:
        if name in LOWER_IS_BETTER:
            raise UsageError(f"{TITLES[name]} is a distance, lower is better: write --fail-over {name}=...")
    for name in over:
        if name not in LOWER_IS_BETTER:
            raise UsageError(f"{TITLES[name]} is better when higher: write --fail-under {name}=...")
