"""Packet vectors as the second reader opens them: codecs/README.md, *Vectors*."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import conditional, ecsq, inr, overfit, rvq
from .base import Arrays, from_json

Read = Callable[[dict[str, Any]], Arrays | None]
NOT_INTEGERS = ("data", "pts", "duration", "keyframe", "about", "error", "after")


def opened(vector: dict[str, Any], folder: Path, *, extradata: str | None = None) -> Read:
    """What reads the packets of a vector, entry by entry; folder: where it lies."""
    model, stream = vector["model"], vector["stream"]
    tables = model["tables"]
    if isinstance(tables, str):
        with np.load(folder / tables, allow_pickle=False) as archive:
            tables = {name: archive[name] for name in archive}
    else:
        tables = {name: from_json(array) for name, array in tables.items()}
    if vector["codec"] in ("rvq1", "sgmt", "ecsq"):
        data = bytes.fromhex(stream["extradata"] if extradata is None else extradata)
        if vector["codec"] == "ecsq":
            scalar = ecsq.Stream(model["settings"], tables, data, stream["symbol_crc_size"])
            return lambda entry: ecsq.packet(scalar, bytes.fromhex(entry["data"]), entry["duration"])
        context = {name: from_json(array) for name, array in model.get("context", {}).items()}
        audio = rvq.Stream(model["settings"], tables, data, stream["symbol_crc_size"], context)
        packet = rvq.packet if vector["codec"] == "rvq1" else rvq.segment_packet
        return lambda entry: packet(audio, bytes.fromhex(entry["data"]), entry["duration"])
    width, height = stream["width"], stream["height"]
    if vector["codec"] == "inr1":
        groups = inr.Stream(tables, width, height)
        return lambda entry: groups.packet(bytes.fromhex(entry["data"]), entry["pts"], entry["keyframe"])
    if vector["codec"] == "cond":
        frames: Any = conditional.Stream(model["settings"], tables, width, height, formulas)
    else:
        frames = overfit.Stream(tables, width, height)
    return lambda entry: frames.packet(bytes.fromhex(entry["data"]), entry["keyframe"])


def formulas(name: str, inputs: Arrays) -> Arrays:
    """What stands for the integer networks of `cond`: the field `networks` of its vectors."""
    part = name.partition("_")[2]
    if part == "prior_first":
        hyper, memory, quality = inputs["hyper"][0], inputs["memory"][0], int(inputs["quality"][0])
        _, h, w = memory.shape
        wide = np.array([[[8 * plane[y // 2][x // 2] for x in range(w)] for y in range(h)] for plane in hyper])
        place = np.concatenate([wide, memory])
        hidden = np.stack([np.minimum(255, np.abs(place[j]) + place[j + 2] + j * quality) for j in (0, 1)])
        index = np.stack([np.minimum(3, (hidden[c % 2] // 24 + c) % 5) for c in range(3)])
        return {"scale_index": index[None], "prior_hidden": hidden[None], "prior_input": place[None]}
    size = np.abs(inputs["symbols"][0]).sum(axis=0)
    if part == "prior_second":
        hidden = inputs["prior_hidden"][0]
        padded = np.pad(size, 1)
        near = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        index = np.stack([np.minimum(3, (hidden[c % 2] // 32 + near) % 5) for c in range(3)])
        return {"scale_index": index[None]}
    place = inputs["prior_input"][0]
    memory = np.stack([np.minimum(255, place[m + 2] // 2 + 16 * size + np.abs(place[m])) for m in (0, 1)])
    return {"memory": memory[None]}


def same(found: Any, expected: Any, *, off: int = 0) -> bool:
    """Whether what was read is what a vector says; off: by how much numbers may differ."""
    if isinstance(expected, dict) and "dtype" in expected:
        expected, found = from_json(expected).astype(np.int64), np.asarray(found).astype(np.int64)
        return found.shape == expected.shape and bool((np.abs(found - expected) <= off).all())
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        pairs = zip(found, expected, strict=False)
        return len(found) == len(expected) and all(same(a, b, off=off) for a, b in pairs)
    return bool(found == expected)


def differences(found: Arrays, entry: dict[str, Any]) -> list[str]:
    """What an entry of a vector says and `found` does not, or the other way round."""
    names = [name for name in entry if name not in NOT_INTEGERS]
    wrong = [name for name in names if name in found and not same(found[name], entry[name], off=name == "planes")]
    return wrong + sorted(set(names) ^ set(found))
