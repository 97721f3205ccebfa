"""The numpy metrics against cases whose answer is known in closed form."""

import math

import numpy as np
import pytest

from mediacodec.errors import ParameterError
from mediacodec.metrics.audio import align, log_spectral_distance, mel_distance, si_sdr, snr

RATE = 16_000


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def orthogonal_noise(rng, signal, ratio_db):
    """Noise without mean and at right angles to `signal`, whose energy lies `ratio_db` below it."""
    basis = signal - signal.mean()
    noise = rng.normal(size=signal.size)
    noise -= noise.mean()
    noise -= basis * (noise @ basis) / (basis @ basis)
    return noise * math.sqrt((basis @ basis) / (noise @ noise) / 10 ** (ratio_db / 10))


@pytest.mark.parametrize("ratio", [-20.0, 0.0, 13.5, 60.0])
def test_a_known_mix_has_the_snr_and_si_sdr_it_was_made_with(rng, ratio):
    signal = rng.normal(size=RATE)
    signal -= signal.mean()
    mix = signal + orthogonal_noise(rng, signal, ratio)
    assert snr(signal, mix) == pytest.approx(ratio, abs=1e-6)
    assert si_sdr(signal, mix) == pytest.approx(ratio, abs=1e-6)


def test_gain_and_offset_count_for_snr_but_not_for_si_sdr(rng):
    signal = rng.normal(size=RATE)
    mix = signal + orthogonal_noise(rng, signal, 10.0)
    assert si_sdr(signal, 0.25 * mix + 3.0) == pytest.approx(10.0, abs=1e-6)
    assert si_sdr(signal, -mix) == pytest.approx(10.0, abs=1e-6)
    assert snr(signal, 0.5 * signal) == pytest.approx(20 * math.log10(2), abs=1e-9)


def test_equal_signals_reach_the_ends_of_every_scale(rng):
    signal = rng.normal(size=RATE)
    assert snr(signal, signal) == 100.0
    assert si_sdr(signal, signal) == 100.0
    assert mel_distance(signal, signal, RATE) == 0.0
    assert log_spectral_distance(signal, signal, RATE) == 0.0


def test_ratios_stay_finite_for_a_silent_output(rng):
    signal = rng.normal(size=RATE)
    assert snr(signal, np.zeros(RATE)) == pytest.approx(0.0)
    assert si_sdr(signal, np.zeros(RATE)) == -100.0


@pytest.mark.parametrize("window", ["loud", "quiet"])
def test_a_gain_moves_the_spectral_distances_by_exactly_its_decibels(rng, window):
    signal = rng.normal(size=4 * RATE) * {"loud": 1.0, "quiet": 0.05}[window]
    assert log_spectral_distance(signal, signal * 2, RATE) == pytest.approx(20 * math.log10(2), abs=1e-3)
    # Seven scales, each of which sees log10 2 in every band; bands narrower than a bin would see nothing.
    assert mel_distance(signal, signal * 2, RATE) == pytest.approx(7 * math.log10(2), abs=2e-2)


def test_mel_distance_grows_with_the_noise_and_ignores_polarity(rng):
    signal = np.cumsum(rng.normal(size=RATE)) * 0.01
    distances = [mel_distance(signal, signal + rng.normal(size=RATE) * s, RATE) for s in (0.001, 0.01, 0.1)]
    assert distances == sorted(distances)
    assert distances[0] > 0
    assert mel_distance(signal, -signal, RATE) == pytest.approx(0.0, abs=1e-9)


def test_mel_distance_of_silence_to_a_click_is_finite():
    click = np.zeros(RATE)
    click[500] = 1.0
    assert 0 < mel_distance(np.zeros(RATE), click, RATE) < 7 * 6
    assert mel_distance(np.zeros(RATE), np.zeros(RATE), RATE) == 0.0


@pytest.mark.parametrize("length", [1, 5, 100])
def test_signals_shorter_than_a_window_are_measured_too(rng, length):
    signal = rng.normal(size=length)
    assert mel_distance(signal, signal, RATE) == 0.0
    assert log_spectral_distance(signal, signal * 2, RATE) > 1.0


