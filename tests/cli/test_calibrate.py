"""models calibrate: the same networks, tables that fit the user's recordings, and a model beside the old one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mediacodec import manifest
from mediacodec.tokens import codes as tokens

pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
HERE = Path(__file__).parent
from support.checkpoints import CHECKPOINTS
from support.program import RATE, babble


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for seed in range(7):
        soundfile.write(folder / f"{seed}.wav", babble(5 * RATE, seed=seed), RATE)
    return folder


@pytest.fixture(scope="module", params=CHECKPOINTS)
def models(request, tmp_path_factory):
    from mediacodec_models.importers import import_model

    folder = tmp_path_factory.mktemp("models")
    import_model(CHECKPOINTS[request.param].save(folder / "checkpoint"), name="tiny", folder=folder)
    return folder


def test_a_calibrated_model_gives_smaller_files_of_the_same_codes(run, models, recordings, wav, tmp_path):
    old = manifest.find_by_name("tiny", models)
    run("encode", "-i", wav, "-c:a", "tiny", "-models", models, tmp_path / "old.mcx").works()
    outcome = run("models", "calibrate", "tiny", recordings, "-models", models, "-of", "json").works()
    found = json.loads(outcome.out)
    assert found["name"] == "tiny-calibrated"
    assert found["seconds"] == pytest.approx(35, abs=1)
    assert found["bits_before"] == pytest.approx([6.0] * 16, abs=0.01)
    assert sum(found["bits_after"]) < 0.98 * sum(found["bits_before"])
    assert "whole" in run("models", "verify", "tiny-calibrated", "-models", models).works().out

    run("encode", "-i", wav, "-c:a", "tiny-calibrated", "-models", models, tmp_path / "new.mcx").works()
    sizes = [(tmp_path / name).stat().st_size for name in ("old.mcx", "new.mcx")]
    assert sizes[1] < 0.98 * sizes[0]
    kept, coded = (tokens.read_mcx(str(tmp_path / name), models=models) for name in ("old.mcx", "new.mcx"))
    assert np.array_equal(kept.codes, coded.codes)
    assert kept.weights_sha256 == coded.weights_sha256
    assert kept.tables_sha256 != coded.tables_sha256 == found["tables_sha256"]
    for name in ("old", "new"):
        run("decode", "-i", tmp_path / f"{name}.mcx", tmp_path / f"{name}.wav", "-models", models).works()
    assert (tmp_path / "old.wav").read_bytes() == (tmp_path / "new.wav").read_bytes()
    assert manifest.find_by_name("tiny", models) == old, "the old model is as it was"

    alone = tmp_path / "alone"
    shutil.copytree(models / "tiny-calibrated", alone / "tiny-calibrated")
    run("decode", "-i", tmp_path / "old.mcx", tmp_path / "x.wav", "-models", alone).fails(5, "tiny", "not installed")


def test_the_report_for_people_and_the_second_time(run, models, recordings, tmp_path):
    arguments = ("models", "calibrate", "tiny", recordings, "-models", models, "-name", "again")
    lines = run(*arguments).works().out.splitlines()
    assert len(lines) == 1 + 16 + 1
    assert lines[-1].split()[0] == "all"
    assert "kbit/s" in lines[-1]
    tables = manifest.find_by_name("again", models).tables_sha256
    run(*arguments).fails(7, "again", "-y")
    run(*arguments, "-y").works()
    assert manifest.find_by_name("again", models).tables_sha256 == tables, "fits are repeatable"


def test_a_shipped_model_gets_a_copy_in_the_users_folder(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIACODEC_CACHE", str(tmp_path / "cache"))
    loop = tmp_path / "loops/loop.wav"
    loop.parent.mkdir()
    soundfile.write(loop, np.tile(babble(RATE), 20), RATE)
    found = json.loads(run("models", "calibrate", "speech-1", loop.parent, "-name", "loops", "-of", "json").works().out)
    assert Path(found["folder"]) == tmp_path / "cache/loops"
    for codec in ("speech-1", "loops"):
        run("encode", "-i", loop, "-c:a", codec, tmp_path / f"{codec}.mcx").works()
    kept, coded = (tokens.read_mcx(str(tmp_path / f"{codec}.mcx")) for codec in ("speech-1", "loops"))
    assert np.array_equal(kept.codes, coded.codes)
    assert (tmp_path / "loops.mcx").stat().st_size < 0.8 * (tmp_path / "speech-1.mcx").stat().st_size


def test_one_recording_is_cut_into_pieces(run, models, tmp_path):
    soundfile.write(tmp_path / "one.wav", babble(20 * RATE), RATE)
    run("models", "calibrate", "tiny", tmp_path, "-models", models, "-name", "one").works()


class TestRefused:
    @pytest.mark.parametrize(("name", "word"), [("tiny", "already"), ("speech", "already"), ("../x", "letters")])
    def test_names(self, run, models, recordings, name, word):
        arguments = ("models", "calibrate", "tiny", recordings, "-models", models, "-name", name, "-y")
        run(*arguments).fails(2, word)

    def test_the_shipped_models_stay_as_they_are(self, run, recordings):
        run("models", "calibrate", "speech", recordings, "-models", manifest.ZOO, "-name", "mine").fails(2, "shipped")
        assert not (manifest.ZOO / "mine").exists()

    def test_models_without_such_tables(self, run, models, recordings):
        run("models", "calibrate", "conditional", recordings, "-models", models).fails(
            5, "conditional", "cannot be fitted"
        )

    def test_too_little_audio(self, run, models, tmp_path):
        arguments = ("models", "calibrate", "tiny", tmp_path, "-models", models, "-name", "short")
        run(*arguments).fails(3, "no audio file")
        soundfile.write(tmp_path / "short.wav", babble(RATE // 10), RATE)
        run(*arguments).fails(3, "frames of audio")
        assert not (models / "short").exists()

    def test_a_model_that_knows_better(self, run, recordings, tmp_path, monkeypatch):
        monkeypatch.setenv("MEDIACODEC_CACHE", str(tmp_path))
        run("models", "calibrate", "speech-1", recordings).fails(5, "give more audio")
        assert not (tmp_path / "speech-1-calibrated").exists()

    def test_audio_that_teaches_nothing(self, run, models, tmp_path, monkeypatch):
        """Tables are not fitted where they would cost more."""
        from mediacodec_models.entropy import calibrate

        codes = [np.random.default_rng(i).integers(0, 64, (16, 50), dtype=np.uint16) for i in range(8)]
        monkeypatch.setattr(calibrate, "all_codes", lambda *_: ((clip, 1.0) for clip in codes))
        arguments = ("models", "calibrate", "tiny", tmp_path, "-models", models, "-name", "noise")
        run(*arguments).fails(5, "give more audio")
        assert not (models / "noise").exists()
