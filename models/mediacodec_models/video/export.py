"""Turn a trained pair of networks into a zoo folder: graphs, integer tables, manifest.

`python -m mediacodec_models.video.export RECIPE --key RUN_KEY --inter RUN_INTER --data PACK --out ZOO/NAME`

Large weights are stored in half precision and cast back when a graph loads; the prior's stay what they are, because a
decoder must compute the same integers everywhere.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnxscript import opset18
from torch import Tensor, nn

from mediacodec.codecs.conditional.exactness import ENTROPY_PARTS, check_file
from mediacodec.manifest import read_manifest
from mediacodec.npz import save_arrays
from mediacodec_models.onnx_files import HALVED, half_weights, write_graph, write_manifest
from mediacodec_models.video.check import check
from mediacodec_models.video.coded_clips import count_clips
from mediacodec_models.video.graphs import (
    Context,
    InterAnalysis,
    InterConditionalMean,
    InterSynthesis,
    KeyAnalysis,
    KeyConditionalMean,
    KeySynthesis,
    Refinement,
)
from mediacodec_models.video.integer import IntegerConv
from mediacodec_models.video.network import ConditionalCodec, ConditionalConfig
from mediacodec_models.video.pack import read_pack
from mediacodec_models.video.prior import HYPER_LIMIT, SCALES
from mediacodec_models.video.prior_graphs import MemoryUpdate, PriorFirst, PriorSecond
from mediacodec_models.video.resume import weights
from mediacodec_models.video.tables import Counts, fit_tables, table_bits
from mediacodec_models.video.transform import COEFFICIENTS, LUMA_KEPT, Planes

OPSET = 20
EXACT = ("exact",)  # what layers call weights that stay in single precision
REFRESH = 32  # inter frames after which features start from nothing

CURRENT = ["y", "u", "v"]
PREDICTED = ["predicted_y", "predicted_u", "predicted_v"]
PLANES_OUT = ["y", "u", "v"]


@dataclass(frozen=True)
class GraphPlan:
    """A graph to export."""

    name: str
    module: nn.Module
    inputs: list[str]
    outputs: list[str]


def space_to_depth(x: Any, downscale_factor: int) -> Any:
    """Of one channel (more come out in another order); the exporter's own is a transposition, ten times as slow."""
    return opset18.SpaceToDepth(x, blocksize=downscale_factor)


def plans(key: ConditionalCodec, inter: ConditionalCodec) -> list[GraphPlan]:
    """Every graph of a model, by the names that the runtime knows."""
    steps = ["step_factors", "quality"]
    prior = ["hyper", "memory", "quality"], ["scale_index", "prior_hidden", "prior_input"]
    second, update = ["symbols", "prior_hidden", "quality"], ["symbols", "prior_input", "quality"]
    decoded = ["symbols", "conditional_mean", "step_factors"]
    context = [*PREDICTED, "features", "source_cells", "quality"], ["context", "context_deep", "context_mean"]
    analysis = [*CURRENT, *PREDICTED, "context", "context_mean", "memory", *steps]
    synthesis = [*decoded, "context_mean", "context", *PREDICTED, "skip", "quality"]
    mean = ["symbols", "step_factors"]
    return [
        GraphPlan("key_analysis", KeyAnalysis(key), [*CURRENT, *steps], ["latent", "hyper"]),
        GraphPlan("key_prior_first", PriorFirst(key.prior), *prior),
        GraphPlan("key_prior_second", PriorSecond(key.prior), second, ["scale_index"]),
        GraphPlan("key_memory_update", MemoryUpdate(key.prior), update, ["memory"]),
        GraphPlan("key_conditional_mean", KeyConditionalMean(key), [*mean, "quality"], ["conditional_mean"]),
        GraphPlan("key_synthesis", KeySynthesis(key), [*decoded, "quality"], PLANES_OUT),
        GraphPlan("inter_context", Context(inter), *context),
        GraphPlan("inter_analysis", InterAnalysis(inter), analysis, ["latent", "hyper"]),
        GraphPlan("inter_prior_first", PriorFirst(inter.prior), *prior),
        GraphPlan("inter_prior_second", PriorSecond(inter.prior), second, ["scale_index"]),
        GraphPlan("inter_memory_update", MemoryUpdate(inter.prior), update, ["memory"]),
        GraphPlan(
            "inter_conditional_mean",
            InterConditionalMean(inter),
            [*mean, "context_deep", "quality"],
            ["conditional_mean"],
        ),
        GraphPlan("inter_synthesis", InterSynthesis(inter), synthesis, [*PLANES_OUT, "features"]),
        GraphPlan("key_refinement", Refinement(key), [*CURRENT, *steps], ["latent"]),
        GraphPlan("inter_refinement", Refinement(inter), [*CURRENT, *steps], ["latent"]),
    ]


