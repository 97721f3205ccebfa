"""What of an .mcx file goes into the output of a decoding, and on which timeline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import BinaryIO, Self

from mediacodec.errors import InputError, UsageError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.mcx.audio_reader import AudioReader
from mediacodec.mcx.passthrough import CopyReader
from mediacodec.mcx.reader import FileReader
from mediacodec.media.audio_sink import AudioSink
from mediacodec.media.container_writer import MUXERS
from mediacodec.media.convert import Converter
from mediacodec.media.media_sink import MediaSink
from mediacodec.media.stream_copy import AudioCopy, AudioPacket, fits
from mediacodec.transcode.formats import AUDIO_ONLY, VIDEO_ONLY, output_format
from mediacodec.transcode.metadata import listed, of_file
from mediacodec.transcode.options import DecodeOptions

Item = AudioChunk | AudioPacket | VideoFrame
_FINE = Fraction(1, 90_000)  # ticks for frames whose new time 0 falls between two of their own


class DemuxSession:
    """The output of a decoding, opened for what the file holds and the format takes; a context manager.

    Args:
        reader: the file.
        target: a path, "-" for standard output, or an open file.
        options: what to decode, and into what.

    Attributes:
        seconds: at which the last item written ends.
        total: seconds to come in all, None if unknown.
        num_frames: video frames written; None where the output gets none.

    Raises:
        InputError: the file holds nothing that the output could.
        UsageError: the options make no sense for this output.
        OutputError, OutputExistsError: it cannot be opened.
    """

    def __init__(self, reader: FileReader, target: str | os.PathLike[str] | BinaryIO, options: DecodeOptions) -> None:
        self._reader, self._options = reader, options
        self._format = output_format(target, options.format)
        self._left_out: list[str] = []
        self._wants_video = self._takes_video()
        self._wants_audio = self._takes_audio()
        self._check()
        self._stop = None if options.duration is None else options.start + options.duration
        self._converter: Converter | None = None
        self._copies = False
        self._origin: Fraction | None = None  # seconds of the file that become 0
        self._tick = Fraction(1)
        self.num_frames: int | None = 0 if self._wants_video else None
        self.seconds = 0.0
        self.total = self._total()
        self._metadata = options.metadata.of(of_file(reader, options.start, self._stop))
        self._sink = self._opened(target)

    def _takes_video(self) -> bool:
        has, wanted = self._reader.has_video, self._options.video
        if self._format in AUDIO_ONLY:
            if has and wanted:
                self._left_out.append(f"{self._format} holds no video: it is left out")
            return False
        if self._format in VIDEO_ONLY:
            if not wanted:
                raise UsageError(f"{self._format} holds nothing but video, and that is not wanted (-vn)")
            if not has:
                raise InputError(f"there is no video in this file, and {self._format} holds nothing else")
        return has and wanted

    def _takes_audio(self) -> bool:
        has, wanted = self._reader.has_audio, self._options.audio
        if self._format in VIDEO_ONLY:
            if has and wanted:
                self._left_out.append(f"{self._format} holds no audio: it is left out")
            return False
        if self._format in AUDIO_ONLY:
            if not wanted:
                raise UsageError(f"{self._format} holds nothing but audio, and that is not wanted (-an)")
            if not has:
                raise InputError(f"there is no audio in this file, and {self._format} holds nothing else")
        return has and wanted

    def _check(self) -> None:
        """Refuse options that mean nothing to this output."""
        options = self._options
        if not self._wants_audio and not self._wants_video:
            raise InputError("nothing is left to decode: the file holds no more than what is left out")
        if not self._wants_video and (options.keyframes_only or options.video_codec is not None):
            what = "keyframes only" if options.keyframes_only else f"the video codec {options.video_codec!r}"
            raise UsageError(f"{what} asked for, but no video goes into this output")
        if not self._wants_audio and (options.sample_rate is not None or options.channels is not None):
            raise UsageError("a sample rate or channels asked for, but no audio goes into this output")

    def _opened(self, target: str | os.PathLike[str] | BinaryIO) -> AudioSink | MediaSink:
        options, shape = self._options, (0, 0)
        if self._wants_audio:
            stream = self._reader.audio
            rate = stream.sample_rate if options.sample_rate is None else options.sample_rate
            channels = stream.channels if options.channels is None else options.channels
            shape = rate, channels
            resamples = shape != (stream.sample_rate, stream.channels)
            self._copies = self._can_copy(stream) and not resamples
            if not self._copies:
                self._converter = Converter(stream.sample_rate, stream.channels, rate, channels)
        if self._format in AUDIO_ONLY:
            return AudioSink(
                target,
                sample_rate=shape[0],
                channels=shape[1],
                format=self._format,
                overwrite=options.overwrite,
                metadata=self._metadata,
            )
        return self._media_sink(target, shape if self._wants_audio else None)

    def _can_copy(self, stream: AudioReader | CopyReader) -> bool:
        """Whether the packets go into the output as they are."""
        if not isinstance(stream, CopyReader) or self._format in AUDIO_ONLY:
            return False
        copy = stream.description
        if not fits(MUXERS[self._format], copy):
            self._left_out.append(f"{self._format} cannot hold this {copy.codec} audio as it is: encoded anew")
            return False
        return True

    def _media_sink(self, target: str | os.PathLike[str] | BinaryIO, shape: tuple[int, int] | None) -> MediaSink:
        options, reader = self._options, self._reader
        audio: tuple[int, int] | AudioCopy | None = shape
        if self._copies and isinstance(reader.audio, CopyReader):
            copy = reader.audio.description
            # what precedes the start is not presented and does not come along, nor does the priming
            audio = replace(copy, priming=0) if options.start or reader.joined else copy
        if not self._wants_video:
            return MediaSink(
                target, audio=audio, format=self._format, overwrite=options.overwrite, metadata=self._metadata
            )
        video = reader.video
        exact = (Fraction(options.start).limit_denominator(1_000_000) / video.time_base).denominator == 1
        self._tick = video.time_base if exact else _FINE
        return MediaSink(
            target,
            width=video.width,
            height=video.height,
            frame_rate=video.frame_rate,
            time_base=self._tick,
            colour=video.colour,
            audio=audio,
            format=self._format,
            video_codec=options.video_codec,
            overwrite=options.overwrite,
            metadata=self._metadata,
        )

    def _total(self) -> float | None:
        audio = self._reader.audio.duration if self._wants_audio else 0.0
        video = self._reader.video.duration if self._wants_video else 0.0
        if audio is None or video is None:
            return None if self._stop is None else self._stop - self._options.start
        whole = max(audio, video)
        return max(0.0, min(whole, whole if self._stop is None else self._stop) - self._options.start)

    def items(self) -> Iterator[Item]:
        """What the output takes of the file, in the order of time."""
        return self._reader.items(
            audio=("copy" if self._copies else True) if self._wants_audio else False,
            video=self._wants_video,
            start=self._options.start,
            stop=self._stop,
            keyframes_only=self._options.keyframes_only,
        )

    def write(self, item: Item) -> None:
        """Write an item of `items`, on a timeline that begins at the start asked for."""
        if self._origin is None:
            self._origin = self._first_moment(item)
        start = self._origin
        if isinstance(item, VideoFrame):
            self.num_frames = (self.num_frames or 0) + 1
            place, lasts = item.pts * item.time_base, self._lasting(item)
            pts = round((place - start) / self._tick)
            self.seconds = float(pts * self._tick + lasts)
            self._put(replace(item, pts=pts, time_base=self._tick, duration=round(lasts / self._tick)))
        elif isinstance(item, AudioPacket):
            shift = round(start / item.time_base)
            self.seconds = float((item.pts + item.duration - shift) * item.time_base)
            self._put(replace(item, pts=item.pts - shift, dts=item.dts - shift))
        else:
            assert self._converter is not None
            self.seconds = float(Fraction(item.pts + item.num_samples, item.sample_rate) - start)
            pts = item.pts - round(start * item.sample_rate)
            self._put(self._converter.push(AudioChunk(item.samples, item.sample_rate, pts)))

    def _first_moment(self, item: Item) -> Fraction:
        """What becomes time 0: the start asked for; of a stream that was joined on its way, where its first item is."""
        start = Fraction(self._options.start).limit_denominator(1_000_000)
        if not self._reader.joined:
            return start
        tick = Fraction(1, item.sample_rate) if isinstance(item, AudioChunk) else item.time_base
        return max(start, item.pts * tick)

    def _lasting(self, frame: VideoFrame) -> Fraction:
        """Seconds that a frame is presented: not far beyond the end that is asked for."""
        nominal = 1 / self._reader.video.frame_rate
        lasts = frame.duration * frame.time_base or nominal
        if self._stop is None:
            return lasts
        return min(lasts, max(nominal, Fraction(self._stop) - frame.pts * frame.time_base))

    def _put(self, item: Item) -> None:
        if isinstance(self._sink, AudioSink):
            assert isinstance(item, AudioChunk)  # nothing else comes
            self._sink.write(item)
            return
        self._sink.write(item)

    @property
    def notes(self) -> list[str]:
        """What a user should know, one line each."""
        sink = self._sink.notes() if isinstance(self._sink, MediaSink) else []
        unsaid = [f"{self._format} has no field for {listed(self._sink.left_out)}"] if self._sink.left_out else []
        return [*self._left_out, *unsaid, *sink, *(self._converter.notes() if self._converter else [])]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._sink.abort()
            return
        if self._converter is not None:
            try:
                self._put(self._converter.flush())
            except BaseException:
                self._sink.abort()
                raise
        self._sink.close()
