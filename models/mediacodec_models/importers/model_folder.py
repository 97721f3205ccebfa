"""The folder of an imported model: graphs, uniform tables, manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mediacodec.entropy_coding.code_tables import CodeTables
from mediacodec.npz import save_arrays
from mediacodec_bitstream import TableFamily
from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.onnx_files import write_manifest


@dataclass(frozen=True)
class About:
    """What a manifest says of an imported model.

    Attributes:
        name, licence, description: see `Manifest`.
        network: how the graphs of a model of family `rvq` run (`codecs.rvq.settings`).
        parity: what its network was compared with, or "unproved".
        family: of the codec.
    """

    name: str
    network: str
    licence: str
    description: str
    parity: str = "unproved"
    family: str = "rvq"


def write_model(
    out: Path, about: About, graphs: Mapping[str, GraphBuilder], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Write graphs, tables and model.json into `out`; returns the manifest.

    settings: what the codec family wants to know, without the bits that codes take: all are as likely until the tables
    are fitted.
    """
    entries = {name: graph.write(out / f"{name}.onnx") for name, graph in graphs.items()}
    weights = {name: array for graph in graphs.values() for name, array in graph.weights.items()}
    books, size = settings["num_codebooks"], settings["codebook_size"]
    tables = uniform_tables(books, size)
    save_arrays(out / "tables.npz", tables)
    bits = [round(float(n * np.log2(size)), 3) for n in range(1, books + 1)]
    rates = {"bits_first_frame": bits, "bits_per_frame": bits, "parity": about.parity}
    network = {"network": about.network} if about.network else {}
    described = {"name": about.name, "alias": about.name, "generation": 1, "family": about.family}
    described |= {"licence": about.licence, "description": about.description}
    return write_manifest(
        out, described, weights=weights, tables=tables, graphs=entries, settings={**network, **settings, **rates}
    )


def uniform_tables(books: int, size: int) -> dict[str, np.ndarray]:
    """Code tables in which every code of a codebook is as likely, whatever came before."""
    tables = CodeTables(
        TableFamily.uniform(size, tables=2 * books).to_array(),
        np.zeros((books, size), dtype=np.uint8),
        np.arange(books, dtype=np.uint8),
        np.ones(books, dtype=np.uint8),
    )
    return {name: getattr(tables, name) for name in ("frequencies", "classes", "source", "lag")}
