"""Video written plainly: y4m and raw planes as they lie in memory, PNG as one file each."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Protocol

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from mediacodec.errors import OutputError, UsageError
from mediacodec.frames import AudioChunk, Colour, Plane, VideoFrame
from mediacodec.media.atomic import open_output
from mediacodec.media.image_sequence import is_pattern, numbered
from mediacodec.media.stream_copy import AudioPacket
from mediacodec.media.target import Target, open_target, writing

_MATRICES = {1: Colorspace.ITU709, 7: Colorspace.SMPTE240M, 9: Colorspace.BT2020, 10: Colorspace.BT2020}


class Writer(Protocol):
    """One kind of output; MediaSink has checked what it gives."""

    def write(self, item: VideoFrame | AudioChunk | AudioPacket) -> None:
        """Append an item."""

    def close(self) -> None:
        """Finish; the output is there, whole."""

    def abort(self) -> None:
        """Give up, quietly."""

    def notes(self) -> list[str]:
        """What a user should know, one line each."""


class PlaneWriter:
    """y4m (with a header that names size, rate and range) or bare planes, Y, U, V of each frame in turn.

    Neither holds time stamps: frames that were not evenly spaced will be, which `notes` says.

    Args:
        target: a path, "-", or a binary file object (not closed).
        header: what comes first, b"" for bare planes.
        frame_rate: at which a player will present it.
        overwrite: replace an existing file.
    """

    def __init__(self, target: Target, *, header: bytes, frame_rate: Fraction, overwrite: bool) -> None:
        self._file, self._avio = open_target(target, overwrite=overwrite)
        self._head = b"FRAME\n" if header else b""
        self._rate = frame_rate
        self._first: Fraction | None = None
        self._count = 0
        self._uneven = False
        if header:
            self._send(header)

    def write(self, item: VideoFrame | AudioChunk | AudioPacket) -> None:
        """Append a frame."""
        assert isinstance(item, VideoFrame)
        self._send(b"".join((self._head, *(np.ascontiguousarray(plane).data for plane in (item.y, item.u, item.v)))))
        time = item.pts * item.time_base
        self._first = time if self._first is None else self._first
        late = time - self._first - self._count / self._rate
        self._uneven = self._uneven or abs(late) > 1 / (2 * self._rate)
        self._count += 1

    def _send(self, data: bytes) -> None:
        with writing(self._avio, "the video"):
            self._avio.write(data)

    def close(self) -> None:
        """See Writer."""
        if self._file is not None:
            self._file.commit()

    def abort(self) -> None:
        """See Writer."""
        if self._file is not None:
            self._file.abort()

    def notes(self) -> list[str]:
        """See Writer."""
        if not self._uneven:
            return []
        return [
            f"WARNING: this format holds no time stamps: the frames, unevenly spaced, become {self._rate} frames/s; "
            "mp4 or mkv keeps their times"
        ]


def y4m_header(width: int, height: int, frame_rate: Fraction, colour: Colour) -> bytes:
    """The first line of a y4m file.

    Args:
        width, height: pixels.
        frame_rate: frames a second.
        colour: see VideoFrame.
    """
    rate, span = f"{frame_rate.numerator}:{frame_rate.denominator}", "FULL" if colour[3] else "LIMITED"
    return f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE={span}\n".encode()


class ImageWriter:
    """PNG files, one a frame, each of them whole or not there: frame%04d.png gives frame0001.png and so on.

    A name without a place for a number takes one frame.

    Args:
        target: the name.
        overwrite: replace existing files.

    Raises:
        UsageError: it is no name.
        OutputExistsError, OutputError: it cannot be written.
    """

    def __init__(self, target: Target, *, overwrite: bool) -> None:
        if not isinstance(target, (str, os.PathLike)) or os.fspath(target) == "-":
            raise UsageError("images need a file name, e.g. frame%04d.png")
        self._target, self._overwrite = target, overwrite
        self._reformatter = VideoReformatter()
        self._count = 0
        if not is_pattern(target):
            self._check_free()

    def _check_free(self) -> None:
        open_output(self._target, overwrite=self._overwrite).abort()

    def write(self, item: VideoFrame | AudioChunk | AudioPacket) -> None:
        """Write a frame."""
        assert isinstance(item, VideoFrame)
        self._count += 1
        pattern = is_pattern(self._target)
        if self._count > 1 and not pattern:
            raise UsageError(f"'{self._target}' takes one frame; for more name them like frame%04d.png")
        path = numbered(self._target, self._count) if pattern else self._target
        data = self._encoded(item)
        with open_output(path, overwrite=self._overwrite) as file:
            file.write(data)

    def _encoded(self, item: VideoFrame) -> bytes:
        try:
            image = self._reformatter.reformat(
                to_frame(item),
                format="rgb24",
                src_colorspace=_MATRICES.get(item.colour[2], Colorspace.ITU601),
                dst_colorspace=Colorspace.ITU709,
                interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
                src_color_range=ColorRange.JPEG if item.colour[3] else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                threads=1,
            )
            image.pts = 0
            encoder = av.CodecContext.create("png", "w")
            encoder.width, encoder.height, encoder.pix_fmt = item.width, item.height, "rgb24"
            encoder.time_base = Fraction(1, 25)
            return b"".join(bytes(packet) for packet in [*encoder.encode(image), *encoder.encode(None)])
        except (av.error.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"cannot write a PNG of {item.width}x{item.height}: {reason}") from error

    def close(self) -> None:
        """See Writer."""

    def abort(self) -> None:
        """See Writer; the images that are complete stay."""

    def notes(self) -> list[str]:
        """See Writer."""
        return []


def to_frame(item: VideoFrame, *, full_chroma: bool = False) -> av.VideoFrame:
    """A frame as PyAV wants it.

    Args:
        item: ours.
        full_chroma: whether it becomes yuv444p, each chroma sample repeated, instead of yuv420p.
    """
    frame = av.VideoFrame(item.width, item.height, "yuv444p" if full_chroma else "yuv420p")
    chroma = (_repeated(plane, item.y.shape) if full_chroma else plane for plane in (item.u, item.v))
    for target, plane in zip(frame.planes, (item.y, *chroma), strict=True):
        lines = np.frombuffer(memoryview(target), np.uint8)[: target.line_size * target.height]
        lines.reshape(target.height, target.line_size)[:, : target.width] = plane
    return frame


def _repeated(plane: Plane, shape: tuple[int, ...]) -> Plane:
    return plane.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]]
