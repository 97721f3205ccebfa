"""A run's checkpoint: the state of its parts and a few numbers in one file, which is never half-written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

Parts = Mapping[str, Any]  # name to what has state_dict and load_state_dict


def save_checkpoint(path: Path, parts: Parts, **values: Any) -> None:
    """Write beside, then rename: whoever reads it meanwhile finds the last one."""
    beside = path.with_suffix(".tmp")
    torch.save({name: part.state_dict() for name, part in parts.items()} | values, beside)
    beside.replace(path)


def load_checkpoint(path: Path, parts: Parts) -> dict[str, Any]:
    """Give the parts the states kept under their names; returns all that the file holds. Nothing in it is executed."""
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state
