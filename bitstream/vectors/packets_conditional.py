"""Packets of `cond` under small tables, with formulas in place of the integer networks; and motion compensation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import product
from arrays import Array, jsonable, noise, peaked, skewed, uniform
from formulas import COEFFICIENTS, HYPER, LIMIT, NETWORKS, SCALES, SETTINGS
from packets_rvq import fault
from small_models import model_of, packet_of

from mediacodec_bitstream import TableFamily


def motion_tables(seed: int) -> TableFamily:
    """99 tables of 32 symbols; those of symbols that have fewer values give the others next to nothing."""
    counts = skewed(99, 32, seed, steep=1)
    for context, most in ((96, 3), (97, 2), (98, 2)):
        counts[context, most:] = 0
    counts[48:72, 2:] = 0
    counts[72:84, 6:] = 0
    counts[84:96, 31] = 1 << 19  # escapes
    counts[:48, 16:] = 0
    return TableFamily.from_counts(counts)


def tables() -> dict[str, Array]:
    sizes = [4, 6, 8, 12] * 2
    buckets, values = 3, 2 * LIMIT + 1
    away = np.abs(np.arange(values) - LIMIT)
    hyper = (1 << 18) // (1 + away[None] + uniform((HYPER * buckets * 3, values), 5, 0, 2))
    levels = (1 << 18) // (1 + np.abs(np.arange(33) - 16)[None] + uniform((11, 33), 6, 0, 3))
    families = {
        "coefficients": TableFamily.from_counts(skewed(2 * SCALES, 12, 3, steep=1), sizes=sizes),
        "hyper_key": TableFamily.from_counts(hyper[: HYPER * buckets]),
        "hyper_inter": TableFamily.from_counts(hyper),
        "motion": motion_tables(4),
        "skip": TableFamily.from_counts(uniform((14, 2), 7, 1000, 9000)),
        "levels": TableFamily.from_counts(levels),
    }
    return {name: family.to_array() for name, family in families.items()}


def vector_field(rows: int, columns: int, seed: int) -> Array:
    """A field whose quadtree has leaves of every size, named and explicit vectors, and escapes."""
    field = np.zeros((2, rows, columns), np.int16)
    for size in (8, 4, 2, 1):
        for axis in (0, 1):
            shape = -(-rows // size), -(-columns // size)
            change = peaked(shape, seed + size, zeros=2) * (axis + size)
            field[axis] += change.repeat(size, axis=0).repeat(size, axis=1)[:rows, :columns].astype(np.int16)
    far = noise((rows, columns), seed + 99) % 41 == 0
    field[:, far] = uniform((2, int(far.sum())), seed + 100, -512, 512)
    return field


def frames(rows: int, columns: int) -> list[dict[str, Any]]:
    """A keyframe and what may follow one."""
    shape, cells = (rows, columns), ((rows + 1) // 2, (columns + 1) // 2)

    def coded(seed: int, spread: int = 1) -> dict[str, Array]:
        symbols = peaked((COEFFICIENTS, *shape), seed, zeros=1) * spread
        symbols[0, 0, 0] *= 1000  # an escape of many bits, where it is coded
        return {"hyper": np.clip(peaked((HYPER, *cells), seed + 1), -LIMIT, LIMIT), "symbols": symbols}

    def inter(quality: int, levels: Array | None, **more: Any) -> dict[str, Any]:
        return {"quality": quality, "inter": True, "refresh": False, "filter": 0, "levels": levels} | more

    levels, others = (np.clip(peaked(shape, seed), -8, 8) for seed in (300, 330))
    partly = uniform(shape, 301, 0, 2) > 0
    partly[:2, :4] = True
    partly[-1, -1] = False
    mixed = ~partly ^ (uniform(shape, 302, 0, 2) == 0)
    mixed[-1, 0] = False
    moving, static = vector_field(2 * rows, 2 * columns, 400), np.zeros((2, 2 * rows, 2 * columns), np.int16)
    other = moving.copy()
    other[:, 3:9, 2:7] += 3
    return [
        {"quality": 10, "inter": False, "refresh": False, "filter": 0, "levels": levels, **coded(310)},
        inter(25, None, motion=moving, skip=partly, filter=2, **coded(320)),
        inter(25, None, motion=other, skip=np.ones(shape, np.bool_), filter=2),
        inter(
            50,
            others,
            motion=static,
            skip=np.zeros(shape, np.bool_),
            refresh=True,
            **coded(340, 3),
        ),
        inter(36, None, motion=other, skip=~partly, filter=1, **coded(350)),
        inter(18, None, motion=moving, skip=mixed, filter=1, **coded(380)),
        {"quality": 63, "inter": False, "refresh": False, "filter": 0, "levels": 0 * levels, **coded(360)},
        inter(0, None, motion=np.full_like(moving, -7), skip=partly, **coded(370)),
    ]


def sequence(place: Path, width: int, height: int, about: str, count: int) -> dict[str, Any]:
    """`count` of the frames, packed and read back."""
    vector: dict[str, Any] = {
        "about": about, "codec": "cond", "family": "conditional",
        "stream": {"width": width, "height": height, "block": 16},
        "model": {"settings": SETTINGS, "networks": NETWORKS, "tables": jsonable(tables())},
    }  # fmt: skip
    stream = product.ConditionalStream(model_of(vector, tables(), place), width, height)
    packets = []
    for i, frame in enumerate(frames(*stream.geometry.blocks)[:count]):
        if frame["levels"] is None:
            frame["levels"] = stream.inherited(frame["motion"])
        data = stream.pack(frame)
        entry = {"data": data.hex(), "pts": i, "duration": 1, "keyframe": not frame["inter"]}
        packets.append(entry | jsonable(stream.read(packet_of(entry))))
    return vector | {"packets": packets, "faulty": []}


def small(place: Path) -> dict[str, Any]:
    """Two blocks: the example of conditional.md."""
    return sequence(place, 32, 16, "two blocks: a keyframe and a frame after it", 2)


def whole(place: Path) -> dict[str, Any]:
    vector = sequence(place, 150, 130, "frames of 9 x 10 blocks: every part of a packet, and each left out", 8)
    key, inter = (bytes.fromhex(vector["packets"][i]["data"]) for i in (0, 1))
    vector["faulty"] = [
        fault(b"\0", 1, "shorter than its symbol CRC", "TruncatedError", keyframe=True),
        fault(bytes(2), 1, "no head", "TruncatedError", keyframe=True),
        fault(key, 1, "a keyframe that its chunk does not call one", "CorruptError", keyframe=False),
        fault(bytes([key[0] | 0x80]) + key[1:], 1, "a keyframe that is a refresh", "CorruptError", keyframe=True),
        fault(key[:-1] + bytes([key[-1] ^ 1]), 1, "another symbol CRC", "DesyncError", keyframe=True),
        fault(key[:-2] + b"\1" + key[-2:], 1, "a byte too many", "CorruptError", keyframe=True),
        fault(inter[:1] + b"\xff" * 9 + inter[-2:], 1, "a number that no encoder writes", "CorruptError", after=1,
              keyframe=False),
    ]  # fmt: skip
    return vector


def compensation(_: Path) -> dict[str, Any]:
    """A frame of 32 x 32 moved by one field under each filter."""
    planes = [uniform((32, 32), 500, 0, 255), uniform((16, 16), 501, 0, 255), uniform((16, 16), 502, 0, 255)]
    planes = [plane.astype(np.uint8) for plane in planes]
    motion = uniform((2, 4, 4), 503, -40, 40).astype(np.int16)
    motion[:, 0] = [[0, 4, -512, 512], [0, -8, 512, 3]]
    found = [product.moved(planes, motion, kind) for kind in range(3)]
    return {"about": "planes moved by one field under filters 0, 1 and 2"} | jsonable(
        {"before": planes, "motion": motion, "after": found}
    )


def vectors(place: Path) -> dict[str, dict[str, Any]]:
    """By family and name; models are made in folders of `place`."""
    makers = {"conditional/small": small, "conditional/frames": whole, "motion/compensation": compensation}
    return {name: make(place / name) for name, make in makers.items()}
