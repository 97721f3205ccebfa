"""The whole journey of sound and pictures on one page: media file -> .mcx -> media file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mediacodec.codecs.base import LIVE_BELOW
from mediacodec.codecs.fitting.protocol import FitMonitor
from mediacodec.errors import MediaCodecError, OutputError, UsageError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.mcx import reader as files
from mediacodec.mcx.probe import Source
from mediacodec.mcx.streams import AudioWriter, CopyWriter, VideoWriter
from mediacodec.mcx.writer import FileWriter
from mediacodec.media.media_source import MediaSource
from mediacodec.media.stream_copy import AudioPacket
from mediacodec.transcode.mux import Outlet
from mediacodec.transcode.reports import (
    DecodeOptions,
    DecodeReport,
    EncodeOptions,
    EncodeReport,
    Progress,
    ProgressCallback,
)

if TYPE_CHECKING:
    from mediacodec.mcx.append import Archive
    from mediacodec.mcx.resume import Checkpoint

__all__ = [
    "DecodeOptions",
    "DecodeReport",
    "EncodeOptions",
    "EncodeReport",
    "Progress",
    "ProgressCallback",
    "decode_file",
    "encode_file",
]

COPY = "copy"  # as a codec: the packets of the source, untouched


class _Counted:
    """A binary output that counts its bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def write(self, data: bytes) -> int:
        with _as_output_error():
            written = self._file.write(data)
        count = len(data) if written is None else written  # an unbuffered pipe may take less
        self.count += count
        return count

    def flush(self) -> None:
        with _as_output_error():
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)  # continuing a file also reads and seeks


@contextmanager
def _as_output_error() -> Iterator[None]:
    """Name the system's errors; ours, and a closed pipe, pass as they are."""
    try:
        yield
    except (BrokenPipeError, MediaCodecError):
        raise
    except OSError as error:
        raise OutputError(f"cannot write: {error.strerror or error}") from error


def encode_file(
    source: str | os.PathLike[str] | BinaryIO,
    target: BinaryIO,
    options: EncodeOptions | None = None,
    *,
    progress: ProgressCallback | None = None,
    monitor: FitMonitor | None = None,
    checkpoint: Checkpoint | None = None,
    archive: Archive | None = None,
) -> EncodeReport:
    """Encode sound and pictures of anything FFmpeg reads into an open binary file, which is not closed.

    Both keep their times: sound that begins after the pictures gets silence in front, pictures keep their time stamps.
    progress is called after every block and picture and may raise to stop. monitor watches a codec whose encoding is
    fitting, and may stop it: then the file ends with what is fitted; checkpoint: where its whole groups are kept
    meanwhile, and whether it goes on from there (mediacodec.mcx.resume). archive: what the pictures are added to; the
    target, open for reading too, becomes a copy of it with them behind (mediacodec.mcx.append), and whoever puts it in
    the archive's place asks `Archive.check_unchanged` before. Raises InputError,
    ModelNotFoundError, ParameterError, DeviceError, OutputError, MissingExtraError, UsageError (an option for something
    that the source does not hold).
    """
    options = options or EncodeOptions()
    began, seconds = time.perf_counter(), 0.0
    counted = _Counted(target)
    copies = options.audio is not None and options.audio_codec == COPY
    live = options.audio is not None and options.audio.packet_duration < LIVE_BELOW
    with MediaSource(
        source,
        audio="copy" if copies else options.audio is not None,
        video=options.video is not None,
        start=options.start,
        duration=options.duration,
    ) as media:
        _check(options, media, archive)
        if archive is not None:
            archive.copy_to(target)
        writer = FileWriter(
            counted,
            models=options.models,
            device=options.device,
            threads=options.threads,
            # short packets are for someone who listens now, and may come in late
            live=live,
            monitor=monitor,
            checkpoint=checkpoint,
            archive=archive,
        )
        with writer:
            inlet = _Inlet(writer, media, options)
            for item in media.items():
                seconds = max(seconds, inlet.take(item))
                if progress:
                    wall = time.perf_counter() - began
                    done = (inlet.num_frames, inlet.video_bytes)
                    progress(Progress(seconds, media.duration, counted.count, wall, *done))
                if monitor and monitor.stopped:
                    break
        notes = [*media.notes(), *inlet.notes]
    return EncodeReport(
        seconds=max(seconds, inlet.video_seconds),
        wall_seconds=time.perf_counter() - began,
        payload_bytes=inlet.payload_bytes,
        file_bytes=counted.count,
        notes=notes,
        frames=inlet.num_frames,
        begin=inlet.begin,
        video_payload_bytes=inlet.video_bytes,
        stopped=monitor is not None and monitor.stopped,
    )


