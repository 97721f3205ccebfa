"""The streams of an .mcx file being encoded, and which of them takes what of the source."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from mediacodec.errors import UsageError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.mcx.appender import FileAppender
from mediacodec.mcx.streams import AudioWriter, CopyWriter, VideoWriter
from mediacodec.mcx.writer import FileWriter
from mediacodec.media.media_source import MediaSource
from mediacodec.media.stream_copy import AudioPacket
from mediacodec.transcode.metadata import FittedMetadata
from mediacodec.transcode.options import EncodeOptions

COPY = "copy"  # as a codec: the packets of the source, untouched


class MuxSession:
    """Streams for all that a source gives, in a file being written.

    Args:
        file: gets a stream for each kind of media.
        media: the source.
        options: how to encode it.
        about: what is said of it.
    """

    __slots__ = ("_audio", "_file", "_has_begun", "_late", "_video")

    def __init__(
        self, file: FileWriter | FileAppender, media: MediaSource, options: EncodeOptions, about: FittedMetadata
    ) -> None:
        self._file = file
        self._video: VideoWriter | None = None
        self._audio: AudioWriter | CopyWriter | None = None
        self._late = 0.0  # seconds of silence put before audio that begins late
        self._has_begun = False  # the audio
        if media.has_video:
            self._video = file.add_video_stream(
                options.video_codec,
                options.video,
                width=media.width,
                height=media.height,
                frame_rate=media.frame_rate,
                time_base=media.time_base,
                colour=media.colour,
                **({} if isinstance(file, FileAppender) else {"metadata": about.video}),
                variable_frame_rate=media.variable_frame_rate,
            )
        if isinstance(file, FileAppender):
            return  # whose source has no audio
        if media.audio_copy is not None:
            self._audio = file.add_copied_stream(media.audio_copy, metadata=about.audio)
        elif media.has_audio:
            self._audio = file.add_audio_stream(
                options.audio_codec,
                options.audio,
                sample_rate=media.sample_rate,
                channels=media.channels,
                metadata=about.audio,
            )

    def take(self, item: AudioChunk | AudioPacket | VideoFrame) -> float:
        """Encode and write an item; returns the second at which it ends."""
        if isinstance(item, VideoFrame):
            assert self._video is not None
            self._file.mux(self._video.encode(item))
            return self.video_seconds
        if isinstance(item, AudioPacket):
            assert isinstance(self._audio, CopyWriter)
            self._file.mux(self._audio.encode(item))
            return float((item.pts + item.duration) * item.time_base)
        assert isinstance(self._audio, AudioWriter)
        if not self._has_begun:
            self._has_begun, self._late = True, max(0.0, item.pts_seconds)
            for silence in _silence(item):
                self._file.mux(self._audio.encode(silence))
        self._file.mux(self._audio.encode(item))
        return item.pts_seconds + item.duration_seconds

    @property
    def num_frames(self) -> int | None:
        """Video frames so far; None without video."""
        return self._video.num_frames if self._video else None

    @property
    def video_bytes(self) -> int:
        """Payload of the video so far."""
        return self._video.payload_bytes if self._video else 0

    @property
    def video_seconds(self) -> float:
        """Where the frames written so far end; an encoder may hold one back until the file closes."""
        video = self._video
        return float((video.length - video.begin) * video.header.time_base) if video else 0.0

    @property
    def begin(self) -> Fraction:
        """Seconds of the file at which the frames begin."""
        return self._video.begin * self._video.header.time_base if self._video else Fraction(0)

    @property
    def payload_bytes(self) -> int:
        """Of all packets so far."""
        return self.video_bytes + (self._audio.payload_bytes if self._audio else 0)

    @property
    def notes(self) -> list[str]:
        """What a user should know, one line each."""
        late = [f"the audio begins {self._late:.2f} s after the video: silence put in front"] if self._late else []
        return [*late, *(note for stream in (self._video, self._audio) if stream for note in stream.notes)]


def check_options(options: EncodeOptions, media: MediaSource) -> None:
    """Refuse options that mean nothing to a source.

    Args:
        options: as they were given.
        media: the source.

    Raises:
        UsageError: an option is for what the source does not hold.
    """
    video = options.video
    found = {"crf": video.crf, "video bit rate": video.bit_rate, "gop": video.gop} if video is not None else {}
    given = [name for name, value in found.items() if value is not None]
    if given and not media.has_video:
        raise UsageError(f"{' and '.join(given)} given, but there is no video to encode")
    copies = options.audio_codec == COPY
    if options.audio and options.audio.bit_rate is not None and (not media.has_audio or copies):
        why = "the audio is copied" if media.has_audio else "there is no audio to encode"
        raise UsageError(f"a bit rate for audio is given, but {why}")


def _silence(until: AudioChunk) -> Iterator[AudioChunk]:
    """What lies between time 0 and a chunk, a second at a time."""
    for pts in range(0, max(0, until.pts), until.sample_rate):
        size = min(until.sample_rate, until.pts - pts)
        yield AudioChunk(np.zeros((until.channels, size), np.float32), until.sample_rate, pts)
