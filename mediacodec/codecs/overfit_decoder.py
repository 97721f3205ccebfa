"""The decoder of the `overfit` family: packets to pictures, one by one. It needs NumPy alone."""

from __future__ import annotations

import numpy as np

from mediacodec.codecs.overfit_packet import INTER, PictureCoder, Reference
from mediacodec.codecs.overfit_settings import Geometry, OverfitModel, check_header
from mediacodec.errors import BitstreamError, CorruptError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_bitstream import Packet, StreamHeader
from mediacodec_bitstream.packet import MAX_PTS


class OverfitDecoder:
    """Decodes packets to pictures; see `mediacodec.codecs.base.VideoDecoder`.

    After a loss or damage the last good picture is shown again, with the time stamps of what arrives, until a keyframe
    comes; before the first keyframe there is nothing to show. `device` and `threads` change nothing: the networks are
    too small.

    Attributes:
        concealed: pictures shown again so far in place of ones that could not be decoded.
    """

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:  # noqa: ARG002
        self.header = header
        self._parameters = check_header(header, model)
        self._coder = PictureCoder(OverfitModel(model), Geometry(self._parameters.width, self._parameters.height))
        self._state: Reference | None = None
        self._lost = True  # no inter picture can be decoded until a keyframe comes
        self._last_pts: int | None = None
        self._ticks = 1 / (self._parameters.frame_rate * header.time_base)
        self.concealed = 0

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode or conceal one packet. Raises BitstreamError kinds only, and then waits for a keyframe."""
        if packet is None:
            self._lost = True
            return self._repeated(None)
        try:
            inter = self._is_inter(packet)
            if inter and packet.discontinuity:
                self._lost = True
            if inter and self._lost:
                return self._repeated(packet.pts)
            picture = self._coder.unpack(packet.data, self._state)
        except BitstreamError:
            self._lost = True
            raise
        self._state, self._lost = self._coder.reconstruct(picture, self._state), False
        return self._shown(packet.pts)

    def flush(self) -> list[VideoFrame]:
        """Nothing: every packet is decoded as it comes."""
        return []

    def _is_inter(self, packet: Packet) -> bool:
        inter = bool(packet.data) and bool(packet.data[0] & INTER)
        if packet.data and inter == packet.is_keyframe:
            raise CorruptError("a packet says that it is a keyframe and that it is none")
        return inter

    def _repeated(self, pts: int | None) -> list[VideoFrame]:
        """The last picture again, at `pts` or where the next one should be; nothing where there is none."""
        if self._state is None:
            return []
        if pts is None:
            assert self._last_pts is not None
            pts = min(self._last_pts + max(1, round(self._ticks)), MAX_PTS)
        self.concealed += 1
        return self._shown(pts)

    def _shown(self, pts: int) -> list[VideoFrame]:
        assert self._state is not None
        self._last_pts = pts
        width, height = self._parameters.width, self._parameters.height
        y, u, v = self._state.planes
        half = (slice((height + 1) // 2), slice((width + 1) // 2))
        # copies: the caller may write into its picture, and the next one is predicted from ours
        planes = (np.array(y[:height, :width]), np.array(u[half]), np.array(v[half]))
        return [VideoFrame(*planes, pts, self.header.time_base, self._parameters.colour)]