def example(name: str, config: ConditionalConfig, height: int, width: int) -> Tensor:
    """Something of the shape of an input, for a frame of height x width blocks of 16."""
    shapes = {
        "y": (1, 16 * height, 16 * width),
        "u": (1, 8 * height, 8 * width),
        "v": (1, 8 * height, 8 * width),
        "hyper": (config.hyper, (height + 1) // 2, (width + 1) // 2),
        "memory": (config.memory, height, width),
        "prior_hidden": (config.prior, height, width),
        "prior_input": (config.hyper + config.memory, height, width),
        "context": (config.width, 2 * height, 2 * width),
        "context_deep": (config.deep, height, width),
        "skip": (1, height, width),
        "step_factors": (1, height, width),
    }
    plain = name.removeprefix("predicted_")
    if plain in ("y", "u", "v"):
        return torch.zeros(1, *shapes[plain], dtype=torch.uint8)
    if name == "quality":
        return torch.zeros(1, dtype=torch.int64)
    if name == "source_cells":
        return torch.arange(4 * height * width).reshape(1, 1, 2 * height, 2 * width)
    if name == "features":
        return torch.zeros(1, config.features, 4 * height * width)
    return torch.zeros(1, *shapes.get(name, (COEFFICIENTS, height, width)))


def export_graph(plan: GraphPlan, config: ConditionalConfig, folder: Path) -> dict[str, Any]:
    """Write folder/NAME.onnx with free height and width; returns the graph's entry in the manifest."""
    values = tuple(example(name, config, 7, 10) for name in plan.inputs)
    if plan.name.endswith("refinement"):
        values = tuple(value.float() if value.dtype == torch.uint8 else value for value in values)
    free = torch.export.Dim.AUTO
    program = torch.onnx.export(
        plan.module.eval(),
        values,
        dynamo=True,
        opset_version=OPSET,
        input_names=plan.inputs,
        output_names=plan.outputs,
        dynamic_shapes=[dict.fromkeys(range(2, value.ndim), free) for value in values],
        custom_translation_table={torch.ops.aten.pixel_unshuffle.default: space_to_depth},
        optimize=True,
        verbose=False,
    )
    assert program is not None
    return write_graph(half_weights(program.model_proto, exact=EXACT), folder / f"{plan.name}.onnx")


def shipped(codec: ConditionalCodec, prefix: str) -> dict[str, NDArray[Any]]:
    """The weights as stored, by name; the prior's are the integers over 2^SHIFT that it computes with."""
    result = {}
    for name, value in codec.named_parameters():
        array = value.detach().numpy()
        result[f"{prefix}.{name}"] = array.astype(np.float16) if array.size >= HALVED and halved(name) else array
    for name, module in codec.prior.named_modules():
        if isinstance(module, IntegerConv):
            result[f"{prefix}.prior.{name}.weight"] = module.quantised().detach().numpy()
    return result


def halved(name: str) -> bool:
    """Neither the prior nor what is read at a quality level: tables are made of these."""
    return not name.startswith("prior.") and "gain" not in name and name != "relative_step"


@torch.no_grad()
def round_weights(codec: ConditionalCodec) -> None:
    """What is measured from here on is what ships."""
    weights = shipped(codec, "")
    for name, parameter in codec.named_parameters():
        parameter.copy_(torch.from_numpy(weights[f".{name}"].astype(np.float32)))


def settings(config: ConditionalConfig) -> dict[str, Any]:
    """What the runtime must know beyond the graphs."""
    return {
        "coefficients": COEFFICIENTS,
        "luma": LUMA_KEPT,
        "scales": SCALES,
        "hyper": config.hyper,
        "hyper_limit": HYPER_LIMIT,
        "features": config.features,
        "memory": config.memory,
        "block": 16,
        "refresh": REFRESH,
    }


def export(
    key: ConditionalCodec, inter: ConditionalCodec, about: dict[str, Any], data: Path, out: Path
) -> dict[str, Any]:
    """Write the zoo folder `out`; returns its manifest."""
    out.mkdir(parents=True, exist_ok=True)
    for codec in (key, inter):
        codec.eval()
        round_weights(codec)
    graphs: dict[str, Any] = {}
    for plan in plans(key, inter):
        with torch.no_grad():
            graphs[plan.name] = export_graph(plan, (key if plan.name.startswith("key") else inter).config, out)
        if plan.name.endswith(ENTROPY_PARTS):
            check_file(out / f"{plan.name}.onnx", HYPER_LIMIT)
    arrays = fitted_tables(key, inter, data)
    save_arrays(out / "tables.npz", arrays)
    weights = shipped(key, "key") | shipped(inter, "inter")
    manifest = write_manifest(
        out, about, weights=weights, tables=arrays, graphs=graphs, settings=settings(inter.config), opset=OPSET
    )
    difference = check(key, inter, read_manifest(out), two_frames(data))
    print(f"graphs agree with torch, real numbers within {difference:.1e}")
    return manifest


def fitted_tables(key: ConditionalCodec, inter: ConditionalCodec, data: Path) -> dict[str, NDArray[np.uint32]]:
    """Tables for what the pair codes of training clips; prints what that saves."""
    scales = key.hyper_scale.detach().numpy(), inter.hyper_scale.detach().numpy()
    counts = count_clips(key, inter, data)
    before, tables = fit_tables(Counts(key.config.hyper), *scales), fit_tables(counts, *scales)
    parametric, fitted = table_bits(before, counts), table_bits(tables, counts)
    for name in tables:
        print(f"{name}: {fitted[name]:.0f} bits, {1 - fitted[name] / max(1, parametric[name]):.1%} fewer than unfitted")
    return tables


def two_frames(data: Path) -> list[Planes]:
    """Successive frames of a development clip."""
    clips = read_pack(data, dev=True) or read_pack(data, dev=False)
    clip = next(clip for clip in clips if len(clip) > 1)
    planes = [torch.from_numpy(plane[:2, None, None].astype(np.float32)) for plane in (clip.y, clip.u, clip.v)]
    return [(planes[0][i], planes[1][i], planes[2][i]) for i in range(2)]


def read_codec(config: dict[str, Any], folder: Path, kind: str) -> ConditionalCodec:
    """A codec from a run's folder or a zoo folder."""
    codec = ConditionalCodec(ConditionalConfig(**config))
    codec.load_state_dict(weights(folder, kind))
    return codec.requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--key", type=Path, required=True, help="keyframe codec: a run's folder or a zoo folder")
    parser.add_argument("--inter", type=Path, required=True, help="codec of inter frames, likewise")
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.video.data")
    parser.add_argument("--out", type=Path, required=True, help="the zoo folder to write")
    args = parser.parse_args()
    recipe = tomllib.loads(args.recipe.read_text())
    key, inter = (read_codec(recipe[kind], getattr(args, kind), kind) for kind in ("key", "inter"))
    manifest = export(key, inter, recipe["model"], args.data, args.out)
    print(json.dumps({k: manifest[k] for k in ("name", "weights_sha256", "settings")}, indent=1))


if __name__ == "__main__":
    main()
