"""Resampling and mixing: quality, alignment, exact length, the same bits for any chunking, honest notes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk
from mediacodec.media import Converter, Resampler, resample_audio
from mediacodec.media.convert import mix_matrix

Samples = NDArray[np.float32]
PAIRS = [
    (44100, 16000),
    (48000, 16000),
    (22050, 16000),
    (11025, 16000),
    (8000, 16000),
    (16000, 8000),
    (16000, 44100),
    (16000, 48000),
    (44100, 48000),
    (44101, 16000),  # no common factor: the filters are interpolated
]


def tone(frequency: float, rate: int, seconds: float = 0.5) -> NDArray[np.float64]:
    return np.cos(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate + 0.3)


def gain_db(frequency: float, rate_in: int, rate_out: int) -> float:
    inner = slice(rate_out // 8, -rate_out // 8)
    out = resample_audio(tone(frequency, rate_in), rate_in, rate_out).astype(np.float64)[inner]
    expected = tone(min(frequency, 0.2 * rate_out), rate_out)[inner]  # of the same energy, whole periods or not
    return float(10 * np.log10(np.sum(out**2) / np.sum(expected**2) + 1e-30))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_passband_is_flat(rate_in: int, rate_out: int) -> None:
    lower = min(rate_in, rate_out)
    gains = [gain_db(share * lower, rate_in, rate_out) for share in (0.003, 0.1, 0.3, 0.4, 0.44, 0.46)]
    assert max(map(abs, gains)) < 0.05, gains


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_what_would_alias_is_gone(rate_in: int, rate_out: int) -> None:
    tones = [share * rate_out for share in (0.505, 0.52, 0.6, 0.8, 1.0, 1.3) if share * rate_out < 0.5 * rate_in]
    gains = [gain_db(frequency, rate_in, rate_out) for frequency in tones]
    assert max(gains) < -90, gains


def test_raising_the_rate_makes_no_mirror_images() -> None:
    out = resample_audio(tone(3600, 8000, 1.0), 8000, 16000)
    spectrum = np.abs(np.fft.rfft(out[2000:-2000] * np.blackman(12000)))
    images = spectrum[4300 * 12000 // 16000 :]
    assert 20 * np.log10(images.max() / spectrum.max()) < -90


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_aligned_to_the_sample(rate_in: int, rate_out: int) -> None:
    frequency = 0.11 * min(rate_in, rate_out)
    out = resample_audio(tone(frequency, rate_in), rate_in, rate_out)
    inner = slice(rate_out // 10, -rate_out // 10)
    assert np.abs(out[inner] - tone(frequency, rate_out)[: len(out)][inner]).max() < 1e-4


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_length_is_exact(rate_in: int, rate_out: int) -> None:
    for n in (0, 1, 2, 3, 17, 160, 441, 881, 882, 883, 12345):
        expected = (2 * n * rate_out + rate_in) // (2 * rate_in)
        assert resample_audio(np.ones(n), rate_in, rate_out).shape == (expected,)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_same_bits_for_any_chunking(rate_in: int, rate_out: int, speech: Callable[..., Samples]) -> None:
    x = speech(1.3, rate_in, 2)
    whole = resample_audio(x, rate_in, rate_out)
    rng = np.random.default_rng(3)
    for most in (1, 100, rate_in // 50, 3000, 30000):
        length = 2500 if most == 1 else x.shape[1]
        resampler, parts, position = Resampler(rate_in, rate_out), [], 0
        while position < length:
            size = int(rng.integers(0, most + 1)) if most > 1 else 1
            buffer = x[:, position : min(length, position + size)].copy()
            parts.append(resampler.push(buffer))
            buffer[:] = 9.0  # the caller may use its buffer again
            position += size
        parts.append(resampler.flush())
        expected = whole if most > 1 else resample_audio(x[:, :length], rate_in, rate_out)
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), expected)


def test_channels_do_not_mix_and_a_flushed_resampler_starts_anew(speech: Callable[..., Samples]) -> None:
    x = speech(0.3, 44100, 2)
    resampler = Resampler(44100, 16000)
    for _ in range(2):
        both = np.concatenate([resampler.push(x), resampler.flush()], axis=1)
        np.testing.assert_array_equal(both[1], resample_audio(x[1], 44100, 16000))


def test_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ParameterError, match="at least 1 Hz"):
        Resampler(0, 8000)
    resampler = Resampler(8000, 16000)
    resampler.push(np.zeros((2, 10), np.float32))
    with pytest.raises(ParameterError, match=r"\[2, n\]"):
        resampler.push(np.zeros((1, 10), np.float32))
    with pytest.raises(ParameterError, match="channels"):
        Converter(8000, 0, 8000, 1)
    with pytest.raises(ParameterError, match="expected 8000 Hz and 1"):
        Converter(8000, 1, 8000, 1).push(AudioChunk(np.zeros((1, 4), np.float32), 16000))


def convert(x: Samples, rate_in: int, rate_out: int, channels: int, size: int) -> tuple[Samples, list[str], list[int]]:
    converter = Converter(rate_in, x.shape[0], rate_out, channels)
    chunks = [converter.push(AudioChunk(x[:, i : i + size], rate_in, 1000 + i)) for i in range(0, x.shape[1], size)]
    chunks.append(converter.flush())
    return np.concatenate([c.samples for c in chunks], axis=1), converter.notes(), [c.pts for c in chunks]


@pytest.mark.parametrize("channels", [2, 6])
def test_conversion_does_not_depend_on_chunking(channels: int, speech: Callable[..., Samples]) -> None:
    x = speech(0.8, 44100, channels)
    whole, notes, _ = convert(x, 44100, 16000, 1, 10**6)
    for size in (7, 441, 5000):
        other, other_notes, _ = convert(x, 44100, 16000, 1, size)
        np.testing.assert_array_equal(other, whole)
        assert other_notes == notes


def test_time_stamps_go_on_without_a_gap() -> None:
    out, _, pts = convert(np.ones((1, 9000), np.float32), 48000, 16000, 1, 1000)
    assert pts[0] == 333  # 1000 / 3
    assert all(b >= a for a, b in itertools.pairwise(pts))
    assert out.shape[1] == 3000
    assert pts[-1] < 333 + 3000


def test_two_channels_become_their_mean_and_one_is_copied(speech: Callable[..., Samples]) -> None:
    x = speech(0.2, 16000, 2)
    np.testing.assert_array_equal(convert(x, 16000, 16000, 1, 100)[0][0], 0.5 * x[0] + 0.5 * x[1])
    np.testing.assert_array_equal(convert(x[:1], 16000, 16000, 2, 100)[0], np.repeat(x[:1], 2, axis=0))


def test_surround_keeps_the_sides_apart_and_never_clips() -> None:
    for count in (6, 8):
        stereo, mono = mix_matrix(count, 2), mix_matrix(count, 1)
        np.testing.assert_allclose(np.abs(stereo).sum(axis=1), 1)
        np.testing.assert_allclose(mono, stereo.mean(axis=0, keepdims=True))
        assert stereo[0, 0] > stereo[0, 2] > 0 == stereo[0, 1]  # left: all of FL, centre at -3 dB, nothing of FR
        assert stereo[1, 1] > stereo[1, 2] > 0 == stereo[1, 0]
        assert stereo[0, 4] > 0 == stereo[1, 4]  # left surround
        assert not stereo[:, 3].any()  # the LFE
    np.testing.assert_allclose(mix_matrix(3, 1), np.full((1, 3), 1 / 3))


def test_notes_are_quiet_where_nothing_is_lost(speech: Callable[..., Samples]) -> None:
    x = resample_audio(speech(1.0, 8000), 8000, 44100)
    assert convert(np.repeat(x, 2, axis=0), 44100, 16000, 1, 500)[1] == [
        "downmixed 2 channels -> 1",
        "resampled 44100 Hz -> 16000 Hz",
    ]
    assert convert(x, 44100, 48000, 2, 500)[1] == ["spread 1 channel(s) over 2", "resampled 44100 Hz -> 48000 Hz"]
    assert convert(x, 44100, 44100, 1, 500)[1] == []
    assert convert(np.zeros((2, 3000), np.float32), 44100, 16000, 1, 500)[1][0] == "downmixed 2 channels -> 1"


@pytest.mark.parametrize(("level", "loud"), [(0.1, True), (0.01, True), (0.004, False), (0.001, False)])
def test_notes_are_loud_about_high_frequencies(level: float, loud: bool) -> None:
    x = (tone(700, 44100) + level * tone(11000, 44100))[np.newaxis].astype(np.float32)
    (note,) = convert(x, 44100, 16000, 1, 500)[1]
    assert note.startswith("WARNING: ") == loud
    if loud:
        assert f"content above 8000 Hz is lost ({round(20 * np.log10(level))} dB" in note


def test_a_tone_just_below_the_limit_is_no_loss() -> None:
    x = tone(7900, 44100)[np.newaxis].astype(np.float32)
    assert convert(x, 44100, 16000, 1, 500)[1] == ["resampled 44100 Hz -> 16000 Hz"]


@pytest.mark.parametrize(("level", "loud"), [(1.0, True), (0.1, True), (0.001, False)])
def test_notes_are_loud_about_a_second_channel_that_differs(level: float, loud: bool) -> None:
    middle, side = tone(500, 16000), level * tone(900, 16000)
    x = np.stack([middle + side, middle - side]).astype(np.float32)
    (note,) = convert(x, 16000, 16000, 1, 500)[1]
    assert note.startswith("WARNING: downmixed 2 channels -> 1: the channels differ") == loud


def test_a_mono_clip_in_surround_is_no_loss_but_its_rear_is() -> None:
    x = np.zeros((6, 8000), np.float32)
    front = mix_matrix(6, 2)[0]
    x[:] = np.outer(front, tone(440, 16000))  # lies wholly in what the left output keeps
    assert not any(note.startswith("WARNING") for note in convert(x, 16000, 16000, 2, 500)[1])
    x[:] = 0
    x[3] = tone(50, 16000)  # the LFE alone
    assert convert(x, 16000, 16000, 2, 500)[1][0].startswith("WARNING")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_a_sample_that_is_no_number_spoils_neither_meters_nor_neighbours(value: float) -> None:
    x = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 9000)).astype(np.float32)
    x[:, 5000] = 0.0
    whole, notes, _ = convert(x, 48000, 16000, 1, 500)
    x[0, 5000] = value
    spoilt, again, _ = convert(x, 48000, 16000, 1, 500)
    assert again[0].startswith("WARNING: 1 samples are no numbers")
    assert [note.split(" (")[0] for note in again[1:]] == [note.split(" (")[0] for note in notes]
    assert "nan" not in " ".join(again[1:])
    assert np.isfinite(spoilt).all()
    if not value < 1e31:
        assert np.array_equal(spoilt, whole)
