"""The decoder of the `inr` family: a group's network from its first packet, then pictures in any order."""

from __future__ import annotations

from functools import cached_property

from mediacodec.codecs.escapes import Integers
from mediacodec.codecs.inr_graph import Synthesis
from mediacodec.codecs.inr_packet import FOLLOWING, KEY, NUMBERS, PICTURE, CodedGroup, Opened
from mediacodec.codecs.inr_tensors import Floats, InrTables
from mediacodec.codecs.repeating import RepeatingDecoder
from mediacodec.codecs.video_stream import check_header
from mediacodec.errors import CorruptError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.motion.compensate import Planes
from mediacodec_bitstream import Packet, StreamHeader


class _Group:
    """A group whose network has arrived; a session is made of it only when a picture is wanted."""

    def __init__(
        self, coded: CodedGroup, number: int, weights: dict[str, Floats], *, device: str, threads: int
    ) -> None:
        self.coded, self.number, self.weights = coded, number, weights
        self._device, self._threads = device, threads

    @cached_property
    def synthesis(self) -> Synthesis:
        return Synthesis(self.coded.network, self.weights, device=self._device, threads=self._threads)


class InrDecoder(RepeatingDecoder):
    """Decodes packets to pictures; see `mediacodec.codecs.base.VideoDecoder`.

    Every packet gives one picture at once, and needs nothing but its group's first packet (which, unless it is a
    keyframe, needs those of the groups before, back to one). What cannot be decoded is concealed by the last good
    picture.
    """

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:
        super().__init__(header, check_header(header, model))
        self._tables = InrTables(model)
        self._device, self._threads = device, threads
        self._group: _Group | None = None
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
        return self._shown(packet.pts)

    def skip(self, packet: Packet) -> None:
        """Take from a packet what later ones need, without making its picture. Raises BitstreamError kinds only."""
        self._read(packet)

    def flush(self) -> list[VideoFrame]:
        """Nothing: every packet is decoded as it comes."""
        return []

    def _read(self, packet: Packet) -> tuple[Integers, int] | None:
        """The integers of a picture and its place in the group that is current then; None where its group is lost."""
        opened = Opened(packet.data)
        head = opened.head
        if packet.is_keyframe != (head.kind == KEY):
            raise CorruptError("a packet says that it is a keyframe and that it is none")
        if head.kind == PICTURE:
            if self._group is None or self._group.number != head.number:
                return None
            return opened.picture(self._group.coded, self._tables), head.place
        before, self._group = self._group, None
        if head.kind == FOLLOWING and (before is None or (before.number + 1) % NUMBERS != head.number):
            return None
        follows = before if head.kind == FOLLOWING else None
        size = self._parameters.height, self._parameters.width
        coded = opened.group(*size, follows.coded.network if follows else None, self._tables)
        values = opened.picture(coded, self._tables)
        weights = coded.weights(follows.weights if follows else None)
        self._group = _Group(coded, head.number, weights, device=self._device, threads=self._threads)
        return values, head.place
