"""The decoder of the `inr` family: a group's network from its first packet, then pictures in any order."""

from __future__ import annotations

from functools import cached_property

from mediacodec.codecs.fitting import CRC_SIZE, MAX_PIXELS
from mediacodec.codecs.inr_graph import Synthesis
from mediacodec.codecs.inr_packet import FOLLOWING, KEY, NUMBERS, PICTURE, CodedGroup, Opened
from mediacodec.codecs.inr_tensors import Floats, InrTables, Integers
from mediacodec.errors import CorruptError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_bitstream import RC24, Packet, StreamHeader, VideoParameters
from mediacodec_bitstream.packet import MAX_PTS


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


class InrDecoder:
    """Decodes packets to pictures; see `mediacodec.codecs.base.VideoDecoder`.

    Every packet gives one picture at once, and needs nothing but its group's first packet (which, unless it is a
    keyframe, needs those of the groups before, back to one). What cannot be decoded is concealed by the last good
    picture.

    Attributes:
        concealed: pictures shown again so far in place of ones that could not be decoded.
    """

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:
        self.header = header
        self._parameters = check_header(header, model)
        self._tables = InrTables(model)
        self._device, self._threads = device, threads
        self._group: _Group | None = None
        self._last: VideoFrame | None = None
        self._ticks = 1 / (self._parameters.frame_rate * header.time_base)
        self.concealed = 0

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode or conceal one packet. Raises BitstreamError kinds only."""
        if packet is None:
            return self._repeated(None)
        found = self._read(packet)
        if found is None:
            return self._repeated(packet.pts)
        values, place = found
        assert self._group is not None
        planes = self._group.synthesis.picture(self._group.coded.embedding(values), place)
        y, u, v = planes
        self._last = VideoFrame(y, u, v, packet.pts, self.header.time_base, self._parameters.colour)
        return [self._copy(self._last, packet.pts)]

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

    def _repeated(self, pts: int | None) -> list[VideoFrame]:
        """The last picture again, at `pts` or where the next one should be; nothing where there is none."""
        if self._last is None:
            return []
        if pts is None:
            pts = min(self._last.pts + max(1, round(self._ticks)), MAX_PTS)
        self.concealed += 1
        self._last = self._copy(self._last, pts)
        return [self._copy(self._last, pts)]

    def _copy(self, frame: VideoFrame, pts: int) -> VideoFrame:
        """The caller may write into its picture."""
        planes = (frame.y.copy(), frame.u.copy(), frame.v.copy())
        return VideoFrame(*planes, pts, self.header.time_base, self._parameters.colour)


def check_header(header: StreamHeader, model: Manifest) -> VideoParameters:
    """The parameters of a stream's pictures. Raises CorruptError where its header is none of this family's."""
    parameters = header.parameters
    if not isinstance(parameters, VideoParameters):
        raise CorruptError(f"stream {header.stream_id}: the codec of model {model.name} is for video")
    if parameters.pad_right or parameters.pad_bottom:
        raise CorruptError(f"stream {header.stream_id}: model {model.name} needs no padding")
    if header.coder != RC24 or header.symbol_crc_size != CRC_SIZE or header.layers or header.reorders:
        raise CorruptError(f"stream {header.stream_id}: its coder is not that of model {model.name}")
    if parameters.width * parameters.height > MAX_PIXELS:
        raise CorruptError(f"stream {header.stream_id}: {parameters.width} x {parameters.height} pixels are too many")
    return parameters
