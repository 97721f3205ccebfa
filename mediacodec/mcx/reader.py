"""Reading a file: its streams one at a time, or several in one pass; `mediacodec.open` with mode "r"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from mediacodec import memory_errors
from mediacodec.arguments import as_flag, as_folder, quoted, sealed
from mediacodec.codecs.options import Runtime
from mediacodec.errors import CorruptError, InputError, ParameterTypeError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.mcx.audio_reader import AudioReader
from mediacodec.mcx.interleave import Run, in_time_order
from mediacodec.mcx.packet_source import PacketSource
from mediacodec.mcx.passthrough import CopyReader
from mediacodec.mcx.probe import Source, opened
from mediacodec.mcx.tags import chapters_of, tags_of
from mediacodec.mcx.video_reader import VideoReader
from mediacodec.metadata import Chapter
from mediacodec_bitstream import AudioParameters, FileHeader, Gap, Packet, StreamHeader, VideoParameters

if TYPE_CHECKING:
    from mediacodec.media.stream_copy import AudioPacket

MOST_OF_RATIO = (1 << 31) - 1  # the format has room for more, FFmpeg and every media container have not
StreamReader = AudioReader | CopyReader | VideoReader


@sealed
class FileReader:
    """An .mcx file being read: its streams one at a time, or several in one pass (`items`).

    Args:
        file: a path, bytes, or an open binary file, which is not closed.
        models: a folder to look for models in first.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help.
        strict: whether the first damage raises; else it is concealed and listed in `gaps`.

    Attributes:
        header: of the file.
        streams: a reader for each stream of audio or video.

    Raises:
        InputError: the file cannot be read.
        BitstreamError: no header can be had, in one of its kinds.
        ParameterError, ParameterTypeError: an argument makes no sense.

    Example:
        >>> with mediacodec.open("clip.mcx") as file:
        ...     audio, frames = file.audio.read(), list(file.video.frames())
    """

    __slots__ = ("_source", "_stack", "header", "streams")

    @memory_errors.named
    def __init__(
        self,
        file: Source,
        *,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        strict: bool = False,
    ) -> None:
        folder, runtime = as_folder("models", models), Runtime(device=device, threads=threads)
        strict = as_flag("strict", strict)
        self._stack = ExitStack()
        handle = self._stack.enter_context(opened(file))
        try:
            self._source = PacketSource(handle, strict=strict, models=folder, runtime=runtime)
            self._source.owner = self._stack
            self.header: FileHeader = self._source.header
            self.streams: tuple[StreamReader, ...] = tuple(
                _stream_reader(self._source, stream) for stream in self.header.streams if stream.parameters is not None
            )
        except BaseException:
            self._stack.close()
            raise

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
    def metadata(self) -> dict[str, str]:
        """Tags of the file by name, as its header has them."""
        return tags_of(self.header.fields)

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """Chapters of the file, in the order of time."""
        return chapters_of(self.header.fields)

    @property
    def gaps(self) -> list[Gap]:
        """What was found missing or damaged so far."""
        return self._source.gaps

    @property
    def truncated(self) -> bool:
        """Whether the end of the file was reached without an end chunk."""
        return self._source.truncated

    @property
    def joined(self) -> bool:
        """Whether reading began somewhere in a stream, as who joins a live one does: nothing before is missing."""
        return self._source.joined

    @memory_errors.named
    def items(
        self,
        *,
        audio: bool | Literal["copy"] = True,
        video: bool = True,
        start: float = 0.0,
        stop: float | None = None,
        keyframes_only: bool = False,
    ) -> Iterator[AudioChunk | AudioPacket | VideoFrame]:
        """Decode audio and video in the order of time, in one pass over the file.

        From a pipe, where the length comes last, audio comes a packet late.

        Args:
            audio: whether the first audio stream is wanted, where there is one; "copy" leaves the packets of a copied
                stream as they are.
            video: whether the first video stream is wanted, where there is one.
            start, stop: seconds; None for the end.
            keyframes_only: whether no other frames are decoded.

        Returns:
            Chunks, packets and frames as of `AudioReader.blocks`, `CopyReader.packets` and `VideoReader.frames`.

        Raises:
            ParameterTypeError: an argument is of the wrong kind.
            MediaCodecError: as for those methods.
        """
        if not isinstance(audio, bool) and not (isinstance(audio, str) and audio == "copy"):
            raise ParameterTypeError(f"audio must be True, False or 'copy', not {quoted(audio)}")
        video, keyframes_only = as_flag("video", video), as_flag("keyframes_only", keyframes_only)
        runs: dict[int, Run[AudioChunk | AudioPacket | VideoFrame]] = {}
        if audio and self.has_audio:
            stream, run = self.audio, None
            if audio == "copy" and isinstance(stream, CopyReader):
                run = stream.packet_run(start, stop)
            runs[stream.header.stream_id] = run or stream.run(start, stop)
        if video and self.has_video:
            runs[self.video.header.stream_id] = self.video.run(start, stop, keyframes_only=keyframes_only)
        positions = {stream_id: run.position for stream_id, run in runs.items()}
        return in_time_order(self._source.packets(positions), runs, self._source.seconds)

    @memory_errors.named
    def everything(self) -> Iterator[AudioChunk | AudioPacket | VideoFrame]:
        """Decode all streams, the first of each kind in one pass, so that a pipe with one of each can be too.

        Returns and raises what `items` does.
        """
        yield from self.items()
        first = [*([self.audio] if self.has_audio else []), *([self.video] if self.has_video else [])]
        for stream in self.streams:
            if stream not in first:
                yield from stream.frames() if isinstance(stream, VideoReader) else stream.blocks()

    @memory_errors.named
    def remaining_packets(self) -> Iterator[Packet]:
        """Packets of all streams from where reading is, undecoded: checks all bytes where decoding cannot.

        Raises:
            BitstreamError: the file is damaged and was opened strict.
        """
        yield from self._source.rest()

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _stream_reader(source: PacketSource, header: StreamHeader) -> StreamReader:
    ratios = {"time base": header.time_base}
    if isinstance(header.parameters, VideoParameters):
        ratios["frame rate"] = header.parameters.frame_rate
    for name, ratio in ratios.items():
        if max(ratio.numerator, ratio.denominator) > MOST_OF_RATIO:
            raise CorruptError(f"stream {header.stream_id} has a {name} of {ratio}, which nothing can be played at")
    if isinstance(header.parameters, VideoParameters):
        return VideoReader(source, header)
    assert isinstance(header.parameters, AudioParameters)
    return CopyReader(source, header) if "foreign_codec" in header.fields else AudioReader(source, header)
