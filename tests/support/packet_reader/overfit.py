"""`ovft`: codecs/overfit.md."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np

from .base import Arrays, Decoder, FaultError, check_keyframe, corrupt, family, flat, truncated, unsealed
from .integers import signed
from .motion import field, moved

CONTEXTS = {("key", "luma"): 3, ("inter", "luma"): 15, ("key", "chroma"): 18, ("inter", "chroma"): 18}  # outside
PARITIES = ((0, 0), (1, 1), (0, 1), (1, 0))


class Payload:
    """Choices and integers of a packet's payload; crc is of all that were read."""

    def __init__(self, coded: bytes, tables: Any) -> None:
        self.decoder, self.tables, self.room, self.crc = Decoder(coded[2:]), tables, 8 * len(coded), 0

    def note(self, values: Any) -> None:
        numbers = [int(value) for value in np.asarray(values).ravel()]
        self.crc = zlib.crc32(struct.pack(f"<{len(numbers)}h", *numbers), self.crc)

    def choice(self, n: int) -> int:
        symbol: int = self.decoder.symbol(flat(n))
        self.note(symbol)
        return symbol

    def integers(self, rows: Any) -> Any:
        values, num_escaped = signed(self.decoder, self.tables, rows, self.room)
        self.room -= 5 * num_escaped
        self.note(values)
        return values


