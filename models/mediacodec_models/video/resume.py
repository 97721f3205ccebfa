"""Weights of a video codec to go on from: a run's checkpoint, or the graphs of a zoo folder.

A checkpoint may be gone, the zoo is not. The exporter folds units, steps and differences into weights
(`mediacodec_models.video.graphs`); here that is undone. The optimiser begins anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from mediacodec.codecs.conditional.exactness import OUT_SHIFT
from mediacodec_models.video.graphs import GREY
from mediacodec_models.video.integer import QualityBias
from mediacodec_models.video.network import step_size
from mediacodec_models.video.prior import HYPER_LIMIT
from mediacodec_models.video.transform import UNIT

Values = dict[str, Tensor]
TABLES = ("gain", "bias", "step", "inverse_step", "scale", *(f"{n}_bias" for n in ("enter", "mix", "leave", "join")))
KNOTS = torch.arange(QualityBias.KNOTS) * (QualityBias.LEVELS - 1) // (QualityBias.KNOTS - 1)  # levels they lie at
PARTS = ("analysis", "prior_first", "prior_second", "memory_update", "conditional_mean", "synthesis")


def weights(folder: Path, kind: str) -> dict[str, Tensor]:
    """The state dict of the `key` or `inter` codec: the averaged weights of a run's folder, or a zoo folder's."""
    if (folder / "model.json").exists():
        return shipped_state(folder, kind)
    state = torch.load(folder / "checkpoint.pt", weights_only=True, map_location="cpu")
    return dict(state["average"])


def shipped_state(folder: Path, kind: str) -> dict[str, Tensor]:
    """The state dict of a `ConditionalCodec` from the graphs of its zoo folder, float32 from half precision."""
    parts = [*PARTS, "context"] if kind == "inter" else list(PARTS)
    graphs = {part: _values(folder / f"{kind}_{part}.onnx") for part in parts}
    with np.load(folder / "tables.npz", allow_pickle=False) as tables:
        state = {"hyper_scale": _hyper_scale(tables[f"hyper_{kind}"], len(graphs["analysis"]["hyper.out.bias"]))}
    return state | unfolded(graphs)


def unfolded(graphs: dict[str, Values]) -> dict[str, Tensor]:
    """The weights, by their names in `ConditionalCodec`, from the constants of each graph by theirs."""
    analysis, synthesis, mean = graphs["analysis"], graphs["synthesis"], graphs["conditional_mean"]
    matrix = analysis["transform.layer.weight"].flatten(1)[:, :, None, None]
    inverse = synthesis["inverse"].permute(1, 2, 3, 0).flatten(0, 2)[:, :, None, None]
    relative = synthesis["step"][KNOTS] / step_size(KNOTS)[:, None]
    state = {
        "forward_transform": matrix,
        "inverse_transform": inverse,
        "relative_step": relative.log(),
        **_trunk("encoder_trunk", analysis),
        **_named(analysis, {"encoder_block": "block", "encoder_out": "out"}),
        **_flattened("encoder_down", analysis, "down"),
        **_named(analysis, {"hyper_out": "hyper.out"}),
        **_flattened("hyper_down", analysis, "hyper.down"),
        "hyper_gain.knots": analysis["hyper.gain"][KNOTS],
        **_named(mean, {"shift_enter": "enter", "shift_near": "near", "shift_straight": "straight"}),
        **_named(mean, {"shift_out": "out"}),
        "shift_mix.weight": torch.cat([mean[n] for n in ("mix.weight", "mix_deep.weight") if n in mean], dim=1),
        "shift_mix.bias": mean["mix.bias"],
        "shift_gain.knots": mean["gain"][KNOTS],
        **_trunk("decoder_trunk", synthesis, middle=0.5),
        **_named(synthesis, {"decoder_out": "out", "features_out": "features_out"}),
        **_prior(graphs),
    }
    enter, memory = analysis["hyper.enter.weight"], len(graphs["memory_update"]["keep"])
    if enter.shape[1] == len(matrix):  # keyframes have no memory: its weights were left out
        enter = torch.cat([enter, enter.new_zeros(len(enter), memory, 1, 1)], dim=1)
    state["hyper_enter.weight"] = torch.cat([enter[:, :-memory], 64 * enter[:, -memory:]], dim=1)
    state["hyper_enter.bias"] = analysis["hyper.enter.bias"]
    if "context" in graphs:
        context = graphs["context"]
        state |= _trunk("context_trunk", context)
        state |= _flattened("context_down", context, "down")
        state |= _named(context, {"mean_block": "block", "mean_out": "out"})
    return state


def _values(path: Path) -> Values:
    """Initialisers by name, in float32, without what the exporter says of storage; tables as [levels, channels]."""
    result = {}
    for tensor in onnx.load(path).graph.initializer:
        name = tensor.name.removesuffix(".half").removesuffix(".exact")
        value = torch.tensor(numpy_helper.to_array(tensor).astype(np.float32))
        is_table = tensor.name.endswith(".exact") and name.rsplit(".", 1)[-1] in TABLES
        result[name] = value.flatten(1) if is_table else value
    return result


def _named(values: Values, modules: dict[str, str]) -> dict[str, Tensor]:
    """Everything of modules that are called otherwise in the graph: {name in the codec: name there}."""
    return {
        ours + name.removeprefix(theirs): value
        for ours, theirs in modules.items()
        for name, value in values.items()
        if name.startswith(theirs + ".")
    }


def _flattened(ours: str, values: Values, theirs: str) -> dict[str, Tensor]:
    """A strided layer as the 1x1 layer behind an unshuffle that it was."""
    weight = values[f"{theirs}.weight"].flatten(1)[:, :, None, None]
    return {f"{ours}.weight": weight, f"{ours}.bias": values[f"{theirs}.bias"]}


def _trunk(ours: str, values: Values, *, middle: float = 0.0) -> dict[str, Tensor]:
    """The first layer back in the network's units; middle: what was added to the grey levels of its first input."""
    suffix = "" if "trunk.enter.0" in values else ".weight"
    names = [name for i in range(3) if (name := f"trunk.enter.{i}{suffix}") in values]
    first, *rest = (values[name] for name in names)
    bias = values["trunk.enter.0.bias"] + middle * first.sum(dim=(1, 2, 3))
    own = UNIT * first
    if not suffix:  # two frames came in; the trunk wants the first and its difference from the second
        second = -UNIT * rest.pop(0)
        own = own - second
        rest.insert(0, second)
    return {
        f"{ours}.enter.weight": torch.cat([own, *rest], dim=1),
        f"{ours}.enter.bias": bias + GREY * own.sum(dim=(1, 2, 3)),
        f"{ours}.gain.knots": values["trunk.gain"][KNOTS],
        **_named(values, {f"{ours}.blocks": "trunk.blocks"}),
    }


