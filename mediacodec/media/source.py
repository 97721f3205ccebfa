"""Reading sound: anything FFmpeg reads, as float32 chunks at its own rate, exactly as long as it was recorded."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import BinaryIO, Self

import av
import av.error
import numpy as np

from mediacodec.errors import InputError, UsageError
from mediacodec.frames import AudioChunk, Samples
from mediacodec.media.avio import Bridge, open_input
from mediacodec.media.demux import open_container, reading
from mediacodec.media.gapless import EXACT_SEEK, MP4, Trimmer, stated_lengths

_STATES_LENGTH = frozenset({"aiff", "flac", "wav", MP4})  # exactly, not estimated from the size of the file
_PREROLL_SECONDS = 1  # decoders need a running start: MP3 its bit reservoir, Opus 80 ms, AAC an overlap


class AudioSource:
    """The best audio stream of a file, pipe or file object, decoded as it is asked for; a context manager.

    Lengths are exact, without the priming and padding of lossy codecs, wherever the file tells them. FFmpeg itself
    applies the LAME tag of MP3, the pre-skip and last granule of Opus, the discard padding of Matroska and the start
    of an MP4 edit list; the rest is in `gapless`. What carries no such data (raw AAC; AAC in Matroska, at its end)
    keeps its padding, up to two codec frames.

    Args:
        source: a path, "-" for standard input, or a binary file object (seekable or not; it is not closed).
        start: seconds to skip, to the sample; beyond the end there is simply nothing to read.
        duration: seconds to read at most, to the sample; None for all.

    Raises:
        InputError: missing, unreadable, empty, not a media file, without audio, or of a kind that is not supported.
        UsageError: start or duration is negative or not finite, or standard input is a terminal.
    """

    sample_rate: int
    """Hz, of the source."""
    channels: int
    """Number of channels of the source."""
    codec_name: str
    """FFmpeg's name of the source's codec: pcm_s16le, mp3, opus, aac ..."""

    def __init__(
        self, source: str | os.PathLike[str] | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> None:
        for option, value in (("start", start), ("duration", duration)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{option} must be a number of seconds from 0 on, not {value}")
        self._damaged: list[float] = []
        self._missing = 0.0
        self._exhausted = False
        self._position = 0
        self._label, self._file = open_input(source)
        self._cleanup = contextlib.ExitStack()
        if isinstance(source, (str, os.PathLike)) and os.fspath(source) != "-":
            self._cleanup.enter_context(self._file)
        try:
            self._open()
            self._begin = round(start * self.sample_rate)
            self._end = math.inf if duration is None else self._begin + round(duration * self.sample_rate)
            self._seek()
        except BaseException:
            self.close()
            raise

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

    @property
    def duration(self) -> float | None:
        """Seconds that `blocks` will give, None if unknown. As the container states it: for progress displays."""
        if self._stated is None:
            return None
        return max(0.0, min(self._end, self._stated) - self._begin) / self.sample_rate

    def blocks(self) -> Iterator[AudioChunk]:
        """The sound, once, as float32 [channels, n]; from a file about 0.25 s at a time, from a pipe as it comes.

        Full scale is [-1, 1]; peaks beyond it, in floats and lossy codecs, are kept. pts counts from `start`.

        Raises:
            InputError: it cannot be read on, changes its rate or channels on the way, or was read before.
        """
        if self._exhausted:
            raise InputError(f"{self._label} has been read already or is closed; open it again")
        self._exhausted = True
        position = self._position
        for samples in self._gathered():
            skip = max(0, self._begin - position)
            stop = min(samples.shape[1], self._end - position)
            if stop > skip:
                yield AudioChunk(
                    np.ascontiguousarray(samples[:, skip : int(stop)]), self.sample_rate, position + skip - self._begin
                )
            position += samples.shape[1]
            if position >= self._end:
                return
        if self._stated is not None and self._container.format.name in _STATES_LENGTH:
            self._missing = (min(self._stated, self._end) - position) / self.sample_rate

    def notes(self) -> list[str]:
        """What a user should know about the reading so far, one line each."""
        notes = []
        if self._damaged:
            count, first = len(self._damaged), self._damaged[0]
            notes.append(f"WARNING: {self._label}: left out {count} damaged packet(s), the first near {first:.2f} s")
        if self._missing > 0.1:
            notes.append(f"WARNING: {self._label} is {self._missing:.2f} s shorter than it says; is it cut or damaged?")
        return notes

    def _open(self) -> None:
        """Open the container and decode the first frame: only a decoded frame tells rate and channels for sure."""
        self._bridge = Bridge(self._file)
        with self._translated():
            self._container = open_container(self._bridge)
            self._cleanup.callback(self._container.close)
            stream = self._container.streams.best("audio")
            if not isinstance(stream, av.AudioStream):
                raise InputError(f"{self._label} has no audio that can be decoded")
            self._stream = stream
            self._time_base = stream.time_base or Fraction(1)
            self._frames = self._decode()
        self._first = next(self._frames, None)
        context = stream.codec_context
        self.codec_name = context.codec.canonical_name
        shape = self._first or context
        self.sample_rate, self.channels = shape.sample_rate, shape.layout.nb_channels
        if self.sample_rate < 1 or self.channels < 1 or (self._first is None and self._damaged):
            raise InputError(f"{self._label}: none of its audio ({self.codec_name}) can be decoded")
        self._origin = self._first.pts if self._first is not None else None
        self._lengths = stated_lengths(self._container, stream, self.sample_rate, self._bridge.head)
        self._stated = self._lengths.stated
        self._bridge.head = None

    def _seek(self) -> None:
        """Move near the start asked for if that can be done to the sample; else decoding and dropping gets there."""
        target = self._begin - _PREROLL_SECONDS * self.sample_rate
        seekable = self._bridge.seekable() and self._container.format.name in EXACT_SEEK
        if target < self.sample_rate or not seekable or self._origin is None:
            return
        origin, landed = self._origin, None
        try:
            with self._bridge.guard():
                ticks = origin + int(target / (self.sample_rate * self._time_base))
                self._container.seek(ticks, stream=self._stream)
                self._frames = self._decode()
                landed = next(self._frames, None)
        except (av.error.FFmpegError, InputError):
            pass
        if landed is not None and landed.pts is not None:
            position = self._to_samples(landed.pts - origin)
            if position <= self._begin:
                self._first, self._position = landed, position
                return
        self._container.close()
        self._damaged.clear()
        self._file.seek(0)
        self._open()

    def _to_samples(self, ticks: int) -> int:
        return round(ticks * self._time_base * self.sample_rate)

    def _decode(self) -> Iterator[av.AudioFrame]:
        """All frames from here on. Damaged packets are counted and left out, as every player does."""
        packets = self._container.demux(self._stream)
        while True:
            with self._translated():
                packet = next(packets, None)
                if packet is None:
                    return
                try:
                    frames = packet.decode()
                except (av.error.InvalidDataError, av.error.PatchWelcomeError):
                    frames = []
                    self._damaged.append(float((packet.pts or 0) * self._time_base))
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.samples:
                    yield frame

    def _gathered(self) -> Iterator[Samples]:
        """Frames from a file in larger pieces, which everything downstream handles faster; from a pipe at once."""
        size = self.sample_rate // 4 if self._bridge.seekable() else 1
        parts: list[Samples] = []
        for part in self._trimmed(self._position):
            parts.append(part)
            if sum(p.shape[1] for p in parts) >= size:
                yield parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
                parts = []
        if parts:
            yield np.concatenate(parts, axis=1)

    def _trimmed(self, position: int) -> Iterator[Samples]:
        """Frames as float arrays [channels, n], from sample `position` on, without the padding at the end."""
        trimmer = Trimmer(
            (self.sample_rate, self.channels),
            self._lengths,
            position=position,
            look_ahead=self._container.format.name == MP4,
            label=self._label,
        )
        frame, self._first = self._first, None
        while frame is not None and not trimmer.done:
            yield from trimmer.push(frame)
            frame = None if trimmer.done else next(self._frames, None)
        yield from trimmer.flush()

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return reading(self._bridge, self._label)
