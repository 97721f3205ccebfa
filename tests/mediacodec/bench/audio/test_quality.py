"""The perceptual metrics through their packages: sane values, undefined clips, absent packages."""

import sys

import numpy as np
import pytest

from mediacodec.bench.audio import quality
from mediacodec.bench.audio.quality import available_metrics, pesq_wb, score, stoi, visqol_speech
from mediacodec.errors import MissingExtraError, ParameterError

RATE = 16_000
PERCEPTUAL = {"pesq": pesq_wb, "stoi": stoi, "visqol": visqol_speech}
PACKAGE = {"pesq": "pesq", "stoi": "pystoi", "visqol": "visqol"}


@pytest.fixture(params=list(PERCEPTUAL))
def metric(request):
    pytest.importorskip(PACKAGE[request.param], reason="needs the extra bench")
    return request.param, PERCEPTUAL[request.param]


def noisy(speech, level):
    return speech + level * np.random.default_rng(3).normal(size=speech.size)


def test_equal_is_best_and_noise_makes_it_worse(speech, metric):
    name, function = metric
    scores = [function(speech, noisy(speech, level), RATE) for level in (0.0, 0.01, 0.3)]
    assert scores == sorted(scores, reverse=True)
    # ViSQOL weighs more than likeness: a recording against itself got 3.56 to 4.75, this audio 3.79.
    assert scores[0] > {"pesq": 4.6, "stoi": 0.999, "visqol": 3.5}[name]
    assert scores[2] < {"pesq": 1.5, "stoi": 0.8, "visqol": 2.0}[name]


def test_a_decoder_gone_silent_has_the_worst_score_not_a_missing_one(speech, metric):
    name, function = metric
    floor = function(speech, np.zeros_like(speech), RATE)
    assert floor == pytest.approx(0.0 if name == "stoi" else 1.0, abs=1e-6)


def test_without_an_utterance_the_score_is_none(speech, metric):
    _, function = metric
    assert function(np.zeros_like(speech), np.zeros_like(speech), RATE) is None
    assert function(speech[:1000], speech[:1000], RATE) is None


def test_pesq_finds_no_utterance_in_a_silent_reference(speech):
    pytest.importorskip("pesq", reason="needs the extra bench")
    assert pesq_wb(np.zeros_like(speech), speech, RATE) is None


def test_pesq_takes_a_long_recording_in_parts(speech, monkeypatch):
    pytest.importorskip("pesq", reason="needs the extra bench")
    monkeypatch.setattr(quality, "PESQ_SECONDS", 1.5)
    other = noisy(speech, 0.01)
    halves = [pesq_wb(speech[part], other[part], RATE) for part in (slice(24_000), slice(24_000, None))]
    assert pesq_wb(speech, other, RATE) == pytest.approx(np.mean(halves))
    half_silent = np.concatenate([speech[:24_000], np.zeros(24_000)])
    assert pesq_wb(speech, half_silent, RATE) == pytest.approx((4.644 + 1.0) / 2, abs=0.01)


@pytest.mark.parametrize("function", [pesq_wb, visqol_speech])
def test_another_rate_is_refused(function):
    with pytest.raises(ParameterError, match="16000 Hz, not 8000"):
        function(np.ones(8000), np.ones(8000), 8000)


@pytest.mark.parametrize("function", [pesq_wb, stoi, visqol_speech])
def test_lengths_that_differ_are_refused(function):
    with pytest.raises(ParameterError, match="equally long"):
        function(np.ones(8000), np.ones(8001), RATE)


def test_score_lines_up_first_and_keeps_the_order(speech):
    late = np.concatenate([np.zeros(237, np.float32), speech])
    names = ("snr", "mel", "si_sdr", "lsd")
    scores = score(speech, late, RATE, metrics=names)
    assert tuple(scores) == names
    assert scores == {"snr": 100.0, "mel": 0.0, "si_sdr": 100.0, "lsd": 0.0}


def test_score_of_silence_marks_the_ratios_as_undefined():
    silence = np.zeros(RATE)
    assert score(silence, silence, RATE, metrics=("snr", "si_sdr", "mel")) == {
        "snr": None,
        "si_sdr": None,
        "mel": 0.0,
    }


def test_score_resamples_for_the_metrics_that_need_it(speech):
    pytest.importorskip("pesq", reason="needs the extra bench")
    from mediacodec.media import resample_audio

    at_48k = resample_audio(speech, RATE, 48_000)
    other = resample_audio(noisy(speech, 0.01), RATE, 48_000)
    there = score(at_48k, other, 48_000, metrics=("pesq",))["pesq"]
    assert there == pytest.approx(pesq_wb(speech, noisy(speech, 0.01), RATE), abs=0.05)


def test_an_unknown_metric_is_named():
    with pytest.raises(ParameterError, match=r"unknown metrics \['peaq'\]; known: pesq, stoi"):
        score(np.ones(10), np.ones(10), RATE, metrics=("peaq",))


@pytest.mark.parametrize("name", list(PERCEPTUAL))
def test_an_absent_package_ends_in_the_line_that_installs_it(speech, monkeypatch, name):
    monkeypatch.setitem(sys.modules, PACKAGE[name], None)
    quality._visqol_api.cache_clear()
    assert name not in available_metrics()
    assert "mel" in available_metrics()
    with pytest.raises(MissingExtraError, match=r"pip install 'mediacodec\[bench\]'"):
        score(speech, speech, RATE, metrics=(name,))


def test_visqol_without_its_runtime_is_an_error_not_another_scale(speech, monkeypatch):
    pytest.importorskip("visqol", reason="needs the extra bench")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    quality._visqol_api.cache_clear()
    assert "visqol" not in available_metrics()
    with pytest.raises(MissingExtraError):
        visqol_speech(speech, speech, RATE)
