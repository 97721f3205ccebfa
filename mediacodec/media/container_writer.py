"""Audio and video into mp4, mov or mkv, each with its time stamps."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import av.stream
import numpy as np

from mediacodec.errors import ParameterError, UsageError
from mediacodec.frames import AudioChunk, Colour, Samples, VideoFrame
from mediacodec.media.audio_sink import LAYOUTS, encoder_rate
from mediacodec.media.avio import arranged
from mediacodec.media.metadata import write_metadata
from mediacodec.media.plane_writer import to_frame
from mediacodec.media.resample import Resampler
from mediacodec.media.stream_copy import AudioCopy, AudioPacket, template_stream
from mediacodec.media.target import Target, open_target, writing
from mediacodec.metadata import MediaMetadata

MUXERS: Final = {"mp4": "mp4", "mov": "mov", "mkv": "matroska"}
_MOST_TICKS = 10_000_000  # a second; MP4 counts in 32 bits
_FALLBACK_TICKS = 90_000
_JITTER_SECONDS = 0.002  # between chunks of audio: below, it is rounding


@dataclass(frozen=True)
class VideoShape:
    """The frames to come.

    Attributes:
        width, height: pixels.
        frame_rate: nominal, per second.
        time_base: seconds per tick.
        colour: see VideoFrame.
        codec: "h264" or "ffv1".
    """

    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction
    colour: Colour
    codec: str


class ContainerWriter:
    """Encodes video (H.264 at crf 12, or FFV1) and audio (AAC, or FLAC beside FFV1), or copies audio.

    H.264 is made without B frames: what is presented first comes first, so no player needs an edit list for it.
    H.264 in 4:2:0 has even sizes only; an odd one is stored in 4:4:4 with repeated chroma, which keeps the
    size exactly and the frame as it is, but which fewer players know; `notes` says so.

    Args:
        target: a path, "-", or a binary file object (not closed). What cannot seek gets a fragmented mp4.
        format: mp4, mov or mkv.
        video: the frames to come; None for audio alone.
        audio: (Hz, channels) of chunks to encode, an AudioCopy of packets, or None.
        overwrite: replace an existing file.
        metadata: tags and chapters.

    Attributes:
        left_out: names of what the format has no field for.
    """

    def __init__(
        self,
        target: Target,
        *,
        format: str,  # noqa: A002 - the name that every such interface has
        video: VideoShape | None,
        audio: tuple[int, int] | AudioCopy | None,
        overwrite: bool,
        metadata: MediaMetadata | None = None,
    ) -> None:
        self._format, self._shape = format, video
        self._metadata = metadata or MediaMetadata()
        self.left_out: list[str] = []
        self._cleanup = contextlib.ExitStack()
        self._file, self._avio = open_target(target, overwrite=overwrite)
        self._video: av.VideoStream | None = None
        self._copy_stream: av.AudioStream | None = None
        self._audio: _AudioEncoder | None = None
        self._last: int | None = None
        self._durations: dict[int, int] = {}  # of the frames that the encoder holds, by pts, in ticks
        self._odd = video is not None and video.codec == "h264" and bool((video.width | video.height) & 1)
        try:
            with self._translated():
                self._start(audio)
        except BaseException:
            self.abort()
            raise

    def _start(self, audio: tuple[int, int] | AudioCopy | None) -> None:
        options = {"fflags": "+bitexact"}  # no version strings: the same input gives the same file
        if self._format != "mkv":
            options["movie_timescale"] = str(self._movie_ticks(audio))  # by default edit lists round to 1 ms
            if not self._avio.seekable():
                options["movflags"] = "+frag_keyframe+empty_moov+delay_moov+default_base_moof"
                options["frag_duration"] = "1000000"  # microseconds
        self._container = av.open(self._avio, "w", format=MUXERS[self._format], container_options=options)
        self._cleanup.callback(self._container.close)
        if self._shape is not None:
            self._add_video(self._shape)
        if isinstance(audio, AudioCopy):
            with template_stream(audio) as template:
                try:
                    self._copy_stream = self._container.add_stream_from_template(template)
                except ValueError as error:
                    raise UsageError(f"{self._format} holds no {audio.codec} audio; use mkv or encode it") from error
                self._copy_stream.time_base = audio.time_base
        elif audio is not None:
            codec = "flac" if self._shape is not None and self._shape.codec == "ffv1" else "aac"
            self._audio = _AudioEncoder(self._container, codec, *audio)
        of_audio = self._audio.stream if self._audio is not None else self._copy_stream
        self.left_out = write_metadata(self._container, self._format, self._metadata, of_audio, self._video)
        self._container.start_encoding()

    def _movie_ticks(self, audio: tuple[int, int] | AudioCopy | None) -> int:
        rate = audio.sample_rate if isinstance(audio, AudioCopy) else encoder_rate("aac", audio[0]) if audio else 1
        ticks = self._ticks(self._shape).denominator if self._shape else 1
        both = math.lcm(rate, ticks)
        return both if both < 1 << 31 else max(rate, ticks)

    @staticmethod
    def _ticks(video: VideoShape) -> Fraction:
        fits = video.time_base.denominator <= _MOST_TICKS and video.time_base.numerator < 1 << 31
        return video.time_base if fits else Fraction(1, _FALLBACK_TICKS)

    def _add_video(self, video: VideoShape) -> None:
        encoder, options = "ffv1", {"level": "3", "slicecrc": "1", "g": "1"}
        if video.codec == "h264":
            encoder, options = "libx264", {"crf": "12", "preset": "veryfast", "bf": "0"}
        stream = self._container.add_stream(encoder, rate=video.frame_rate, options=options)
        if not isinstance(stream, av.VideoStream):
            raise AssertionError(f"{encoder} is no video encoder")
        stream.width, stream.height = video.width, video.height
        stream.pix_fmt = "yuv444p" if self._odd else "yuv420p"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = video.colour[:3]
        context.color_range = 2 if video.colour[3] else 1
        self._tick = self._ticks(video)
        context.time_base = stream.time_base = self._tick
        self._nominal = max(1, round(1 / (video.frame_rate * self._tick)))
        self._video = stream

    def write(self, item: VideoFrame | AudioChunk | AudioPacket) -> None:
        """Append an item.

        Raises:
            ParameterError: a frame does not come after the one before.
            OutputError: it cannot be written.
        """
        with self._translated():
            if isinstance(item, VideoFrame):
                self._write_frame(item)
            elif isinstance(item, AudioChunk):
                assert self._audio is not None
                self._audio.write(item)
            else:
                self._write_packet(item)

    def _write_frame(self, item: VideoFrame) -> None:
        assert self._video is not None
        pts = round(item.pts * item.time_base / self._tick)
        if self._last is not None and pts <= self._last:
            raise ParameterError(f"frames must come in the order of their pts: {pts} after {self._last}")
        self._last = pts
        frame = to_frame(item, full_chroma=self._odd)
        lasts = round(item.duration * item.time_base / self._tick)
        frame.pts, frame.time_base, frame.duration = pts, self._tick, lasts or self._nominal
        frame.color_range = 2 if item.colour[3] else 1
        self._durations[pts] = frame.duration
        self._mux_video(frame)

    def _mux_video(self, frame: av.VideoFrame | None) -> None:
        """Encode and write a frame, or what the encoder still holds. Encoders lose durations, of the last frame too."""
        assert self._video is not None
        for packet in self._video.encode(frame):
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, packet.duration or 0)
            self._container.mux(packet)

    def _write_packet(self, item: AudioPacket) -> None:
        assert self._copy_stream is not None
        packet = av.Packet(item.data)
        packet.pts, packet.dts, packet.duration = item.pts, item.dts, item.duration
        packet.time_base, packet.is_keyframe = item.time_base, item.is_keyframe
        packet.stream = self._copy_stream
        self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its name."""
        with self._translated():
            if self._video is not None:
                self._mux_video(None)
            if self._audio is not None:
                self._audio.flush()
            self._cleanup.close()
        if self._file is not None:
            self._file.commit()

    def abort(self) -> None:
        """Give up: nothing appears under the final name (a pipe keeps what it was sent)."""
        with contextlib.suppress(Exception):  # writing the trailer may fail for the reason we abort for
            self._cleanup.close()
        if self._file is not None:
            self._file.abort()

    def notes(self) -> list[str]:
        """What a user should know, one line each."""
        if not self._odd or self._shape is None:
            return []
        size = f"{self._shape.width}x{self._shape.height}"
        return [f"{size} is odd: stored as H.264 4:4:4, which keeps the size; some players want an even one"]

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return writing(self._avio, self._format)


