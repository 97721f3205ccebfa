"""compare, bench, models and doctor."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from support.manifests import make_model

from mediacodec.manifest import find_by_name


@pytest.fixture
def late(wav, tmp_path):
    """The audio 160 samples later, with a little noise."""
    samples, rate = soundfile.read(wav)
    noise = 0.003 * np.random.default_rng(2).normal(size=samples.size + 160)
    path = tmp_path / "late.wav"
    soundfile.write(path, np.concatenate([np.zeros(160), samples]) + noise, rate)
    return path


def test_compare_lines_up_and_scores(run, wav, late):
    result = json.loads(run("compare", "-of", "json", wav, late, "-metrics", "mel,si_sdr").works().out)
    assert (result["shift_samples"], result["shift_ms"]) == (160, 10.0)
    assert set(result["metrics"]) == {"mel", "si_sdr"}
    assert 15 < result["metrics"]["si_sdr"] < 60
    assert result["failed"] == []
    text = run("compare", wav, late).works().out
    for words in ("SI-SDR", "mel", "late by 10 ms"):
        assert words in text


def test_thresholds(run, wav, late):
    run("compare", wav, late, "--fail-under", "si_sdr=5", "--fail-over", "mel=9", "-metrics", "mel").works()
    run("compare", wav, late, "--fail-under", "si-sdr=99").fails(9, "SI-SDR", "under 99")
    run("compare", wav, late, "--fail-over", "mel=0.001").fails(9, "over 0.001")
    run("compare", wav, late, "--fail-under", "mel=1").fails(2, "--fail-over")
    run("compare", wav, late, "--fail-under", "loudness=1").fails(2, "loudness")
    run("compare", wav, late, "--fail-under", "pesq").fails(2, "pesq=2.0")


def test_an_undefined_score_misses_every_threshold(run, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000), 16_000)
    words = ["compare", tmp_path / "silence.wav", tmp_path / "silence.wav", "-metrics", "si_sdr"]
    assert json.loads(run(*words, "-of", "json").works().out)["metrics"] == {"si_sdr": None}
    run(*words, "--fail-under", "si_sdr=-50").fails(9, "undefined")


def test_bench(run, wav, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pesq")
    (tmp_path / "clips").mkdir()
    shutil.copy(wav, tmp_path / "clips/a.wav")
    words = ["-rates", "3k", "-opus", "8k", "-metrics", "mel,si_sdr", "-o", tmp_path / "out"]
    outcome = run("bench", "audio", tmp_path / "clips", *words).works()
    assert "speech@3k" in outcome.out
    assert "opus@8k" in outcome.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clips.csv", "summary.csv", "quality.png"}
    run("bench", "audio", tmp_path / "none", *words).fails(3, "none")


@pytest.mark.parametrize("change", [{"frame_size": 0}, {"bits_per_frame": []}, {"sample_rate": "fast"}])
def test_models_shows_a_model_whose_settings_make_no_sense(run, tmp_path, change):
    audio = {"sample_rate": 8000, "frame_size": 80, "algorithmic_delay": 80, "bits_per_frame": [5.0, 9.0]}
    make_model(tmp_path, "good", settings=audio)
    assert "8 kHz" in run("models", "show", "good", "-models", tmp_path).works().out
    make_model(tmp_path, "odd", settings=audio | change)
    assert "kHz" not in run("models", "show", "odd", "-models", tmp_path).works().out


def test_models_list_and_show(run):
    listed = json.loads(run("models", "list", "-of", "json").works().out)
    assert "speech" in {model["alias"] for model in listed["models"]}
    assert listed["search_path"][-1].endswith("zoo")
    presented = json.loads(run("models", "show", "speech", "-of", "json").works().out)
    assert presented["weights_sha256"] == find_by_name("speech").weights_sha256
    assert "searched in this order" in run("models", "list").works().out
    assert presented["weights_sha256"] in run("models", "show", "speech").works().out


def test_models_verify(run, tmp_path):
    assert "whole" in run("models", "verify", "speech").works().out
    model = find_by_name("speech")
    copy = tmp_path / model.name
    shutil.copytree(model.folder, copy)
    with (copy / "decoder.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"changed")
    assert "broken" in run("models", "verify", model.name, "-models", tmp_path).fails(5, "decoder.onnx").out


def test_a_broken_manifest_hides_no_other_model(run, tmp_path):
    (tmp_path / "wreck").mkdir()
    (tmp_path / "wreck/model.json").write_text("{")
    outcome = run("models", "list", "-models", tmp_path)
    assert outcome.code == 0
    assert "speech" in outcome.out
    assert "warning" in outcome.err


def test_doctor(run):
    outcome = run("doctor").works()
    for words in ("onnxruntime", "cpu: offered", "range coder", "self test", "speech"):
        assert words in outcome.out
    assert "PROBLEM" not in outcome.out


def test_doctor_finds_a_broken_model(run, monkeypatch, tmp_path):
    (tmp_path / "wreck").mkdir()
    (tmp_path / "wreck/model.json").write_text("{}")
    monkeypatch.setenv("MEDIACODEC_CACHE", str(tmp_path))
    outcome = run("doctor").fails(1, "see above")
    assert "PROBLEM" in outcome.out
