"""The door to the importers of published weights, which need torch to read them.

Models that were imported need it no more: they are folders of ONNX graphs like any other.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from mediacodec.errors import MissingExtraError
from mediacodec.manifest import Manifest

EXTRA = "train"  # what brings torch
PACKAGES = ("torch", "onnx", "safetensors", "mediacodec_models")


def import_model(
    path: Path, *, name: str | None = None, folder: Path | None = None, overwrite: bool = False
) -> Manifest:
    """What `mediacodec_models.importers.import_model` does; raises MissingExtraError where it cannot run."""
    feature = "reading a checkpoint"
    if any(importlib.util.find_spec(package) is None for package in PACKAGES):
        raise MissingExtraError(feature, EXTRA)
    try:
        importers = importlib.import_module("mediacodec_models.importers")
    except ImportError as error:
        raise MissingExtraError(feature, EXTRA) from error
    model: Manifest = importers.import_model(path, name=name, folder=folder, overwrite=overwrite)
    return model
