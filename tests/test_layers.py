"""Each layer is a claim, proved here: who imports whom, and what still runs where something is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mediacodec
import mediacodec_bitstream

ROOT = Path(__file__).parents[1]
LONGEST = 400  # lines; about 300 is what we aim at
SOURCES = [
    path
    for folder in ("mediacodec", "bitstream", "models", "tests", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "__pycache__" not in path.parts
]


def test_the_arrows_point_one_way() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    command = shutil.which("lint-imports", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert command, "import-linter is part of the extra dev: pip install -e '.[dev]'"
    # found where they stand, whether the project is installed or only on the path
    paths = os.pathsep.join([str(ROOT), str(ROOT / "bitstream"), str(ROOT / "models")])
    done = subprocess.run(
        [command, "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(contracts)} kept, 0 broken" in done.stdout


def test_every_module_of_the_runtime_has_its_layer() -> None:
    """The contract of layers says nothing about modules that it does not name."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = next(contract for contract in contracts if "rooms" in contract["name"])
    named = {name.strip() for layer in rooms["layers"] for name in layer.split("|")}
    folder = ROOT / "mediacodec"
    found = {f"mediacodec.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}
    found |= {f"mediacodec.{path.parent.name}" for path in folder.glob("*/__init__.py")}
    found |= {f"mediacodec.codecs.{path.stem}" for path in (folder / "codecs").glob("*.py") if path.stem != "__init__"}
    found |= {f"mediacodec.codecs.{path.parent.name}" for path in (folder / "codecs").glob("*/__init__.py")}
    assert found - {"mediacodec.codecs"} == named


WALL = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")
        return None

BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Wall())
"""

ROUND_TRIP = (
    WALL
    + """
import numpy as np
import mediacodec

t = np.arange(20_000) / 16_000
samples = 0.3 * np.sin(2 * np.pi * 140 * t * (1 + 0.1 * np.sin(5 * t))) * np.abs(np.sin(9 * t))
data = mediacodec.encode(samples, sample_rate=16_000, bit_rate=3000)
chunk = mediacodec.decode(data)
assert chunk.samples.shape == (1, 20_000)
encoder = mediacodec.AudioEncoder(packet_duration=0.02)
decoder = mediacodec.AudioDecoder(encoder.header)
for packet in encoder.push(samples[:3200].astype(np.float32)) + encoder.flush():
    decoder.push(packet)
assert not BLOCKED & set(sys.modules)
print("done")
"""
)


def run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "blocked",
    [
        "torch,onnx,onnxscript,mediacodec_models",
        "constriction",
        "click,matplotlib,pesq,pystoi,visqol,soundfile",
    ],
)
def test_the_runtime_works_without(blocked: str) -> None:
    assert run(ROUND_TRIP, blocked) == "done"


LAZY = """
import sys
import mediacodec
heavy = {"torch", "onnxruntime", "av", "soundfile", "click", "constriction", "numpy"} & set(sys.modules)
assert not heavy, heavy
dir(mediacodec)
mediacodec.AudioChunk
heavy = {"torch", "onnxruntime", "av", "soundfile", "click", "constriction"} & set(sys.modules)
assert not heavy, heavy
print("done")
"""


def test_importing_loads_nothing_heavy() -> None:
    assert run(LAZY) == "done"


@pytest.mark.parametrize("package", [mediacodec, mediacodec_bitstream], ids=lambda package: package.__name__)
def test_no_module_of_the_runtime_speaks_of_torch(package: object) -> None:
    folder = Path(str(package.__file__)).parent  # type: ignore[attr-defined]
    for path in folder.rglob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.strip().startswith(("import torch", "from torch", "import onnx\n", "from onnx ")), path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    limit = LONGEST if "tests" not in path.relative_to(ROOT).parts else 500
    assert lines <= limit, f"{lines} lines; split it"


def test_names_say_what_is_inside() -> None:
    vague = {"util", "utils", "helper", "helpers", "common", "misc", "tools", "shared"}
    found = [path for path in SOURCES if {path.stem, *path.relative_to(ROOT).parent.parts} & vague]
    assert not found