def _prior(graphs: dict[str, Values]) -> dict[str, Tensor]:
    """The integer prior: weights as shipped, biases at their knots."""
    first, second, update = (graphs[part] for part in ("prior_first", "prior_second", "memory_update"))
    layers = {name: first[name] for name in ("enter", "spread", "mix")}
    layers |= {name: second[name] for name in ("near", "around", "join")}
    layers |= {name: update[name] for name in ("remember", "keep")}
    layers |= {"leave": first["leave"] * 2.0**OUT_SHIFT, "leave_second": second["leave"] * 2.0**OUT_SHIFT}
    biases = {name: first[name] for name in ("enter_bias", "mix_bias", "leave_bias")}
    biases |= {"join_bias": second["join_bias"], "leave_second_bias": second["leave_bias"], "keep_bias": update["bias"]}
    return {f"prior.{name}.weight": value for name, value in layers.items()} | {
        f"prior.{name}.knots": value[KNOTS] for name, value in biases.items()
    }


def _hyper_scale(tables: NDArray[np.uint32], channels: int) -> Tensor:
    """The log scale of a Laplace distribution for each channel, from the mean magnitude that its tables expect."""
    shares = tables.astype(np.float64).reshape(channels, -1, tables.shape[1])
    sizes = np.abs(np.arange(-HYPER_LIMIT, HYPER_LIMIT + 1))
    mean = (shares * sizes).sum(axis=(1, 2)) / shares.sum(axis=(1, 2))
    return torch.from_numpy(np.log(np.maximum(mean, 0.05))).float()
