"""Reading a pack of clips for training (see `mediacodec_models.video.data` for its layout)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mediacodec_models.video.clips import LEVELS, Clip


def read_pack(folder: Path, *, dev: bool) -> list[Clip]:
    """The clips of one split, mapped rather than read; the pieces of a long clip are clips of their own."""
    shards: dict[int, np.ndarray] = {}
    clips = []
    for piece in json.loads((folder / "index.json").read_text()):
        if piece["dev"] != dev:
            continue
        number = piece["shard"]
        if number not in shards:
            shards[number] = np.load(folder / f"{number:03d}.npy", mmap_mode="r", allow_pickle=False)
        n, h, w = piece["frames"], piece["height"], piece["width"]
        data = shards[number]
        planes = data[piece["planes"] :][: n * h * 3 // 2 * w].reshape(n, h * 3 // 2, w)
        u, v = (planes[:, top : top + h // 4].reshape(n, h // 2, w // 2) for top in (h, h + h // 4))
        k = len(LEVELS)
        motion = data[piece["motion"] :][: n * k * h * w // 16].view("<i2").reshape(n, k, 2, h // 8, w // 8)
        clips.append(Clip(piece["name"], planes[:, :h], u, v, motion))
    return clips
