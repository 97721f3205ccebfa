"""The decoder of the `overfit` family: packets to pictures, one by one. It needs NumPy alone."""

from __future__ import annotations

from mediacodec.codecs.overfit.packet import INTER, PictureCoder, Reference
from mediacodec.codecs.overfit.settings import UNIT, Geometry, OverfitModel
from mediacodec.errors import BitstreamError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.concealment import RepeatingDecoder, is_inter
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.stream import check_header
from mediacodec_bitstream import Packet, StreamHeader


class OverfitDecoder(RepeatingDecoder):
    """Decodes packets to pictures; see `mediacodec.codecs.base.VideoDecoder`.

    After a loss or damage the last good picture is shown again, with the time stamps of what arrives, until a keyframe
    comes; before the first keyframe there is nothing to show. `device` and `threads` change nothing: the networks are
    too small.
    """

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:  # noqa: ARG002
        super().__init__(header, check_header(header, model, UNIT))
        self._coder = PictureCoder(OverfitModel(model), Geometry(self._parameters.width, self._parameters.height))
        self._state: Reference | None = None
        self._lost = True  # no inter picture can be decoded until a keyframe comes

    @property
    def _planes(self) -> Planes | None:
        return None if self._state is None else self._state.planes

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode or conceal one packet. Raises BitstreamError kinds only, and then waits for a keyframe."""
        if packet is None:
            self._lost = True
            return self._repeated(None)
        try:
            inter = is_inter(packet, INTER)
            if inter and packet.discontinuity:
                self._lost = True
            if inter and self._lost:
                return self._repeated(packet.pts)
            picture = self._coder.unpack(packet.data, self._state)
        except BitstreamError:
            self._lost = True
            raise
        self._state, self._lost = self._coder.reconstruct(picture, self._state), False
        return self._presented(packet.pts)

    def flush(self) -> list[VideoFrame]:
        """Nothing: every packet is decoded as it comes."""
        return []
