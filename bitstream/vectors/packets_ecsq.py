"""Packets of `ecsq` under small context networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import product
from arrays import Array, jsonable, noise, peaked, skewed, uniform
from packets_rvq import fault
from small_models import Vector, model_of

from mediacodec.manifest import Manifest
from mediacodec_bitstream import TableFamily

QUALITIES, FRAME, LARGEST = 64, 160, 1 << 14
# qualities: means as far out as they go; all hidden units of groups at their limit; no channel; none of the first group
EXTREME, LIMITED, SILENT, HALF = 63, 61, 5, 40
SETTINGS = {"sample_rate": 8000, "pre_skip": 80, "frame_size": FRAME, "knots": 3}


@dataclass(frozen=True)
class Sizes:
    """Of a network.

    Attributes:
        groups, dilations: settings.
        trunk, hidden: units.
        group_hidden: units of the layer of each group.
        reaches: of the tables of each scale.
    """

    groups: tuple[int, ...]
    dilations: tuple[int, ...]
    trunk: int
    hidden: int
    group_hidden: tuple[int, ...]
    reaches: tuple[int, ...]

    @property
    def latent(self) -> int:
        return sum(self.groups)

    @property
    def settings(self) -> dict[str, Any]:
        more = {"latent": self.latent, "groups": list(self.groups), "dilations": list(self.dilations)}
        return SETTINGS | more


GROUPS = Sizes((2, 4), (1, 3), 5, 6, (4, 5), (0, 1, 2, 4))
SINGLE = Sizes((1,), (), 2, 0, (2,), (1,))


def tables(sizes: Sizes, seed: int) -> dict[str, Array]:
    """A network whose activations run into their limits now and then; rates that grow with the quality."""
    t, h, n = sizes.trunk, sizes.hidden, sizes.latent
    weights = {"join": (t, n)}
    biases = {"join_bias": t}
    for k in range(len(sizes.dilations)):
        weights |= {f"expand{k}": (h, 2 * t), f"contract{k}": (t, h)}
        biases[f"expand{k}_bias"] = h
    before = 0
    for g, (size, m) in enumerate(zip(sizes.groups, sizes.group_hidden, strict=True)):
        weights |= {f"hidden{g}": (m, t + before), f"head{g}": (2 * size, m)}
        biases |= {f"hidden{g}_bias": m, f"head{g}_bias": 2 * size}
        before += size
    result: dict[str, Array] = {}
    for i, (name, shape) in enumerate(weights.items()):
        most = 16 if name.startswith("head") else 64
        result[name] = uniform(shape, seed + i, -most, most).astype(np.int8)
    for i, (name, units) in enumerate(biases.items()):
        result[name] = uniform((QUALITIES, units), seed + 50 + i, -1000, 3000).astype(np.int32)
        result[name][LIMITED] += 40_000 if name.startswith("hidden") else 0
    quality = np.arange(QUALITIES)[:, None]
    steps = uniform((QUALITIES, n), seed + 80, 6000, 14_000) >> quality // 12
    steps[EXTREME, : n // 2], steps[EXTREME, n // 2 :] = (1 << 22) - 1, 1
    mean_gains = uniform((QUALITIES, n), seed + 81, 200, 500) << quality // 20
    mean_gains[EXTREME, ::2] = (1 << 30) - 1
    scale_base = uniform((QUALITIES, n), seed + 82, -1000, 4000)
    scale_base[EXTREME, 0], scale_base[EXTREME, -1] = (1 << 30) - 1, 1 - (1 << 30)
    active = np.ones((QUALITIES, n), np.uint8)
    active[:16, -1] = active[SILENT] = active[HALF, : sizes.groups[0]] = 0
    row_sizes = [2 * reach + 3 for reach in sizes.reaches for _ in range(4)]
    counts = skewed(len(row_sizes), max(row_sizes), seed + 83, steep=1)
    for row, size in enumerate(row_sizes):  # the most likely place is that of the mean
        counts[row, :size] = np.roll(counts[row, :size], size // 2)
    return result | {
        "frequencies": TableFamily.from_counts(counts, sizes=row_sizes).to_array(),
        "gains": (1 + quality / 8 + np.arange(n)).astype(np.float32), "active": active,
        "steps": steps.astype(np.int32), "mean_gains": mean_gains.astype(np.int32),
        "scale_base": scale_base.astype(np.int32),
    }  # fmt: skip


def head(about: str, sizes: Sizes, arrays: dict[str, Array], crc_size: int) -> Vector:
    return {
        "about": about, "codec": "ecsq", "family": "ecsq",
        "stream": {"symbol_crc_size": crc_size, "extradata": "0000"},
        "model": {"settings": sizes.settings, "tables": jsonable(arrays)},
    }  # fmt: skip


def symbols_of(arrays: dict[str, Array], quality: int, frames: int, seed: int) -> Array:
    """Symbols [frames, latent] around 0, now and then one far out, 0 where the quality codes none."""
    shape = (frames, arrays["active"].shape[1])
    far = np.where(noise(shape, seed + 1) % 9 == 0, uniform(shape, seed + 2, -40, 40), 0)
    return ((peaked(shape, seed) + far) * arrays["active"][quality]).astype(np.int16)


def groups(place: Path) -> Vector:
    """Packets of several lengths and qualities, with escapes of every size."""
    arrays = tables(GROUPS, 3000)
    vector = head("two groups, two layers; channels that are not coded, escapes", GROUPS, arrays, 4)
    model = model_of(vector, arrays, place)
    lengths = ((20, 1), (0, 2), (31, 9), (HALF, 4), (SILENT, 500), (56, 5), (EXTREME, 3), (LIMITED, 7))
    found = [(quality, symbols_of(arrays, quality, n, 3200 + 10 * i)) for i, (quality, n) in enumerate(lengths)]
    found[2][1][4] = LARGEST, -LARGEST, 127, -128, 1000, -3  # inputs at their limits
    found[6][1][1:] = np.array([[LARGEST, -LARGEST] * 3, [-LARGEST, LARGEST] * 3])
    packets, pts = [], 0
    for quality, symbols in found:
        data = product.ecsq_packed(model, symbols, quality, crc_size=4)
        packets.append(entry(data, pts, symbols, quality))
        pts += len(symbols) * FRAME
    faulty = groups_faulty(model, arrays, packets)
    return vector | {"packets": packets, "faulty": faulty, "faulty_streams": faulty_streams()}


def entry(data: bytes, pts: int, symbols: Array, quality: int) -> dict[str, Any]:
    described = {"data": data.hex(), "pts": pts, "duration": len(symbols) * FRAME, "quality": quality}
    return described | jsonable({"symbols": symbols})


def groups_faulty(model: Manifest, arrays: dict[str, Array], packets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    one, two = (bytes.fromhex(packets[i]["data"]) for i in (0, 1))
    beyond = symbols_of(arrays, 20, 1, 3300)
    beyond[0, 2] = -LARGEST - 1
    uncoded = symbols_of(arrays, 0, 1, 3310)
    uncoded[0, -1] = 1  # counts for the symbol CRC alone
    long = symbols_of(arrays, SILENT, 501, 3330)
    return [
        fault(one[:3], FRAME, "shorter than its symbol CRC", "TruncatedError"),
        fault(one[:-4] + b"\1" + one[-4:], FRAME, "a byte too many in the payload", "CorruptError"),
        fault(one[:-1] + bytes([one[-1] ^ 1]), FRAME, "another symbol CRC", "DesyncError"),
        fault(two, 2 * FRAME - 1, "a duration that is no whole number of frames", "CorruptError"),
        fault(one, 0, "a duration that is not known", "CorruptError"),
        fault(
            product.ecsq_packed(model, long, SILENT, crc_size=4), 501 * FRAME, "more than ten seconds", "CorruptError"
        ),
        fault(b"\xff" * 8 + two[-4:], 2 * FRAME, "a number that no encoder writes", "CorruptError"),
        fault(noise(20, 3320).astype(np.uint8).tobytes(), 5 * FRAME, "garbage", "CorruptError"),
        fault(one[-4:], FRAME, "no payload: an escape of more than 16 zeros", "CorruptError"),
        fault(
            product.ecsq_packed(model, beyond, 20, crc_size=4), FRAME, "a symbol of -2^14 - 1", "CorruptError"
        ),
        fault(
            product.ecsq_packed(model, uncoded, 0, crc_size=4), FRAME,
            "a channel that is not coded is not 0 in the symbol CRC", "DesyncError",
        ),
    ]  # fmt: skip


def faulty_streams() -> list[dict[str, Any]]:
    cases = (("no extradata", ""), ("one byte", "00"), ("an unknown flag", "0001"), ("another version", "0100"),
             ("a byte too many", "000000"))  # fmt: skip
    return [{"about": about, "extradata": extradata, "error": "CorruptError"} for about, extradata in cases]


def single(place: Path) -> Vector:
    """The smallest network there is, and a live packet's CRC."""
    arrays = tables(SINGLE, 3400)
    vector = head("one channel, no layers; a symbol CRC of one byte", SINGLE, arrays, 1)
    model = model_of(vector, arrays, place)
    packets = []
    for i, (quality, frames) in enumerate(((18, 1), (50, 4), (3, 2))):
        symbols = symbols_of(arrays, quality, frames, 3500 + 10 * i)
        data = product.ecsq_packed(model, symbols, quality, crc_size=1)
        packets.append(entry(data, 640 * i, symbols, quality))
    return vector | {"packets": packets, "faulty": [], "faulty_streams": []}


def vectors(place: Path) -> dict[str, Vector]:
    """By family and name; models are made in folders of `place`."""
    makers = {"ecsq/groups": groups, "ecsq/single": single}
    return {name: make(place / name) for name, make in makers.items()}
