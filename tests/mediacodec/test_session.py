"""ONNX Runtime as we set it up: the device asked for or an error, and states that the manifest describes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from support.forks import in_children, needs_fork

from mediacodec import manifest
from mediacodec.arguments import DEVICES
from mediacodec.errors import DeviceError, ModelError, ModelMismatchError, ParameterError, ParameterTypeError
from mediacodec.manifest import Manifest, Tensor
from mediacodec.session import PROVIDERS, StepGraph, open_session, shared_graph

CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.fixture(scope="module")
def model() -> Manifest:
    return manifest.find_by_name("speech")


@pytest.fixture(scope="module")
def graph(model: Manifest) -> StepGraph:
    return StepGraph(model.graph_path("decoder"), model.graph("decoder"), device="cpu")


def codes(model: Manifest, frames: int, seed: int = 0) -> dict[str, Any]:
    shape = (1, model.settings["num_codebooks"], frames)
    return {"codes": np.random.default_rng(seed).integers(0, model.settings["codebook_size"], shape)}


def test_unknown_device(model: Manifest) -> None:
    with pytest.raises(DeviceError, match="'gpu'; choose one of auto, cpu, cuda"):
        open_session(model.graph_path("decoder"), device="gpu", threads=1)


@pytest.mark.skipif(CUDA, reason="this ONNX Runtime offers CUDA")
def test_cuda_is_refused_where_it_is_not_offered(model: Manifest) -> None:
    with pytest.raises(DeviceError, match="'cuda' is not offered"):
        open_session(model.graph_path("decoder"), device="cuda", threads=1)


@pytest.mark.skipif(CUDA, reason="this ONNX Runtime offers CUDA")
def test_a_fall_back_to_the_cpu_is_never_silent(model: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with onnxruntime-gpu and no driver: CUDA is offered, and then the CPU runs."""
    everything = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: everything)
    made = onnxruntime.InferenceSession

    def falls_back(path: str, options: Any, providers: list[str]) -> Any:
        assert providers[0] == "CUDAExecutionProvider", "CUDA must be tried first"
        return made(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", falls_back)
    path = model.graph_path("decoder")
    with pytest.raises(DeviceError, match=r"'cuda' was asked for.*fell back to CPU"):
        open_session(path, device="cuda", threads=1)
    # "auto" may fall back, and says what runs
    assert StepGraph(path, model.graph("decoder"), device="auto").device == "cpu"


def test_auto_takes_what_is_there(model: Manifest) -> None:
    assert ("auto", *PROVIDERS) == DEVICES
    found = StepGraph(model.graph_path("decoder"), model.graph("decoder"), device="auto").device
    assert found == "cpu" or CUDA


@pytest.mark.parametrize("threads", [0, -1, 1.5, "1", None, 1 << 20])
def test_threads(model: Manifest, threads: Any) -> None:
    with pytest.raises((ParameterError, ParameterTypeError), match="threads"):
        open_session(model.graph_path("decoder"), device="cpu", threads=threads)


@pytest.mark.parametrize("content", [b"", b"no graph", None])
def test_a_file_that_is_no_graph(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        open_session(path, device="cpu", threads=1)


class TestStates:
    def test_start_as_zeros_of_the_manifest(self, model: Manifest, graph: StepGraph) -> None:
        state = graph.initial_state()
        assert [value.shape for value in state] == [s.shape for s in model.graph("decoder").states]
        assert all(value.dtype == np.float32 and not value.any() for value in state)

    def test_are_values(self, model: Manifest, graph: StepGraph) -> None:
        """A step changes neither its input nor the graph: twice the same gives twice the same."""
        _, state = graph.step(codes(model, 3), graph.initial_state())
        before = [value.copy() for value in state]
        first, after = graph.step(codes(model, 2, seed=1), state)
        graph.step(codes(model, 5, seed=2), after)
        again, after_again = graph.step(codes(model, 2, seed=1), state)
        assert all(np.array_equal(a, b) for a, b in zip(before, state, strict=True))
        assert np.array_equal(first["samples"], again["samples"])
        assert all(np.array_equal(a, b) for a, b in zip(after, after_again, strict=True))

    def test_carry_everything_from_step_to_step(self, model: Manifest, graph: StepGraph) -> None:
        inputs = codes(model, 12)["codes"]
        whole, _ = graph.step({"codes": inputs}, graph.initial_state())
        state, parts = graph.initial_state(), []
        for start, stop in ((0, 1), (1, 2), (2, 7), (7, 12)):
            outputs, state = graph.step({"codes": inputs[:, :, start:stop]}, state)
            parts.append(outputs["samples"])
        assert np.abs(np.concatenate(parts, axis=1) - whole["samples"]).max() < 1e-5
        cold, _ = graph.step({"codes": inputs[:, :, 7:]}, graph.initial_state())
        assert np.abs(cold["samples"] - parts[-1]).max() > 1e-3, "else no state is needed"

    def test_are_no_outputs(self, graph: StepGraph) -> None:
        assert graph.outputs == ["samples"]

    def test_of_another_number(self, model: Manifest, graph: StepGraph) -> None:
        with pytest.raises(ModelError, match="has 9 states, not 8"):
            graph.step(codes(model, 1), graph.initial_state()[:-1])

    def check(self, model: Manifest, states: tuple[Tensor, ...], word: str) -> None:
        entry = replace(model.graph("decoder"), states=states)
        with pytest.raises(ModelError, match=word):
            StepGraph(model.graph_path("decoder"), entry, device="cpu")

    def test_that_the_graph_lacks(self, model: Manifest) -> None:
        states = model.graph("decoder").states
        self.check(model, (*states, Tensor("extra", (1, 2))), "lacks state outputs")

    def test_of_another_shape(self, model: Manifest) -> None:
        first, *rest = model.graph("decoder").states
        wrong = Tensor(first.name, (*first.shape[:-1], first.shape[-1] + 1))
        self.check(model, (wrong, *rest), rf"{first.name} is .*{wrong.shape[-1]}")


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ({"codes": np.zeros((1, 3, 2), np.int64)}, "Got: 3 Expected: 17"),
        ({"codes": np.zeros((1, 17, 2), np.float32)}, "tensor.float"),
        ({"codes": "text"}, "list of dictionaries or a single numpy array"),
        ({"samples": np.zeros((1, 320), np.float32)}, "missing from input feed"),
    ],
)
def test_what_a_graph_does_not_take(graph: StepGraph, inputs: Any, word: str) -> None:
    with pytest.raises(ModelError, match=rf"decoder\.onnx cannot be run: .*{word}") as caught:
        graph.step(inputs, graph.initial_state())
    assert "\n" not in str(caught.value)


