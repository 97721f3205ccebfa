"""The clips of a folder: found, and their first frames read as 8-bit 4:2:0 at one size."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from mediacodec.bench.video.entries import Planes, VideoClip
from mediacodec.errors import InputError, ParameterError
from mediacodec.media.avio import AvioFile, open_input

__all__ = ["MAX_FRAMES", "VIDEO_SUFFIXES", "find_videos", "planes_of", "read_video"]

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ogv", ".ts", ".webm", ".y4m")
MAX_FRAMES = 96
_EIGHT_BIT_420 = ("yuv420p", "yuvj420p")
_FALLBACK_RATE = Fraction(25)  # where a file names none, as FFmpeg assumes


def find_videos(path: Path) -> list[tuple[Path, str]]:
    """Every video file under a folder, by suffix, sorted by name, hidden ones left out; or the one file named.

    Args:
        path: of a folder, or of a file, which may have any suffix.

    Returns:
        (path, name) of each.

    Raises:
        InputError: there is no such path, or no clip.
    """
    if path.is_file():
        return [(path, path.name)]
    if not path.is_dir():
        raise InputError(f"'{path}' is neither a folder of clips nor a clip")
    clips = []
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if file.suffix.lower() in VIDEO_SUFFIXES and not any(part.startswith(".") for part in name.parts):
            clips.append((file, name.as_posix()))
    if not clips:
        raise InputError(f"'{path}' holds no video file ({' '.join(VIDEO_SUFFIXES)})")
    return clips


def read_video(
    path: Path, *, name: str | None = None, frames: int = MAX_FRAMES, size: tuple[int, int] | None = None
) -> VideoClip:
    """The first frames of the first video stream, as they are stored (no rotation).

    8-bit 4:2:0 is taken as it is, anything else converted by swscale.

    Args:
        path: of the file.
        name: of the clip; None for that of the file.
        frames: how many at most.
        size: (width, height) to scale every frame to, bicubic, before any codec gets it; None to keep its own.

    Raises:
        ParameterError: a number is below 1.
        InputError: the file has no frames, or their size changes.
    """
    if frames < 1 or (size is not None and min(size) < 1):
        raise ParameterError(f"frames and size must be at least 1, not {frames} and {size}")
    label, file = open_input(path)
    try:
        with file:
            avio = AvioFile(file)
            with avio.guard(), av.open(avio, "r", options={"protocol_whitelist": "none"}) as container:
                if not container.streams.video:
                    raise InputError(f"{label} holds no video")
                rate = container.streams.video[0].average_rate
                found = list(_first(container.decode(video=0), frames, size))
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise InputError(f"{label} cannot be read as video: {error}") from error
    if not found:
        raise InputError(f"{label} holds no frame that can be decoded")
    if len({planes[0].shape for planes in found}) > 1:
        raise InputError(f"{label} changes the size of its frames; name one size for all with -size")
    return VideoClip(name or path.name, tuple(found), Fraction(rate or _FALLBACK_RATE))


def planes_of(frame: av.VideoFrame) -> Planes:
    """The planes of an 8-bit 4:2:0 frame of FFmpeg's, copied, since the frame's memory is used again."""
    y, u, v = (_plane(plane) for plane in frame.planes)
    return y, u, v


def _first(decoded: Iterator[av.VideoFrame], count: int, size: tuple[int, int] | None) -> Iterator[Planes]:
    for _, frame in zip(range(count), decoded, strict=False):
        kept = frame.format.name if frame.format.name in _EIGHT_BIT_420 else "yuv420p"
        width, height = size or (frame.width, frame.height)
        yield planes_of(frame.reformat(width, height, kept, interpolation="BICUBIC"))


def _plane(plane: VideoPlane) -> NDArray[np.uint8]:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].copy()
