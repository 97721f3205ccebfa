"""Weights of a shipped model, to train on from: a checkpoint may be gone, the zoo is not."""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from mediacodec_models.layers.convnext import ConvNeXtBlock


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


def load_shipped(codec: nn.Module, folder: Path) -> bool:
    """Start a `SpectralCodec` from a shipped model of the same widths; whether its quantizer fitted too.

    Where a block looks ahead and the shipped one did not, the taps of its filter move by as many frames, so that all
    but the oldest still meet the frame they were trained on.
    """
    state = shipped_state(folder)
    own = codec.state_dict()
    ours = {key for key in own if key.startswith("quantizer.")}
    theirs = {key for key in state if key.startswith("quantizer.")}
    whole = ours == theirs and all(own[key].shape == state[key].shape for key in ours)
    if not whole:
        state = {key: value for key, value in state.items() if key not in theirs} | {key: own[key] for key in ours}
    for name, module in codec.named_modules():
        if isinstance(module, ConvNeXtBlock) and module.ahead:
            taps = state[f"{name}.depthwise"]
            state[f"{name}.depthwise"] = torch.cat([taps[..., module.ahead :], taps[..., : module.ahead] * 0], -1)
    codec.load_state_dict(state)
    return whole


def _is_weight(key: str, part: str) -> bool:
    return key.startswith(f"{part}.") and not key.endswith(".matrix")  # fixed transforms are no weights


def _tensor(value: object) -> Tensor:
    return torch.tensor(value, dtype=torch.float32)
