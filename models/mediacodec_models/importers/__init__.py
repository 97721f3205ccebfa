"""Importers of published weights: one a file, IMPORTERS the only table of them.

An importer knows the layouts in which one published codec is saved, its authors' own and the Hugging Face one, and
turns such a checkpoint into a model folder: step or window graphs, integer tables, a manifest. From then on the model
is like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediacodec_models.importers.checkpoint import Checkpoint


@dataclass(frozen=True)
class Importer:
    """How to import one published codec.

    recognises: whether a checkpoint is one of its kind, from its keys, shapes and configuration;
    convert: writes the folder `out` of a model called `name` (graphs, tables.npz, model.json) and returns the manifest.
    Raises ModelError where weights are missing or do not fit the published architecture.
    """

    recognises: Callable[[Checkpoint], bool]
    convert: Callable[[Checkpoint, str, Path], dict[str, Any]]


IMPORTERS: dict[str, Importer] = {}
