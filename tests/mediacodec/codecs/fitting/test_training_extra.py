"""The door to `mediacodec_models`: by entry points or without, and what is said where a package is missing."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.program import RATE, babble

from mediacodec.codecs.fitting.training_extra import DEFAULTS, GROUP, load
from mediacodec.errors import MissingExtraError

ROOT = Path(__file__).parents[4]


def register(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: EntryPoints(points).select(group=group))


def test_the_defaults_are_what_the_distribution_registers() -> None:
    registered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    assert registered == DEFAULTS


def test_an_installed_entry_point_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, EntryPoint("calibrate", "math:floor", GROUP), EntryPoint("fit", "math:ceil", "another.group"))
    assert load("calibrate", "fitting tables") is import_module("math").floor  # type: ignore[comparison-overlap]


def test_a_source_tree_that_is_not_installed_has_its_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    found = load("calibrate", "fitting tables")
    assert found is import_module("mediacodec_models.entropy.calibrate").calibrate


@pytest.mark.parametrize("target", ["not_installed:f", "not_installed.part:f"])
def test_a_missing_package_is_an_extra_to_install(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    register(monkeypatch, EntryPoint("fit", target, GROUP))
    with pytest.raises(MissingExtraError, match=r"^encoding with x needs .*pip install 'mediacodec\[train\]'"):
        load("fit", "encoding with x")


def test_a_fault_of_ours_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, EntryPoint("fit", "mediacodec_models.no_such_module:f", GROUP))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load("fit", "encoding with x")


WALL = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = sys.argv.pop(1).split(",")
sys.meta_path.insert(0, Wall())
"""

LOAD = """
from mediacodec.codecs.fitting.training_extra import load
from mediacodec.errors import MissingExtraError
try:
    load(sys.argv[1], "this")
except MissingExtraError as error:
    print("missing", error.extra)
else:
    print("loaded")
assert not set(BLOCKED) & set(sys.modules)
"""


def run(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WALL + program, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("blocked", "name", "expected"),
    [
        ("torch", "fit", "missing train"),
        ("torch", "import_model", "missing train"),
        ("safetensors", "import_model", "missing train"),
        ("torch,onnx,safetensors", "calibrate", "loaded"),
        ("mediacodec_models", "calibrate", "missing train"),
    ],
)
def test_what_each_entry_needs(blocked: str, name: str, expected: str) -> None:
    done = run(LOAD, blocked, name)
    assert done.stdout.strip() == expected, done.stderr


def test_tables_are_calibrated_without_torch(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    soundfile.write(tmp_path / "recordings" / "loop.wav", np.tile(babble(RATE), 20), RATE)
    words = ["models", "calibrate", "speech-1", str(tmp_path / "recordings"), "-name", "loops"]
    program = "from mediacodec.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    done = run(program, "torch,onnx,safetensors", *words, MEDIACODEC_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cache" / "loops" / "model.json").is_file()
