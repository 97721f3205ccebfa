"""Model folders whose graphs are no graphs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from mediacodec_bitstream import canonical_hash

TABLES = {"frequencies": np.full((1, 4), 1 << 22, np.uint32)}


def make_model(
    place: Path, name: str, *, alias: str = "toy", generation: int = 1, weights: str = "w", **changes: Any
) -> Path:
    """A folder that reads as a model; its graphs are no graphs."""
    folder = place / name
    folder.mkdir(parents=True)
    np.savez(folder / "tables.npz", **TABLES)
    graphs = {}
    for graph in ("encoder", "decoder"):
        (folder / f"{graph}.onnx").write_bytes(f"{name} {graph}".encode())
        digest = hashlib.sha256((folder / f"{graph}.onnx").read_bytes()).hexdigest()
        graphs[graph] = {"file": f"{graph}.onnx", "sha256": digest, "states": [{"name": "s0", "shape": [1, 3]}]}
    raw = {
        "schema": 1,
        "name": name,
        "alias": alias,
        "generation": generation,
        "family": "rvq",
        "licence": "Apache-2.0",
        "description": "for tests",
        "weights_sha256": hashlib.sha256(weights.encode()).hexdigest(),
        "tables_sha256": canonical_hash(TABLES).hex(),
        "graphs": graphs,
        "tables": {"file": "tables.npz", "sha256": hashlib.sha256((folder / "tables.npz").read_bytes()).hexdigest()},
        "training": {"file": "quantizer.npz", "sha256": hashlib.sha256(b"quantizer").hexdigest()},
        "settings": {},
    }
    (folder / "quantizer.npz").write_bytes(b"quantizer")
    (folder / "model.json").write_text(json.dumps(raw | changes))
    return folder
