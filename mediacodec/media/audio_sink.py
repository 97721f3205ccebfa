"""Writing audio: wav, flac, Ogg Opus, mp3, m4a and raw samples, to files, pipes and file objects."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
import av.error

from mediacodec.arguments import as_flag, as_instance, as_integer
from mediacodec.errors import ParameterError, UsageError
from mediacodec.frames import AudioChunk, Samples, as_sample_rate
from mediacodec.media.avio import arranged
from mediacodec.media.metadata import write_metadata
from mediacodec.media.resample import Resampler
from mediacodec.media.target import Target, check_name, open_target, writing
from mediacodec.metadata import MediaMetadata


@dataclass(frozen=True)
class AudioFormat:
    """How a kind of file is made.

    Attributes:
        muxer, encoder: FFmpeg's names.
        sample_format: of the samples that the encoder takes.
        suffixes: of file names.
        max_channels: that it takes.
        lossy: whether a bit rate is set.
    """

    muxer: str
    encoder: str
    sample_format: str
    suffixes: tuple[str, ...]
    max_channels: int = 8
    lossy: bool = False


FORMATS: Final[dict[str, AudioFormat]] = {
    "wav": AudioFormat("wav", "pcm_s16le", "s16", (".wav", ".wave")),
    "flac": AudioFormat("flac", "flac", "s16", (".flac",)),
    "ogg": AudioFormat("ogg", "libopus", "flt", (".ogg", ".oga", ".opus"), 2, lossy=True),
    "mp3": AudioFormat("mp3", "libmp3lame", "fltp", (".mp3",), 2, lossy=True),
    "m4a": AudioFormat("ipod", "aac", "fltp", (".m4a",), 2, lossy=True),
    "s16le": AudioFormat("s16le", "pcm_s16le", "s16", (".s16le",)),
    "f32le": AudioFormat("f32le", "pcm_f32le", "flt", (".f32le",)),
}
"""Formats by name. An .ogg holds Opus, for which FFmpeg's wheel has a good encoder (it has none for Vorbis)."""

_ALIASES = {"opus": "ogg"}
LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")


