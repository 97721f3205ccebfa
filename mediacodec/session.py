"""ONNX Runtime, set up in one place.

One thread and no spinning by default: two spinning threads are slower under load and burn a core between live packets.
The execution provider is checked after the session exists, because ONNX Runtime falls back to the CPU in silence. Its
errors share no base class and its log lines go past ours, so the errors become our own here and it logs nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from mediacodec.arguments import as_device, as_threads
from mediacodec.errors import DeviceError, MediaCodecError, ModelError, ModelMismatchError, OutOfMemoryError
from mediacodec.manifest import Graph
from mediacodec.npz import Array
from mediacodec.regular_files import MAX_FILE, read_regular

State = tuple[Array, ...]
Shape = list[int | str | None]

PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

_FATAL = 4  # the least that is logged; errors come as exceptions too
_OUT_OF_MEMORY = ("failed to allocate", "bad_alloc", "bad allocation", "out of memory")


class _Value(Protocol):
    """Input or output of a graph, as ONNX Runtime describes it."""

    name: str
    shape: Shape


class _InferenceSession(Protocol):
    """What is used of onnxruntime.InferenceSession, which has no types."""

    def run(self, names: Sequence[str] | None, feed: Mapping[str, Array]) -> list[Array]: ...
    def get_providers(self) -> list[str]: ...
    def get_inputs(self) -> list[_Value]: ...
    def get_outputs(self) -> list[_Value]: ...


_left_behind: list[_InferenceSession] = []
"""Sessions of the process that this one was forked from: closing one would wait for threads that are not here."""


class Session:
    """A graph that is loaded and ready to run; open one with `open_session`.

    Args:
        session: of ONNX Runtime.
        label: names the graph in errors.
        again: loads it once more, for a forked process; None where it has no threads of its own, which do not survive a
            fork.

    Attributes:
        device: that it runs on, "cpu" or "cuda".
        inputs: shapes by name; text where an axis is free.
        outputs: names, in the order of the graph.
    """

    __slots__ = ("_again", "_label", "_process", "_session", "device", "inputs", "outputs")

    def __init__(
        self, session: _InferenceSession, label: str, again: Callable[[], _InferenceSession] | None = None
    ) -> None:
        self._session, self._label = session, label
        self._again, self._process = again, os.getpid()
        self.device = next(d for d, p in PROVIDERS.items() if p == session.get_providers()[0])
        self.inputs: dict[str, Shape] = {value.name: value.shape for value in session.get_inputs()}
        self.outputs = [value.name for value in session.get_outputs()]

    def run(self, names: Sequence[str] | None, feed: Mapping[str, Array]) -> list[Array]:
        """Run the graph once.

        Args:
            names: of the outputs that are wanted; None for all.
            feed: arrays by the name of the input.

        Raises:
            ModelError: the graph does not take such inputs, or cannot be computed.
            OutOfMemoryError: there is not enough memory for it.
        """
        with _translated(f"{self._label} cannot be run"):
            if self._again is not None and self._process != os.getpid():
                _left_behind.append(self._session)
                self._session, self._process = self._again(), os.getpid()
            return self._session.run(names, feed)


class StepGraph:
    """A loaded step graph: `step(inputs, state) -> (outputs, new state)`.

    The state is a value, a tuple of arrays: one StepGraph serves any number of streams. State inputs of the graph are
    called as in the manifest, its state outputs likewise with `_out` behind.

    Args:
        path: of the ONNX file.
        graph: what the manifest says of it.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads, at least 1.

    Attributes:
        graph: as given.
        device: that it runs on.
        outputs: names of the outputs that are no state.

    Raises:
        ModelError: the file is no graph, or not the one that the manifest describes.
        DeviceError: the device cannot be used.
        ParameterError, ParameterTypeError: threads is no positive integer.
    """

    def __init__(self, path: Path, graph: Graph, *, device: str = "auto", threads: int = 1) -> None:
        self.graph = graph
        self._session = open_session(path, device=device, threads=threads)
        self.device = self._session.device
        state_outputs = [f"{s.name}_out" for s in graph.states]
        names = self._session.outputs
        if not set(state_outputs) <= set(names):
            raise ModelError(f"{path} lacks state outputs that its manifest names")
        for state in graph.states:
            found = self._session.inputs.get(state.name)
            if found != list(state.shape):
                raise ModelError(
                    f"{path}: state {state.name} is {found or 'missing'}, its manifest says {list(state.shape)}"
                )
        self.outputs = [name for name in names if name not in state_outputs]
        self._fetch = self.outputs + state_outputs

    def initial_state(self) -> State:
        """Zeros: the causal padding a network was trained with."""
        return tuple(np.zeros(s.shape, dtype=np.float32) for s in self.graph.states)

    def step(self, inputs: Mapping[str, Array], state: State) -> tuple[dict[str, Array], State]:
        """Run the graph once.

        Args:
            inputs: arrays by name, without the state.
            state: `initial_state`, or what the step before returned; it is not changed.

        Returns:
            Outputs by name, and the new state.

        Raises:
            ModelError: the graph does not take such inputs, or cannot be computed.
            OutOfMemoryError: there is not enough memory for it.
        """
        if len(state) != len(self.graph.states):
            raise ModelError(f"{self.graph.file} has {len(self.graph.states)} states, not {len(state)}")
        feed = dict(inputs) | {s.name: value for s, value in zip(self.graph.states, state, strict=True)}
        values = self._session.run(self._fetch, feed)
        count = len(self.outputs)
        return dict(zip(self.outputs, values[:count], strict=True)), tuple(values[count:])


@lru_cache(maxsize=64)  # a video codec has fifteen graphs
def shared_graph(path: Path, graph: Graph, *, device: str, threads: int) -> StepGraph:
    """A loaded graph that all streams of this process share: loading takes as long as coding several seconds of audio.

    Args:
        path, graph, device, threads: as for `StepGraph`.

    Raises:
        ModelMismatchError: the file is not the one that the manifest names: other weights under the right name would
            decode to wrong audio without a word.
        ModelError, DeviceError, ParameterError: as for `StepGraph`.
    """
    try:
        digest = hashlib.sha256(read_regular(path, MAX_FILE)).hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if digest != graph.sha256:
        raise ModelMismatchError(f"{path} is not the file its manifest names; reinstall the model")
    return StepGraph(path, graph, device=device, threads=threads)


def open_session(path: Path | bytes, *, device: str, threads: int) -> Session:
    """A session of ONNX Runtime.

    Args:
        path: of an ONNX file, or the bytes of one.
        device: "cpu", "cuda", or "auto": CUDA where this ONNX Runtime offers it.
        threads: CPU threads, at least 1.

    Raises:
        DeviceError: the device asked for is not the one that runs.
        ModelError: it is no graph.
        ParameterError, ParameterTypeError: threads is no positive integer.
    """
    import onnxruntime  # here, so that `probe` and `--help` never wait for it

    device, threads = as_device("device", device), as_threads("threads", threads)
    offered = onnxruntime.get_available_providers()
    strict = device != "auto"
    if not strict:
        device = "cuda" if PROVIDERS["cuda"] in offered else "cpu"
    if PROVIDERS[device] not in offered:
        raise DeviceError(f"device {device!r} is not offered by this ONNX Runtime; run `mediacodec doctor`")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = _FATAL
    wanted = [PROVIDERS[device], *([] if strict else [PROVIDERS["cpu"]])]
    label = "a graph made on the way" if isinstance(path, bytes) else str(path)
    graph = path if isinstance(path, bytes) else str(path)

    def load() -> _InferenceSession:
        loaded: _InferenceSession = onnxruntime.InferenceSession(graph, options, providers=list(dict.fromkeys(wanted)))
        return loaded

    with _translated(f"cannot load {label}"):
        session = load()
    if strict and session.get_providers()[0] != PROVIDERS[device]:
        found = session.get_providers()[0]
        raise DeviceError(f"device {device!r} was asked for, but ONNX Runtime fell back to {found}")
    return Session(session, label, load if threads > 1 or device != "cpu" else None)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Around calls of ONNX Runtime: whatever it raises becomes an error of ours."""
    try:
        yield
    except MediaCodecError:
        raise
    except Exception as error:  # ONNX Runtime raises its own classes, which share no base but Exception
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, MemoryError) or any(words in reason.lower() for words in _OUT_OF_MEMORY):
            raise OutOfMemoryError(f"out of memory: {what} (a shorter packet or a smaller frame takes less)") from error
        raise ModelError(f"{what}: {reason.removeprefix('[ONNXRuntimeError] : ')}") from error
