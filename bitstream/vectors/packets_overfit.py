"""Packets of `ovft` under a small model, whose tables lie beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import product
from arrays import Array, jsonable, peaked, skewed, uniform
from packets_conditional import motion_tables, vector_field
from packets_rvq import fault
from small_models import model_of, packet_of

from mediacodec_bitstream import TableFamily

WIDTH, HEIGHT = 60, 50
LEVELS, CLASSES, SCALES = 6, 3, 64
CONTEXTS = {
    "key": {"luma": (3, 12, LEVELS, 2), "chroma": (18, 24, LEVELS - 1, 1)},
    "inter": {"luma": (15, 12, LEVELS, 2), "chroma": (18, 24, LEVELS - 1, 1)},
}  # grids known before the first part, parts, levels, hidden units
LAYERS = {"key": ((3, 6), (6, 3)), "inter": ((6, 12),)}  # channels out and in of each layer of a synthesis


def tables() -> dict[str, Array]:
    """A model of few hidden units."""
    result: dict[str, Array] = {}
    seed = 2000
    for kind, networks in CONTEXTS.items():
        for name, (outside, parts, levels, hidden) in networks.items():
            shapes = {
                "first": (CLASSES, parts, hidden, outside + parts, 9), "second": (CLASSES, parts, hidden, hidden),
                "third": (CLASSES, parts, hidden), "third_bias": (levels, parts),
                **dict.fromkeys(("first_bias", "quality", "second_bias"), (levels, parts, hidden)),
            }  # fmt: skip
            for tensor, shape in shapes.items():
                seed += 1
                values = peaked(shape, seed, zeros=2) * 12
                if tensor.endswith("bias"):
                    values += 300_000 if tensor == "third_bias" else 3000
                elif tensor in ("second", "third"):
                    values = np.abs(values) * 8 + 40
                result[f"{kind}.{name}.{tensor}"] = values.astype(np.int32)
        for k, (after, before) in enumerate(LAYERS[kind]):
            seed += 1
            result[f"{kind}.synthesis.layers.{k}.weight"] = uniform((after, before, 3, 3), seed, -300, 300).astype(
                np.int32
            )
            result[f"{kind}.synthesis.layers.{k}.bias"] = uniform(after, seed, -900, 900).astype(np.int32)
    sizes = [4 + 2 * (row // 8) for row in range(SCALES)]
    features = np.minimum(64 * np.arange(256), 512).astype(np.int32)
    latents = TableFamily.from_counts(skewed(SCALES, max(sizes), 2100, steep=1), sizes=sizes)
    return result | {"features": features, "latents": latents.to_array(), "motion": motion_tables(2101).to_array()}


def grids(seed: int, *, empty: tuple[int, ...] = ()) -> dict[str, list[Array]]:
    """Latents of a padded frame of 64 x 64; empty: levels of luma without any."""
    luma = [peaked((3, 32 >> k, 32 >> k), seed + k, zeros=3) for k in range(LEVELS)]
    chroma = [peaked((6, 16 >> k, 16 >> k), seed + 10 + k, zeros=4) for k in range(LEVELS - 1)]
    for level in empty:
        luma[level] = np.zeros_like(luma[level])
    luma[1][0, 3, 4] = -900  # an escape
    return {"luma": luma, "chroma": chroma, "low": [uniform((1, 1), seed + 20 + k, -60, 60) for k in range(3)]}


def updates(model_arrays: dict[str, Array], kind: str, seed: int) -> dict[str, tuple[Array, int, int]]:
    """Some tensors of a kind, with shift and row."""
    names = [f"{kind}.luma.first_bias", f"{kind}.chroma.third", f"{kind}.synthesis.layers.0.bias"]
    return {
        name: (peaked(model_arrays[name].shape, seed + i, zeros=2), (0, 3, 6)[i], 5 * i) for i, name in enumerate(names)
    }


def sequence(about: str, plans: list[dict[str, Any]], place: Path) -> dict[str, Any]:
    """Frames one after the other, packed and read back."""
    vector: dict[str, Any] = {
        "about": about, "codec": "ovft", "family": "overfit", "stream": {"width": WIDTH, "height": HEIGHT, "block": 64},
        "model": {"settings": {"levels": LEVELS}, "tables": "tables.npz"}, "packets": [], "faulty": [],
    }  # fmt: skip
    stream = product.OverfitStream(model_of(vector, tables(), place), WIDTH, HEIGHT)
    for i, plan in enumerate(plans):
        data = stream.pack(plan)
        entry = {"data": data.hex(), "pts": i, "duration": 1, "keyframe": plan["motion"] is None}
        vector["packets"].append(entry | jsonable(stream.read(packet_of(entry))))
    return vector


def small(place: Path) -> dict[str, Any]:
    """Nothing but the coarsest planes and three latents: the example of overfit.md."""
    plan = {name: [np.zeros_like(grid) for grid in levels] for name, levels in grids(0).items()}
    plan["luma"][5][:, 0, 0] = 1, 0, -2
    plan["low"] = [np.array([[low]]) for low in (-40, 3, 0)]
    about = "a keyframe of coarsest planes and latents alone"
    return sequence(about, [{"quality": 100, "motion": None, "updates": {}} | plan], place)


def frames(place: Path) -> dict[str, Any]:
    """A keyframe, a frame that moves, one that stands still."""
    arrays = tables()
    plans = [
        {"quality": 100, "motion": None, "updates": updates(arrays, "key", 3000), **grids(3100)},
        {"quality": 131, "motion": vector_field(8, 8, 3200), "updates": {}, **grids(3300)},
        {"quality": 60, "motion": np.zeros((2, 8, 8), np.int16), "updates": updates(arrays, "inter", 3400),
         **grids(3500, empty=(0, 1))},
    ]  # fmt: skip
    plans[2]["luma"][1][0, 3, 4] = 0
    about = "a keyframe, a frame that moves, one that stands still and whose finest grids are empty"
    vector = sequence(about, plans, place)
    key, inter = (bytes.fromhex(vector["packets"][i]["data"]) for i in (0, 1))
    vector["faulty"] = [
        fault(b"\0", 1, "shorter than its symbol CRC", "TruncatedError", keyframe=True),
        fault(bytes(3), 1, "half a head", "TruncatedError", keyframe=True),
        fault(b"\2" + key[1:], 1, "unknown flags", "CorruptError", keyframe=True),
        fault(inter, 1, "a stream that begins with a frame that is predicted", "CorruptError", keyframe=False),
        fault(key[:-1] + bytes([key[-1] ^ 1]), 1, "another symbol CRC", "DesyncError", keyframe=True),
        fault(key[:-2] + b"\1" + key[-2:], 1, "a byte too many", "CorruptError", keyframe=True),
        fault(inter[:2] + b"\xff" * 9 + inter[-2:], 1, "a number that no encoder writes", "CorruptError", after=1,
              keyframe=False),
    ]  # fmt: skip
    return vector


def vectors(place: Path) -> dict[str, dict[str, Any]]:
    """By family and name; models are made in folders of `place`."""
    return {"overfit/small": small(place / "small"), "overfit/frames": frames(place / "frames")}
