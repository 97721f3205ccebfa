"""models import: a checkpoint becomes a model that encodes and decodes, whole or not at all."""

import importlib.metadata
import json
import pickle
import zipfile
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from mediacodec.codecs.fitting import training_extra
from mediacodec.manifest import find_by_name

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
from support.checkpoints import CHECKPOINTS


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return CHECKPOINTS["encodec"].save(tmp_path_factory.mktemp("published") / "tiny-codec")


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_checkpoint_becomes_a_model(run, checkpoint, wav, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIACODEC_CACHE", str(tmp_path / "cache"))
    assert "tiny-codec" in run("models", "import", checkpoint).works().err
    assert find_by_name("tiny-codec").folder == tmp_path / "cache" / "tiny-codec"
    assert "whole" in run("models", "verify", "tiny-codec").works().out
    screen = run("models", "show", "tiny-codec").works().out
    for words in ("16 kHz, 1 channel", "delay    20.0 ms", "140.0 ms", "parity   proved against", "0.3 to 4.8 kbit/s"):
        assert words in screen
    run("encode", "-i", wav, "-c:a", "tiny-codec", "-b:a", "3k", tmp_path / "talk.mcx").works()
    run("decode", "-i", tmp_path / "talk.mcx", tmp_path / "talk.wav").works()
    (probed,) = json.loads(run("probe", tmp_path / "talk.mcx", "-of", "json").works().out)["streams"]
    assert "rvq1" in json.dumps(probed)


def test_an_existing_model_is_replaced_only_on_request(run, checkpoint, tmp_path):
    arguments = ("models", "import", checkpoint, "-name", "mine", "-models", tmp_path)
    run(*arguments).works()
    (tmp_path / "mine/kept").touch()
    run(*arguments).fails(7, "mine", "-y")
    assert (tmp_path / "mine/kept").exists()
    run(*arguments, "-y").works()
    assert not (tmp_path / "mine/kept").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_pickled_object_is_refused_and_does_nothing(run, tmp_path):
    trace = tmp_path / "it-ran"
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps({"state_dict": Malicious(trace)}, protocol=2))
    zipped = tmp_path / "zipped.pth"
    torch.save({"encoder.model.0.conv.conv.bias": torch.zeros(3), "extra": Malicious(trace)}, zipped)
    assert zipfile.is_zipfile(zipped)
    for path in (plain, zipped):
        run("models", "import", path, "-models", tmp_path / "models").fails(5, path.name, "nothing of it was run")
    assert not trace.exists()
    assert not (tmp_path / "models").exists()
    pickle.loads(plain.read_bytes())  # noqa: S301 - the object would do it
    assert trace.exists()


def test_what_is_no_checkpoint(run, checkpoint, tmp_path):
    torch.save({"some.weight": torch.zeros(3)}, tmp_path / "other.pt")
    run("models", "import", tmp_path / "other.pt", "-models", tmp_path).fails(5, "encodec")
    run("models", "import", tmp_path / "none.pt").fails(3, "none.pt")
    run("models", "import", checkpoint, "-name", "../x", "-models", tmp_path).fails(2, "../x")


def test_a_failure_on_the_way_leaves_nothing(run, checkpoint, tmp_path, monkeypatch):
    from mediacodec_models.importers import model_folder

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_folder, "write_manifest", full)
    run("models", "import", checkpoint, "-models", tmp_path).fails(1, "No space left")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_refused(run, checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    tensors = load_file(checkpoint / "model.safetensors")
    key = next(key for key in tensors if "original1" in key and key.startswith("decoder"))
    tensors[key] = tensors[key] * float("nan")
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((checkpoint / "config.json").read_text())
    run("models", "import", tmp_path, "-name", "x", "-models", tmp_path / "models").fails(5, "not finite")
    assert list((tmp_path / "models").iterdir()) == []


def test_without_torch_a_line_says_what_to_install(run, checkpoint, tmp_path, monkeypatch):
    missing = EntryPoint("import_model", "not_installed:import_model", training_extra.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: EntryPoints([missing]))
    run("models", "import", checkpoint, "-models", tmp_path).fails(1, "pip install 'mediacodec[train]'")
