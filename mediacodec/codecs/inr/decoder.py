"""The decoder of the `inr` family: a group's network from its first packet, then pictures in any order."""

from __future__ import annotations

from functools import cached_property

from mediacodec.codecs.inr.graph import Synthesis
from mediacodec.codecs.inr.packet import FOLLOWING, NUMBERS, PICTURE, REFERRING, CodedGroup, Head, Opened
from mediacodec.codecs.inr.reference_keyframes import Base, Bases, read_group
from mediacodec.codecs.inr.tensors import Floats, InrTables
from mediacodec.entropy_coding.signed_golomb import Int32s
from mediacodec.errors import CorruptError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.concealment import RepeatingDecoder
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.stream import check_header
from mediacodec_bitstream import Packet, StreamHeader


class _Group:
    """A group whose network has arrived; a session is made of it only when a picture is wanted."""

    def __init__(self, coded: CodedGroup, number: int, base: Base, *, device: str, threads: int) -> None:
        self.coded, self.number, self.base = coded, number, base
        self._device, self._threads = device, threads

    @property
    def weights(self) -> dict[str, Floats]:
        return self.base.weights

    @cached_property
    def synthesis(self) -> Synthesis:
        return Synthesis(self.coded.network, self.weights, device=self._device, threads=self._threads)


class InrDecoder(RepeatingDecoder):
    """Decodes packets to pictures; see `mediacodec.codecs.base.VideoDecoder`.

    Every packet gives one picture at once, and needs nothing but its group's first packet (which, unless it is a
    keyframe, needs those of the groups before, back to one; a keyframe may need earlier ones, see `needs`). What cannot
    be decoded is concealed by the last good picture.
    """

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:
        super().__init__(header, check_header(header, model))
        self._tables = InrTables(model)
        self._device, self._threads = device, threads
        self._group: _Group | None = None
        self._bases = Bases()
        self._last: Planes | None = None

    @property
    def _planes(self) -> Planes | None:
        return self._last

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode or conceal one packet. Raises BitstreamError kinds only."""
        if packet is None:
            return self._repeated(None)
        found = self._read(packet)
        if found is None:
            return self._repeated(packet.pts)
        values, place = found
        assert self._group is not None
        self._last = self._group.synthesis.picture(self._group.coded.embedding(values), place)
        return self._presented(packet.pts)

    def skip(self, packet: Packet) -> None:
        """Take from a packet what later ones need, without making its picture. Raises BitstreamError kinds only."""
        self._read(packet)

    def needs(self, packet: Packet) -> int | None:
        """The pts of an earlier keyframe that must be skipped or pushed before; None where nothing is missing.

        Raises BitstreamError kinds only.
        """
        head = Opened(packet.data).head
        pts = packet.pts - head.back
        return pts if head.kind == REFERRING and pts >= 0 and self._bases.get(pts) is None else None

    def flush(self) -> list[VideoFrame]:
        """Nothing: every packet is decoded as it comes."""
        return []

    def _read(self, packet: Packet) -> tuple[Int32s, int] | None:
        """The integers of a picture and its place in the group that is current then; None where its group is lost."""
        opened = Opened(packet.data)
        head = opened.head
        if packet.is_keyframe != head.is_keyframe:
            raise CorruptError("a packet says that it is a keyframe and that it is none")
        if head.kind == PICTURE:
            if self._group is None or self._group.number != head.number:
                return None
            return opened.picture(self._group.coded, self._tables), head.place
        goes_on = head.kind in (FOLLOWING, REFERRING)
        before = self._before(head, packet.pts)
        self._group = None
        if goes_on and before is None:
            return None
        size = self._parameters.height, self._parameters.width
        coded, values, base = read_group(opened, before, size, self._tables)
        if head.is_keyframe:
            self._bases.keep(packet.pts, base)
        self._group = _Group(coded, head.number, base, device=self._device, threads=self._threads)
        return values, head.place

    def _before(self, head: Head, pts: int) -> Base | None:
        """What a group that begins at pts goes on from; None where that is lost, or nothing."""
        if head.kind == REFERRING:
            return self._bases.get(pts - head.back)
        group = self._group
        follows = head.kind == FOLLOWING and group is not None and (group.number + 1) % NUMBERS == head.number
        return group.base if follows and group is not None else None
