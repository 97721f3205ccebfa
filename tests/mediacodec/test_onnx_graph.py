"""Nodes and constants of ONNX files, read without the onnx package."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest

from mediacodec.codecs.inr import onnx_bytes
from mediacodec.errors import ModelError
from mediacodec.manifest import find_by_name
from mediacodec.onnx_graph import Node, read_graph


@pytest.fixture
def path(tmp_path: Path) -> Path:
    constants = {
        "weight": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
        "one": np.array(2.5, np.float32),
        "count": np.array([7], np.int64),
    }
    nodes = [onnx_bytes.node("Add", ["x", "one"], "y", {})]
    file = tmp_path / "graph.onnx"
    file.write_bytes(onnx_bytes.model(nodes, constants, {"x": (1, 2)}, {"y": (1, 2)}))
    return file


def test_float32_constants_by_name(path: Path) -> None:
    found = read_graph(path).constants
    assert set(found) == {"weight", "one"}, "others are passed over"
    assert found["weight"].shape == (1, 2, 3)
    assert found["weight"].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert found["one"].shape == ()
    assert found["one"] == 2.5


def test_nodes_by_operator(path: Path) -> None:
    assert read_graph(path).nodes == (Node("Add", ("x", "one"), ("y",)),)


def test_it_reads_what_the_onnx_package_reads() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'mediacodec[train]'")
    model = find_by_name("conditional")
    for name in model.graphs:
        graph, found = onnx.load(model.graph_path(name)).graph, read_graph(model.graph_path(name))
        floats = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
        wanted = {t.name: onnx.numpy_helper.to_array(t) for t in floats}
        assert set(found.constants) == set(wanted)
        assert all(np.array_equal(found.constants[key], wanted[key]) for key in wanted)
        assert found.nodes == tuple(Node(n.op_type, tuple(n.input), tuple(n.output)) for n in graph.node)


def test_what_is_no_onnx_file_is_a_model_error(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read"):
        read_graph(tmp_path / "missing.onnx")
    data, rng = path.read_bytes(), random.Random(3)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        with contextlib.suppress(ModelError):
            read_graph(path)
