"""Keyframes of an `inr` stream that later ones are predicted from: what a decoder keeps of them, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import REFERRING, CodedGroup, PacketReader
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.codecs.inr.tensors import Floats
from mediacodec.entropy_coding.signed_golomb import Integers
from mediacodec.errors import CorruptError

MAX_DEPTH = 8  # keyframes predicted from each other, in a row
MAX_KEPT_WEIGHTS = 1 << 24  # of keyframes that a decoder keeps, 64 MiB: those that came last
ENTRY_WEIGHTS = 1 << 10  # weights that a keyframe counts for beside its own: names, shapes and Python's objects


@dataclass(frozen=True, eq=False)
class ReferenceWeights:
    """The decoded weights of a group, which others may be predicted from.

    Attributes:
        network: its sizes.
        weights: by name.
        depth: how many keyframes were predicted from each other up to this one.
    """

    network: Network
    weights: dict[str, Floats]
    depth: int = 0


def decode_group(
    packet: PacketReader, reference: ReferenceWeights | None, size: tuple[int, int], tables: InrTables
) -> tuple[CodedGroup, Integers, ReferenceWeights]:
    """Decode a packet with which a group begins.

    Args:
        packet: of which nothing but the head was read.
        reference: what the group is predicted from; None for a key group.
        size: (height, width) of the frames.
        tables: of the model.

    Returns:
        The group, the integers of its first frame's embedding, and its weights.

    Raises:
        BitstreamError: the packet is damaged.
    """
    coded = packet.read_group(*size, reference.network if reference else None, tables)
    embedding = packet.read_embedding(coded, tables)
    depth = reference.depth + 1 if reference and packet.head.kind == REFERRING else 0
    weights = coded.weights(reference.weights if reference else None)
    return coded, embedding, ReferenceWeights(coded.network, weights, depth)


class ReferenceKeyframes:
    """The last keyframes by pts: as many as MAX_KEPT_WEIGHTS allows, and the last one in any case."""

    def __init__(self) -> None:
        self._kept: dict[int, ReferenceWeights] = {}
        self._size = 0

    def keep(self, pts: int, weights: ReferenceWeights) -> None:
        """Keep a keyframe.

        Args:
            pts: of the keyframe, in ticks.
            weights: of its group.

        Raises:
            CorruptError: more than MAX_DEPTH keyframes are predicted from each other up to it.
        """
        if weights.depth > MAX_DEPTH:
            raise CorruptError(f"{weights.depth} keyframes are predicted from each other, more than {MAX_DEPTH}")
        self._drop(pts)
        self._kept[pts] = weights
        self._size += ENTRY_WEIGHTS + weights.network.summary.parameters
        while self._size > MAX_KEPT_WEIGHTS and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def get(self, pts: int) -> ReferenceWeights | None:
        """The weights of the keyframe at `pts`; None where it is not kept."""
        return self._kept.get(pts)

    def _drop(self, pts: int) -> None:
        weights = self._kept.pop(pts, None)
        self._size -= ENTRY_WEIGHTS + weights.network.summary.parameters if weights else 0
