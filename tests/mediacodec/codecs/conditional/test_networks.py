"""What chooses tables runs on the CPU whatever device is asked for, and no sum of it is rounded."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mediacodec import manifest
from mediacodec.codecs.conditional import exactness, networks
from mediacodec.codecs.conditional.exactness import ENTROPY_PARTS, EXACT, check_graph, largest_sum
from mediacodec.codecs.conditional.networks import Networks
from mediacodec.codecs.conditional.settings import ConditionalSettings, FrameGeometry
from mediacodec.codecs.options import Runtime
from mediacodec.errors import ModelError
from mediacodec.manifest import Graph, Manifest
from mediacodec.onnx_graph import Node, OnnxGraph, read_graph

EXACT_GRAPHS = {f"{kind}_{part}" for kind in ("key", "inter") for part in ENTROPY_PARTS}


@pytest.fixture
def model() -> Manifest:
    return manifest.find_by_name("conditional")


class Recorded:
    """Stands for a loaded graph and says which device it was opened on."""

    def __init__(self, device: str) -> None:
        self.device = device


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
@pytest.mark.parametrize("analyse", [False, True], ids=["decoder", "encoder"])
def test_graphs_that_choose_tables_are_pinned_to_the_cpu(
    model: Manifest, device: str, analyse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: dict[str, str] = {}

    def record(path: Path, graph: Graph, *, device: str, threads: int) -> Recorded:
        opened[path.stem] = device
        return Recorded("cuda" if device == "auto" else device)

    monkeypatch.setattr(networks, "shared_graph", record)
    settings = ConditionalSettings(model)
    made = Networks(model, settings, FrameGeometry(64, 48), Runtime(device=device, threads=2), analyse=analyse)
    assert {name for name, where in opened.items() if where == "cpu"} >= EXACT_GRAPHS
    others = {where for name, where in opened.items() if name not in EXACT_GRAPHS}
    assert others == {device}, "the others run where they are asked to"
    assert set(opened) == set(model.graphs) if analyse else set(opened) < set(model.graphs)
    assert made.worker.parallel == (device == "cpu"), "on a GPU a second thread has nothing to do"


def test_every_table_is_chosen_by_a_pinned_graph(model: Manifest) -> None:
    """Whatever gives a scale index, or what one follows from in the next frame, is among them."""
    import onnxruntime

    giving = {"scale_index", "memory", "prior_hidden", "prior_input"}
    found = set()
    for name in model.graphs:
        session = onnxruntime.InferenceSession(model.graph_path(name), providers=["CPUExecutionProvider"])
        if giving & {output.name for output in session.get_outputs()}:
            found.add(name)
    assert found == EXACT_GRAPHS


@pytest.mark.parametrize("name", sorted(EXACT_GRAPHS))
def test_no_sum_of_the_shipped_model_can_be_rounded(model: Manifest, name: str) -> None:
    check_graph(model, name)
    assert EXACT / 100 < largest_sum(read_graph(model.graph_path(name)), 8) < EXACT


def changed_model(model: Manifest, folder: Path, name: str, constant: str, change: Any) -> Manifest:
    """The model with a constant of one graph changed where it stands in the file."""
    shutil.copytree(model.folder, folder)
    path = folder / model.graph(name).file
    old = read_graph(path).constants[constant]
    data = path.read_bytes()
    assert data.count(old.tobytes()) == 1
    path.write_bytes(data.replace(old.tobytes(), change(old).astype("<f4").tobytes()))
    other = replace(model, folder=folder, graphs=model.graphs | {name: Graph(path.name, "0" * 64, ())})
    assert np.array_equal(read_graph(path).constants[constant], change(old), equal_nan=True)
    return other


@pytest.mark.parametrize(
    ("name", "constant", "change", "message"),
    [
        ("key_prior_first", "mix.exact", lambda w: 256 * w, "may reach"),
        ("inter_prior_second", "leave.exact", lambda w: 2**14 * w, "may reach"),
        ("inter_memory_update", "bias.exact", lambda w: w + 2.0**18, "may reach"),
        ("key_prior_second", "near.exact", lambda w: w / 3, "near.exact is no multiple"),
        ("inter_prior_first", "enter.exact", lambda w: w * np.float32("nan"), "not a number"),
    ],
)
def test_weights_whose_sums_could_be_rounded_are_refused(
    model: Manifest, tmp_path: Path, name: str, constant: str, change: Any, message: str
) -> None:
    other = changed_model(model, tmp_path / "model", name, constant, change)
    with pytest.raises(ModelError, match=message):
        check_graph(other, name)


def test_a_decoder_refuses_such_a_model(model: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "shared_graph", lambda *_, **__: Recorded("cpu"))
    other = changed_model(model, tmp_path / "model", "key_prior_first", "mix.exact", lambda w: 256 * w)
    with pytest.raises(ModelError, match="differ between machines"):
        Networks(other, ConditionalSettings(other), FrameGeometry(64, 48), Runtime(), analyse=False)


def test_a_graph_of_other_sums_is_refused(model: Manifest) -> None:
    """One that computes on real numbers, under the name of one that chooses tables."""
    other = replace(model, graphs={"key_prior_first": model.graph("key_conditional_mean")})
    with pytest.raises(ModelError, match=r"whole numbers|no multiple"):
        check_graph(other, "key_prior_first")


@pytest.mark.parametrize(
    ("operator", "given", "low", "high", "shift"),
    [
        ("Abs", [(-3, 2, 1)], 0, 3, 1),
        ("Floor", [(-2.5, 7.75, 2)], -3, 7, 0),
        ("Clip", [(-9, 900, 0), (0, 0, 0), (255.75, 255.75, 2)], 0, 255.75, 2),
        ("Clip", [(-9, 100, 3), (0, 0, 0), (255.75, 255.75, 2)], 0, 100, 3),
        ("Min", [(0, 90, 0), (5, 40, 1)], 0, 40, 1),
        ("Concat", [(0, 90, 0), (-5, 40, 1)], -5, 90, 1),
        ("Add", [(0, 90, 0), (-5, 40, 1)], -5, 130, 1),
        ("Mul", [(-2, 3, 1), (-4, 4, 2)], -12, 12, 3),
        ("Reshape", [(0, 9, 0), None], 0, 9, 0),
    ],
)
def test_ranges_of_operations(
    operator: str, given: list[tuple[float, float, int] | None], low: float, high: float, shift: int
) -> None:
    inputs = [None if one is None else exactness._Range(*one) for one in given]
    node = Node(operator, tuple("abc"[: len(given)]), ("y",))
    assert exactness._operation(node, inputs) == exactness._Range(low, high, shift)


def test_nothing_is_known_of_other_operations() -> None:
    whole = exactness._Range(0, 1)
    assert exactness._operation(Node("Exp", ("a",), ("y",)), [whole]) is None
    assert exactness._operation(Node("Add", ("a", "b"), ("y",)), [whole, None]) is None
    with pytest.raises(ValueError, match="no layers"):
        largest_sum(OnnxGraph((Node("Abs", ("symbols",), ("y",)),), {}), 8)
