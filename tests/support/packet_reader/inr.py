"""`inr1`: codecs/inr.md, up to the integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .base import Arrays, Bytes, Decoder, check_crc, corrupt, family, truncated, u16, unsealed
from .inr_network import Counted, Sizes
from .integers import signed

Coding = tuple[int, float, int]  # row + 1 or 0, factor, centre


@dataclass
class Group:
    """A group whose first packet came. weights: real, by tensor; depth: keyframes that it goes on from."""

    sizes: Sizes
    number: int
    channels: list[Coding]
    weights: Arrays
    depth: int


class Stream:
    """Packets in any order."""

    def __init__(self, tables: Arrays, width: int, height: int) -> None:
        self.tables, self.width, self.height = family(tables["tensors"]), width, height
        self.group: Group | None = None
        self.keyframes: dict[int, Group] = {}

    def packet(self, data: bytes, pts: int, keyframe: bool) -> Arrays | None:
        """The integers of a packet; None where what it refers to is not there."""
        coded, crc = unsealed(data, 2)
        if not coded:
            raise truncated("no head")
        rest = Bytes(coded)
        first, place = rest.unsigned(1), rest.varint()
        kind, number = first & 3, first >> 2
        back = rest.varint() if kind == 3 else 0
        if (kind == 3 and not back) or (kind and place):
            raise corrupt("a group that goes on from itself, or begins behind its beginning")
        if keyframe != (kind in (1, 3)):
            raise corrupt("packet and chunk differ in whether it is a keyframe")
        symbols: list[Any] = []
        result: Arrays = {"place": place}
        if kind:
            base = self._base(kind, number, pts - back)
            self.group = None
            if kind > 1 and base is None:
                return None
            result["weights"], group = self._begin(rest, kind, number, base, symbols)
        elif self.group is None or self.group.number != number:
            return None
        else:
            group = self.group
        if place >= group.sizes.group:
            raise corrupt("a frame beyond its group")
        shape = (group.sizes.embedding, *group.sizes.grid(0))
        parts = self._payload(rest.take(rest.left), [shape[1] * shape[2]] * shape[0], group.channels, symbols)
        check_crc(u16(*(values + 32768 for values in symbols)), crc, 2)
        if kind:
            if kind in (1, 3):
                self.keyframes[pts] = group
            self.group = group
        result["embedding"] = np.concatenate(parts).reshape(shape)
        factors = np.array([factor for _, factor, _ in group.channels], np.float32)
        result["planes"] = group.sizes.frame(group.weights, result["embedding"] * factors[:, None, None], place)
        return result

    def _base(self, kind: int, number: int, pts: int) -> Group | None:
        if kind == 3:
            return self.keyframes.get(pts)
        follows = kind == 2 and self.group is not None and (self.group.number + 1) % 64 == number
        return self.group if follows else None

    def _begin(self, rest: Any, kind: int, number: int, base: Group | None, symbols: list[Any]) -> tuple[Arrays, Group]:
        """The integers of the weights by part, and the group."""
        count = rest.varint()
        if kind == 1:
            architecture, embedding, stages = rest.unsigned(1), rest.varint(), rest.unsigned(1)
            if architecture > 2 or stages > 6:
                raise corrupt("an architecture or a depth that is not known")
            strides = [rest.unsigned(1) for _ in range(stages)]
            widths = [rest.varint() for _ in range(stages + 1)]
        else:
            assert base is not None
            old = base.sizes
            architecture, embedding, strides, widths = old.architecture, old.embedding, old.strides, old.widths
        sizes = Sizes(architecture, self.height, self.width, count, embedding, strides, widths)
        counted = sizes.checked()
        parts = parts_of(counted)
        codings = [self._coding(rest) for _ in parts]
        channels = [self._coding(rest) for _ in range(embedding)]
        lengths = [sum(math.prod(counted.shapes[name]) for name in names) for names in parts]
        values = self._payload(rest.take(rest.varint()), lengths, codings, symbols)
        weights: Arrays = {}
        for names, flat, (_, factor, _) in zip(parts, values, codings, strict=True):
            for name in names:
                shape = counted.shapes[name]
                weights[name] = flat[: math.prod(shape)].reshape(shape) * np.float32(factor)
                flat = flat[math.prod(shape) :]
        if base is not None:
            weights = {name: base.weights[name] + value for name, value in weights.items()}
        depth = base.depth + (kind == 3) if base else 0
        if depth > 8:
            raise corrupt("a keyframe that goes on from more than 8")
        return dict(zip(map(", ".join, parts), values, strict=True)), Group(sizes, number, channels, weights, depth)

    def _coding(self, rest: Any) -> Coding:
        row, step, centre = rest.unsigned(1), rest.unsigned(1), rest.zigzag()
        if row > len(self.tables) or abs(centre) > 32767:
            raise corrupt("a row or a centre that does not exist")
        return row, float(np.float32(2.0 ** ((step - 160) / 8))), centre

    def _payload(self, data: bytes, sizes: list[int], codings: list[Coding], symbols: list[Any]) -> list[Any]:
        """The integers of each part."""
        coded = [(size, row - 1) for size, (row, _, _) in zip(sizes, codings, strict=True) if row]
        least = sum(size * (24 - math.log2(max(self.tables[row]))) for size, row in coded)
        if least > 8 * len(data) + 64:
            raise corrupt("more integers than the payload can hold")
        decoder = Decoder(data)
        rows = np.concatenate([np.zeros(0, np.int64), *(np.full(size, row) for size, row in coded)])
        found, _ = signed(decoder, self.tables, rows, 8 * len(data) + 64)
        decoder.end()
        symbols.append(found)
        result = []
        for size, (row, _, centre) in zip(sizes, codings, strict=True):
            result.append(found[:size] + centre if row else np.full(size, centre))
            found = found[size:] if row else found
        return result


def parts_of(counted: Counted) -> list[list[str]]:
    parts: dict[str, list[str]] = {}
    for name in counted.shapes:
        kind = ".bias" if name.endswith(".bias") else ".time.weight" if name.endswith(".time.weight") else name
        parts.setdefault(kind, []).append(name)
    return list(parts.values())
