"""Numbered images, one file each: frame%04d.png stands for frame0000.png, frame0001.png and so on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from mediacodec.errors import InputError, ParameterError
from mediacodec.frames import VideoFrame
from mediacodec.media.avio import AvioFile
from mediacodec.media.demux import open_container, reading
from mediacodec.media.frame_converter import FrameConverter

RATE: Final = Fraction(25)
"""Frames per second of a sequence of images, which carries no rate; FFmpeg assumes the same."""

_NUMBER = re.compile(r"%(0[1-9])?d")
_FIRST = range(5)  # the first image has a number from 0 to 4, as in FFmpeg


def is_pattern(name: object) -> bool:
    """Whether a file name holds a place for a number: %d, %04d."""
    return isinstance(name, (str, os.PathLike)) and len(_NUMBER.findall(Path(name).name)) == 1


def numbered(pattern: str | os.PathLike[str], index: int) -> Path:
    """The name of an image.

    Args:
        pattern: a name with a place for the number.
        index: the number.
    """
    path = Path(pattern)

    def filled(match: re.Match[str]) -> str:
        return str(index).zfill(int(match[1] or 0))

    return path.with_name(_NUMBER.sub(filled, path.name))


class ImageSequence:
    """Reads numbered images at 25 a second; width, height and colour are the first one's.

    Args:
        pattern: a name with %d or %04d in it; numbering starts anywhere from 0 to 4 and has no holes.

    Raises:
        InputError: there is no first image, or one cannot be read.
    """

    def __init__(self, pattern: str | os.PathLike[str]) -> None:
        self._pattern = pattern
        self._converter = FrameConverter()
        first = next((index for index in _FIRST if numbered(pattern, index).is_file()), None)
        if first is None:
            names = f"'{numbered(pattern, 0)}' ... '{numbered(pattern, _FIRST[-1])}'"
            raise InputError(f"no image matches '{os.fspath(pattern)}': there is none of {names}")
        self._first = first
        frame = self._read(first, 0)
        self.width, self.height, self.colour = frame.width, frame.height, frame.colour
        self.time_base = 1 / RATE

    def count(self) -> int:
        """How many images there are."""
        index = self._first
        while numbered(self._pattern, index).is_file():
            index += 1
        return index - self._first

    def frames(self, start: Fraction, end: float | Fraction) -> Iterator[VideoFrame]:
        """The frames presented from a start on; pts count from there.

        Args:
            start: seconds to skip.
            end: seconds that are wanted.
        """
        skip = -(-start // self.time_base)  # rounded up
        index = int(skip)
        while numbered(self._pattern, self._first + index).is_file() and (index - skip) * self.time_base < end:
            yield self._read(self._first + index, index - int(skip))
            index += 1

    def notes(self) -> list[str]:
        """See `FrameConverter`."""
        return [f"images carry no rate: {RATE} frames/s assumed", *self._converter.notes()]

    def _read(self, index: int, pts: int) -> VideoFrame:
        path = numbered(self._pattern, index)
        label = f"'{path}'"
        try:
            file = path.open("rb")
        except OSError as error:
            raise InputError(f"cannot open {label}: {error.strerror or error}") from error
        with file:
            avio = AvioFile(file)
            with reading(avio, label), open_container(avio) as container:
                image = next(iter(container.decode(video=0)), None) if container.streams.video else None
            if not isinstance(image, av.VideoFrame):
                raise InputError(f"{label} is no image")
            try:
                with reading(avio, label):
                    return self._converter.convert(image, pts, 1 / RATE)
            except ParameterError as error:  # a size that cannot be
                raise InputError(f"{label}: {error}") from error
