"""What the video bench asks of a codec: turn frames into frames and say what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""One 8-bit 4:2:0 frame: uint8 y [h, w], u and v [ceil(h/2), ceil(w/2)]."""


@dataclass(frozen=True, eq=False)
class VideoClip:
    """The frames that every entry codes.

    Attributes:
        name: the clip's path within its folder.
        frames: at least one frame, all of one size.
        frame_rate: frames a second; all entries code at this constant rate, which is what kbit/s refer to.
    """

    name: str
    frames: tuple[Planes, ...]
    frame_rate: Fraction

    @property
    def width(self) -> int:
        """Luma samples a row."""
        return int(self.frames[0][0].shape[1])

    @property
    def height(self) -> int:
        """Luma rows."""
        return int(self.frames[0][0].shape[0])

    @property
    def seconds(self) -> float:
        """Length at the frame rate."""
        return float(len(self.frames) / self.frame_rate)


@dataclass(frozen=True, eq=False)
class VideoResult:
    """One clip through one codec at one point.

    Attributes:
        packet_bytes: what the codec itself wrote: all packets, no container.
        frames: decoded frames in order of presentation, as many as the clip has, of its size.
        encode_seconds, decode_seconds: wall time of the whole clip, start-up excluded where it can be.
    """

    packet_bytes: int
    frames: tuple[Planes, ...]
    encode_seconds: float
    decode_seconds: float


class VideoEntry(Protocol):
    """A codec at one setting: a curve of the bench, with a point for each of its quality parameters."""

    @property
    def name(self) -> str:
        """Unique, such as "x264-ld"."""

    @property
    def points(self) -> tuple[float, ...]:
        """Constant rate factors, or what the codec calls them; a higher one gives fewer bytes."""

    def run(self, clip: VideoClip, point: float) -> VideoResult:
        """Encode and decode a clip.

        Args:
            clip: the frames.
            point: one of `points`.
        """
