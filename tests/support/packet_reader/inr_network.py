"""The networks of `inr1`: codecs/inr.md, *Networks* and *Limits*."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .base import Arrays, corrupt

NAMES = ("hnerv", "boost", "nerv++")


@dataclass
class Sizes:
    """What a group says of its network."""

    architecture: int
    height: int
    width: int
    group: int
    embedding: int
    strides: list[int]
    widths: list[int]

    def grid(self, i: int) -> tuple[int, int]:
        d = 2 * math.prod(self.strides[i:])
        return -(-self.height // d), -(-self.width // d)

    def checked(self) -> Counted:
        """The network without its numbers, if it is within the limits."""
        fits = 1 <= self.group <= 4096 and 1 <= self.embedding <= 64 and 1 <= len(self.strides) <= 6
        fits &= all(2 <= s <= 8 for s in self.strides) and all(1 <= w <= 1024 for w in self.widths)
        if not fits:
            raise corrupt("a network of impossible sizes")
        counted = Counted()
        run(self, counted, (self.embedding, *self.grid(0)), (48, 1, 1))
        if counted.weights > 1 << 23 or counted.products > 1 << 39 or counted.largest > 1 << 28:
            raise corrupt("a network that is too large")
        return counted

    def frame(self, weights: Arrays, embedding: Any, t: int) -> list[Any]:
        """Y, U and V."""
        angles = np.pi * t / self.group * 1.25 ** np.arange(24)
        place = np.concatenate([np.sin(angles), np.cos(angles)])[:, None, None]
        out = run(self, Computed(weights), embedding.astype(np.float64), place)
        levels = np.rint(255 * np.clip(np.nan_to_num(out, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)).astype(np.uint8)
        _, rows, columns = levels.shape
        luma = np.zeros((2 * rows, 2 * columns), np.uint8)
        for k in range(4):
            luma[k // 2 :: 2, k % 2 :: 2] = levels[k]
        return [luma[: self.height, : self.width], levels[4], levels[5]]


class Computed:
    """The operations on numbers."""

    def __init__(self, weights: Arrays) -> None:
        self.weights = {name: value.astype(np.float64) for name, value in weights.items()}

    def conv(self, name: str, x: Any, _a: int, b: int, k: int, *, apart: bool = False) -> Any:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        _, rows, columns = x.shape
        padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
        out = np.zeros((b, rows, columns)) + bias[:, None, None]
        for u in range(k):
            for v in range(k):
                part = padded[:, u : u + rows, v : v + columns]
                out += part * weight[:, 0, u, v, None, None] if apart else np.tensordot(weight[:, :, u, v], part, 1)
        return out

    def shuffle(self, x: Any, s: int) -> Any:
        channels, rows, columns = x.shape
        out = np.zeros((channels // s**2, s * rows, s * columns))
        for u in range(s):
            for v in range(s):
                first = (u * s + v) * len(out)
                out[:, u::s, v::s] = x[first : first + len(out)]
        return out

    def grow(self, x: Any, s: int) -> Any:
        for axis in (1, 2):
            size = x.shape[axis]
            at = np.clip((np.arange(s * size) + 0.5) / s - 0.5, 0, size - 1)
            low = np.minimum(at.astype(int), size - 1)
            part = (at - low).reshape([-1 if i == axis else 1 for i in range(3)])
            x = x.take(low, axis) * (1 - part) + x.take(np.minimum(low + 1, size - 1), axis) * part
        return x

    def cut(self, x: Any, rows: int, columns: int) -> Any:
        return x[:, :rows, :columns]

    def sin(self, x: Any) -> Any:
        return np.sin(x)

    def gelu(self, x: Any) -> Any:
        return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def scaled(self, x: Any, both: Any) -> Any:
        b = len(x)
        return x * (1 + both[:b]) + both[b:]


class Counted:
    """The operations on shapes: what weights there are, in the order of use, and what it takes."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.products = self.largest = 0

    @property
    def weights(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes.values())

    def conv(self, name: str, x: Any, a: int, b: int, k: int, *, apart: bool = False) -> Any:
        self.shapes[f"{name}.weight"], self.shapes[f"{name}.bias"] = (b, 1 if apart else a, k, k), (b,)
        self.products += math.prod(self.shapes[f"{name}.weight"]) * x[1] * x[2]
        return self._noted((b, x[1], x[2]))

    def shuffle(self, x: Any, s: int) -> Any:
        return self._noted((x[0] // s**2, s * x[1], s * x[2]))

    def grow(self, x: Any, s: int) -> Any:
        return self._noted((x[0], s * x[1], s * x[2]))

    def cut(self, x: Any, rows: int, columns: int) -> Any:
        return x[0], rows, columns

    def sin(self, x: Any) -> Any:
        return x

    gelu = sin

    def add(self, x: Any, _: Any) -> Any:
        return x

    scaled = add

    def _noted(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self.largest = max(self.largest, math.prod(shape))
        return shape


def run(sizes: Sizes, ops: Any, embedding: Any, place: Any) -> Any:
    """The network, by either operations."""
    name, widths = NAMES[sizes.architecture], sizes.widths
    code = None
    if name == "boost":
        code = ops.sin(ops.conv("time1", ops.sin(ops.conv("time0", place, 48, 16, 1)), 16, 16, 1))
    x = ops.conv("stem", embedding, sizes.embedding, widths[0], 1)
    for i, s in enumerate(sizes.strides):
        x = STAGES[name](ops, f"stage{i}", x, code, widths[i], widths[i + 1], s, i)
        x = ops.cut(x, *sizes.grid(i + 1))
    return ops.conv("head", x, widths[-1], 6, 3)


def hnerv(ops: Any, n: str, x: Any, _: Any, a: int, b: int, s: int, i: int) -> Any:
    return ops.gelu(ops.shuffle(ops.conv(f"{n}.up", x, a, b * s * s, min(1 + 2 * i, 5)), s))


def boost(ops: Any, n: str, x: Any, code: Any, a: int, b: int, s: int, i: int) -> Any:
    x = ops.sin(ops.shuffle(ops.conv(f"{n}.up", x, a, b * s * s, min(1 + 2 * i, 3)), s))
    y = ops.gelu(mod(ops, f"{n}.first", x, code, b))
    return ops.add(x, mod(ops, f"{n}.second", y, code, b))


def mod(ops: Any, m: str, x: Any, code: Any, b: int) -> Any:
    both = ops.conv(f"{m}.time", code, 16, 2 * b, 1)
    return ops.scaled(ops.conv(m, x, b, b, 3), both)


def nervpp(ops: Any, n: str, x: Any, _: Any, a: int, b: int, s: int, i: int) -> Any:
    x = sep(ops, f"{n}.before", x, a)
    grown = ops.shuffle(ops.conv(f"{n}.up", x, a, b * s * s, min(1 + 2 * i, 3)), s)
    y = ops.gelu(ops.add(grown, ops.grow(ops.conv(f"{n}.skip", x, a, b, 1), s)))
    return sep(ops, f"{n}.after", y, b)


def sep(ops: Any, m: str, x: Any, c: int) -> Any:
    y = ops.conv(f"{m}.places", x, c, c, 3, apart=True)
    return ops.add(x, ops.gelu(ops.conv(f"{m}.channels", y, c, c, 1)))


STAGES = {"hnerv": hnerv, "boost": boost, "nerv++": nervpp}
