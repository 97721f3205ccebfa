"""Step graphs: networks with their memory as inputs and outputs, exported to ONNX with a free number of frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn

from mediacodec_models.onnx_files import OPSET, half_weights, write_graph


@dataclass(frozen=True)
class Step:
    """A network that takes its inputs and a state, and gives its outputs and the next state.

    Attributes:
        name: of the graph.
        module: called with the inputs, in order, and the state as a list.
        inputs: examples of two frames, by name.
        free: axis of the first input along which any number of frames, or the samples of whole frames, may lie.
        state: the initial one.
        outputs: their names, without the state.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    free: int
    state: list[Tensor]
    outputs: list[str]


def export_step(step: Step, folder: Path, *, exact: Collection[str] = ()) -> dict[str, Any]:
    """Write folder/NAME.onnx with weights in half precision.

    Args:
        step: what to export.
        folder: it exists.
        exact: what has one of these in its name stays float32.

    Returns:
        The graph's entry in the manifest.
    """
    states = [f"state{i}" for i in range(len(step.state))]
    first, *others = step.inputs.values()
    frames = torch.export.Dim("frames", min=1, max=4096) * (first.shape[step.free] // 2)
    program = torch.onnx.export(
        step.module.eval(),
        (first, *others, step.state),
        dynamo=True,
        opset_version=OPSET,
        input_names=[*step.inputs, *states],
        output_names=[*step.outputs, *(f"{s}_out" for s in states)],
        dynamic_shapes=({step.free: frames}, *({} for _ in others), [{} for _ in states]),
        optimize=True,
        verbose=False,
    )
    assert program is not None, "dynamo=True gives a program"
    model = program.model_proto
    entry = write_graph(half_weights(model, exact=(*exact, *_derived(model))), folder / f"{step.name}.onnx")
    return entry | {"states": [{"name": n, "shape": list(s.shape)} for n, s in zip(states, step.state, strict=True)]}


def _derived(model: onnx.ModelProto) -> list[str]:
    """Constants that the exporter computed from weights: half precision would change what they were computed for."""
    floats = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    values = {t.name: onnx.numpy_helper.to_array(t) for t in floats}
    return [name for name, v in values.items() if not np.array_equal(v, v.astype(np.float16).astype(np.float32))]