def test_long_signals_give_the_same_whether_taken_in_blocks_or_not(rng, monkeypatch):
    signal = rng.normal(size=RATE)
    noisy = signal + 0.1 * rng.normal(size=RATE)
    whole = mel_distance(signal, noisy, RATE)
    monkeypatch.setattr("mediacodec.metrics.audio.FRAMES_AT_ONCE", 17)
    assert mel_distance(signal, noisy, RATE) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("shift", [0, 1, -1, 7, 320, -800, 3999, -3999])
def test_align_finds_the_shift_and_returns_matching_stretches(rng, shift):
    source = rng.normal(size=2 * RATE)
    reference = source[4000 : 4000 + RATE]
    distorted = source[4000 - shift : 4000 - shift + RATE + 123] + 0.3 * rng.normal(size=RATE + 123)
    a, b, found = align(reference, distorted, RATE)
    assert found == shift
    assert a.size == b.size
    assert a.size >= RATE - abs(shift)
    assert np.corrcoef(a, b)[0, 1] > 0.9


def test_align_survives_a_change_of_level_an_offset_and_a_shorter_output(rng):
    reference = rng.normal(size=RATE)
    a, b, shift = align(reference, 5 + 0.01 * reference[40:9000], RATE)
    assert shift == -40
    np.testing.assert_allclose((b - 5) * 100, a, atol=1e-9)


def test_align_looks_no_farther_than_it_may(rng):
    source = rng.normal(size=RATE)
    assert align(source[500:], source[:-500], RATE, max_shift_seconds=0.01)[2] == 0
    assert align(source[500:], source[:-500], RATE, max_shift_seconds=0.05)[2] == 500


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_align_leaves_silence_and_constants_where_they_are(rng, level):
    flat = np.full(RATE, level)
    for pair in ((flat, flat), (flat, rng.normal(size=RATE)), (rng.normal(size=RATE), flat)):
        assert align(*pair, RATE)[2] == 0


def test_align_leaves_unrelated_noise_where_it_is(rng):
    assert align(rng.normal(size=RATE), rng.normal(size=RATE), RATE)[2] == 0


def test_a_tone_that_repeats_is_not_moved_by_whole_periods():
    tone = np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)
    assert align(tone, tone, RATE)[2] == 0


def test_align_uses_the_loudest_minute_of_a_long_file(rng, monkeypatch):
    monkeypatch.setattr("mediacodec.metrics.audio.ALIGN_SECONDS", 0.5)
    reference = np.concatenate([np.zeros(2 * RATE), rng.normal(size=RATE), np.zeros(RATE)])
    distorted = np.concatenate([np.zeros(33), reference])
    assert align(reference, distorted, RATE)[2] == 33


@pytest.mark.parametrize("function", [snr, si_sdr, mel_distance, log_spectral_distance])
def test_lengths_that_differ_are_named_with_the_remedy(function):
    arguments = (RATE,) if function in (mel_distance, log_spectral_distance) else ()
    with pytest.raises(ParameterError, match=r"10 samples and distorted 9; line them up with align"):
        function(np.ones(10), np.ones(9), *arguments)


@pytest.mark.parametrize("bad", [np.zeros(0), np.zeros((1, 5)), np.array([1.0, np.nan])])
@pytest.mark.parametrize(
    "function", [snr, si_sdr, lambda a, b: mel_distance(a, b, RATE), lambda a, b: align(a, b, RATE)]
)
def test_empty_stacked_and_nan_signals_are_refused(function, bad):
    with pytest.raises(ParameterError, match="distorted"):
        function(np.ones(5), bad)


def test_ratios_to_silence_are_refused_as_undefined():
    for function in (snr, si_sdr):
        with pytest.raises(ParameterError, match="silent"):
            function(np.zeros(10), np.ones(10))


def test_rates_that_make_no_sense_are_refused():
    with pytest.raises(ParameterError, match="sample_rate 0"):
        mel_distance(np.ones(10), np.ones(10), 0)
    with pytest.raises(ParameterError, match="sample_rate 100"):
        log_spectral_distance(np.ones(10), np.ones(10), 100)
    with pytest.raises(ParameterError, match="max_shift_seconds -1"):
        align(np.ones(10), np.ones(10), RATE, max_shift_seconds=-1)
