"""How far a job has come, and who watches it: what encoders, files and the command line tell of their progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands.

    Attributes:
        seconds_done: of media.
        seconds_total: of media, None where not known.
        bytes_written: of the output so far.
        wall_seconds: since the job began.
        frames: video frames done; None without video.
        video_bytes: of their packets.
    """

    seconds_done: float
    seconds_total: float | None
    bytes_written: int
    wall_seconds: float
    frames: int | None = None
    video_bytes: int = 0

    @property
    def fps(self) -> float:
        """Video frames a second of waiting."""
        return (self.frames or 0) / self.wall_seconds if self.wall_seconds > 0 else 0.0

    @property
    def video_kbps(self) -> float:
        """Payload of the video so far over its time, kbit/s."""
        return self.video_bytes * 8e-3 / self.seconds_done if self.seconds_done > 0 else 0.0


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class FitProgress:
    """Where a fit stands.

    Attributes:
        family: of the codec.
        group: number of the group of frames, from 1.
        step: steps done for this group.
        steps: steps planned for this group.
        loss: of the last step.
        psnr: of the group so far in dB, 6:1:1 over Y, U and V; None before it was measured.
        seconds_left: for this group; None before it can be told.
    """

    family: str
    group: int
    step: int
    steps: int
    loss: float
    psnr: float | None = None
    seconds_left: float | None = None


@runtime_checkable
class FitMonitor(Protocol):
    """Who watches a fit and may end it."""

    @property
    def stopped(self) -> bool:
        """Whether the fit is to end now, and the stream to close with what is fitted."""
        ...

    def report(self, progress: FitProgress) -> None:
        """Take the progress, every few steps. May raise, which ends the encoding with that error."""
        ...


class NullMonitor:
    """A monitor that ignores all reports and never stops."""

    stopped = False

    def report(self, _: FitProgress) -> None:
        """See `FitMonitor.report`."""
