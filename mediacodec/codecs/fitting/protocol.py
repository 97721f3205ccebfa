"""What an encoder and a fitter say to each other: tasks, progress, and the calls of a fitter.

Both sides import this module and neither imports the other: `codecs.fitting.encoder` drives a fitter through these
protocols, `mediacodec_models` implements them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mediacodec.codecs.options import DEFAULT_RUNTIME, PRESETS, Runtime, VideoFormat, VideoOptions
from mediacodec.frames import VideoFrame
from mediacodec.progress import FitMonitor, FitProgress, NullMonitor
from mediacodec_bitstream import Packet

__all__ = [
    "AppendingFitter",
    "FitMonitor",
    "FitProgress",
    "FitTask",
    "FittedFrame",
    "Fitter",
    "NullMonitor",
]

MAX_BUFFERED_BYTES = 256 << 20  # of frames that may wait for their group to fill


@dataclass(frozen=True)
class FittedFrame:
    """The packet of a frame.

    Attributes:
        data: of the packet, symbol CRC included.
        is_keyframe: whether decoding can start with it.
    """

    data: bytes
    is_keyframe: bool


@dataclass(frozen=True)
class FitTask:
    """What a fitter is asked for.

    Attributes:
        video: the frames of the stream.
        options: how to encode them.
        runtime: on what.
    """

    video: VideoFormat
    options: VideoOptions
    runtime: Runtime = DEFAULT_RUNTIME

    @property
    def preset_level(self) -> int:
        """The preset as a number, 0 (ultrafast) to 8 (veryslow)."""
        return PRESETS.index(self.options.preset)

    @property
    def threads(self) -> int:
        """CPU threads to fit with."""
        return self.runtime.threads_for(1)

    @property
    def max_buffered_frames(self) -> int:
        """How many frames of this size may wait for their group to fill."""
        return max(1, MAX_BUFFERED_BYTES * 2 // (3 * self.video.width * self.video.height))


class Fitter(Protocol):
    """Codes one group of frames after the other, and remembers what the next one is predicted from."""

    @property
    def group_size(self) -> int:
        """Frames it wants at once, at most; with 1 each frame is coded as it comes. May change between groups."""
        ...

    def fit(self, frames: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedFrame]:
        """Code a group.

        Args:
            frames: the next ones of the stream, at most `group_size`.
            monitor: told of the progress, and asked whether to stop.

        Returns:
            One packet for each frame, in their order; fewer, the first ones, where the monitor stopped it.
        """
        ...

    def take(self, frame: VideoFrame, data: bytes) -> None:
        """Continue behind a frame that was coded before: the first ones of a stream, in whole groups.

        Args:
            frame: as it was given to `fit`.
            data: of its packet.

        Raises:
            BitstreamError: the packet is damaged.
        """
        ...


@runtime_checkable
class AppendingFitter(Fitter, Protocol):
    """A Fitter that can code a clip to be appended to others, predicted from what they hold."""

    def begin_clip(self, packets: Iterable[Packet], *, refers: bool) -> None:
        """Continue behind the packets of earlier clips.

        Args:
            packets: all of the stream's so far.
            refers: whether decoding the new clip may need them.

        Raises:
            BitstreamError: a packet is damaged.
        """
        ...
