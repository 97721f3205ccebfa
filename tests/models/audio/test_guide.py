"""The six commands of CONTRIBUTING.md lead from a folder of recordings to audio encoded with a model of it."""

from __future__ import annotations

import re
import shlex
import sys
import time
import warnings
from importlib import import_module
from itertools import count
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'mediacodec[train]'")

import soundfile
from support.media import make_speech

from mediacodec import manifest
from mediacodec.cli import main

ROOT = Path(__file__).parents[3]
RATE = 16_000
RECIPE = """
[network]
hop = 160
encoder = [[24, 48, 1], [32, 64, 1]]
decoder = [[32, 64, 1], [24, 48, 1]]
latent = 8
num_codebooks = 3
codebook_size = 32
[train]
kept = [1, 2, 3]
batch = 2
segment = 9600
free_steps = 2
[model]
name = "speech-1"
alias = "speech"
generation = 1
family = "rvq"
licence = "Apache-2.0"
description = "for a test"
search_width = 2
rate_weight = 0.5
"""


@pytest.fixture
def commands() -> list[list[str]]:
    """As they stand there, but from nothing, since the recipe is a tiny one, and for a fifth of a minute."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (block,) = re.findall(r"<!-- six commands -->\n```bash\n(.*?)```", text, re.DOTALL)
    changed = block.replace(" --init mediacodec/zoo/speech-1", "").replace("--minutes 600", "--minutes 0.2")
    assert len(changed) < len(block) - 30
    return [shlex.split(line) for line in changed.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where they are typed: a folder of recordings of one voice, something to encode, and the recipe."""
    (tmp_path / "recordings").mkdir()
    for index in range(6):
        soundfile.write(tmp_path / "recordings" / f"{index}.wav", make_speech(1.0, RATE, seed=index)[0], RATE)
    soundfile.write(tmp_path / "talk.wav", make_speech(1.5, RATE, seed=9)[0], RATE)
    (tmp_path / "models" / "recipes").mkdir(parents=True)
    (tmp_path / "models" / "recipes" / "speech.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command, in this process."""
    if words[0] == "mediacodec":
        assert main(words[1:]) == 0
        return
    program, _, module, *arguments = words
    assert program == "python"
    ticks = count()
    with monkeypatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "argv", [module, *arguments])
        if module.endswith(".train"):  # a second a look at the clock: so many steps on any machine
            patch.setattr(time, "monotonic", lambda: float(next(ticks)))
        for kind in (FutureWarning, DeprecationWarning):  # torch's exporter warns of its own code
            warnings.simplefilter("ignore", kind)
        import_module(module).main()


def test_six_commands_lead_to_a_model(commands: list[list[str]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(commands) == 6
    for words in commands:
        run(words, monkeypatch)
    model = manifest.find_by_name("mine", folder / "my-models")
    assert (model.name, model.names) == ("mine", ("mine", "mine")), "it does not pass for the recipe's"
    assert manifest.find_by_name("speech", folder / "my-models").name == "speech-1"
    assert (folder / "run" / "log.csv").is_file()
    again, rate = soundfile.read(folder / "again.wav")
    assert (len(again), rate) == (24_000, RATE)
    assert np.abs(again).max() > 1e-3


def test_a_run_without_a_quantizer_is_refused(
    commands: list[list[str]], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = folder / "models" / "recipes" / "speech.toml"
    recipe.write_text(RECIPE.replace("free_steps = 2", "free_steps = 500"))
    run(commands[0], monkeypatch)
    run(commands[1], monkeypatch)
    with pytest.raises(SystemExit):
        run(commands[2], monkeypatch)
    assert "its quantizer begins after 500: train on" in capsys.readouterr().err
    assert not (folder / "my-models").exists()