def _check(options: EncodeOptions, media: MediaSource, archive: Archive | None) -> None:
    """Raise UsageError for options that mean nothing to this source, and for sound that the archive does not take."""
    if archive is not None and (media.has_audio or media.audio_copy is not None):
        archive.refuse_sound()
    frames = {"crf": options.video and options.video.crf, "video bit rate": options.video and options.video.bit_rate,
              "gop": options.video and options.video.gop}  # fmt: skip
    given = [name for name, value in frames.items() if value is not None]
    if given and not media.has_video:
        raise UsageError(f"{' and '.join(given)} given, but there are no pictures to encode")
    if options.audio and options.audio.bit_rate is not None and (not media.has_audio or options.audio_codec == COPY):
        why = "the sound is copied" if media.has_audio else "there is no sound to encode"
        raise UsageError(f"a bit rate for sound is given, but {why}")


def _silence(until: AudioChunk) -> Iterator[AudioChunk]:
    """What lies between time 0 and a chunk, a second at a time."""
    for pts in range(0, max(0, until.pts), until.sample_rate):
        size = min(until.sample_rate, until.pts - pts)
        yield AudioChunk(np.zeros((until.channels, size), np.float32), until.sample_rate, pts)


class _Inlet:
    """The streams of a file being written, and which of them takes what."""

    def __init__(self, writer: FileWriter, media: MediaSource, options: EncodeOptions) -> None:
        self._writer = writer
        self._video: VideoWriter | None = None
        self._audio: AudioWriter | CopyWriter | None = None
        self._late = 0.0  # seconds of silence put before sound that begins late
        self._heard = False
        if media.has_video:
            self._video = writer.add_video_stream(
                options.video_codec,
                options.video,
                width=media.width,
                height=media.height,
                frame_rate=media.frame_rate,
                time_base=media.time_base,
                colour=media.colour,
            )
        if media.audio_copy is not None:
            self._audio = writer.add_copied_stream(media.audio_copy)
        elif media.has_audio:
            self._audio = writer.add_audio_stream(
                options.audio_codec, options.audio, sample_rate=media.sample_rate, channels=media.channels
            )

    def take(self, item: AudioChunk | AudioPacket | VideoFrame) -> float:
        """Encode and write an item; seconds at which it ends."""
        if isinstance(item, VideoFrame):
            assert self._video is not None
            self._writer.mux(self._video.encode(item))
            return self.video_seconds
        if isinstance(item, AudioPacket):
            assert isinstance(self._audio, CopyWriter)
            self._writer.mux(self._audio.encode(item))
            return float((item.pts + item.duration) * item.time_base)
        assert isinstance(self._audio, AudioWriter)
        if not self._heard:
            self._heard, self._late = True, max(0.0, item.pts_seconds)
            for silence in _silence(item):
                self._writer.mux(self._audio.encode(silence))
        self._writer.mux(self._audio.encode(item))
        return item.pts_seconds + item.duration_seconds

    @property
    def num_frames(self) -> int | None:
        return self._video.num_frames if self._video else None

    @property
    def video_bytes(self) -> int:
        return self._video.payload_bytes if self._video else 0

    @property
    def video_seconds(self) -> float:
        """Where the pictures written so far end; an encoder may hold one back until the writer closes."""
        video = self._video
        return float((video.length - video.begin) * video.header.time_base) if video else 0.0

    @property
    def begin(self) -> Fraction:
        """Seconds of the file at which the pictures begin."""
        return self._video.begin * self._video.header.time_base if self._video else Fraction(0)

    @property
    def payload_bytes(self) -> int:
        return self.video_bytes + (self._audio.payload_bytes if self._audio else 0)

    @property
    def notes(self) -> list[str]:
        late = [f"the sound begins {self._late:.2f} s after the pictures: silence put in front"] if self._late else []
        return [*late, *(note for stream in (self._video, self._audio) if stream for note in stream.notes)]


def decode_file(
    source: Source,
    target: str | os.PathLike[str] | BinaryIO,
    options: DecodeOptions | None = None,
    *,
    progress: ProgressCallback | None = None,
) -> DecodeReport:
    """Decode the first streams of an .mcx file into a classic one ("-" for standard output).

    What the output's format holds is decoded: sound (wav ...), pictures (y4m ...) or both (mp4, mkv). Damage is
    concealed and reported, not raised. Raises BitstreamError kinds where nothing can be read, ModelNotFoundError,
    ModelMismatchError, InputError, OutputError, OutputExistsError, UsageError.
    """
    options = options or DecodeOptions()
    began, seconds = time.perf_counter(), 0.0
    with files.FileReader(source, models=options.models, device=options.device, threads=options.threads) as reader:
        outlet = Outlet(reader, target, options)
        with outlet:
            for item in outlet.items():
                outlet.write(item)
                seconds = max(seconds, outlet.seconds)
                if progress:
                    wall = time.perf_counter() - began
                    progress(Progress(seconds, outlet.total, 0, wall, outlet.num_frames))
        return DecodeReport(
            seconds=seconds,
            wall_seconds=time.perf_counter() - began,
            gaps=list(reader.gaps),
            truncated=reader.truncated,
            notes=outlet.notes,
            frames=outlet.num_frames,
        )
