"""Reading media files: audio and video of one file, opened once, in the order of time."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from mediacodec.arguments import as_flag, as_seconds, quoted
from mediacodec.errors import InputError, ParameterError, ParameterTypeError, UsageError
from mediacodec.frames import AudioChunk, Colour, VideoFrame
from mediacodec.media.audio_track import CopyTrack
from mediacodec.media.avio import open_input
from mediacodec.media.container_reader import ContainerReader
from mediacodec.media.image_sequence import RATE, ImageSequence, is_pattern
from mediacodec.media.stream_copy import AudioCopy, AudioPacket
from mediacodec.metadata import MediaMetadata, between

Item = AudioChunk | AudioPacket | VideoFrame
# How far audio and video may lie apart in a file before what is there is given out of the order of time.
_WAIT_SECONDS, _WAIT_LIVE_SECONDS = 10.0, 2.0
_WAIT_BYTES = 32 << 20
_LEAST_MISSING_SECONDS = 0.1  # that a note is worth


class MediaSource:
    """Audio and video of a file, pipe or file object, as they are asked for; a context manager.

    Audio has its exact length, without priming and padding, and its own rate (see `AudioSource`). Frames are 8-bit
    4:2:0 and upright, each with its own time stamp, so that a variable frame rate stays as it is. RGB becomes BT.709 in
    limited range; YUV keeps its matrix and range (see `FrameConverter`). Time 0 is the earlier one of the first sample
    and the first frame, plus `start`; the offset between audio and video stays. Memory is bounded: where audio and
    video lie more than 10 s apart in the file (2 s in a pipe), they come in the order of the file. Cover art is no
    video.

    Args:
        source: a path, "-" for standard input, a binary file object (not closed), or numbered images
            (frame%04d.png, 25 a second).
        audio: whether to read audio; "copy" gives its packets as they are (AudioPacket).
        video: whether to read video.
        start: seconds to skip. Frames presented before are left out, audio is cut to the sample.
        duration: seconds to read at most; None for all.

    Attributes:
        has_audio, has_video: what there is, and was asked for.
        sample_rate (Hz), channels: of the audio; 0 without.
        audio_codec: FFmpeg's name of the audio's codec; "" without.
        width, height: of the upright frames; 0 without.
        frame_rate: nominal, frames per second; pts tell the true times.
        variable_frame_rate: whether frames are known to be presented for other times than the rate says.
        time_base: of the frames' pts, the file's own where possible.
        colour: of the first frame, see VideoFrame.
        duration: seconds that `items` will give, None if unknown; as the container states it: for progress displays.
        metadata: tags and chapters of the file and of what is read of it; chapters are cut to start and duration.
        left_out: streams that are not read though nobody left them out: kind and description.
        audio_copy: for audio="copy", what a MediaSink must know of the packets; else None.

    Raises:
        InputError: missing, unreadable, empty, not a media file, or without anything that was asked for.
        UsageError: start or duration is negative or not finite, nothing was asked for, or standard input is a
            terminal.
        ParameterTypeError: an argument is of the wrong kind.

    Example:
        >>> with MediaSource("clip.mp4", start=12.0, duration=1.0) as media:
        ...     frames = [item for item in media.items() if isinstance(item, VideoFrame)]
    """

    __slots__ = (
        "_cleanup", "_end", "_exhausted", "_images", "_label", "_reader", "_start", "_wait",
        "audio_codec", "audio_copy", "channels", "colour", "duration", "frame_rate", "has_audio", "has_video", "height",
        "left_out", "metadata", "sample_rate", "time_base", "variable_frame_rate", "width",
    )  # fmt: skip

    def __init__(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        audio: bool | Literal["copy"] = True,
        video: bool = True,
        start: float = 0.0,
        duration: float | None = None,
    ) -> None:
        if not isinstance(audio, bool) and not (isinstance(audio, str) and audio == "copy"):
            raise ParameterTypeError(f"audio must be True, False or 'copy', not {quoted(audio)}")
        if not audio and not as_flag("video", video):
            raise UsageError("neither audio nor video is asked for; leave out -an or -vn")
        self._start = _seconds("start", start)
        self._end = math.inf if duration is None else _seconds("duration", duration)
        self._exhausted = False
        self._images: ImageSequence | None = None
        self._reader: ContainerReader | None = None
        self._cleanup = contextlib.ExitStack()
        path = source if isinstance(source, (str, os.PathLike)) else None
        if video and path is not None and is_pattern(path) and not Path(path).exists():
            self._images, self._label = ImageSequence(path), f"'{os.fspath(path)}'"
        else:
            self._label, file = open_input(source)
            if path is not None and os.fspath(path) != "-":
                self._cleanup.enter_context(file)
            try:
                self._reader = ContainerReader(
                    file, self._label, audio=audio, video=video, start=self._start, end=self._end
                )
            except BaseException:
                self._cleanup.close()
                raise
            self._cleanup.callback(self._reader.close)
        self._wait = _WAIT_SECONDS if self._reader is None or self._reader.seekable else _WAIT_LIVE_SECONDS
        self._describe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free everything; a file object that was passed in stays open."""
        self._exhausted = True
        self._cleanup.close()

    def _describe(self) -> None:
        reader, images = self._reader, self._images
        audio, track = (reader.audio, reader.video) if reader is not None else (None, None)
        self.metadata = reader.metadata if reader is not None else MediaMetadata()
        stop = None if self._end == math.inf else float(self._end)
        self.metadata = replace(self.metadata, chapters=between(self.metadata.chapters, 0.0, stop))
        self.left_out = reader.left_out if reader is not None else []
        video = images or track
        self.has_audio, self.has_video = audio is not None, video is not None
        self.sample_rate, self.channels = (audio.sample_rate, audio.channels) if audio else (0, 0)
        self.audio_codec = audio.codec_name if audio else ""
        self.audio_copy: AudioCopy | None = audio.description if isinstance(audio, CopyTrack) else None
        self.width, self.height = (video.width, video.height) if video else (0, 0)
        self.colour: Colour = video.colour if video else (2, 2, 2, 0)
        self.time_base = video.time_base if video else 1 / RATE
        self.frame_rate = track.frame_rate if track else RATE
        self.variable_frame_rate = track is not None and track.variable_frame_rate
        whole = images.count() / float(RATE) if images else reader.stated_seconds if reader is not None else None
        self.duration = None if whole is None else max(0.0, min(whole - float(self._start), float(self._end)))

    def notes(self) -> list[str]:
        """What a user should know about the reading so far, one line each; loud ones begin with WARNING."""
        if self._images is not None:
            return self._images.notes()
        assert self._reader is not None
        audio, video = self._reader.audio, self._reader.video
        notes = list(video.converter.notes()) if video else []
        if video and video.aspect != 1:
            notes.append(f"WARNING: the pixels are not square ({video.aspect}); they are taken as if they were")
        clock = self._reader.clock
        if clock.jumps:
            at = float(clock.first - self._reader.zero)
            notes.append(f"the clock jumps {clock.jumps} time(s), first near {at:.2f} s: taken as joined there")
        if audio and audio.silence:
            notes.append(f"the audio has gaps: filled with {audio.silence:.2f} s of silence")
        for kind, track in (("audio", audio), ("video", video)):
            if track and track.damage.count:
                count, first = track.damage.count, track.damage.first
                notes.append(
                    f"WARNING: {self._label}: left out {count} damaged {kind} packet(s), the first near {first:.2f} s"
                )
        missing = self._reader.missing_seconds
        if missing > _LEAST_MISSING_SECONDS:
            notes.append(f"WARNING: {self._label} is {missing:.2f} s shorter than it says; is it cut or damaged?")
        return notes

    def items(self) -> Iterator[Item]:
        """Read everything, once, in the order of time.

        Returns:
            AudioChunk (or AudioPacket, for audio="copy") and VideoFrame.

        Raises:
            InputError: it cannot be read on, the audio changes its rate or channels, or it was read before.
        """
        if self._exhausted:
            raise InputError("the input has been read already or is closed; open it again")
        self._exhausted = True
        if self._images is not None:
            yield from self._images.frames(self._start, self._end)
            return
        assert self._reader is not None
        self._reader.begin()
        while True:
            yield from self._ready(self._reader)
            if self._reader.done:
                return
            self._reader.read_on()

    def _ready(self, reader: ContainerReader) -> Iterator[Item]:
        """What can be given without reading on."""
        video, chunks = reader.video, reader.chunks
        while True:
            frame = None
            if video is not None:
                with reader.translated():
                    frame = video.peek()
            chunk = chunks[0] if chunks else None
            if video is not None and frame is not None and (chunk is None or _time(frame) < _time(chunk)):
                if chunk is None and self._audio_may_follow(reader):
                    return
                yield video.next()
            elif chunk is not None:
                if frame is None and self._video_may_follow(reader):
                    return
                yield chunks.popleft()
            else:
                return

    def _audio_may_follow(self, reader: ContainerReader) -> bool:
        """Whether a frame should wait for audio that belongs before it."""
        assert reader.video is not None
        if reader.at_end or reader.audio is None or reader.audio.done:
            return False
        return reader.video.queued_seconds < self._wait and reader.video.queued_bytes < _WAIT_BYTES

    def _video_may_follow(self, reader: ContainerReader) -> bool:
        """Whether audio should wait for a frame that belongs before it."""
        if reader.at_end or reader.video is None or reader.video.done:
            return False
        return float(_time(reader.chunks[-1]) - _time(reader.chunks[0])) < self._wait


def _seconds(name: str, value: object) -> Fraction:
    """A time as somebody wrote it: 0.04 is 1/25, not the next binary number. Raises UsageError."""
    try:
        return Fraction(as_seconds(name, value)).limit_denominator(10**6)
    except ParameterError as error:
        raise UsageError(str(error)) from error


def _time(item: Item) -> Fraction:
    if isinstance(item, AudioChunk):
        return Fraction(item.pts, item.sample_rate)
    return item.pts * item.time_base
