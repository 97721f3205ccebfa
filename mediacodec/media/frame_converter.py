"""Frames as FFmpeg decodes them to 8-bit 4:2:0, upright, and a plain word about what that changed."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from mediacodec.frames import Colour, Plane, VideoFrame
from mediacodec.media.orientation import display_matrix, turning, upright

_UNSPECIFIED = 2
_SRGB = 13  # transfer of IEC 61966-2-1
_AS_IT_IS: Final = frozenset({"yuv420p", "yuvj420p"})
_GRAY: Final = ("gray", "ya8", "ya16", "mono")
_SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP


class FrameConverter:
    """Converts the frames of one video stream.

    - YUV keeps its matrix and range; only depth and chroma sampling change (swscale, bicubic).
    - RGB becomes BT.709 in limited range; the colour says so, with the sRGB transfer unless the file names another.
    - Gray keeps its range (full, if none is named) and gets neutral chroma.
    - Alpha is dropped. What the file says about turning and mirroring is applied, so that the frame is upright.
    - A frame of another size than the first is scaled to it.
    """

    def __init__(self) -> None:
        self._notes: dict[str, None] = {}
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None

    def notes(self) -> list[str]:
        """What was changed so far, a line each."""
        return list(self._notes)

    def convert(self, frame: av.VideoFrame, pts: int, time_base: Fraction, duration: int = 0) -> VideoFrame:
        """Convert a frame.

        Args:
            frame: as FFmpeg decoded it.
            pts: when it is presented, in ticks of time_base.
            time_base: seconds a tick.
            duration: in ticks of time_base, 0 if unknown.
        """
        if self._size is None:
            self._size = (frame.width, frame.height)
        self._warn(frame)
        colour = colour_of(frame)
        planes = self._planes(frame, colour)
        matrix = display_matrix(frame)
        if matrix is not None:
            planes = [np.ascontiguousarray(upright(plane, matrix)) for plane in planes]
            self._note(turning(matrix))
        y, u, v = planes
        return VideoFrame(y, u, v, pts, time_base, colour, duration)

    def _note(self, line: str) -> None:
        self._notes.setdefault(line)

    def _warn(self, frame: av.VideoFrame) -> None:
        if frame.interlaced_frame:
            self._note("WARNING: the video is interlaced; it is taken as it is, deinterlace it first")
        if self._size != (frame.width, frame.height):
            assert self._size is not None
            width, height = self._size
            self._note(f"WARNING: the frames change their size on the way; all are scaled to {width}x{height}")

    def _planes(self, frame: av.VideoFrame, colour: Colour) -> list[Plane]:
        name = frame.format.name
        same_size = self._size == (frame.width, frame.height)
        if name in _AS_IT_IS and same_size:
            return [_plane(frame, index) for index in range(3)]
        if name.startswith(_GRAY):
            gray = self._scaled(frame, "gray", colour, same=name == "gray" and same_size)
            y = _plane(gray, 0)
            neutral = np.full(((y.shape[0] + 1) // 2, (y.shape[1] + 1) // 2), 128, np.uint8)
            self._note(f"converted {name} to 4:2:0")
            return [y, neutral, neutral.copy()]
        self._note_conversion(frame)
        converted = self._scaled(frame, "yuv420p", colour)
        return [_plane(converted, index) for index in range(3)]

    def _scaled(self, frame: av.VideoFrame, name: str, colour: Colour, *, same: bool = False) -> av.VideoFrame:
        if same:
            return frame
        assert self._size is not None
        width, height = self._size
        target = ColorRange.JPEG if colour[3] else ColorRange.MPEG
        rgb = _is_rgb(frame)
        return self._reformatter.reformat(
            frame,
            width,
            height,
            name,
            dst_colorspace=Colorspace.ITU709 if rgb else None,
            interpolation=_SCALING,
            src_color_range=ColorRange.JPEG if rgb else target,
            dst_color_range=target,
            threads=1,
        )

    def _note_conversion(self, frame: av.VideoFrame) -> None:
        name, parts = frame.format.name, frame.format.components
        if any(part.is_alpha for part in parts):
            self._note("WARNING: the alpha channel is dropped")
        if _is_rgb(frame):
            self._note(f"converted {name} to BT.709 4:2:0 in limited range")
            return
        depth = max(part.bits for part in parts)
        if depth > 8:
            self._note(f"converted {depth} bits ({name}) to 8")
        chroma = (frame.format.chroma_width(64), frame.format.chroma_height(64))
        if chroma != (32, 32):
            kind = {(64, 64): "4:4:4", (32, 64): "4:2:2", (64, 32): "4:4:0", (16, 64): "4:1:1"}.get(chroma, name)
            self._note(f"converted {kind} ({name}) to 4:2:0")


def colour_of(frame: av.VideoFrame) -> Colour:
    """What `FrameConverter.convert` gives a frame as colour."""
    primaries, transfer, matrix = (
        int(value) if 0 < int(value) < 256 and int(value) != 3 else _UNSPECIFIED
        for value in (frame.color_primaries, frame.color_trc, frame.colorspace)
    )
    if _is_rgb(frame):
        return (1 if primaries == _UNSPECIFIED else primaries, _SRGB if transfer == _UNSPECIFIED else transfer, 1, 0)
    full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    if frame.format.name.startswith(_GRAY) and int(frame.color_range) != ColorRange.MPEG:
        full = True  # as FFmpeg takes it
    return (primaries, transfer, matrix, int(full))


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.has_palette


def _plane(frame: av.VideoFrame, index: int) -> Plane:
    """A copy of a plane, without what FFmpeg leaves at the end of its lines."""
    plane = frame.planes[index]
    lines: Plane = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * plane.height].reshape(
        -1, plane.line_size
    )
    return lines[: plane.height, : plane.width].copy()
