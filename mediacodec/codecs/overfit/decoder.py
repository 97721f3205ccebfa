"""The decoder of the `overfit` family: packets to frames, one by one. It needs NumPy alone."""

from __future__ import annotations

from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime
from mediacodec.codecs.overfit.packet import INTER, OverfitFrameCoder, ReferenceFrame
from mediacodec.codecs.overfit.settings import UNIT, OverfitGeometry, OverfitModel
from mediacodec.errors import BitstreamError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.concealment import RepeatingDecoder, is_inter
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.stream import check_header
from mediacodec_bitstream import Packet, StreamHeader


class OverfitDecoder(RepeatingDecoder):
    """Decodes packets to frames; a `mediacodec.codecs.base.VideoDecoderBackend`.

    After a loss or damage the last good frame is presented again, with the time stamps of what arrives, until a
    keyframe comes; before the first keyframe there is nothing to present.

    Args:
        model: that the stream was encoded with.
        header: of the stream.
        runtime: changes nothing: the networks are too small.

    Raises:
        CorruptError: the header is none of this family.
        ModelError: the model is none of this family.
    """

    def __init__(self, model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> None:  # noqa: ARG002
        super().__init__(header, check_header(header, model, UNIT))
        geometry = OverfitGeometry(self._parameters.width, self._parameters.height)
        self._coder = OverfitFrameCoder(OverfitModel(model), geometry)
        self._reference: ReferenceFrame | None = None
        self._lost = True  # no inter frame can be decoded until a keyframe comes

    @property
    def _planes(self) -> Planes | None:
        return None if self._reference is None else self._reference.planes

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode a packet.

        Args:
            packet: None for a lost one.

        Returns:
            Its frame, or the last good one where it cannot be decoded; nothing before the first good one.

        Raises:
            BitstreamError: the packet is damaged; frames are then concealed until a keyframe.
        """
        if packet is None:
            self._lost = True
            return self._repeated(None)
        try:
            inter = is_inter(packet, INTER)
            if inter and packet.discontinuity:
                self._lost = True
            if inter and self._lost:
                return self._repeated(packet.pts)
            frame = self._coder.unpack(packet.data, self._reference)
        except BitstreamError:
            self._lost = True
            raise
        self._reference, self._lost = self._coder.reconstruct(frame, self._reference), False
        return self._shown(packet.pts)

    def flush(self) -> list[VideoFrame]:
        """Nothing: every packet is decoded as it comes."""
        return []
