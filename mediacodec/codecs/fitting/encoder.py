"""Video encoders that fit a network to each group of frames: they buffer frames and drive a fitter.

The fitter comes from `mediacodec_models`, which is imported when an encoder opens and never before. Decoding such a
stream needs neither that nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from mediacodec.codecs.fitting.protocol import (
    AppendingFitter,
    FitMonitor,
    FitTask,
    Fitter,
    NullMonitor,
)
from mediacodec.codecs.fitting.training_extra import load
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime, VideoFormat, VideoOptions
from mediacodec.errors import ParameterError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.stream import check_frame, make_header
from mediacodec_bitstream import Packet, StreamHeader


def open_fitter(model: Manifest, task: FitTask) -> Fitter:
    """Open the fitter of a model's family for one stream.

    Args:
        model: to encode with.
        task: what it is to fit, and how.

    Returns:
        The fitter, which has coded nothing yet.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: nothing fits codecs of this family.
        DeviceError: the device is not there.
        ParameterError: an option is out of range for this family.
    """
    return load("fit", f"encoding with {model.name}, which fits a network to the frames,")(model, task)


class FittingEncoder:
    """Buffers frames into groups and has each fitted; a `mediacodec.codecs.base.VideoEncoderBackend`.

    `push` returns nothing until a group is complete, and then takes as long as fitting takes. Once the monitor says
    stop, nothing more is coded: the packets returned until then are a whole stream.

    Args:
        header: of the stream.
        task: that the header was made of; its runtime's monitor watches the fits.
        fitter: codes the groups.

    Attributes:
        header: of the stream.
        num_frames: pushed so far, less those that a stopped fit left out.
    """

    def __init__(self, header: StreamHeader, task: FitTask, fitter: Fitter) -> None:
        self.header = header
        self._task, self._fitter = task, fitter
        self._monitor: FitMonitor = task.runtime.monitor or NullMonitor()
        self._buffer: list[VideoFrame] = []
        self._last_pts: int | None = None
        self._flushed = self._starts_clip = False
        self.num_frames = 0

    def push(self, frame: VideoFrame) -> list[Packet]:
        """Take the next frame.

        Args:
            frame: of the stream's size and time base, later than the one before. Its planes are copied.

        Returns:
            The packets of the frame's group where it completes one, else none.

        Raises:
            ParameterError: the frame does not fit the stream, or the encoder was flushed.
            ParameterTypeError: it is no VideoFrame.
        """
        check_frame(frame, self.header, self._last_pts, flushed=self._flushed)
        self._last_pts = frame.pts
        self.num_frames += 1
        y, u, v = frame.y.copy(), frame.u.copy(), frame.v.copy()  # the caller may write into its frame meanwhile
        self._buffer.append(VideoFrame(y, u, v, frame.pts, frame.time_base, frame.colour))
        full = min(self._fitter.group_size, self._task.max_buffered_frames)
        return self._fit() if len(self._buffer) >= full else []

    def take(self, frame: VideoFrame, data: bytes, *, is_keyframe: bool) -> Packet:
        """Take the next frame with its packet, which an encoder like this one coded before.

        All such frames come first, and in whole groups.

        Args:
            frame: as for `push`.
            data: of its packet.
            is_keyframe: whether that is a keyframe's.

        Returns:
            The packet.

        Raises:
            ParameterError: the frame does not fit the stream.
            BitstreamError: the packet is damaged.
        """
        check_frame(frame, self.header, self._last_pts, flushed=self._flushed)
        self._fitter.take(frame, data)
        self._last_pts = frame.pts
        self.num_frames += 1
        return self._packet(frame.pts, data, is_keyframe=is_keyframe)

    def begin_clip(self, packets: Iterable[Packet], *, refers: bool) -> None:
        """Code what is pushed from now on as a clip of its own, to be appended to a stream.

        Args:
            packets: all of that stream, read once.
            refers: whether decoding the clip may need those packets.

        Raises:
            ParameterError: nothing can be appended to streams of this family.
            BitstreamError: a packet is damaged.
        """
        if not isinstance(self._fitter, AppendingFitter):
            raise ParameterError(f"nothing can be appended to streams of codec {self.header.codec!r}")
        self._fitter.begin_clip(packets, refers=refers)
        self._starts_clip = True

    def flush(self) -> list[Packet]:
        """Fit the last group; the encoder takes nothing after that.

        Returns:
            The packets of the last group.
        """
        self._flushed = True
        return self._fit() if self._buffer else []

    def _fit(self) -> list[Packet]:
        frames, self._buffer = self._buffer, []
        coded = [] if self._monitor.stopped else self._fitter.fit(frames, self._monitor)
        self.num_frames -= len(frames) - len(coded)
        packets = [
            self._packet(frame.pts, fitted.data, is_keyframe=fitted.is_keyframe)
            for frame, fitted in zip(frames, coded, strict=False)
        ]
        if packets and self._starts_clip:
            self._starts_clip, packets[0] = False, replace(packets[0], discontinuity=True)
        return packets

    def _packet(self, pts: int, data: bytes, *, is_keyframe: bool) -> Packet:
        # a duration is stated only where the next frame cannot turn out to be nearer
        duration = self.header.packet_duration if self.header.packet_duration == 1 else 0
        return Packet(self.header.stream_id, pts, data, duration, is_keyframe=is_keyframe)


class FamilyEncoder(FittingEncoder):
    """The encoder of a family that fits, opened for a model; FOURCC and BLOCK (of `make_header`) are the family's."""

    FOURCC: ClassVar[str]
    BLOCK: ClassVar[int] = 1

    def __init__(
        self,
        model: Manifest,
        video: VideoFormat,
        options: VideoOptions,
        runtime: Runtime = DEFAULT_RUNTIME,
        *,
        stream_id: int = 0,
    ) -> None:
        fields = {} if options.bit_rate is None else {"bit_rate": round(options.bit_rate)}
        header = make_header(model, self.FOURCC, video, block=self.BLOCK, stream_id=stream_id, fields=fields)
        task = FitTask(video, options, runtime)
        super().__init__(header, task, open_fitter(model, task))
