"""Writing media files: mp4, mov, mkv, y4m, raw planes and PNG files."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mediacodec.arguments import as_flag, as_integer, as_optional, as_positive_fraction, quoted
from mediacodec.errors import ParameterError, ParameterTypeError, UsageError
from mediacodec.frames import AudioChunk, Colour, VideoFrame, as_sample_rate, check_colour
from mediacodec.media.container_writer import ContainerWriter, VideoShape
from mediacodec.media.plane_writer import ImageWriter, PlaneWriter, Writer, y4m_header
from mediacodec.media.stream_copy import AudioCopy, AudioPacket
from mediacodec.media.target import Target, check_name
from mediacodec.metadata import MediaMetadata

MEDIA_FORMATS: Final[dict[str, tuple[str, ...]]] = {
    "mp4": (".mp4", ".m4v"),
    "mov": (".mov",),
    "mkv": (".mkv",),
    "y4m": (".y4m",),
    "rawvideo": (".yuv",),
    "png": (".png",),
}
"""Formats by name, with their suffixes. The last three hold video only."""

_ALIASES = {"matroska": "mkv", "yuv4mpegpipe": "y4m", "yuv420p": "rawvideo", "image2": "png"}
MAX_SIDE = 0xFFFF  # pixels
_CONTAINERS = ("mp4", "mov", "mkv")
_CODECS = {None: "h264", "h264": "h264", "libx264": "h264", "ffv1": "ffv1"}
_MOST_CHANNELS = 8


class MediaSink:
    """Writes audio and video as a media file; a context manager.

    A named file appears when the sink is closed, whole, and not at all after an exception; pipes grow live; of
    numbered images each one appears whole. Time stamps are kept (in mkv to the millisecond), so that a variable frame
    rate stays; y4m and rawvideo hold none and play at frame_rate. H.264 is visually lossless (crf 12), FFV1 lossless.
    Audio becomes AAC (FLAC beside FFV1), aligned to the sample, with silence where its pts leave a gap;
    copied packets are written as they are. An odd size in H.264 is stored in 4:4:4, see ContainerWriter.

    Args:
        target: a path, "-" for standard output, a binary file object (not closed), or for PNG a name with a place for
            the number, counted from 1 (frame%04d.png).
        width, height: of the frames; None for audio alone (mp4, mov, mkv).
        frame_rate: nominal, per second.
        time_base: seconds per tick to store times in; None for that of frame_rate.
        colour: of the frames, see VideoFrame.
        audio: (Hz, channels) of the chunks; the description of packets to copy; None for video alone.
        format: a name in MEDIA_FORMATS; None takes it from the suffix.
        video_codec: "h264" (the default) or "ffv1" (mkv only).
        overwrite: replace existing files.
        metadata: tags and chapters; those that the format has no field for are left out.

    Attributes:
        left_out: names of what was.

    Raises:
        UsageError: unknown format or codec, audio where the format has none, nothing to write, or standard output is
            a terminal.
        ParameterError: a number is out of range.
        OutputExistsError, OutputError: the file exists, or cannot be written. BrokenPipeError passes as it is.
    """

    def __init__(
        self,
        target: Target,
        *,
        width: int | None = None,
        height: int | None = None,
        frame_rate: Fraction = Fraction(25),
        time_base: Fraction | None = None,
        colour: Colour = (2, 2, 2, 0),
        audio: tuple[int, int] | AudioCopy | None = None,
        format: str | None = None,  # noqa: A002 - the name that every such interface has
        video_codec: str | None = None,
        overwrite: bool = False,
        metadata: MediaMetadata | None = None,
    ) -> None:
        self._metadata = metadata or MediaMetadata()
        self.left_out: list[str] = []
        self.format = media_format_of(target, format)
        width, height = (
            None if value is None else as_integer(name, value, 1, MAX_SIDE)
            for name, value in (("width", width), ("height", height))
        )
        self._size = None if width is None or height is None else (width, height)
        self._audio = _checked_audio(audio)
        self._open = False
        frame_rate = as_positive_fraction("frame_rate", frame_rate)
        time_base = None if time_base is None else as_positive_fraction("time_base", time_base)
        colour, overwrite = check_colour("colour", colour), as_flag("overwrite", overwrite)
        as_optional("video_codec", video_codec, str)
        self._check_audio()
        video = None
        if self._size is not None:
            codec = self._codec(video_codec)
            video = VideoShape(*self._size, frame_rate, time_base or 1 / frame_rate, colour, codec)
        self._writer = self._make(target, video, overwrite)
        self._open = True

    def _check_audio(self) -> None:
        if self.format not in _CONTAINERS:
            if self._audio is not None:
                raise UsageError(f"{self.format} holds no audio; leave it out with -an, or write mp4 or mkv")
            if self._size is None:
                raise UsageError(f"{self.format} holds video, and there is none")
        elif self._audio is None and self._size is None:
            raise UsageError("there is neither audio nor video to write")
        if isinstance(self._audio, tuple) and self._audio[1] > _MOST_CHANNELS:
            raise UsageError(f"{self.format} takes 1 to {_MOST_CHANNELS} channels, not {self._audio[1]}; use -ac")

    def _codec(self, name: str | None) -> str:
        if self.format not in _CONTAINERS and name is not None:
            raise UsageError(f"{self.format} has no choice of codecs; leave out '{name}'")
        if name not in _CODECS:
            raise UsageError(f"unknown video codec '{name}'; there are h264 and ffv1")
        if _CODECS[name] == "ffv1" and self.format != "mkv":
            raise UsageError(f"FFV1 goes into mkv, not into {self.format}")
        return _CODECS[name]

    def _make(self, target: Target, video: VideoShape | None, overwrite: bool) -> Writer:
        if self.format in _CONTAINERS:
            writer = ContainerWriter(
                target,
                format=self.format,
                video=video,
                audio=self._audio,
                overwrite=overwrite,
                metadata=self._metadata,
            )
            self.left_out = writer.left_out
            return writer
        said = self._metadata
        self.left_out = [*said.tags, *said.audio, *said.video, *(["chapters"] if said.chapters else [])]
        assert video is not None
        if self.format == "png":
            return ImageWriter(target, overwrite=overwrite)
        header = b""
        if self.format == "y4m":
            header = y4m_header(video.width, video.height, video.frame_rate, video.colour)
        return PlaneWriter(target, header=header, frame_rate=video.frame_rate, overwrite=overwrite)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, item: VideoFrame | AudioChunk | AudioPacket) -> None:
        """Append a frame, a chunk of audio or a copied packet; each kind in the order of time.

        Args:
            item: of the size, rate and channels that were announced.

        Raises:
            ParameterError: it is not of the announced kind or shape, out of order, or the sink is closed.
            ParameterTypeError: it is none of the three.
            OutputError: it cannot be written; nothing is left under the final name then.
        """
        if not self._open:
            raise ParameterError("the sink is closed")
        self._check(item)
        try:
            self._writer.write(item)
        except BaseException:
            self.abort()
            raise

    def _check(self, item: VideoFrame | AudioChunk | AudioPacket) -> None:
        if isinstance(item, VideoFrame):
            if (item.width, item.height) != self._size:
                raise ParameterError(f"expected frames of {self._size}, got {item.width}x{item.height}")
        elif isinstance(item, AudioChunk):
            if (item.sample_rate, item.channels) != self._audio:
                raise ParameterError(f"expected {self._audio} as Hz and channels, got {item!r}")
        elif not isinstance(item, AudioPacket):
            raise ParameterTypeError(f"an item must be a frame, a chunk or a packet, not {quoted(item)}")
        elif not isinstance(self._audio, AudioCopy):
            raise ParameterError(f"expected {self._audio} as audio, got {item!r}")

    def close(self) -> None:
        """Finish the file and give it its name; once closed or aborted this does nothing.

        Raises:
            OutputExistsError, OutputError: as for the class; nothing is left under the final name then.
        """
        if not self._open:
            return
        self._open = False
        try:
            self._writer.close()
        except BaseException:
            self._writer.abort()
            raise

    def abort(self) -> None:
        """Give up: nothing appears under the final name (a pipe keeps what it was sent)."""
        if self._open:
            self._open = False
            self._writer.abort()

    def notes(self) -> list[str]:
        """What a user should know about the writing so far, one line each."""
        return self._writer.notes()


def _checked_audio(audio: object) -> tuple[int, int] | AudioCopy | None:
    """What of audio is to come, checked."""
    if audio is None or isinstance(audio, AudioCopy):
        return audio
    if not isinstance(audio, tuple) or len(audio) != 2:
        raise ParameterTypeError(f"audio must be (Hz, channels), an AudioCopy or None, not {quoted(audio)}")
    return as_sample_rate("the sample rate of audio", audio[0]), as_integer("the channels of audio", audio[1], 1)


def media_format_of(target: Target, name: str | None = None) -> str:
    """The format of an output: as named, or else by the suffix of its file name.

    Args:
        target: a path, or an open file, whose name counts.
        name: as somebody gave it; None where nobody did.

    Returns:
        A key of MEDIA_FORMATS.

    Raises:
        UsageError: neither tells; the message lists what there is.
        ParameterTypeError: an argument is of the wrong kind.
    """
    check_name(target, name)
    known = ", ".join(MEDIA_FORMATS)
    if name is not None:
        name = _ALIASES.get(name, name)
        if name not in MEDIA_FORMATS:
            raise UsageError(f"unknown format '{name}'; there are {known}")
        return name
    path = target if isinstance(target, (str, os.PathLike)) else getattr(target, "name", "")
    suffix = Path(path).suffix.lower() if isinstance(path, (str, os.PathLike)) else ""
    for key, suffixes in MEDIA_FORMATS.items():
        if suffix in suffixes:
            return key
    raise UsageError(f"cannot tell the format of '{path}' from its suffix; name one with -f: {known}")
