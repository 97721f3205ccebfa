"""Turns trained networks into a zoo folder: integer weights and tables, manifest. There are no graphs.

`python -m mediacodec_models.overfit.export RECIPE --weights CHECKPOINT --out ZOO/NAME`
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mediacodec.codecs.overfit.context import FEATURE_SHIFT, WEIGHT_SHIFT
from mediacodec.codecs.overfit.settings import FEATURES, LEVELS, SYNTHESIS_SHIFT, OverfitModel
from mediacodec.manifest import find_by_name, read_manifest
from mediacodec.npz import save_arrays
from mediacodec.video_coding.motion.default_tables import default_tables
from mediacodec_models.onnx_files import write_manifest
from mediacodec_models.overfit.context import GAIN, QUALITY_UNIT, ContextNetwork
from mediacodec_models.overfit.network import FrameNetworks
from mediacodec_models.overfit.tables import make_tables

Arrays = dict[str, NDArray[Any]]


def scale_of(name: str) -> float:
    """How many units of a stored integer a weight of 1 is; name: of the tensor."""
    if "synthesis." in name:
        return float(1 << SYNTHESIS_SHIFT)
    activation = 1 << WEIGHT_SHIFT + FEATURE_SHIFT
    tensor = name.rpartition(".")[2]
    if tensor in ("first", "second"):
        return float(1 << WEIGHT_SHIFT)
    if tensor == "third":
        return GAIN * (1 << WEIGHT_SHIFT)
    return activation / QUALITY_UNIT if tensor == "quality" else float(activation)


def to_integers(networks: FrameNetworks, kind: str) -> Arrays:
    """Round networks to what is stored.

    Args:
        networks: of one kind of frame.
        kind: `key` or `inter`.

    Returns:
        int32 by `KIND.NETWORK.TENSOR`; weights of what a part must not depend on are 0.
    """
    result = {}
    for name, value in networks.named_parameters():
        array = value.detach().numpy().astype(np.float64)
        if name.endswith(".first"):
            network = networks.get_submodule(name.partition(".")[0])
            assert isinstance(network, ContextNetwork)
            causal = network.causal.numpy().reshape(network.parts, network.hidden, -1)
            array = array * causal[None, ..., None]
        result[f"{kind}.{name}"] = np.rint(array * scale_of(name)).astype(np.int32)
    return result


def from_integers(weights: Arrays, kind: str) -> FrameNetworks:
    """Make the networks that stored integers stand for; the inverse of `to_integers`."""
    hidden, hidden_chroma = (weights[f"{kind}.{name}.third"].shape[2] for name in ("luma", "chroma"))
    width = weights[f"{kind}.synthesis.layers.0.weight"].shape[0]
    networks = FrameNetworks(kind, hidden=hidden, hidden_chroma=hidden_chroma, width=width)
    with torch.no_grad():
        for name, parameter in networks.named_parameters():
            parameter.copy_(torch.from_numpy((weights[f"{kind}.{name}"] / scale_of(name)).astype(np.float32)))
    return networks


def feature_table() -> NDArray[np.int32]:
    """What a context network is given for each magnitude: log2(1 + magnitude), [FEATURES]."""
    return np.rint(np.log2(1 + np.arange(FEATURES)) * (1 << FEATURE_SHIFT)).astype(np.int32)


def export(
    networks: dict[str, FrameNetworks],
    about: dict[str, Any],
    out: Path,
    *,
    counts: NDArray[np.float64] | None = None,
    motion: NDArray[np.uint32] | None = None,
) -> None:
    """Write a zoo folder.

    Args:
        networks: by kind, `key` and `inter`.
        about: the table `model` of a recipe.
        out: the folder.
        counts: of magnitudes under each table, see `make_tables`.
        motion: tables of motion vectors; the default ones if None.
    """
    out.mkdir(parents=True, exist_ok=True)
    weights: Arrays = {}
    for kind, network in networks.items():
        weights |= to_integers(network, kind)
    tables = {
        "features": feature_table(),
        "latents": make_tables(counts),
        "motion": default_tables().to_array() if motion is None else motion,
    }
    arrays = weights | tables
    save_arrays(out / "tables.npz", arrays)
    write_manifest(out, about, weights=weights, tables=arrays, graphs={}, settings={"levels": LEVELS})
    OverfitModel(read_manifest(out))  # checks that the runtime takes it, and that no sum that chooses tables is rounded


def export_file(checkpoint: Path, recipe: dict[str, Any], out: Path) -> None:
    """Write the zoo folder `out` of what `mediacodec_models.overfit.train` wrote."""
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    networks = {}
    for kind in ("key", "inter"):
        networks[kind] = FrameNetworks(kind, **recipe["networks"])
        networks[kind].load_state_dict(saved[kind])
    motion = find_by_name("conditional").arrays["motion"]  # fitted to the same kind of motion
    export(networks, recipe["model"], out, counts=saved["counts"].numpy(), motion=motion)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="what mediacodec_models.overfit.train wrote")
    parser.add_argument("--out", type=Path, required=True, help="the zoo folder to write")
    args = parser.parse_args()
    export_file(args.weights, tomllib.loads(args.recipe.read_text()), args.out)


if __name__ == "__main__":
    main()
