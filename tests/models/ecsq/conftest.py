"""One run of the tiny codec, and one export of it, for all tests of scalar codecs."""

from __future__ import annotations

import argparse
import math
import tomllib
import warnings
from pathlib import Path

import pytest
from support.ecsq import RECIPE, Tiny

from mediacodec.manifest import Manifest, read_manifest


@pytest.fixture(scope="session")
def tiny_run(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Trained for a few seconds."""
    pytest.importorskip("torch")
    from mediacodec_models.ecsq.train import run_training

    folder = tmp_path_factory.mktemp("tiny")
    (folder / "recipe.toml").write_text(RECIPE)
    args = argparse.Namespace(
        data=pack,
        noise=None,
        out=folder / "run",
        minutes=None,
        steps=60,
        fall=1.0,
        report=math.inf,
        init=None,
        eager=True,
    )
    run_training(folder / "recipe.toml", args)
    return Tiny(folder / "recipe.toml", folder / "run")


@pytest.fixture(scope="session")
def tiny_model(tiny_run: Tiny, pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Exported."""
    from mediacodec_models.ecsq.export import export

    out = tmp_path_factory.mktemp("zoo") / "tiny-scalar-1"
    recipe = tomllib.loads(tiny_run.recipe.read_text())
    with warnings.catch_warnings():
        for kind in (FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", kind)  # of torch's own exporter
        export(tiny_run.run(), recipe, pack, None, out, packets=320, seconds=60)
    return read_manifest(out)
