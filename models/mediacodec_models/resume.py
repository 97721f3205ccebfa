"""Weights of a shipped model, to train on from: a checkpoint may be gone, the zoo is not."""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor


def shipped_state(folder: Path) -> dict[str, Tensor]:
    """The state dict of a `SpectralCodec` from the graphs of its zoo folder, float32 from half precision.

    Moving averages of the codebooks begin anew, as if every entry had been used equally; so does the optimiser.
    """
    state: dict[str, Tensor] = {}
    for name in ("encoder", "decoder"):
        graph = onnx.load(folder / f"{name}.onnx").graph
        values = {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in graph.initializer}
        state |= {key: _tensor(value) for key, value in values.items() if _is_weight(key, name)}
        products = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
        for node in graph.node:  # the exporter names biases but not the transposed weights they are added to
            bias = next((i for i in node.input if i.endswith(".bias")), None)
            product = next((i for i in node.input if i in products), None)
            if node.op_type == "Add" and bias and product:
                state[bias.removesuffix("bias") + "weight"] = _tensor(values[products[product]].T)
        if name == "encoder":
            books = _tensor(values["codebooks"])
    state |= {"quantizer.codebooks": books, "quantizer.sums": books.clone()}
    return state | {"quantizer.usage": torch.ones(books.shape[:2])}


def _is_weight(key: str, part: str) -> bool:
    return key.startswith(f"{part}.") and not key.endswith(".matrix")  # fixed transforms are no weights


def _tensor(value: object) -> Tensor:
    return torch.tensor(value, dtype=torch.float32)
