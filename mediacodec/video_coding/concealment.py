"""Error concealment: decoders that repeat their last good frame in place of what is lost."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from mediacodec.errors import CorruptError
from mediacodec.frames import VideoFrame
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec_bitstream import Packet, StreamHeader, VideoParameters
from mediacodec_bitstream.packet import MAX_PTS


class RepeatingDecoder(ABC):
    """The base of the video decoders: what is presented, and when.

    Attributes:
        concealed: frames repeated so far in place of ones that could not be decoded.
    """

    def __init__(self, header: StreamHeader, parameters: VideoParameters) -> None:
        self.header = header
        self._parameters = parameters
        self._last_pts: int | None = None
        self._ticks = 1 / (parameters.frame_rate * header.time_base)
        self.concealed = 0

    @property
    @abstractmethod
    def _planes(self) -> Planes | None:
        """The last good frame, which may be padded; None before the first."""

    def _repeated(self, pts: int | None) -> list[VideoFrame]:
        """The last frame again, at `pts` or where the next one should be; nothing where there is none."""
        if self._planes is None:
            return []
        if pts is None:
            assert self._last_pts is not None
            pts = min(self._last_pts + max(1, round(self._ticks)), MAX_PTS)
        self.concealed += 1
        return self._presented(pts)

    def _presented(self, pts: int) -> list[VideoFrame]:
        """The last frame without its padding."""
        assert self._planes is not None
        self._last_pts = pts
        width, height = self._parameters.width, self._parameters.height
        y, u, v = self._planes
        half = (slice((height + 1) // 2), slice((width + 1) // 2))
        # copies: the caller may write into its frame, and the next one is predicted from ours
        planes = (np.array(y[:height, :width]), np.array(u[half]), np.array(v[half]))
        return [VideoFrame(*planes, pts, self.header.time_base, self._parameters.colour)]


def is_inter(packet: Packet, flag: int) -> bool:
    """Whether a packet is of an inter frame.

    Args:
        packet: may be empty.
        flag: the bit of its first byte that says so.

    Raises:
        CorruptError: its keyframe mark denies it.
    """
    inter = bool(packet.data) and bool(packet.data[0] & flag)
    if packet.data and inter == packet.is_keyframe:
        raise CorruptError("a packet says that it is a keyframe and that it is none")
    return inter
