"""Files as streams, after PyAV: `open` a file, `add_stream`, `encode`, `mux`; or read its streams block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, overload

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs import Decoder, code_reader
from mediacodec.codecs.base import AudioDecoder
from mediacodec.errors import InputError, ParameterError
from mediacodec.file_writer import FileWriter
from mediacodec.frames import AudioChunk
from mediacodec.probe import Source, opened
from mediacodec_bitstream import (
    AudioParameters,
    BitstreamError,
    FileHeader,
    Gap,
    Packet,
    Reader,
    StreamHeader,
    TruncatedError,
)
from mediacodec_bitstream.reader import MAX_GAPS

MAX_FILL = 3600  # seconds of silence that all gaps of a reading may stand for; what is longer is closed up


@overload
def open(file: Source, mode: Literal["r"] = "r", **options: Any) -> FileReader: ...
@overload
def open(file: str | os.PathLike[str] | BinaryIO, mode: Literal["w"], **options: Any) -> FileWriter: ...
def open(file: Any, mode: str = "r", **options: Any) -> FileReader | FileWriter:
    """Open an .mcx file for reading ("r") or writing ("w"): a path, an open binary file, or (reading) bytes.

    Options of both: `models` (a folder to look for models in first), `device`, `threads`; of writing also `overwrite`
    (False) and `live`. Use it in a `with` block: a file being written appears under its name when the block ends, and
    not at all when it raises.
    """
    if mode == "r":
        return FileReader(file, **options)
    if mode == "w":
        return FileWriter(file, **options)
    raise ParameterError(f"mode must be 'r' or 'w', not {mode!r}")


class FileReader:
    """An .mcx file being read. Streams are read one at a time, from the start or from a point in time."""

    def __init__(
        self, file: Source, *, models: Path | None = None, device: str = "auto", threads: int = 1, strict: bool = False
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
        self._options: dict[str, Any] = {"device": device, "threads": threads}
        self._models = models
        self.header: FileHeader = self.reader.header
        self.streams = tuple(
            AudioReader(self, stream)
            for stream in self.header.streams
            if isinstance(stream.parameters, AudioParameters)
        )

    @property
    def audio(self) -> AudioReader:
        """The first audio stream. Raises InputError where there is none."""
        if not self.streams:
            raise InputError("the file has no audio stream")
        return self.streams[0]

    @property
    def gaps(self) -> list[Gap]:
        """What was found missing or damaged so far."""
        return list(dict.fromkeys(self.reader.gaps))  # a file read twice is not damaged twice

    def note(self, gap: Gap) -> None:
        """Add to `gaps` what only decoding shows."""
        if len(self.reader.gaps) < MAX_GAPS:
            self.reader.gaps.append(gap)

    def packets(self, stream_id: int, pts: int) -> Iterator[Packet]:
        """Packets of a stream from near pts (coded timeline) on, in a pass of its own over the file.

        Raises ParameterError where the file is a pipe that was read before.
        """
        self._passes += 1
        seekable = bool(getattr(self._file, "seekable", bool)())
        if seekable and (pts > 0 or self._passes > 1):  # read from its first byte on, a file proves its first chunk too
            self.reader.seek(stream_id, max(0, pts))
        elif self._passes > 1:
            raise ParameterError("this input is a pipe: it can be read only once")
        return (packet for packet in self.reader if packet.stream_id == stream_id)

    @property
    def truncated(self) -> bool:
        """Whether the end of the file was reached without an end chunk."""
        return self.reader.truncated

    def decoder(self, stream: StreamHeader) -> AudioDecoder:
        """A new decoder for a stream."""
        return Decoder(stream, models=self._models, **self._options)

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AudioReader:
    """One audio stream of a file."""

    def __init__(self, file: FileReader, header: StreamHeader) -> None:
        assert isinstance(header.parameters, AudioParameters)
        self._file = file
        self.header = header
        self.sample_rate = header.parameters.sample_rate
        self.channels = header.parameters.channels
        self._fill_left = 0

    @property
    def num_samples(self) -> int | None:
        """Samples per channel that the file states; None before the end of a pipe or of a file that was cut."""
        end = self._file.reader.end or self._file.reader.load_end()
        stream = end.streams.get(self.header.stream_id) if end else None
        if stream is None or stream.length is None:
            return None
        return round(stream.length * self.header.time_base * self.sample_rate)

    @property
    def duration(self) -> float | None:
        """Seconds; None where num_samples is."""
        samples = self.num_samples
        return None if samples is None else samples / self.sample_rate

    def blocks(self, *, start: float = 0.0, stop: float | None = None) -> Iterator[AudioChunk]:
        """The sound from `start` to `stop` seconds, about a packet at a time, in bounded memory.

        Chunks follow each other without holes: what is missing is concealed, then silent. On a seekable file decoding
        starts near `start`; on a pipe everything before is decoded too. Raises ParameterError on a negative time,
        ModelNotFoundError or ModelMismatchError; damage to the file raises nothing unless the file was opened strict,
        and is listed in `gaps`.
        """
        if start < 0 or (stop is not None and stop < start):
            raise ParameterError(f"times must satisfy 0 <= start <= stop, got {start}, {stop}")
        first = round(start * self.sample_rate)
        last = None if stop is None else round(stop * self.sample_rate)
        for chunk in self._timeline(first):
            if last is not None and chunk.pts >= last:
                return
            begin = max(0, first - chunk.pts)
            end = chunk.num_samples if last is None else min(chunk.num_samples, last - chunk.pts)
            if begin < end:
                yield replace(chunk, samples=chunk.samples[:, begin:end], pts=chunk.pts + begin)

    def read(self) -> AudioChunk:
        """The whole stream."""
        return self.get_samples_played_in_range()

    def get_samples_played_in_range(self, start: float = 0.0, stop: float | None = None) -> AudioChunk:
        """The sound between two times in seconds, as one chunk [channels, n]."""
        chunks = list(self.blocks(start=start, stop=stop))
        pts = chunks[0].pts if chunks else round(start * self.sample_rate)
        parts = [chunk.samples for chunk in chunks] or [np.zeros((self.channels, 0), dtype=np.float32)]
        return AudioChunk(np.concatenate(parts, axis=1), self.sample_rate, pts)

    def codes(self, start: float = 0.0, stop: float | None = None) -> NDArray[np.uint16]:
        """The integer codes of the packets that overlap a time range, [1, codebooks, frames], without decoding.

        Packets are whole: the first frame is that of the packet that contains `start`. Where a packet has fewer
        codebooks than the stream, the others hold the codebook size, which is no code. Raises BitstreamError kinds.
        """
        reader = code_reader(self.header, models=self._file._models)
        skip = self.header.pre_skip
        first = round(Fraction(start) / self.header.time_base) + skip
        last = None if stop is None else round(Fraction(stop) / self.header.time_base) + skip
        parts = [np.zeros((reader.num_codebooks, 0), dtype=np.uint16)]
        for packet in self._file.packets(self.header.stream_id, first if start else 0):
            if packet.pts + packet.duration > first and (last is None or packet.pts < last):
                codes = reader.read(packet)
                missing = ((0, reader.num_codebooks - len(codes)), (0, 0))
                parts.append(np.pad(codes, missing, constant_values=reader.codebook_size))
        return np.concatenate(parts, axis=1)[None]

    def _timeline(self, first: int) -> Iterator[AudioChunk]:
        """Decoded chunks that follow each other exactly, from at or before sample `first`, up to the stated length."""
        length, held = self.num_samples, None
        for chunk in self._untrimmed(first):
            if length is not None or self._file.header.live:
                yield _cut(chunk, length)
                continue
            if held is not None:  # the length comes behind the last packet: only the chunk before the end can exceed it
                yield held
            held = chunk
        if held is not None:
            yield _cut(held, self.num_samples)

    def _untrimmed(self, first: int) -> Iterator[AudioChunk]:
        """As `_timeline`, but the last packet whole."""
        decoder = self._file.decoder(self.header)
        self._fill_left = MAX_FILL * self.sample_rate
        coded = first + self.header.pre_skip - decoder.preroll if first else 0
        # who joins a stream on its way misses nothing before
        position = None if self._file.reader.joined else max(0, coded)
        for packet in self._file.packets(self.header.stream_id, coded):
            if position is not None:
                yield from self._fill(decoder, position, packet.pts)
            position = packet.pts + packet.duration
            yield from self._decoded(decoder, packet)
        length = self.num_samples
        if length and position is not None:
            end = length + self.header.pre_skip
            self._check_end(position, end)
            yield from self._fill(decoder, position, end)

    def _decoded(self, decoder: AudioDecoder, packet: Packet) -> Iterator[AudioChunk]:
        """A packet decoded, or concealed and noted where its bytes are whole but its symbols wrong."""
        try:
            chunk = decoder.push(packet)
        except BitstreamError as error:
            if self._file.strict:
                raise
            end = packet.pts + packet.duration
            self._file.note(Gap(packet.stream_id, packet.pts, end, -1, f"undecodable packet: {error}"))
            yield from self._fill(decoder, packet.pts, end)
        else:
            yield chunk

    def _check_end(self, position: int, end: int) -> None:
        """Note where packets end before the stated length and no gap says so: who seeks never counts the packets."""
        stream_id = self.header.stream_id
        known = any(g.stream_id == stream_id and (g.pts_start or 0) >= position for g in self._file.reader.gaps)
        if position < end and not known:
            reason = "packets are missing before the stated end"
            if self._file.strict:
                raise TruncatedError(reason)
            self._file.note(Gap(stream_id, position, end, -1, reason))

    def _fill(self, decoder: AudioDecoder, position: int, until: int) -> Iterator[AudioChunk]:
        """Concealment for the stretch of the coded timeline that no packet covers."""
        position = max(position, self.header.pre_skip)
        missing = until - position
        if missing > self._fill_left:  # a forged time stamp must not make hours of silence
            return
        self._fill_left -= max(0, missing)
        while missing > 0:
            chunk = decoder.push(None)
            count = min(missing, chunk.num_samples)
            yield replace(chunk, samples=chunk.samples[:, :count], pts=position - self.header.pre_skip)
            position, missing = position + count, missing - count


def _cut(chunk: AudioChunk, length: int | None) -> AudioChunk:
    """The part of a chunk that lies before sample `length`."""
    if length is None or chunk.pts + chunk.num_samples <= length:
        return chunk
    return replace(chunk, samples=chunk.samples[:, : max(0, length - chunk.pts)])
