"""Speech as it is recorded: other voices, rooms, equalisers, telephones and noise, made of clean clips.

A codec must bring back what it was given, so what is done here is done to input and target alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

Samples = NDArray[np.float32]

SPEEDS = (0.84, 1.2)  # played so many times as fast, pitch and all (Ko et al. 2015): more voices than were recorded
BANDS = ((300, 3400), (50, 4000), (100, 7000), (200, 3600), (60, 5500))  # Hz: telephones, Bluetooth, old codecs
EQUALISER_DB, ROOM_SECONDS, DIRECT_DB, NOISE_DB = 7.0, (0.1, 0.6), (0.0, 18.0), (10.0, 40.0)
LEVEL_DB = (-12.0, 8.0)


@dataclass(frozen=True)
class Shares:
    """How many of the segments get what.

    Attributes:
        speed: another speed.
        filtered: filtering; of these, `equalised` by an equaliser, `limited` to a band, `in_rooms` by a room.
        noisy: noise or music behind, a third of it white.
    """

    speed: float = 0.6
    filtered: float = 0.35
    equalised: float = 0.6
    limited: float = 0.25
    in_rooms: float = 0.35
    noisy: float = 0.25


def at_speed(samples: Samples, size: int) -> Samples:
    """Samples, [n], squeezed or stretched to `size` of them by way of their spectrum."""
    spectrum = rfft(samples)[: size // 2 + 1]
    spectrum = np.pad(spectrum, (0, size // 2 + 1 - len(spectrum)))
    return np.asarray(irfft(spectrum, size) * (size / len(samples)), np.float32)


def source_size(random: np.random.Generator, size: int) -> int:
    """Samples that `at_speed` makes `size` of, at a random speed; a length that transforms quickly."""
    speed = np.exp(random.uniform(*np.log(SPEEDS)))
    return int(next_fast_len(int(size * speed) + 1, real=True))


def filtered(samples: Samples, sample_rate: int, random: np.random.Generator, shares: Shares) -> Samples:
    """Samples, [n], behind an equaliser, a band limit and a room, each with its share; as many, not delayed."""
    size = int(next_fast_len(len(samples) + sample_rate // 2, real=True))
    spectrum = rfft(samples, size)
    frequency = np.arange(len(spectrum)) * sample_rate / size
    if random.random() < shares.equalised:
        points = np.sort(random.uniform(np.log(60), np.log(sample_rate / 2), 5))
        gain = random.uniform(-EQUALISER_DB, EQUALISER_DB, 5)
        spectrum = spectrum * 10 ** (np.interp(np.log(frequency + 1), points, gain) / 20)
    if random.random() < shares.limited:
        low, high = BANDS[random.integers(len(BANDS))]
        spectrum = spectrum / np.sqrt(1 + (low / (frequency + 1)) ** 8) / np.sqrt(1 + (frequency / high) ** 24)
    if random.random() < shares.in_rooms:
        spectrum = spectrum * rfft(room(sample_rate, random), size)
    return np.asarray(irfft(spectrum, size)[: len(samples)], np.float32)


def room(sample_rate: int, random: np.random.Generator) -> Samples:
    """An impulse response: the direct path, sparse early reflections that grow dense, exponential decay."""
    decay = random.uniform(*ROOM_SECONDS)
    time = np.arange(int(sample_rate * min(0.45, decay))) / sample_rate
    dense = random.random(len(time)) < np.minimum(1, 0.02 + time / 0.03)
    tail = random.standard_normal(len(time)) * 10 ** (-3 * time / decay) * dense
    tail[0] = 0
    tail /= 10 ** (random.uniform(*DIRECT_DB) / 20) * (np.sqrt(np.sum(tail**2)) + 1e-9)
    tail[0] = 1
    return np.asarray(tail, np.float32)


def with_noise(samples: Samples, noise: Samples, random: np.random.Generator) -> Samples:
    """Samples and noise of as many samples behind them, at a random level."""
    ratio = np.sqrt(np.mean(samples**2)) / (np.sqrt(np.mean(noise**2)) + 1e-6)
    return np.asarray(samples + noise * ratio * 10 ** (-random.uniform(*NOISE_DB) / 20), np.float32)


def at_level(samples: Samples, random: np.random.Generator) -> Samples:
    """Samples at a random level and polarity, within full scale."""
    gain = 10 ** (random.uniform(*LEVEL_DB) / 20)
    peak = float(np.abs(samples).max()) + 1e-6
    return np.asarray(samples * min(gain, 0.99 / peak) * random.choice((-1.0, 1.0)), np.float32)