class _AudioEncoder:
    """Encodes chunks at the place that their pts names: gaps become silence, what overlaps is left out."""

    def __init__(self, container: av.container.OutputContainer, codec: str, rate: int, channels: int) -> None:
        self._container, self._rate_in, self._channels = container, rate, channels
        self._sample_format = "fltp" if codec == "aac" else "s16"
        self._rate = encoder_rate(codec, rate)
        self._layout = LAYOUTS[channels - 1]
        self._resampler = Resampler(rate, self._rate)
        stream = container.add_stream(codec, rate=self._rate, layout=self._layout)
        if not isinstance(stream, av.AudioStream):
            raise AssertionError(f"{codec} is no audio encoder")
        if codec == "aac":
            stream.bit_rate = min(128_000, 5 * self._rate) * channels  # transparent; at low rates AAC takes no more
        stream.time_base = Fraction(1, self._rate)
        self.stream = stream
        self._next = 0  # in samples as they come
        self._pts = 0  # in samples as they are encoded

    def write(self, chunk: AudioChunk) -> None:
        """Append a chunk."""
        gap = chunk.pts - self._next
        samples = chunk.samples
        if abs(gap) > _JITTER_SECONDS * self._rate_in:
            while gap > 0:
                size = min(gap, self._rate_in)
                self._push(np.zeros((self._channels, size), np.float32))
                gap -= size
            samples = samples[:, max(0, -gap) :]
        self._push(samples)

    def flush(self) -> None:
        """The rest."""
        self._encode(self._resampler.flush())
        self._container.mux(self.stream.encode(None))

    def _push(self, samples: Samples) -> None:
        self._next += samples.shape[1]
        self._encode(self._resampler.push(samples))

    def _encode(self, samples: Samples) -> None:
        if samples.shape[1] == 0:
            return
        array = arranged(samples, self._sample_format)
        frame = av.AudioFrame.from_ndarray(array, format=self._sample_format, layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._pts, Fraction(1, self._rate)
        self._pts += samples.shape[1]
        self._container.mux(self.stream.encode(frame))
