"""The whole journey of a sound on one page: media file -> .mcx -> media file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mediacodec import files
from mediacodec.codecs.base import LIVE_BELOW
from mediacodec.errors import MediaCodecError, OutputError
from mediacodec.file_writer import FileWriter
from mediacodec.frames import AudioChunk
from mediacodec.media import AudioSink, AudioSource, Converter
from mediacodec.probe import Source
from mediacodec_bitstream import Gap


@dataclass(frozen=True)
class Progress:
    """Where a job stands: seconds of media done and expected (None: unknown), bytes written, seconds of waiting."""

    seconds_done: float
    seconds_total: float | None
    bytes_written: int
    wall_seconds: float


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """start, duration: seconds of the source; bit_rate: bits a second, None for the codec's best; packet_duration:
    seconds; models: a folder to look for models in first."""

    codec: str = "speech"
    bit_rate: float | None = None
    start: float = 0.0
    duration: float | None = None
    packet_duration: float = 1.0
    device: str = "auto"
    threads: int = 1
    models: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """start, duration: seconds; sample_rate, channels: of the output, None for the codec's own; format: of the
    output, None to take it from the file's suffix."""

    start: float = 0.0
    duration: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    format: str | None = None
    overwrite: bool = False
    device: str = "auto"
    threads: int = 1
    models: Path | None = None


@dataclass(frozen=True, kw_only=True)
class EncodeReport:
    """What encoding gave. payload_bytes: packets with their symbol CRC; file_bytes: all that was written."""

    seconds: float
    wall_seconds: float
    payload_bytes: int
    file_bytes: int
    notes: list[str]

    @property
    def payload_kbps(self) -> float:
        return self.payload_bytes * 8e-3 / self.seconds if self.seconds else 0.0

    @property
    def file_kbps(self) -> float:
        return self.file_bytes * 8e-3 / self.seconds if self.seconds else 0.0

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / self.wall_seconds if self.wall_seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class DecodeReport:
    """What decoding gave. gaps: what was damaged or missing; truncated: the file has no end."""

    seconds: float
    wall_seconds: float
    gaps: list[Gap] = field(default_factory=list)
    truncated: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def damaged(self) -> bool:
        return bool(self.gaps) or self.truncated


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
) -> EncodeReport:
    """Encode the audio of anything FFmpeg reads into an open binary file, which is not closed.

    progress is called after every block and may raise to stop. Raises InputError, ModelNotFoundError, ParameterError,
    DeviceError, OutputError.
    """
    options = options or EncodeOptions()
    began, seconds = time.perf_counter(), 0.0
    counted = _Counted(target)
    with AudioSource(source, start=options.start, duration=options.duration) as audio:
        writer = FileWriter(
            counted,  # type: ignore[arg-type]  # all that a writer asks of a file: write and flush
            models=options.models,
            device=options.device,
            threads=options.threads,
            # short packets are for someone who listens now, and may come in late
            live=options.packet_duration < LIVE_BELOW,
        )
        with writer:
            stream = writer.add_stream(
                options.codec,
                sample_rate=audio.sample_rate,
                channels=audio.channels,
                bit_rate=options.bit_rate,
                packet_duration=options.packet_duration,
            )
            for chunk in audio.blocks():
                writer.mux(stream.encode(chunk))
                seconds = chunk.pts_seconds + chunk.duration_seconds
                if progress:
                    progress(Progress(seconds, audio.duration, counted.count, time.perf_counter() - began))
        notes = [*audio.notes(), *stream.notes]
    return EncodeReport(
        seconds=seconds,
        wall_seconds=time.perf_counter() - began,
        payload_bytes=stream.payload_bytes,
        file_bytes=counted.count,
        notes=notes,
    )


def decode_file(
    source: Source,
    target: str | os.PathLike[str] | BinaryIO,
    options: DecodeOptions | None = None,
    *,
    progress: ProgressCallback | None = None,
) -> DecodeReport:
    """Decode the first audio stream of an .mcx file into a classic one ("-" for standard output).

    Damage is concealed and reported, not raised. Raises BitstreamError kinds where nothing can be read,
    ModelNotFoundError, ModelMismatchError, InputError, OutputError, OutputExistsError, UsageError.
    """
    options = options or DecodeOptions()
    began, seconds = time.perf_counter(), 0.0
    with files.FileReader(source, models=options.models, device=options.device, threads=options.threads) as reader:
        audio = reader.audio
        stop = None if options.duration is None else options.start + options.duration
        rate = audio.sample_rate if options.sample_rate is None else options.sample_rate
        channels = audio.channels if options.channels is None else options.channels
        converter = Converter(audio.sample_rate, audio.channels, rate, channels)
        total = _remaining(audio.duration, options.start, stop)
        sink = AudioSink(
            target, sample_rate=rate, channels=channels, format=options.format, overwrite=options.overwrite
        )
        with sink:
            for chunk in audio.blocks(start=options.start, stop=stop):
                sink.write(converter.push(_from_zero(chunk, options.start)))
                seconds = chunk.pts_seconds + chunk.duration_seconds - options.start
                if progress:
                    progress(Progress(seconds, total, 0, time.perf_counter() - began))
            sink.write(converter.flush())
        return DecodeReport(
            seconds=seconds,
            wall_seconds=time.perf_counter() - began,
            gaps=list(reader.gaps),
            truncated=reader.truncated,
            notes=converter.notes(),
        )


def _remaining(duration: float | None, start: float, stop: float | None) -> float | None:
    """Seconds that a range of a stream of that duration has."""
    if duration is None:
        return None if stop is None else stop - start
    return max(0.0, min(duration, stop if stop is not None else duration) - start)


def _from_zero(chunk: AudioChunk, start: float) -> AudioChunk:
    """The chunk on a timeline that begins at `start`."""
    return AudioChunk(chunk.samples, chunk.sample_rate, chunk.pts - round(start * chunk.sample_rate))
