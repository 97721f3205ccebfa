"""Keyframes of an `inr` stream that later ones may go on from: what a decoder remembers of them, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import REFERRING, CodedGroup, Opened
from mediacodec.codecs.inr.tensors import Floats, InrTables
from mediacodec.entropy_coding.signed_golomb import Int32s
from mediacodec.errors import CorruptError

DEPTH = 8  # keyframes that go on from each other: so many that one needs at most
KEPT = 1 << 24  # weights of keyframes that a decoder remembers, 64 MiB: those that came last
ENTRY = 1 << 10  # weights that a keyframe counts for beside its own: names, shapes and Python's objects


@dataclass(frozen=True, eq=False)
class Base:
    """The weights of a keyframe's group, by name, and how many keyframes it went on from."""

    network: Network
    weights: dict[str, Floats]
    depth: int = 0


def read_group(
    opened: Opened, before: Base | None, size: tuple[int, int], tables: InrTables
) -> tuple[CodedGroup, Int32s, Base]:
    """The group that a packet begins, the integers of its first picture, and its weights.

    before: what it goes on from, if it does; size: (height, width) of the pictures. Raises BitstreamError kinds.
    """
    coded = opened.group(*size, before.network if before else None, tables)
    picture = opened.picture(coded, tables)
    depth = before.depth + 1 if before and opened.head.kind == REFERRING else 0
    return coded, picture, Base(coded.network, coded.weights(before.weights if before else None), depth)


class Bases:
    """The last keyframes by pts, as many as KEPT allows, and the last one in any case."""

    def __init__(self) -> None:
        self._bases: dict[int, Base] = {}
        self._size = 0

    def keep(self, pts: int, base: Base) -> None:
        """Remember a keyframe. Raises CorruptError where it goes on from more than DEPTH others."""
        if base.depth > DEPTH:
            raise CorruptError(f"a keyframe that goes on from {base.depth} others, each from the next")
        self._forget(pts)
        self._bases[pts] = base
        self._size += ENTRY + base.network.counted.parameters
        while self._size > KEPT and len(self._bases) > 1:
            self._forget(next(iter(self._bases)))

    def get(self, pts: int) -> Base | None:
        return self._bases.get(pts)

    def _forget(self, pts: int) -> None:
        base = self._bases.pop(pts, None)
        self._size -= ENTRY + base.network.counted.parameters if base else 0
