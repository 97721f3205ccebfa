"""Packets of `inr1`: groups of each architecture, and ones that go on from the one before or an earlier keyframe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import product
from arrays import Array, jsonable, peaked, skewed
from packets_rvq import fault
from small_models import model_of, packet_of, video_header

from mediacodec.errors import BitstreamError
from mediacodec_bitstream import Packet, TableFamily

WIDTH, HEIGHT = 21, 18
STEP = 136  # 2^-3


def tables() -> dict[str, Array]:
    family = TableFamily.from_counts(skewed(3, 12, 600, steep=1), sizes=[4, 8, 12])
    return {"tensors": family.to_array()}


def group(network: Any, number: int, seed: int) -> dict[str, Any]:
    """Integers and codings of a group: every part under another row, some of them around a centre, one of one value."""
    parts = product.inr_parts(network)
    weights, codings = [], []
    for i, (_, size) in enumerate(parts):
        centre = (0, 0, 2, -3)[i % 4]
        values = peaked(size, seed + i, zeros=2) + centre
        row: int | None = i % 3
        if i == 3:
            row, centre, values = None, 3, np.full(size, 3)
        weights.append(values)
        codings.append((row, STEP - 8 * (i % 3), centre))
    weights[0][:2] = 700, -32_000  # escapes
    channels = [(2 - c % 3, STEP + 4 * c, c) for c in range(network.embedding)]
    return {"number": number, "weights": weights, "codings": codings, "channels": channels}


def embedding(network: Any, seed: int) -> Array:
    shape = network.embedding_shape
    return peaked(shape, seed) + np.arange(shape[0])[:, None, None]


class Maker:
    """Packets one after the other, and what the product reads of them."""

    def __init__(self, about: str, place: Path) -> None:
        self.vector: dict[str, Any] = {
            "about": about, "codec": "inr1", "family": "inr",
            "stream": {"width": WIDTH, "height": HEIGHT, "block": 1},
            "model": {"settings": {}, "tables": jsonable(tables())}, "packets": [], "faulty": [],
        }  # fmt: skip
        self.model = model_of(self.vector, tables(), place)
        self.stream = product.InrStream(self.model, video_header(self.vector))

    def network(self, **sizes: Any) -> Any:
        return product.inr_network(sizes, self.vector["stream"])

    def add(self, network: Any, coded: dict[str, Any], pts: int, place: int, **more: Any) -> None:
        data = product.inr_packed(self.model, network, coded, embedding(network, pts + 900), place=place, **more)
        entry = {"data": data.hex(), "pts": pts, "duration": 1, "keyframe": bool(not place and more.get("key", True))}
        found = self.stream.read(packet_of(entry))
        assert found is not None
        self.vector["packets"].append(entry | jsonable(found))


def groups(place: Path) -> dict[str, Any]:
    """A keyframe's group, one that goes on from it, a second keyframe's, and one that goes on from the first."""
    maker = Maker("groups of `hnerv`: from a keyframe, from the group before, from an earlier keyframe", place)
    sizes = {"architecture": "hnerv", "group": 3, "embedding": 2, "strides": (3, 2), "widths": (4, 3, 2)}
    network = maker.network(**sizes)
    pts = 0
    for number, (kind, count) in enumerate((({}, 3), ({"key": False}, 2), ({}, 1), ({"back": 6}, 2))):
        shape = maker.network(**sizes | {"group": count})
        coded = group(network, number, 700 + 50 * number)
        coded["codings"][0] = (0, 56, 0)  # of steps of 2^-13, for the escapes
        if "back" in kind or "key" in kind:
            coded["weights"][0][:2] = 3, -4  # what is added is small
        for i in range(count):
            maker.add(shape, coded, pts, i, **(kind if i == 0 else {"key": False}))
            pts += 1
    packets = [packet_of(entry) for entry in maker.vector["packets"]]
    maker.vector["faulty"] = faults(maker, packets)
    return maker.vector


def faults(maker: Maker, packets: list[Packet]) -> list[dict[str, Any]]:
    key, second, following, referring = (packets[i].data for i in (0, 1, 3, 6))
    wide = key[:3] + b"\0\xff\x7f" + key[5:]
    cases = [
        (b"\1", True, 0, "shorter than its symbol CRC", "TruncatedError"),
        (key[-2:], True, 0, "no head", "TruncatedError"),
        (key, False, 0, "a keyframe that its chunk does not call one", "CorruptError"),
        (key[:1] + b"\1" + key[2:], True, 0, "a group that begins at its second frame", "CorruptError"),
        (key[:3] + b"\3" + key[4:], True, 0, "an architecture that is not known", "CorruptError"),
        (wide, True, 0, "an embedding of 16,383 channels", "CorruptError"),
        (referring[:2] + b"\0" + referring[3:], True, 6, "a group that goes on from itself", "CorruptError"),
        (key[:-1] + bytes([key[-1] ^ 1]), True, 0, "another symbol CRC", "DesyncError"),
        (second[:1] + b"\3" + second[2:], False, 1, "the fourth frame of a group of three", "CorruptError"),
        (second[:-2] + b"\1" + second[-2:], False, 1, "a byte too many", "CorruptError"),
        (key[:20], True, 0, "codings that are cut", "CorruptError"),
        (second, False, 0, "a frame whose group did not come", None),
        (following, False, 0, "a group that goes on from one that did not come", None),
        (referring, True, 0, "a group that goes on from a keyframe that did not come", None),
    ]
    result = []
    for data, keyframe, after, about, error in cases:
        pts = 6 if data[:1] == referring[:1] else after
        result.append(fault(data, 1, about, error, after=after, keyframe=keyframe) | {"pts": pts})
        stream = product.InrStream(maker.model, video_header(maker.vector))
        for packet in packets[:after]:
            stream.read(packet)
        try:
            assert stream.read(packet_of(result[-1])) is None, about
            found = None
        except BitstreamError as raised:
            found = type(raised).__name__
        assert found == error, (about, found)
    return result


def of(architecture: str, place: Path) -> dict[str, Any]:
    """Two frames of a group of an architecture."""
    maker = Maker(f"two frames of a group of `{architecture}`", place)
    network = maker.network(architecture=architecture, group=2, embedding=3, strides=(2, 2), widths=(3, 4, 2))
    coded = group(network, 63, 1100)
    coded["weights"][0][:2] = 20, -30
    for i in range(2):
        maker.add(network, coded, i, i)
    return maker.vector


def vectors(place: Path) -> dict[str, dict[str, Any]]:
    """By family and name; models are made in folders of `place`."""
    result = {"inr/groups": groups(place / "groups")}
    for name in ("boost", "nerv++"):
        result[f"inr/{name}"] = of(name, place / name)
    return result
