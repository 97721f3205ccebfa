"""ONNX graphs written node by node: free lengths and explicit states, without a tracer to guess at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mediacodec_models.onnx_files import OPSET, write_graph

IR_VERSION = 10  # what ONNX Runtime 1.20 reads
Shape = Sequence[int | str]
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


class GraphBuilder:
    """One graph being written. Values are named by strings; `op` adds a node and returns the name of its output."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._count = 0  # of nodes, those of branches too
        self._constants: dict[str, NDArray[Any]] = {}
        self.weights: dict[str, NDArray[Any]] = {}  # by name: what the canonical hash of a model is taken of
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self.states: list[dict[str, Any]] = []

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; the name of its output, or a tuple of names where there are several."""
        self._count += 1
        names = [f"{kind.lower()}{self._count}.{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else tuple(names)

    def either(self, condition: str, *branches: Callable[[], list[str]], dtypes: Sequence[str]) -> tuple[str, ...]:
        """What the first branch gives where the condition [1] holds, else the second; only that one is computed.

        A branch adds its nodes and returns as many values as there are dtypes; it may use everything named before.
        """
        graphs = []
        for branch in branches:
            outer, self._nodes = self._nodes, []
            values = [self.op("Identity", value) for value in branch()]  # one that was there before would not do
            infos = [
                helper.make_tensor_value_info(value, TYPES[dtype], None)
                for value, dtype in zip(values, dtypes, strict=True)
            ]
            graphs.append(helper.make_graph(self._nodes, f"branch{self._count}", [], infos))
            self._nodes = outer
        then, otherwise = graphs
        found = self.op("If", condition, outputs=len(dtypes), then_branch=then, else_branch=otherwise)
        return found if len(dtypes) > 1 else (found,)

    def weight(self, name: str, array: NDArray[Any]) -> str:
        """A weight of the network; named once more it is the same one."""
        self.weights.setdefault(name, np.ascontiguousarray(array))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """A value that no training changes."""
        name = f"{array.dtype}{list(array.shape)}.{array.tobytes().hex()}"
        self._constants[name] = array
        return name

    def ints(self, *values: int) -> str:
        """A constant [n] of int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def scalar(self, value: int) -> str:
        """A constant of int64 without axes."""
        return self.constant(np.array(value, dtype=np.int64))

    def length(self, value: str, axis: int = 2) -> str:
        """The size of a value along an axis, a scalar."""
        return str(self.op("Gather", self.op("Shape", value), self.scalar(axis)))

    def cut(self, value: str, start: int, stop: int | None = None, axis: int = 2) -> str:
        """value[start:stop] along an axis."""
        end = np.iinfo(np.int64).max if stop is None else stop
        return str(self.op("Slice", value, self.ints(start), self.ints(end), self.ints(axis)))

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> str:
        """An input; axes named by text are free."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))
        return name

    def output(self, name: str, value: str, shape: Shape, dtype: str = "float32") -> None:
        """Give a value out under a name."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TYPES[dtype], shape))

    def state(self, *shape: int) -> str:
        """A new state of this shape, zeros at the start of a stream."""
        name = f"state{len(self.states)}"
        self.states.append({"name": name, "shape": list(shape)})
        return self.input(name, shape)

    def keep(self, state: str, value: str) -> None:
        """What a state is afterwards."""
        shape = next(s["shape"] for s in self.states if s["name"] == state)
        self.output(f"{state}_out", value, shape)

    def write(self, path: Path) -> dict[str, Any]:
        """Check and write the graph; its entry in the manifest."""
        held = {**self._constants, **self.weights}
        weights = [numpy_helper.from_array(array, name) for name, array in held.items()]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        return write_graph(model, path) | {"states": self.states}
