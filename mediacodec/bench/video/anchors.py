"""The yardsticks: libx264, libx265 and libsvtav1 through PyAV, each for low delay and at its medium default.

One thread each: x264's zerolatency cuts frames into slices by thread, and speeds are to be compared with ours.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from mediacodec.bench.video.clips import planes_of
from mediacodec.bench.video.entries import Planes, VideoClip, VideoResult
from mediacodec.errors import MediaCodecError, ParameterError
from mediacodec.media.damage import Packet

__all__ = ["ANCHORS", "USUAL_ANCHORS", "AnchorEntry"]


@dataclass(frozen=True)
class _Settings:
    """An encoder of FFmpeg's: its decoder, the options beside what sets quality, its usual points, the highest of them,
    and the names of the options that are set to a point."""

    encoder: str
    decoder: str
    options: dict[str, str]
    points: tuple[float, ...] = (20, 24, 28, 32, 36, 40)
    highest: float = 51
    quality: tuple[str, ...] = ("crf",)
    pixel_format: str = "yuv420p"


_X265 = "log-level=none:pools=none:frame-threads=1:info=0"  # info: two kilobytes of settings in the first packet
_AV1_POINTS = (24.0, 30.0, 36.0, 42.0, 48.0, 54.0, 60.0)
ANCHORS: dict[str, _Settings] = {
    "x264-ld": _Settings(
        "libx264", "h264", {"preset": "medium", "tune": "zerolatency", "bf": "0", "sc_threshold": "0"}
    ),
    "x264": _Settings("libx264", "h264", {"preset": "medium"}),
    "x265-ld": _Settings(
        *("libx265", "hevc"),
        {"preset": "medium", "tune": "zerolatency", "x265-params": f"{_X265}:bframes=0:scenecut=0"},
    ),
    "x265": _Settings("libx265", "hevc", {"preset": "medium", "x265-params": _X265}),
    "svtav1-ld": _Settings(
        *("libsvtav1", "libdav1d"), {"preset": "6", "svtav1-params": "pred-struct=1:lp=1:scd=0"}, _AV1_POINTS, 63
    ),
    "svtav1": _Settings("libsvtav1", "libdav1d", {"preset": "6", "svtav1-params": "lp=1"}, _AV1_POINTS, 63),
    "mjpeg": _Settings(
        *("mjpeg", "mjpeg", {"huffman": "optimal"}), (3, 5, 8, 12, 18, 26), 31, ("qmin", "qmax"), "yuvj420p"
    ),
}
"""The one table. "-ld": no reordering, no look-ahead, keyframes only where asked for. "mjpeg": JPEG, whose points are
-q:v. The others: FFmpeg's defaults."""
USUAL_ANCHORS = tuple(name for name in ANCHORS if name != "mjpeg")  # JPEG is for stills


@dataclass(frozen=True)
class AnchorEntry:
    """One of ANCHORS.

    Attributes:
        name: its key in ANCHORS.
        crfs: its points; None stands for 20 to 40 in steps of 4, of AV1 24 to 60.
        gop: frames from keyframe to keyframe in low delay; None stands for one keyframe a clip. The default
            settings keep their encoder's own interval (250 frames or more) and its choice of scene cuts.

    Raises:
        ParameterError: the name is unknown, there is no point or one is out of range, or the gop is below 1.
    """

    name: str
    crfs: tuple[float, ...] | None = None
    gop: int | None = None

    def __post_init__(self) -> None:
        if self.name not in ANCHORS:
            raise ParameterError(f"no anchor {self.name!r}; there are: {', '.join(ANCHORS)}")
        highest = ANCHORS[self.name].highest
        if not self.points or not all(0 <= point <= highest for point in self.points):
            raise ParameterError(f"{self.name} takes crf 0 to {highest:g}, at least one, not {self.points}")
        if self.gop is not None and self.gop < 1:
            raise ParameterError(f"gop must be at least 1 frame, not {self.gop}")

    @property
    def points(self) -> tuple[float, ...]:
        """Values of -crf."""
        return ANCHORS[self.name].points if self.crfs is None else self.crfs

    def run(self, clip: VideoClip, point: float) -> VideoResult:
        """Encode and decode a clip; one of odd size is padded for the encoder and cropped back.

        Args:
            clip: the frames.
            point: value of -crf.

        Raises:
            MediaCodecError: FFmpeg fails, or gives back another number of frames.
        """
        kind = ANCHORS[self.name].pixel_format
        frames = [_av_frame(planes, index, clip.frame_rate, kind) for index, planes in enumerate(clip.frames)]
        try:
            with _quiet_svt():
                packets, encode_seconds = self._encode(clip, frames, point)
            decoded, decode_seconds = self._decode(packets)
        except av.error.FFmpegError as error:
            raise MediaCodecError(f"{self.name} failed on {clip.name} at crf {point:g}: {error}") from error
        if len(decoded) != len(frames):
            raise MediaCodecError(f"{self.name} gave {len(decoded)} frames of {len(frames)} on {clip.name}")
        cropped = tuple(_cropped(planes_of(frame), clip.width, clip.height) for frame in decoded)
        return VideoResult(sum(packet.size for packet in packets), cropped, encode_seconds, decode_seconds)

    def _encode(self, clip: VideoClip, frames: Sequence[av.VideoFrame], point: float) -> tuple[list[Packet], float]:
        settings = ANCHORS[self.name]
        encoder = cast("av.VideoCodecContext", av.CodecContext.create(settings.encoder, "w"))
        encoder.width, encoder.height, encoder.pix_fmt = frames[0].width, frames[0].height, settings.pixel_format
        encoder.time_base, encoder.framerate = 1 / clip.frame_rate, clip.frame_rate
        encoder.thread_count = 1
        if self.name.endswith("-ld"):
            encoder.gop_size = self.gop or len(frames)
        encoder.options = {**settings.options, **dict.fromkeys(settings.quality, f"{point:g}")}
        start = time.perf_counter()
        packets = [packet for frame in (*frames, None) for packet in encoder.encode(frame)]
        return packets, time.perf_counter() - start

    def _decode(self, packets: Sequence[Packet]) -> tuple[list[av.VideoFrame], float]:
        decoder = cast("av.VideoCodecContext", av.CodecContext.create(ANCHORS[self.name].decoder, "r"))
        decoder.thread_count = 1
        start = time.perf_counter()
        frames = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
        return frames, time.perf_counter() - start


def _av_frame(planes: Planes, index: int, rate: Fraction, pixel_format: str = "yuv420p") -> av.VideoFrame:
    """A frame of even size, as the encoders want it: an odd last row or column is repeated."""
    y, u, v = planes
    y = np.pad(y, ((0, y.shape[0] % 2), (0, y.shape[1] % 2)), mode="edge")
    packed: NDArray[np.uint8] = np.concatenate([plane.reshape(-1) for plane in (y, u, v)])
    frame = av.VideoFrame.from_ndarray(packed.reshape(-1, y.shape[1]), format=pixel_format)
    frame.pts, frame.time_base = index, 1 / rate
    return frame


def _cropped(planes: Planes, width: int, height: int) -> Planes:
    y, u, v = planes
    return y[:height, :width], u, v


@contextlib.contextmanager
def _quiet_svt() -> Iterator[None]:
    """SVT-AV1 writes its settings to stderr unless this variable says otherwise; FFmpeg has no option for it."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = before or "1"  # errors alone
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