class AudioSink:
    """Writes chunks of audio as a file of a classic format; a context manager.

    A named file appears when it is closed, whole, and not at all after an exception; pipes grow live. Integer formats
    have 16 bits: samples are rounded to the nearest step of 1/32768 and what is beyond full scale saturates. A rate
    that the encoder does not know is resampled to the next higher one (Opus: to 48 kHz). Read again with
    AudioSource the result is aligned and exactly as long as what was written, at its own rate, which for Opus is always
    48 kHz. The exception is mp3 into a pipe: its length and delay stand in a first frame that is filled in at the end,
    so there the encoder's 1105 samples of delay and its padding remain. WAV files beyond 4 GiB become RF64.

    Args:
        target: a path, "-" for standard output, or a binary file object (which is not closed).
        sample_rate: Hz of the chunks.
        channels: of the chunks; 1 or 2 for lossy formats, up to 8 for the others.
        format: a name in FORMATS, or "opus"; None takes it from the suffix.
        overwrite: replace an existing file.
        metadata: tags and chapters; those that the format has no field for are left out.

    Attributes:
        left_out: names of what was.

    Raises:
        UsageError: unknown format, too many channels, or standard output is a terminal.
        OutputExistsError, OutputError: the file exists, or cannot be written. BrokenPipeError passes as it is.
    """

    def __init__(
        self,
        target: Target,
        *,
        sample_rate: int,
        channels: int,
        format: str | None = None,  # noqa: A002 - the name that every such interface has
        overwrite: bool = False,
        metadata: MediaMetadata | None = None,
    ) -> None:
        self._metadata = metadata or MediaMetadata()
        self.left_out: list[str] = []
        sample_rate, channels = as_sample_rate("sample_rate", sample_rate), as_integer("channels", channels, 1)
        overwrite = as_flag("overwrite", overwrite)
        self.sample_rate, self.channels = sample_rate, channels
        self.format = format_of(target, format)
        self._kind = FORMATS[self.format]
        if channels > self._kind.max_channels:
            raise UsageError(f"{self.format} takes 1 to {self._kind.max_channels} channels, not {channels}; use -ac")
        self._open = False
        self._cleanup = contextlib.ExitStack()
        self._file, self._avio = open_target(target, overwrite=overwrite)
        try:
            self._start()
        except BaseException:
            self.abort()
            raise

    def _start(self) -> None:
        self._pts = 0
        with self._translated():
            self._rate = encoder_rate(self._kind.encoder, self.sample_rate)
            self._resampler = Resampler(self.sample_rate, self._rate)
            self._container = av.open(self._avio, "w", format=self._kind.muxer, options=self._options())
            self._cleanup.callback(self._container.close)
            self._layout = LAYOUTS[self.channels - 1]
            stream = self._container.add_stream(self._kind.encoder, rate=self._rate, layout=self._layout)
            if not isinstance(stream, av.AudioStream):
                raise AssertionError(f"{self._kind.encoder} is no audio encoder")
            self._stream = stream
            if self._kind.lossy:
                # Transparent for speech; encoders refuse or clamp more than this at low rates.
                self._stream.bit_rate = min(96_000, 4 * self._rate) * self.channels
            self._stream.time_base = Fraction(1, self._rate)
            self.left_out = write_metadata(self._container, self.format, self._metadata, stream)
            self._container.start_encoding()
        self._open = True

    def _options(self) -> dict[str, str]:
        """Of the muxer."""
        options = {"fflags": "+bitexact"}  # no version strings: the same input gives the same file
        if self.format == "wav" and self._avio.seekable():
            options["rf64"] = "auto"
        if self.format == "m4a":
            options["movie_timescale"] = str(self._rate)  # by default the edit list rounds the length to milliseconds
            if not self._avio.seekable():
                options["movflags"] = "+frag_keyframe+empty_moov+delay_moov+default_base_moof"
                options["frag_duration"] = "1000000"  # microseconds
        return options

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, chunk: AudioChunk) -> None:
        """Append a chunk; its pts is not looked at.

        Args:
            chunk: of the sink's rate and channels.

        Raises:
            ParameterError: the chunk has another rate or other channels than the sink, or the sink is closed.
            ParameterTypeError: it is no chunk.
            OutputError: it cannot be written; nothing is left under the final name then.
        """
        if not self._open:
            raise ParameterError("the sink is closed")
        as_instance("chunk", chunk, AudioChunk)
        if (chunk.sample_rate, chunk.channels) != (self.sample_rate, self.channels):
            raise ParameterError(
                f"expected {self.sample_rate} Hz and {self.channels} channel(s), "
                f"got {chunk.sample_rate} Hz and {chunk.channels}"
            )
        self._encode(self._resampler.push(chunk.samples))

    def close(self) -> None:
        """Finish the file and give it its name; once closed or aborted this does nothing.

        Raises:
            OutputExistsError, OutputError: as for the class; nothing is left under the final name then.
        """
        if not self._open:
            return
        try:
            self._encode(self._resampler.flush())
            with self._translated():
                self._container.mux(self._stream.encode(None))
                self._cleanup.close()
            if self._file is not None:
                self._file.commit()
            self._open = False
        finally:
            self.abort()

    def abort(self) -> None:
        """Give up: nothing appears under the final name (a pipe keeps what it was sent)."""
        self._open = False
        with contextlib.suppress(Exception):  # writing the trailer may fail for the reason we abort for
            self._cleanup.close()
        if self._file is not None:
            self._file.abort()

    def _encode(self, samples: Samples) -> None:
        if samples.shape[1] == 0:
            return
        with self._translated():
            frame = av.AudioFrame.from_ndarray(
                arranged(samples, self._kind.sample_format), format=self._kind.sample_format, layout=self._layout
            )
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._pts, Fraction(1, self._rate)
            self._pts += samples.shape[1]
            self._container.mux(self._stream.encode(frame))

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with writing(self._avio, self.format):
                yield
        except Exception:
            self.abort()
            raise


def format_of(target: Target, name: str | None = None) -> str:
    """The format of an output: as named, or else by the suffix of its file name.

    Args:
        target: a path, or an open file, whose name counts.
        name: as somebody gave it; None where nobody did.

    Returns:
        A key of FORMATS.

    Raises:
        UsageError: neither tells; the message lists what there is.
        ParameterTypeError: an argument is of the wrong kind.
    """
    check_name(target, name)
    known = ", ".join(FORMATS)
    if name is not None:
        if _ALIASES.get(name, name) not in FORMATS:
            raise UsageError(f"unknown format '{name}'; there are {known}")
        return _ALIASES.get(name, name)
    path = target if isinstance(target, (str, os.PathLike)) else getattr(target, "name", "")
    suffix = Path(path).suffix.lower() if isinstance(path, (str, os.PathLike)) else ""
    for key, kind in FORMATS.items():
        if suffix in kind.suffixes:
            return key
    raise UsageError(f"cannot tell the format of '{path}' from its suffix; name one with -f: {known}")


def encoder_rate(encoder: str, rate: int) -> int:
    """The rate to encode at: the source's if the encoder knows it, else the next higher one, else its highest.

    Args:
        encoder: FFmpeg's name.
        rate: of the source, Hz.
    """
    rates = sorted(av.Codec(encoder, "w").audio_rates or [rate])
    if encoder == "libopus" and rate not in rates:
        return rates[-1]  # decoders give 48 kHz in any case, so that resampling once is enough
    return next((known for known in rates if known >= rate), rates[-1])
