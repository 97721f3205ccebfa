"""Model folders: ONNX graphs without machine paths and with weights in half precision, hashes, the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mediacodec_bitstream import canonical_hash

OPSET = 18
HALVED = 1024  # elements from which on a weight is stored in half precision


def half_weights(model: onnx.ModelProto, *, exact: Collection[str] = ()) -> onnx.ModelProto:
    """Store large float32 initialisers as float16 with a cast behind, which ONNX Runtime folds on loading.

    exact: what has one of these in its name stays as it is. The exporter's stack traces, which would name files of this
    machine, are dropped.
    """
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < HALVED:
            continue
        if any(part in tensor.name for part in exact):
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name + ".half")
        tensor.CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.metadata_props[:]
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return model


def write_graph(model: onnx.ModelProto, path: Path) -> dict[str, Any]:
    """Check and write a graph; returns its entry in the manifest."""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return {"file": path.name, "sha256": file_hash(path)}


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(
    out: Path,
    about: Mapping[str, Any],
    *,
    weights: Mapping[str, NDArray[Any]],
    tables: Mapping[str, NDArray[Any]],
    graphs: Mapping[str, Any],
    settings: Mapping[str, Any],
    opset: int = OPSET,
    training: str = "",
) -> dict[str, Any]:
    """Write model.json beside the graphs and tables.npz of `out`; returns it.

    about: the recipe's [model], with aliases (further names) where there are any; weights: as shipped, by name, for
    their canonical hash; training: name of the file that only training on needs.
    """
    manifest = {
        "schema": 1,
        **{key: about[key] for key in ("name", "alias", "generation", "family", "licence", "description")},
        **({"aliases": about["aliases"]} if "aliases" in about else {}),
        "weights_sha256": canonical_hash(dict(weights)).hex(),
        "tables_sha256": canonical_hash(dict(tables)).hex(),
        "opset": opset,
        "graphs": graphs,
        "tables": {"file": "tables.npz", "sha256": file_hash(out / "tables.npz")},
        **({"training": {"file": training, "sha256": file_hash(out / training)}} if training else {}),
        "settings": settings,
    }
    (out / "model.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest
