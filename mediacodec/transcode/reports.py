"""What encoding and decoding tell when they are done."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from mediacodec_bitstream import Gap


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeReport:
    """What encoding gave.

    Attributes:
        seconds: of media.
        wall_seconds: that it took.
        payload_bytes: of all packets, with their symbol CRCs.
        file_bytes: all that was written.
        notes: what a user should know, one line each; loud ones begin with WARNING.
        frames: video frames; None without video.
        video_payload_bytes: of the packets of video; 0 without.
        stopped: whether the monitor of a fit ended it: what was written is the part that was fitted.
        begin: seconds of the file at which the frames begin, above 0 where they were appended to others, of which
            nothing is counted here.
    """

    seconds: float
    wall_seconds: float
    payload_bytes: int
    file_bytes: int
    notes: list[str]
    frames: int | None = None
    video_payload_bytes: int = 0
    stopped: bool = False
    begin: Fraction = Fraction(0)

    @property
    def payload_kbps(self) -> float:
        """Payload over time, kbit/s."""
        return self.payload_bytes * 8e-3 / self.seconds if self.seconds else 0.0

    @property
    def video_kbps(self) -> float:
        """Payload of the video alone over time, kbit/s."""
        return self.video_payload_bytes * 8e-3 / self.seconds if self.seconds else 0.0

    @property
    def file_kbps(self) -> float:
        """The whole file over time, kbit/s."""
        return self.file_bytes * 8e-3 / self.seconds if self.seconds else 0.0

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def fps(self) -> float:
        """Frames encoded per second of waiting."""
        return (self.frames or 0) / self.wall_seconds if self.wall_seconds else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeReport:
    """What decoding gave.

    Attributes:
        seconds: of media.
        wall_seconds: that it took.
        gaps: what was damaged or missing.
        truncated: whether the file has no end.
        notes: what a user should know, one line each; loud ones begin with WARNING.
        frames: video frames written; None without video.
    """

    seconds: float
    wall_seconds: float
    gaps: list[Gap] = field(default_factory=list)
    truncated: bool = False
    notes: list[str] = field(default_factory=list)
    frames: int | None = None

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def fps(self) -> float:
        """Frames decoded per second of waiting."""
        return (self.frames or 0) / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def damaged(self) -> bool:
        """Whether anything is missing or damaged."""
        return bool(self.gaps) or self.truncated