class Stream:
    """Frames one after the other."""

    def __init__(self, tables: Arrays, width: int, height: int) -> None:
        self.model = {name: array.astype(np.int64) for name, array in tables.items()}
        self.latents, self.vectors = family(self.model.pop("latents")), family(self.model.pop("motion"))
        self.features = self.model.pop("features")
        self.rows, self.columns = -(-height // 64) * 64, -(-width // 64) * 64
        self.before: Arrays | None = None

    def packet(self, data: bytes, keyframe: bool) -> Arrays:
        coded, crc = unsealed(data, 2)
        if len(coded) < 2:
            raise truncated("no head")
        check_keyframe(bool(coded[0] & 1), keyframe)
        if coded[0] > 1:
            raise corrupt("unknown flags")
        kind, quality, payload = ("inter" if coded[0] else "key"), coded[1], Payload(coded, self.latents)
        frame: Arrays = {"quality": quality}
        if kind == "inter":
            if self.before is None:
                raise corrupt("no frame before")
            frame["motion"] = field(payload.decoder, self.vectors, self.before["motion"])
            payload.note(frame["motion"])
        weights, frame["updates"] = self._updates(payload, kind)
        frame["low"] = [self._low(payload) for _ in range(3)]
        self._grids(payload, kind, quality, weights, frame)
        payload.decoder.end()
        if payload.crc & 0xFFFF != crc:
            raise FaultError("DesyncError", "other integers than were encoded")
        frame["planes"] = self._frame(kind, frame, weights)
        memory = [self._features(grid) for grid in frame["luma"]]
        if kind == "inter":
            assert self.before is not None
            memory = [np.maximum(new, s - s // 8) for new, s in zip(memory, self.before["memory"], strict=True)]
        motion = frame.get("motion", np.zeros((2, self.rows // 8, self.columns // 8), np.int16))
        self.before = {"motion": motion, "memory": memory, "planes": frame["planes"]}
        return frame

    def _updates(self, payload: Payload, kind: str) -> tuple[Arrays, Arrays]:
        tensors = ("first_bias", "second_bias", "third", "third_bias")
        names = [f"{kind}.{net}.{tensor}" for net in ("luma", "chroma") for tensor in tensors]
        names += sorted(name for name in self.model if name.startswith(f"{kind}.synthesis."))
        weights, updates = dict(self.model), {}
        for name in names:
            if payload.choice(2):
                shift, row = payload.choice(16), payload.choice(64)
                shape = weights[name].shape
                values = payload.integers([row] * math.prod(shape)).reshape(shape)
                weights[name] = weights[name] + (values << shift)
                updates[name] = {"shift": shift, "values": values}
        return weights, updates

    def _low(self, payload: Payload) -> Any:
        h, w = self.rows // 64, self.columns // 64
        plane = payload.integers([payload.choice(64)] * (h * w)).reshape(h, w)
        plane[:, 0] = np.cumsum(plane[:, 0])
        return np.cumsum(plane, axis=1)

    def _features(self, grids: Any) -> Any:
        return self.features[np.minimum(np.abs(grids), 255)]

    def _grids(self, payload: Payload, kind: str, quality: int, weights: Arrays, frame: Arrays) -> None:
        luma: dict[int, Any] = {}
        chroma: dict[int, Any] = {}
        for level in range(5, -1, -1):
            shape = self.rows >> level + 1, self.columns >> level + 1
            half = -(-shape[0] // 2), -(-shape[1] // 2)
            above = self._features(luma[level + 1]) if level < 5 else np.zeros((3, *half), np.int64)
            outside = [above]
            if kind == "inter":
                assert self.before is not None
                outside.append(cut(self.before["memory"][level]))
            network = Network(weights, kind, "luma", level, quality)
            luma[level] = self._level(payload, network, np.concatenate(outside), (3, *shape))
            if level:
                above = self._features(chroma[level]) if level < 5 else np.zeros((6, *half), np.int64)
                outside = [above, cut(self._features(luma[level]))]
                network = Network(weights, kind, "chroma", level - 1, quality)
                chroma[level - 1] = self._level(payload, network, np.concatenate(outside), (6, *shape))
        frame["luma"] = [luma[level] for level in range(6)]
        frame["chroma"] = [chroma[level] for level in range(5)]

    def _level(self, payload: Payload, network: Network, known: Any, shape: tuple[int, int, int]) -> Any:
        grids = np.zeros(shape, np.int64)
        if payload.choice(2):
            for p in range(4 * shape[0]):
                down, right = PARITIES[p % 4]
                part = grids[p // 4, down::2, right::2]
                rows = network.rows(known, p)[: part.shape[0], : part.shape[1]]
                part[:] = payload.integers(rows.ravel()).reshape(part.shape)
                plane = np.zeros((1, *known.shape[1:]), np.int64)
                plane[0, : part.shape[0], : part.shape[1]] = self._features(part)
                known = np.concatenate([known, plane])
        return grids

    def _frame(self, kind: str, frame: Arrays, weights: Arrays) -> list[Any]:
        step = 2.0 ** ((frame["quality"] / 4 - 4) / 6)
        grids = [frame["luma"], [g[:3] for g in frame["chroma"]], [g[3:] for g in frame["chroma"]]]
        planes = [
            built(low * by, [grid * by for grid in levels])
            for low, levels, by in zip(frame["low"], grids, (step, 0.77 * step, 0.77 * step), strict=True)
        ]
        residual = None
        if kind == "inter":
            assert self.before is not None
            residual = planes
            predicted = moved(self.before["planes"], frame["motion"], 0)
            planes = [p.astype(np.float64) - 128 + r for p, r in zip(predicted, residual, strict=True)]
        planes = corrected(planes, residual, weights, kind, step)
        return [np.clip(np.rint(plane + 128), 0, 255).astype(np.uint8) for plane in planes]


class Network:
    """An integer network at a level of a frame."""

    def __init__(self, weights: Arrays, kind: str, net: str, level: int, quality: int) -> None:
        self.outside, self.level, self.g = CONTEXTS[kind, net], level, min(level, 2)
        self.w = {name.rsplit(".", 1)[1]: value for name, value in weights.items() if name.startswith(f"{kind}.{net}.")}
        self.bias = self.w["first_bias"][level] + (quality - 120) * self.w["quality"][level]

    def rows(self, known: Any, p: int) -> Any:
        n, rows, columns = known.shape
        assert n == self.outside + p
        padded = np.pad(known, ((0, 0), (1, 1), (1, 1)))
        around = [padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
        a = np.stack(around, axis=1).reshape(9 * n, -1)
        first = self.w["first"][self.g, p][:, :n].reshape(-1, 9 * n)
        x = act(first @ a + self.bias[p][:, None])
        y = act(self.w["second"][self.g, p] @ x + self.w["second_bias"][self.level, p][:, None])
        row = (self.w["third"][self.g, p] @ y + self.w["third_bias"][self.level, p] + (1 << 13)) >> 14
        return np.clip(row, 0, 63).reshape(rows, columns)


def act(sums: Any) -> Any:
    return np.clip((sums + 128) >> 8, 0, (1 << 17) - 1)


def cut(grids: Any) -> Any:
    """Grids as parts."""
    count, r, c = grids.shape
    parts = np.zeros((4 * count, -(-r // 2), -(-c // 2)), np.int64)
    for i in range(count):
        for j, (down, right) in enumerate(PARITIES):
            part = grids[i, down::2, right::2]
            parts[4 * i + j, : part.shape[0], : part.shape[1]] = part
    return parts


def built(plane: Any, levels: list[Any]) -> Any:
    for d0, d1, d2 in reversed(levels):
        a, b = up(np.concatenate([plane, d1])), up(np.concatenate([d0, d2]))
        plane = up(np.concatenate([a.T, b.T])).T
    return plane


def up(rows: Any) -> Any:
    n = len(rows) // 2
    e, o = rows[:n] / 1.149604398, rows[n:] * 1.149604398

    def before(x: Any) -> Any:
        return np.concatenate([x[:1], x[:-1]])

    def following(x: Any) -> Any:
        return np.concatenate([x[1:], x[-1:]])

    e = e - 0.4435068522 * (o + before(o))
    o = o - 0.8829110762 * (e + following(e))
    e = e + 0.05298011854 * (o + before(o))
    o = o + 1.586134342 * (e + following(e))
    return np.stack([e, o], axis=1).reshape(2 * n, -1)


def corrected(planes: list[Any], residual: list[Any] | None, weights: Arrays, kind: str, step: float) -> list[Any]:
    x = stacked(planes)
    x[:4] -= mean(x[:4].mean(axis=0))
    x[4] -= mean(x[4])
    x[5] -= mean(x[5])
    if residual is not None:
        x = np.concatenate([x, stacked(residual)])
    x = np.clip(x / step, -4, 4)
    count = sum(name.startswith(f"{kind}.synthesis.") for name in weights) // 2
    for j in range(count):
        weight, bias = (weights[f"{kind}.synthesis.layers.{j}.{name}"] / 4096 for name in ("weight", "bias"))
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        _, rows, columns = x.shape
        x = sum(
            np.tensordot(weight[:, :, u, v], padded[:, u : u + rows, v : v + columns], 1)
            for u in range(3)
            for v in range(3)
        )
        x = x + bias[:, None, None]
        if j + 1 < count:
            x = np.maximum(x, 0)
    y = planes[0].copy()
    for k in range(4):
        y[k // 2 :: 2, k % 2 :: 2] += step * x[k]
    return [y, planes[1] + step * x[4], planes[2] + step * x[5]]


def stacked(planes: list[Any]) -> Any:
    y, u, v = planes
    return np.stack([y[0::2, 0::2], y[0::2, 1::2], y[1::2, 0::2], y[1::2, 1::2], u, v])


def mean(plane: Any) -> Any:
    padded = np.pad(plane, 1, mode="edge")
    rows, columns = plane.shape
    return sum(padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)) / 9
