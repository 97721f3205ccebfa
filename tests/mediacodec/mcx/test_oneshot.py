"""One call each way."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mediacodec
from mediacodec.errors import (
    DeviceError,
    ModelNotFoundError,
    NotAnMcxError,
    ParameterError,
    ParameterTypeError,
    TruncatedError,
)

RATE = 16_000


@pytest.fixture(scope="module")
def samples(speech: Callable[..., Any]) -> Any:
    return speech(3.3, RATE)[0]


@pytest.fixture(scope="module")
def coded(samples: Any) -> bytes:
    return mediacodec.encode(samples, sample_rate=RATE)


def test_round_trip(samples: Any, coded: bytes) -> None:
    chunk = mediacodec.decode(coded)
    assert isinstance(chunk, mediacodec.AudioChunk)
    assert (chunk.samples.shape, chunk.sample_rate, chunk.pts) == ((1, len(samples)), RATE, 0)
    # loudness and pauses survive: 20 ms levels of both go together
    levels = [
        np.sqrt(np.mean(x[: len(x) // 320 * 320].reshape(-1, 320) ** 2, axis=1)) for x in (samples, chunk.samples[0])
    ]
    assert np.corrcoef(levels[0], levels[1])[0, 1] > 0.8


def test_the_same_bytes_every_time(samples: Any, coded: bytes) -> None:
    assert mediacodec.encode(samples, sample_rate=RATE) == coded
    assert mediacodec.encode(samples[None], sample_rate=RATE) == coded
    assert mediacodec.encode(samples.tolist(), sample_rate=RATE, threads=2) == coded


def test_any_source_decodes(coded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mcx"
    path.write_bytes(coded)
    expected = mediacodec.decode(coded).samples
    for source in (path, str(path), BytesIO(coded), bytearray(coded), memoryview(coded)):
        assert np.array_equal(mediacodec.decode(source).samples, expected)


@pytest.mark.parametrize("length", [0, 1, 319, 320, 321, 15_999, 16_000, 16_001])
def test_exact_length(samples: Any, length: int) -> None:
    chunk = mediacodec.decode(mediacodec.encode(samples[:length], sample_rate=RATE))
    assert chunk.samples.shape == (1, length)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_and_channels(speech: Callable[..., Any], rate: int) -> None:
    data = mediacodec.encode(speech(1.0, rate, channels=2), sample_rate=rate)
    header = mediacodec.info(data).streams[0].header
    assert (header.fields["source_sample_rate"], header.fields["source_channels"]) == (rate, 2)
    assert mediacodec.decode(data).samples.shape == (1, RATE)


@pytest.mark.parametrize("bit_rate", [1500, 3000, 6000])
def test_bit_rate_is_respected(samples: Any, bit_rate: int) -> None:
    info = mediacodec.info(mediacodec.encode(samples, sample_rate=RATE, bit_rate=bit_rate))
    assert 0.85 * bit_rate < info.streams[0].bit_rate <= bit_rate * 1.03  # a last frame of padding may exceed it


@pytest.mark.parametrize("packet_duration", [0.02, 0.1, 1.0])
def test_packet_duration(samples: Any, packet_duration: float) -> None:
    info = mediacodec.info(mediacodec.encode(samples[:RATE], sample_rate=RATE, packet_duration=packet_duration))
    assert info.streams[0].packet_duration == packet_duration
    assert info.streams[0].packets == -(-51 // round(50 * packet_duration))


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"codec": "speach"}, ModelNotFoundError, "'speach'; there are: .*speech"),
        ({"bit_rate": 12}, ParameterError, "bit_rate 12 "),
        ({"packet_duration": 77}, ParameterError, "packet_duration 77 "),
        ({"sample_rate": 0}, ParameterError, "sample_rate.* 0"),
        ({"device": "tpu"}, DeviceError, "'tpu'"),
        ({"threads": 0}, ParameterError, "threads.* 0"),
    ],
)
def test_errors_name_the_value(samples: Any, options: dict[str, Any], error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        mediacodec.encode(samples, **{"sample_rate": RATE, **options})


def test_wrong_samples(samples: Any) -> None:
    with pytest.raises(ParameterTypeError, match="int16"):  # else a recording would come out clipped to noise
        mediacodec.encode((samples * 32767).astype(np.int16), sample_rate=RATE)
    with pytest.raises(ParameterError, match=r"\(2, 1, 100\)"):
        mediacodec.encode(np.zeros((2, 1, 100)), sample_rate=RATE)


@pytest.mark.parametrize("length", [9, 48, 200, 48_000])
def test_samples_by_channels_are_refused_at_once(length: int) -> None:
    with pytest.raises(ParameterError, match=r"looks like \[n, channels\]"):
        mediacodec.encode(np.zeros((length, 2), np.float32), sample_rate=RATE)


def test_what_is_no_file(coded: bytes) -> None:
    with pytest.raises(NotAnMcxError):
        mediacodec.decode(b"RIFF\x24\x00\x00\x00WAVEfmt " * 10)
    with pytest.raises((NotAnMcxError, TruncatedError)):
        mediacodec.decode(b"")
    with pytest.raises(OSError, match="nowhere"):
        mediacodec.decode("/nowhere/at/all.mcx")


def test_damage_is_concealed(samples: Any, coded: bytes) -> None:
    damaged = bytearray(coded)
    damaged[len(coded) // 2] ^= 1
    chunk = mediacodec.decode(bytes(damaged))
    assert chunk.samples.shape == (1, len(samples))
