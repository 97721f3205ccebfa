"""Sound made by code: everything that speech has and no recording is needed for, and files of it in any format."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.media import AudioSource

Samples = NDArray[np.float32]


def make_speech(seconds: float, rate: int, channels: int = 1, seed: int = 0) -> Samples:
    """Voiced syllables with gliding pitch and formants, hissing consonants and pauses; float32 [channels, n]."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    t = np.arange(n) / rate
    pitch = 130 + 40 * np.sin(2 * np.pi * 0.6 * t + rng.uniform(0, 6)) + 5 * np.sin(2 * np.pi * 5.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = [
        600 + 200 * np.sin(2 * np.pi * 1.7 * t),
        1500 + 500 * np.sin(2 * np.pi * 1.1 * t + 1),
        2600 + 200 * np.sin(2 * np.pi * 0.8 * t + 2),
    ]
    voiced = np.zeros(n)
    for harmonic in range(1, 40):
        frequency = harmonic * pitch
        gain = sum(1 / (1 + ((frequency - formant) / 120) ** 2) for formant in formants) + 0.02
        voiced += np.where(frequency < 0.45 * rate, gain / harmonic**0.5, 0) * np.sin(harmonic * phase)
    hiss = np.diff(rng.standard_normal(n + 1))  # more energy in the high frequencies, as an s has
    syllable = 0.5 - 0.5 * np.cos(2 * np.pi * 3.1 * t)
    consonant = np.clip(np.sin(2 * np.pi * 3.1 * t + 0.8), 0, 1) ** 8
    speaking = (np.sin(2 * np.pi * 0.45 * t + 0.6) > -0.75).astype(float)
    x = speaking * (0.25 * voiced * syllable + 0.06 * hiss * consonant) + 1e-4 * rng.standard_normal(n)
    x *= 0.5 / max(float(np.abs(x).max(initial=0)), 1e-9)
    rows = [x] + [0.8 * np.roll(x, 7 * k) + 0.02 * hiss * consonant for k in range(1, channels)]
    return np.stack(rows).astype(np.float32)


def encode_file(
    target: Path | io.BytesIO,
    samples: Samples,
    rate: int,
    codec: str,
    *,
    muxer: str | None = None,
    video: bool = False,
    options: dict[str, str] | None = None,
) -> None:
    """Write samples with FFmpeg's own encoders and muxers, with nothing of the code under test."""
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    with av.open(target, "w", format=muxer, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        picture = container.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p") if video else None
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        audio = [*stream.encode(frame), *stream.encode(None)]
        if picture is not None:
            for index in range(samples.shape[1] * 25 // rate):
                image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), index % 200, np.uint8))
                image.pts = index
                container.mux(picture.encode(image))
            container.mux(picture.encode(None))
        container.mux(audio)


def find_lag(reference: Samples, other: Samples) -> int:
    """By how many samples the first channel of `other` comes later, from the peak of their cross-correlation."""
    a, b = reference[0].astype(float), other[0].astype(float)
    size = 1 << (len(a) + len(b)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    peak = int(np.argmax(correlation))
    return peak if peak < size // 2 else peak - size


def read_all(source: object, **options: float) -> Samples:
    with AudioSource(source, **options) as audio:  # type: ignore[arg-type]
        chunks = list(audio.blocks())
        position = 0
        for chunk in chunks:
            assert (chunk.pts, chunk.sample_rate, chunk.channels) == (position, audio.sample_rate, audio.channels)
            assert chunk.samples.flags.c_contiguous
            position += chunk.num_samples
        assert audio.notes() == []
        return np.concatenate([np.zeros((audio.channels, 0), np.float32), *(chunk.samples for chunk in chunks)], axis=1)


class Pipe(io.RawIOBase):
    """A file object that cannot seek and gives a little at a time, as pipes and sockets do; keeps what is written."""

    def __init__(self, data: bytes = b"", most: int = 777) -> None:
        self._data = io.BytesIO(data)
        self._most = most
        self.written = bytearray()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: memoryview) -> int:
        data = self._data.read(min(len(buffer), self._most))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes) -> int:
        self.written += bytes(data[:10_000])  # an unbuffered file may take less than it is given
        return min(len(data), 10_000)


@pytest.fixture(scope="session")
def speech() -> Callable[..., Samples]:
    return make_speech


@pytest.fixture(scope="session")
def encode() -> Callable[..., None]:
    return encode_file


@pytest.fixture(scope="session")
def lag() -> Callable[[Samples, Samples], int]:
    return find_lag


@pytest.fixture(scope="session")
def read() -> Callable[..., Samples]:
    return read_all


@pytest.fixture(scope="session")
def pipe() -> type[Pipe]:
    return Pipe