TOO_LONG = """
import resource
from pathlib import Path

import numpy as np

from mediacodec import manifest
from mediacodec.errors import OutOfMemoryError
from mediacodec.session import StepGraph

model = manifest.find_by_name("speech")
graph = StepGraph(model.graph_path("decoder"), model.graph("decoder"), device="cpu")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
try:
    graph.step({"codes": np.zeros((1, 17, 60_000), np.int64)}, graph.initial_state())
except OutOfMemoryError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured as Linux does")
def test_running_out_of_memory_says_so_in_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", TOO_LONG], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"out of memory: .*decoder\.onnx cannot be run.*\n", done.stdout)
    assert done.stderr == "", "ONNX Runtime logs nothing of its own"


def test_streams_share_a_loaded_graph(model: Manifest) -> None:
    path, graph = model.graph_path("decoder"), model.graph("decoder")
    assert shared_graph(path, graph, device="cpu", threads=1) is shared_graph(path, graph, device="cpu", threads=1)


def test_a_graph_that_is_not_the_manifests_is_refused(model: Manifest, tmp_path: Path) -> None:
    other = tmp_path / "decoder.onnx"
    other.write_bytes(model.graph_path("encoder").read_bytes())
    with pytest.raises(ModelMismatchError, match="reinstall"):
        shared_graph(other, model.graph("decoder"), device="cpu", threads=1)


@needs_fork
def test_a_graph_with_threads_runs_in_a_forked_child(model: Manifest) -> None:
    graph = StepGraph(model.graph_path("decoder"), model.graph("decoder"), device="cpu", threads=2)

    def samples() -> bytes:
        return graph.step(codes(model, 1), graph.initial_state())[0]["samples"].tobytes()

    expected = samples()
    assert in_children(samples, 2) == [expected] * 2
