"""Reading audio: anything FFmpeg reads, as float32 chunks at its own rate, exactly as long as it was recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from mediacodec.frames import AudioChunk
from mediacodec.media.media_source import MediaSource


class AudioSource:
    """The best audio stream of a file, pipe or file object, decoded as it is asked for; a context manager.

    It is a `MediaSource` of audio alone. Lengths are exact, without the priming and padding of lossy codecs, wherever
    the file tells them. FFmpeg itself applies the LAME tag of MP3, the pre-skip and last granule of Opus, the discard
    padding of Matroska and the start of an MP4 edit list; the rest is in `gapless`. What carries no such data (raw AAC;
    AAC in Matroska, at its end) keeps its padding, up to two codec frames.

    Args:
        source: a path, "-" for standard input, or a binary file object (seekable or not; it is not closed).
        start: seconds to skip, to the sample; beyond the end there is simply nothing to read.
        duration: seconds to read at most, to the sample; None for all.

    Attributes:
        sample_rate: Hz, of the source.
        channels: number of channels of the source.
        codec_name: FFmpeg's name of the source's codec: pcm_s16le, mp3, opus, aac ...

    Raises:
        InputError: missing, unreadable, empty, not a media file, without audio, or of a kind that is not supported.
        UsageError: start or duration is negative or not finite, or standard input is a terminal.

    Example:
        >>> with AudioSource("talk.mp3", start=60, duration=10) as source:
        ...     samples = np.concatenate([chunk.samples for chunk in source.blocks()], axis=1)
    """

    __slots__ = ("_media", "channels", "codec_name", "sample_rate")

    def __init__(
        self, source: str | os.PathLike[str] | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> None:
        self._media = MediaSource(source, video=False, start=start, duration=duration)
        self.sample_rate, self.channels = self._media.sample_rate, self._media.channels
        self.codec_name = self._media.audio_codec

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free everything; a file object that was passed in stays open."""
        self._media.close()

    @property
    def duration(self) -> float | None:
        """Seconds that `blocks` will give, None if unknown. As the container states it: for progress displays."""
        return self._media.duration

    def blocks(self) -> Iterator[AudioChunk]:
        """Read the audio, once; from a file about 0.25 s at a time, from a pipe as it comes.

        Full scale is [-1, 1]; peaks beyond it, in floats and lossy codecs, are kept. Where time stamps jump ahead by
        more than 0.1 s there is silence.

        Returns:
            Chunks of samples float32 [channels, n] that follow each other; pts counts from `start`.

        Raises:
            InputError: it cannot be read on, changes its rate or channels on the way, or was read before.
        """
        for item in self._media.items():
            assert isinstance(item, AudioChunk)  # nothing else was asked for
            yield item

    def notes(self) -> list[str]:
        """What a user should know about the reading so far, one line each."""
        return self._media.notes()
