"""Weights of a shipped model, to train on from: a checkpoint may be gone, the zoo is not."""

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional as F

from mediacodec.npz import save_arrays
from mediacodec_models.audio.spectral import SpectralCodec, SpectralConfig
from mediacodec_models.layers.convnext import ConvNeXtBlock

QUANTIZER = "quantizer.npz"  # in the model's folder: an exporter folds such weights into constants without a name


def save_quantizer(weights: dict[str, np.ndarray], folder: Path) -> None:
    """Write those of a codec's shipped weights that are the quantizer's."""
    own = {name: value for name, value in weights.items() if name.startswith("quantizer.")}
    save_arrays(folder / QUANTIZER, own)


def shipped_state(folder: Path) -> dict[str, Tensor]:
    """The state dict of a `SpectralCodec` from the graphs of its zoo folder, float32 from half precision.

    Moving averages of the codebooks begin anew, as if every entry had been used equally; so does the optimiser.
    """
    state: dict[str, Tensor] = {}
    for name in ("encoder", "decoder"):
        state |= graph_weights(folder, name)
    if "codebooks" in state:
        state["quantizer.codebooks"] = state.pop("codebooks")  # models from before there was QUANTIZER
    if (folder / QUANTIZER).exists():
        with np.load(folder / QUANTIZER, allow_pickle=False) as archive:
            state |= {name: _tensor(archive[name]) for name in archive.files}
    for key in [key for key in state if key.endswith("codebooks")]:
        stem = key.removesuffix("codebooks")
        state |= {f"{stem}sums": state[key].clone(), f"{stem}usage": torch.ones(state[key].shape[:2])}
    return state


def graph_weights(folder: Path, name: str) -> dict[str, Tensor]:
    """The weights of folder/NAME.onnx by the names that the network NAME has for them, float32 from half precision."""
    graph = onnx.load(folder / f"{name}.onnx").graph
    values = {t.name.removesuffix(".half"): numpy_helper.to_array(t) for t in graph.initializer}
    state = {key: _tensor(value) for key, value in values.items() if _is_weight(key, name) or key == "codebooks"}
    products = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in graph.node:  # the exporter names biases but not the transposed weights they are added to
        bias = next((i for i in node.input if i.endswith(".bias")), None)
        product = next((i for i in node.input if i in products), None)
        if node.op_type == "Add" and bias and product and _is_weight(bias, name):
            state[bias.removesuffix("bias") + "weight"] = _tensor(values[products[product]].T)
    return state


def load_shipped(codec: SpectralCodec, folder: Path) -> bool:
    """Start a `SpectralCodec` from a shipped model of the same widths; whether its quantizer fitted too.

    Where a block looks further ahead than the shipped one did, the taps of its filter move by as many frames, so that
    all but the oldest still meet the frame they were trained on; where it looks less far, all but the newest.
    """
    state = shipped_state(folder)
    own = codec.state_dict()
    ours = {key for key in own if key.startswith("quantizer.")}
    theirs = {key for key in state if key.startswith("quantizer.")}
    whole = ours == theirs and all(own[key].shape == state[key].shape for key in ours)
    if not whole:
        state = {key: value for key, value in state.items() if key not in theirs} | {key: own[key] for key in ours}
    before = shipped_ahead(folder, codec.config)
    for name, module in codec.named_modules():
        if isinstance(module, ConvNeXtBlock) and (shift := module.ahead - before.get(name, 0)):
            taps = state[f"{name}.depthwise"]
            kept = F.pad(taps[..., shift:], (0, shift)) if shift > 0 else F.pad(taps[..., :shift], (-shift, 0))
            state[f"{name}.depthwise"] = kept
    codec.load_state_dict(state)
    return whole


def shipped_ahead(folder: Path, config: SpectralConfig) -> dict[str, int]:
    """Frames that blocks of the shipped model look ahead, by the name of the block; without those that look none."""
    encoder, decoder = json.loads((folder / "model.json").read_text())["settings"].get("ahead", (0, 0))
    last = len(config.encoder) - 1
    names = [f"encoder.stacks.{last}.blocks.{i}" for i in range(encoder)]
    return dict.fromkeys(names + [f"decoder.stacks.0.blocks.{i}" for i in range(decoder)], 1)


def _is_weight(key: str, part: str) -> bool:
    return key.startswith(f"{part}.") and not key.endswith(".matrix")  # fixed transforms are no weights


def _tensor(value: object) -> Tensor:
    return torch.tensor(value, dtype=torch.float32)
