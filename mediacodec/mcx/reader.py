"""Files as streams, after PyAV: `open` a file, `add_stream`, `encode`, `mux`; or read its streams piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self, overload

from mediacodec.codecs.base import AudioDecoderBackend, VideoDecoderBackend
from mediacodec.codecs.options import Runtime
from mediacodec.codecs.registry import audio_family_of, model_of, video_family_of
from mediacodec.errors import InputError, ParameterError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.mcx.audio_reader import AudioReader
from mediacodec.mcx.interleave import in_time
from mediacodec.mcx.passthrough import CopyReader
from mediacodec.mcx.probe import Source, opened
from mediacodec.mcx.video_reader import VideoReader
from mediacodec.mcx.writer import FileWriter
from mediacodec_bitstream import AudioParameters, FileHeader, Gap, Packet, Reader, StreamHeader, VideoParameters
from mediacodec_bitstream.reader import MAX_GAPS
from mediacodec_bitstream.trailer import End

if TYPE_CHECKING:
    from mediacodec.media.stream_copy import AudioPacket

__all__ = ["AudioReader", "CopyReader", "FileReader", "FileWriter", "VideoReader", "open"]

StreamReader = AudioReader | CopyReader | VideoReader


@overload
def open(file: Source, mode: Literal["r"] = "r", **options: Any) -> FileReader: ...
@overload
def open(file: str | os.PathLike[str] | BinaryIO, mode: Literal["w"], **options: Any) -> FileWriter: ...
@overload
def open(file: str | os.PathLike[str], mode: Literal["a"], **options: Any) -> FileWriter: ...
def open(file: Any, mode: str = "r", **options: Any) -> FileReader | FileWriter:
    """Open an .mcx file for reading ("r") or writing ("w"): a path, an open binary file, or (reading) bytes; or a file
    of pictures of `inr` to add a clip to it ("a", by name): its stream goes on behind what is there, none of which
    changes (mediacodec.mcx.append).

    Options of both: `models` (a folder to look for models in first), `device`, `threads`; of writing also `overwrite`
    (False), `live`, `monitor` and `resume` (mediacodec.mcx.resume). Use it in a `with` block: a file being written
    appears under its name when the block ends, and not at all when it raises.
    """
    if mode == "r":
        return FileReader(file, **options)
    if mode == "w":
        return FileWriter(file, **options)
    if mode == "a":
        return _continued(file, **options)
    raise ParameterError(f"mode must be 'r', 'w' or 'a', not {mode!r}")


def _continued(file: Any, **options: Any) -> FileWriter:
    from mediacodec.mcx.append import Archive

    for name in ("overwrite", "live", "checkpoint"):
        if name in options:
            raise ParameterError(f"{name} means nothing to a file that grows: leave it out")
    archive = Archive(file)
    try:
        return FileWriter(file, archive=archive, overwrite=True, **options)
    except BaseException:
        archive.close()
        raise


class FileReader:
    """An .mcx file being read: its streams one at a time, or several in one pass (`items`)."""

    def __init__(
        self,
        file: Source,
        *,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        strict: bool = False,
    ) -> None:
        self._stack = ExitStack()
        self._file = self._stack.enter_context(opened(file))
        try:
            self.reader = Reader(self._file, strict=strict)
        except BaseException:
            self._stack.close()
            raise
        self.strict = strict
        self._passes = 0  # over the file, begun so far
        self._runtime = Runtime(device=device, threads=threads)
        self.models = models
        self.header: FileHeader = self.reader.header
        self.streams: tuple[StreamReader, ...] = tuple(
            _stream_reader(self, stream) for stream in self.header.streams if stream.parameters is not None
        )

    @property
    def audio(self) -> AudioReader | CopyReader:
        """The first audio stream. Raises InputError where there is none."""
        found = next((stream for stream in self.streams if not isinstance(stream, VideoReader)), None)
        if found is None:
            raise InputError("the file has no audio stream")
        return found

    @property
    def video(self) -> VideoReader:
        """The first video stream. Raises InputError where there is none."""
        found = next((stream for stream in self.streams if isinstance(stream, VideoReader)), None)
        if found is None:
            raise InputError("the file has no video stream")
        return found

    @property
    def has_audio(self) -> bool:
        """Whether there is an audio stream."""
        return any(not isinstance(stream, VideoReader) for stream in self.streams)

    @property
    def has_video(self) -> bool:
        """Whether there is a video stream."""
        return any(isinstance(stream, VideoReader) for stream in self.streams)

    @property
    def gaps(self) -> list[Gap]:
        """What was found missing or damaged so far."""
        return list(dict.fromkeys(self.reader.gaps))  # a file read twice is not damaged twice

    def note(self, gap: Gap) -> None:
        """Add to `gaps` what only decoding shows."""
        if len(self.reader.gaps) < MAX_GAPS:
            self.reader.gaps.append(gap)

    def items(
        self,
        *,
        audio: bool | Literal["copy"] = True,
        video: bool = True,
        start: float = 0.0,
        stop: float | None = None,
        keyframes_only: bool = False,
    ) -> Iterator[AudioChunk | AudioPacket | VideoFrame]:
        """Sound and pictures from `start` to `stop` seconds in the order of time, decoded in one pass over the file.

        audio, video: whether the first stream of the kind is wanted, where there is one; audio="copy" leaves the
        packets of a copied stream as they are. Otherwise as `AudioReader.blocks` and `VideoReader.frames`. From a pipe,
        where the length comes last, sound comes a packet late.
        """
        runs: dict[int, Any] = {}
        if audio and self.has_audio:
            sound = self.audio
            raw = {"raw": True} if audio == "copy" and isinstance(sound, CopyReader) else {}
            runs[sound.header.stream_id] = sound.run(start, stop, **raw)
        if video and self.has_video:
            runs[self.video.header.stream_id] = self.video.run(start, stop, keyframes_only=keyframes_only)
        positions = {stream_id: run.position for stream_id, run in runs.items()}
        yield from in_time(self.packets(positions), runs, self._seconds)

    def _seconds(self, packet: Packet) -> float:
        """When a packet is presented."""
        header = self.header.stream(packet.stream_id)
        return float((packet.pts - header.pre_skip) * header.time_base)

    def everything(self) -> Iterator[AudioChunk | AudioPacket | VideoFrame]:
        """All streams decoded, the first of each kind in one pass, so that a pipe with one of each can be too."""
        yield from self.items()
        first = [*([self.audio] if self.has_audio else []), *([self.video] if self.has_video else [])]
        for stream in self.streams:
            if stream not in first:
                yield from stream.frames() if isinstance(stream, VideoReader) else stream.blocks()

    def packets(self, positions: Mapping[int, int]) -> Iterator[Packet]:
        """Packets of all streams in the order of the file, in a pass of its own over it.

        positions: by stream id, the pts (coded timeline) near which those begin that are wanted; where all are 0 the
        pass begins at the start. Raises ParameterError where the file is a pipe that was read before.
        """
        self._passes += 1
        seekable = bool(getattr(self._file, "seekable", bool)())
        wanted = {stream_id: max(0, pts) for stream_id, pts in positions.items()}
        if seekable and (any(wanted.values()) or self._passes > 1):
            self.reader.seek_streams(wanted)  # read from its first byte on, a file proves its first chunk too
        elif self._passes > 1:
            raise ParameterError("this input is a pipe: it can be read only once")
        return (packet for packet in self.reader if packet.stream_id in wanted)

    @property
    def truncated(self) -> bool:
        """Whether the end of the file was reached without an end chunk."""
        return self.reader.truncated

    @cached_property
    def _tail(self) -> End | None:
        """The end chunk of a file that can seek; looked for once, since that moves about in the file."""
        return self.reader.load_end()

    def stated_length(self, stream_id: int) -> tuple[int | None, int | None]:
        """Presented ticks and packets of a stream as the end of the file states them; None where it is not known."""
        end = self.reader.end or self._tail
        stream = end.streams.get(stream_id) if end else None
        return (stream.length, stream.packets) if stream else (None, None)

    def audio_decoder(self, stream: StreamHeader) -> AudioDecoderBackend:
        """A new decoder for a stream of audio."""
        return audio_family_of(stream).decoder(model_of(stream, self.models), stream, self._runtime)

    def video_decoder(self, stream: StreamHeader) -> VideoDecoderBackend:
        """A new decoder for a stream of video."""
        return video_family_of(stream).decoder(model_of(stream, self.models), stream, self._runtime)

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _stream_reader(file: FileReader, header: StreamHeader) -> StreamReader:
    if isinstance(header.parameters, VideoParameters):
        return VideoReader(file, header)
    assert isinstance(header.parameters, AudioParameters)
    return CopyReader(file, header) if "foreign_codec" in header.fields else AudioReader(file, header)
