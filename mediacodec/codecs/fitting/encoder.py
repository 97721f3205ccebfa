"""Video codecs whose encoding is fitting: pictures are gathered into groups, and a network is fitted to each.

This is the runtime's one door to torch: `open_fitter` imports `mediacodec_models.fit` when an encoder opens, and never
before. Decoding such a stream needs neither.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, runtime_checkable

from mediacodec.codecs.options import DEFAULT_RUNTIME, PRESETS, Runtime, VideoFormat, VideoOptions
from mediacodec.errors import MissingExtraError, ParameterError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.progress import FitMonitor as FitMonitor
from mediacodec.progress import FitProgress as FitProgress
from mediacodec.progress import NullMonitor
from mediacodec.video_coding.stream import check_frame, make_header
from mediacodec_bitstream import Packet, StreamHeader

EXTRA = "train"  # what brings torch
MAX_GATHERED = 256 << 20  # bytes of pictures that may wait for their group to fill


@dataclass(frozen=True)
class FittedPicture:
    """The packet of a picture: its data, symbol CRC included, and whether decoding can start with it."""

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
    def effort(self) -> int:
        """0 (ultrafast) to 8 (veryslow)."""
        return PRESETS.index(self.options.preset)

    @property
    def threads(self) -> int:
        """CPU threads to fit with."""
        return self.runtime.threads_for(1)

    @property
    def most_gathered(self) -> int:
        """Pictures of this size that may wait for their group to fill."""
        return max(1, MAX_GATHERED * 2 // (3 * self.video.width * self.video.height))


class Fitter(Protocol):
    """What `mediacodec_models.fit` gives: it codes one group after the other, and remembers what the next one needs.

    group_size: pictures it wants at once, at most; with 1 every picture is coded as it comes. It may change from group
    to group.
    """

    @property
    def group_size(self) -> int: ...

    def fit(self, pictures: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedPicture]:
        """One packet for each picture, in their order; fewer, the first ones, where the monitor stops it."""
        ...

    def take(self, picture: VideoFrame, data: bytes) -> None:
        """Go on behind a picture that was coded before, as data: the first ones of a stream, whole groups of them.

        Raises BitstreamError kinds.
        """
        ...


@runtime_checkable
class GrowingFitter(Fitter, Protocol):
    """A Fitter that can add a clip to others, and use what they hold."""

    def begin_clip(self, packets: Iterable[Packet], *, refers: bool) -> None:
        """Go on behind packets of earlier clips, all of them; refers: whether the new clip may need them to be decoded.
        Raises BitstreamError kinds.
        """
        ...


def open_fitter(model: Manifest, task: FitTask) -> Fitter:
    """The fitter of the model's family.

    Raises MissingExtraError where torch is not installed, DeviceError, ParameterError.
    """
    feature = f"encoding with {model.name}, which fits a network to the pictures,"
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("mediacodec_models") is None:
        raise MissingExtraError(feature, EXTRA)
    try:
        fit = importlib.import_module("mediacodec_models.fit")
    except ImportError as error:
        raise MissingExtraError(feature, EXTRA) from error
    fitter: Fitter = fit.open_fitter(model, task)
    return fitter


class FittingEncoder:
    """Gathers pictures into groups and has each fitted; see `mediacodec.codecs.base.VideoEncoderBackend`.

    `push` returns nothing until a group is complete, and then takes as long as fitting takes. Once the monitor says
    stop, nothing more is coded: the packets returned until then are a whole stream.
    """

    def __init__(self, header: StreamHeader, task: FitTask, fitter: Fitter) -> None:
        self.header = header
        self._task, self._fitter = task, fitter
        self._monitor: FitMonitor = task.runtime.monitor or NullMonitor()
        self._gathered: list[VideoFrame] = []
        self._last_pts: int | None = None
        self._flushed = self._begins = False
        self.num_frames = 0

    def push(self, frame: VideoFrame) -> list[Packet]:
        """Take the next picture; the packets of its group where it completes one."""
        check_frame(frame, self.header, self._last_pts, flushed=self._flushed)
        self._last_pts = frame.pts
        self.num_frames += 1
        y, u, v = frame.y.copy(), frame.u.copy(), frame.v.copy()  # the caller may write into its picture meanwhile
        self._gathered.append(VideoFrame(y, u, v, frame.pts, frame.time_base, frame.colour))
        full = min(self._fitter.group_size, self._task.most_gathered)
        return self._fit() if len(self._gathered) >= full else []

    def take(self, frame: VideoFrame, data: bytes, *, is_keyframe: bool) -> Packet:
        """Take the next picture with its data, which an encoder like this one coded before; the packet of it.

        All such pictures come first, and in whole groups. Raises ParameterError, BitstreamError kinds.
        """
        check_frame(frame, self.header, self._last_pts, flushed=self._flushed)
        self._fitter.take(frame, data)
        self._last_pts = frame.pts
        self.num_frames += 1
        return self._packet(frame.pts, data, is_keyframe=is_keyframe)

    def begin_clip(self, packets: Iterable[Packet], *, refers: bool) -> None:
        """Code what is pushed from now on as a clip of its own behind all packets of a stream, which are read once.

        refers: whether decoding it may need those packets. Raises ParameterError where this family cannot,
        BitstreamError kinds.
        """
        if not isinstance(self._fitter, GrowingFitter):
            raise ParameterError(f"streams of codec {self.header.codec!r} cannot grow")
        self._fitter.begin_clip(packets, refers=refers)
        self._begins = True

    def flush(self) -> list[Packet]:
        """The last group, fitted. The encoder takes nothing after that."""
        self._flushed = True
        return self._fit() if self._gathered else []

    def _fit(self) -> list[Packet]:
        frames, self._gathered = self._gathered, []
        coded = [] if self._monitor.stopped else self._fitter.fit(frames, self._monitor)
        self.num_frames -= len(frames) - len(coded)
        packets = [
            self._packet(frame.pts, picture.data, is_keyframe=picture.is_keyframe)
            for frame, picture in zip(frames, coded, strict=False)
        ]
        if packets and self._begins:
            self._begins, packets[0] = False, replace(packets[0], discontinuity=True)
        return packets

    def _packet(self, pts: int, data: bytes, *, is_keyframe: bool) -> Packet:
        # a duration is stated only where the next picture cannot turn out to be nearer
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
