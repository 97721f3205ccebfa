"""ONNX Runtime, set up in one place.

One thread and no spinning by default: two spinning threads are slower under load and burn a core between live packets.
The execution provider is checked after the session exists, because ONNX Runtime falls back to the CPU in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import DeviceError, ModelError, ModelMismatchError, ParameterError
from mediacodec.manifest import Graph

Array = NDArray[Any]
State = tuple[Array, ...]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
DEVICES = ("auto", *PROVIDERS)


class StepGraph:
    """A loaded step graph: `step(inputs, state) -> (outputs, new state)`.

    The state is a value, a tuple of arrays: one StepGraph serves any number of streams. State inputs of the graph are
    called as in the manifest, its state outputs likewise with `_out` behind.
    """

    def __init__(self, path: Path, graph: Graph, *, device: str = "auto", threads: int = 1) -> None:
        self.graph = graph
        self._session = open_session(path, device=device, threads=threads)
        self.device = next(d for d, p in PROVIDERS.items() if p == self._session.get_providers()[0])
        state_outputs = [f"{s.name}_out" for s in graph.states]
        names = [output.name for output in self._session.get_outputs()]
        if not set(state_outputs) <= set(names):
            raise ModelError(f"{path} lacks state outputs that its manifest names")
        inputs = {value.name: value.shape for value in self._session.get_inputs()}
        for state in graph.states:
            if inputs.get(state.name) != list(state.shape):
                found = inputs.get(state.name, "missing")
                raise ModelError(f"{path}: state {state.name} is {found}, its manifest says {list(state.shape)}")
        self.outputs = [name for name in names if name not in state_outputs]
        self._fetch = self.outputs + state_outputs

    def initial_state(self) -> State:
        """Zeros: the causal padding a network was trained with."""
        return tuple(np.zeros(s.shape, dtype=np.float32) for s in self.graph.states)

    def step(self, inputs: Mapping[str, Array], state: State) -> tuple[dict[str, Array], State]:
        """Run the graph once."""
        feed = dict(inputs) | {s.name: value for s, value in zip(self.graph.states, state, strict=True)}
        values = self._session.run(self._fetch, feed)
        count = len(self.outputs)
        return dict(zip(self.outputs, values[:count], strict=True)), tuple(values[count:])


@lru_cache(maxsize=64)  # a video codec has fifteen graphs
def shared_graph(path: Path, graph: Graph, *, device: str, threads: int) -> StepGraph:
    """A loaded graph that all streams of this process share: loading takes as long as coding several seconds of sound.

    Raises what StepGraph raises, and ModelMismatchError where the file is not the one that the manifest names: other
    weights under the right name would decode to wrong sound without a word.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if digest != graph.sha256:
        raise ModelMismatchError(f"{path} is not the file its manifest names; reinstall the model")
    return StepGraph(path, graph, device=device, threads=threads)


def open_session(path: Path | bytes, *, device: str, threads: int) -> Any:
    """An InferenceSession on `device`: "cpu", "cuda", or "auto" (CUDA where this ONNX Runtime offers it).

    Raises DeviceError where the device asked for is not the one that runs, ModelError where the file, or the bytes of
    one, is no graph, ParameterError where threads is no positive integer.
    """
    import onnxruntime  # here, so that `probe` and `--help` never wait for it

    if device not in DEVICES:
        raise DeviceError(f"unknown device {device!r}; choose one of {', '.join(DEVICES)}")
    if not isinstance(threads, int) or threads < 1:
        raise ParameterError(f"threads must be a positive integer, not {threads!r}")
    offered = onnxruntime.get_available_providers()
    if device == "auto":
        device = "cuda" if PROVIDERS["cuda"] in offered else "cpu"
        strict = False
    else:
        strict = True
    if PROVIDERS[device] not in offered:
        raise DeviceError(f"device {device!r} is not offered by this ONNX Runtime; run `mediacodec doctor`")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = 3
    wanted = [PROVIDERS[device], *([] if strict else [PROVIDERS["cpu"]])]
    try:
        graph = path if isinstance(path, bytes) else str(path)
        session = onnxruntime.InferenceSession(graph, options, providers=list(dict.fromkeys(wanted)))
    except Exception as error:  # ONNX Runtime raises its own classes, which share no base but Exception
        what = "a graph made on the way" if isinstance(path, bytes) else path
        raise ModelError(f"cannot load {what}: {str(error).splitlines()[0]}") from error
    if strict and session.get_providers()[0] != PROVIDERS[device]:
        found = session.get_providers()[0]
        raise DeviceError(f"device {device!r} was asked for, but ONNX Runtime fell back to {found}")
    return session
