"""The conditional video codec: its encoder.

Each frame is predicted from the one before by block motion, and a network codes it given that prediction (after
DCVC-FM and DCVC-RT). One packet a frame, without delay; keyframes at regular places and at scene cuts, and nothing
refers back beyond one.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from mediacodec.codecs.conditional.candidates import CodedFrame
from mediacodec.codecs.conditional.conditioning import ConditionalState
from mediacodec.codecs.conditional.frame_coder import FrameCoder
from mediacodec.codecs.conditional.networks import Networks
from mediacodec.codecs.conditional.settings import (
    FOURCC,
    PRESETS,
    ConditionalSettings,
    FrameGeometry,
    Preset,
    gop_of,
    quality_of,
)
from mediacodec.codecs.conditional.tables import ConditionalTables
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime, VideoFormat, VideoOptions
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.gop import level_at
from mediacodec.video_coding.motion.compensate import Plane, Planes
from mediacodec.video_coding.rate_control import RateControl
from mediacodec.video_coding.scene_cut import SceneCuts
from mediacodec.video_coding.stream import check_frame, make_header
from mediacodec_bitstream import Packet


class ConditionalEncoder:
    """Encodes frames one by one; see `mediacodec.codecs.base.VideoEncoderBackend`.

    With one thread every frame gives its packet at once; with more, packets come one frame later.

    Args:
        model: a conditional model.
        video: what the frames are like.
        options: crf 30 where neither crf nor bit_rate is given, a keyframe every two seconds where gop is None; presets
            are fast, medium and slow.
        runtime: what to run on; what chooses tables always runs on the CPU, and two threads at most are used.
        stream_id: of the stream in its file.

    Raises:
        ParameterError: an option is out of range.
        ModelError: the model is damaged.
        DeviceError: the device is not there.
    """

    def __init__(
        self,
        model: Manifest,
        video: VideoFormat,
        options: VideoOptions,
        runtime: Runtime = DEFAULT_RUNTIME,
        *,
        stream_id: int = 0,
    ) -> None:
        options.require_preset(*PRESETS)
        self._settings = ConditionalSettings(model)
        self.header = make_header(model, FOURCC, video, block=self._settings.block, stream_id=stream_id)
        self._quality, self._gop = quality_of(options), gop_of(options, video.frame_rate)
        self._frame_rate = video.frame_rate
        self._geometry = FrameGeometry(video.width, video.height, self._settings.block)
        tables = ConditionalTables(model, self._settings)
        networks = Networks(model, self._settings, self._geometry, runtime, analyse=True)
        self._coder = FrameCoder(networks, tables, self._geometry, cast(Preset, options.preset))
        self._cuts = SceneCuts(self._gop) if options.scene_cut else None
        self._rate: RateControl | None = None
        if options.bit_rate is not None:
            pixels = video.width * video.height
            self._rate = RateControl(options.bit_rate, float(video.frame_rate), self._gop, pixels)
        self._state: ConditionalState | None = None
        self._late = networks.worker.parallel  # packets are written while the next frame is searched for motion
        self._pending: tuple[CodedFrame, int] | None = None
        self._last_pts: int | None = None
        self._flushed = False
        self.num_frames = 0

    def push(self, frame: VideoFrame) -> list[Packet]:
        """Code the next frame.

        Returns:
            Its packet, with more than one thread that of the frame before.

        Raises:
            ParameterError: it does not fit into the stream.
            ParameterTypeError: it is no VideoFrame.
        """
        check_frame(frame, self.header, self._last_pts, flushed=self._flushed)
        planes = padded((frame.y, frame.u, frame.v), self._geometry)
        self._wait(frame.pts)
        coded = self._encode(planes)
        self._state, self._last_pts = self._coder.accept(planes, coded, self._state), frame.pts
        self.num_frames += 1
        if self._rate is not None:
            self._rate.spend(coded.bits)
        packets = self._finished()
        self._pending = coded, frame.pts
        return packets if self._late else self._finished()

    def flush(self) -> list[Packet]:
        """The last packet, where it was not given yet."""
        self._flushed = True
        return self._finished()

    def _finished(self) -> list[Packet]:
        """The packet of the last frame."""
        pending, self._pending = self._pending, None
        if pending is None:
            return []
        coded, pts = pending
        # a duration is stated only where the next frame cannot turn out to be nearer
        duration = self.header.packet_duration if self.header.packet_duration == 1 else 0
        return [Packet(self.header.stream_id, pts, coded.data, duration, is_keyframe=not coded.syntax.head.inter)]

    def _wait(self, pts: int) -> None:
        """The rate control sees the time since the frame before."""
        if self._rate is not None:
            ticks = None if self._last_pts is None else pts - self._last_pts
            passed = 1 / self._frame_rate if ticks is None else ticks * self.header.time_base
            self._rate.wait(min(float(passed), 1.0))

    def _encode(self, planes: Planes) -> CodedFrame:
        state = self._state
        position = 0 if state is None else state.entropy.position + 1
        if state is None or position >= self._gop:
            return self._keyframe(planes)
        level = self._level(position)
        refresh = position % self._settings.refresh == 0
        prediction = self._coder.predict(planes, level, state)
        if self._cuts is not None and self._cuts.is_cut(planes[0], prediction.planes[0], position):
            return self._keyframe(planes)
        coded = self._coder.code_inter(planes, level, prediction, state, refresh=refresh)
        if self._rate is not None and coded.syntax.symbols is not None:  # a frame that is skipped whole tells nothing
            self._rate.learn(coded.bits, level, key=False)
        return coded

    def _keyframe(self, planes: Planes) -> CodedFrame:
        level = self._level(0)
        coded = self._coder.code_keyframe(planes, level)
        if self._rate is not None:
            off = self._rate.is_off(coded.bits)
            self._rate.learn(coded.bits, level, key=True)
            if off and (again := self._level(0)) != level:
                coded = self._coder.code_keyframe(planes, again)
                self._rate.learn(coded.bits, again, key=True)
        return coded

    def _level(self, position: int) -> int:
        if self._rate is not None:
            return self._rate.level(position)
        return level_at(self._quality, position)


def padded(planes: Planes, geometry: FrameGeometry) -> Planes:
    """Planes with their right and bottom borders repeated up to whole blocks; new arrays."""
    rows, columns = geometry.luma
    y, u, v = (_extended(p, rows >> (k > 0), columns >> (k > 0)) for k, p in enumerate(planes))
    return y, u, v


def _extended(plane: Plane, rows: int, columns: int) -> Plane:
    result = np.empty((rows, columns), np.uint8)
    height, width = plane.shape
    result[:height, :width] = plane
    result[:height, width:] = plane[:, -1:]
    result[height:] = result[height - 1]
    return result
