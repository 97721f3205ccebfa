"""AudioChunk: what it refuses, what it computes, how it prints."""

import dataclasses

import numpy as np
import pytest

from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.frames import AudioChunk


def test_properties() -> None:
    chunk = AudioChunk(np.zeros((2, 800), np.float32), 16000, pts=-400)
    assert (chunk.channels, chunk.num_samples) == (2, 800)
    assert chunk.duration_seconds == 0.05
    assert chunk.pts_seconds == -0.025


def test_an_empty_chunk_and_peaks_beyond_full_scale_are_fine() -> None:
    assert AudioChunk(np.zeros((1, 0), np.float32), 8000).num_samples == 0
    assert AudioChunk(np.full((1, 3), 7.5, np.float32), 8000).samples.max() == 7.5


def test_prints_its_shape_and_never_its_samples() -> None:
    chunk = AudioChunk(np.zeros((2, 5), np.float32), 48000, 7)
    assert repr(chunk) == "AudioChunk(samples=float32[2, 5], sample_rate=48000, pts=7)"


def test_numpy_integers_become_python_integers() -> None:
    chunk = AudioChunk(np.zeros((1, 1), np.float32), np.int32(8000), np.int64(3))
    assert type(chunk.sample_rate) is int
    assert type(chunk.pts) is int


def test_is_frozen() -> None:
    chunk = AudioChunk(np.zeros((1, 1), np.float32), 8000)
    with pytest.raises(dataclasses.FrozenInstanceError):
        chunk.pts = 1  # type: ignore[misc]


@pytest.mark.parametrize("samples", [np.zeros(5, np.float32), np.zeros((1, 2, 3), np.float32), np.zeros((0, 5), "f4")])
def test_refuses_other_shapes(samples: np.ndarray) -> None:
    with pytest.raises(ParameterError, match=r"\[channels, n\]"):
        AudioChunk(samples, 8000)


@pytest.mark.parametrize("samples", [[[0.0]], np.zeros((1, 5)), np.zeros((1, 5), np.int16)])
def test_refuses_other_types(samples: object) -> None:
    with pytest.raises(ParameterTypeError, match=r"float32|numpy array"):
        AudioChunk(samples, 8000)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "pts"), [(0, 0), (-1, 0)])
def test_refuses_rates_below_one(rate: int, pts: int) -> None:
    with pytest.raises(ParameterError, match="sample_rate"):
        AudioChunk(np.zeros((1, 5), np.float32), rate, pts)


@pytest.mark.parametrize(("rate", "pts"), [(8000.0, 0), (8000, 0.5), (True, 0), ("8000", 0), (8000, None)])
def test_refuses_numbers_that_are_no_integers(rate: object, pts: object) -> None:
    with pytest.raises(ParameterTypeError, match="integer"):
        AudioChunk(np.zeros((1, 5), np.float32), rate, pts)  # type: ignore[arg-type]
