"""The decoder of the `inr` family: a group's network from its first packet, then its frames in any order."""

from __future__ import annotations

from functools import cached_property

from mediacodec.codecs.inr.graph import FrameSynthesis
from mediacodec.codecs.inr.packet import (
    FRAME,
    GROUP_NUMBERS,
    PREDICTED,
    REFERRING,
    CodedGroup,
    PacketHead,
    PacketReader,
)
from mediacodec.codecs.inr.reference_keyframes import ReferenceKeyframes, ReferenceWeights, decode_group
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.codecs.inr.tensors import Floats
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime
from mediacodec.entropy_coding.signed_golomb import Integers
from mediacodec.errors import CorruptError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.concealment import RepeatingDecoder
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.stream import check_header
from mediacodec_bitstream import Packet, StreamHeader


class _Group:
    """A group whose network has arrived; a session is made of it only when a frame is wanted."""

    def __init__(
        self, coded: CodedGroup, number: int, reference: ReferenceWeights, *, device: str, threads: int
    ) -> None:
        self.coded, self.number, self.reference = coded, number, reference
        self._device, self._threads = device, threads

    @property
    def weights(self) -> dict[str, Floats]:
        return self.reference.weights

    @cached_property
    def synthesis(self) -> FrameSynthesis:
        return FrameSynthesis(self.coded.network, self.weights, device=self._device, threads=self._threads)


class InrDecoder(RepeatingDecoder):
    """Decodes packets to frames; a `mediacodec.codecs.base.ReferringDecoder`.

    Every packet gives one frame at once, and needs nothing but its group's first packet (which, unless it is a
    keyframe, needs those of the groups before, back to one; a keyframe may need earlier ones, see `needs`). What cannot
    be decoded is concealed by the last good frame.

    Args:
        model: that the stream was encoded with.
        header: of the stream.
        runtime: what the synthesis runs on.

    Raises:
        CorruptError: the header is none of this family.
        ModelError: the model is none of this family.
    """

    def __init__(self, model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        super().__init__(header, check_header(header, model))
        self._tables = InrTables(model)
        self._device, self._threads = runtime.device, runtime.threads_for(1)
        self._group: _Group | None = None
        self._keyframes = ReferenceKeyframes()
        self._last_planes: Planes | None = None

    @property
    def _planes(self) -> Planes | None:
        return self._last_planes

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode a packet.

        Args:
            packet: None for a lost one.

        Returns:
            Its frame, or the last good one where it cannot be decoded; nothing before the first good one.

        Raises:
            BitstreamError: the packet is damaged.
        """
        if packet is None:
            return self._repeated(None)
        found = self._read(packet)
        if found is None:
            return self._repeated(packet.pts)
        values, position = found
        assert self._group is not None
        self._last_planes = self._group.synthesis.frame(self._group.coded.embedding(values), position)
        return self._shown(packet.pts)

    def skip(self, packet: Packet) -> None:
        """Take from a packet what later ones need, without making its frame.

        Args:
            packet: the next of the stream.

        Raises:
            BitstreamError: the packet is damaged.
        """
        self._read(packet)

    def needs(self, packet: Packet) -> int | None:
        """Find the earlier keyframe that must be skipped or pushed before a packet can be decoded.

        Args:
            packet: of the stream.

        Returns:
            The keyframe's pts; None where nothing is missing.

        Raises:
            BitstreamError: the packet is damaged.
        """
        head = PacketReader(packet.data).head
        pts = packet.pts - head.distance
        return pts if head.kind == REFERRING and pts >= 0 and self._keyframes.get(pts) is None else None

    def flush(self) -> list[VideoFrame]:
        """Nothing: every packet is decoded as it comes."""
        return []

    def _read(self, packet: Packet) -> tuple[Integers, int] | None:
        """A frame's embedding and position in the group that is current then; None where its group is lost."""
        reader = PacketReader(packet.data)
        head = reader.head
        if packet.is_keyframe != head.is_keyframe:
            raise CorruptError("a packet says that it is a keyframe and that it is none")
        if head.kind == FRAME:
            if self._group is None or self._group.number != head.group:
                return None
            return reader.read_embedding(self._group.coded, self._tables), head.position
        reference = self._reference(head, packet.pts)
        self._group = None
        if head.kind in (PREDICTED, REFERRING) and reference is None:
            return None
        size = self._parameters.height, self._parameters.width
        coded, values, weights = decode_group(reader, reference, size, self._tables)
        if head.is_keyframe:
            self._keyframes.keep(packet.pts, weights)
        self._group = _Group(coded, head.group, weights, device=self._device, threads=self._threads)
        return values, head.position

    def _reference(self, head: PacketHead, pts: int) -> ReferenceWeights | None:
        """What a group that begins at pts is predicted from; None where that is lost, or nothing."""
        if head.kind == REFERRING:
            return self._keyframes.get(pts - head.distance)
        group = self._group
        follows = head.kind == PREDICTED and group is not None and (group.number + 1) % GROUP_NUMBERS == head.group
        return group.reference if follows and group is not None else None
