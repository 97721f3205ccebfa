"""Sound of an .mcx file being read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.registry import code_reader
from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk
from mediacodec.mcx.interleave import through
from mediacodec_bitstream import AudioParameters, BitstreamError, Gap, Packet, StreamHeader, TruncatedError

if TYPE_CHECKING:
    from mediacodec.mcx.reader import FileReader

MAX_FILL = 3600  # seconds of silence that all gaps of a reading may stand for; what is longer is closed up


class AudioReader:
    """One audio stream of a file."""

    def __init__(self, file: FileReader, header: StreamHeader) -> None:
        assert isinstance(header.parameters, AudioParameters)
        self._file = file
        self.header = header
        self.sample_rate = header.parameters.sample_rate
        self.channels = header.parameters.channels

    @property
    def num_samples(self) -> int | None:
        """Samples per channel that the file states; None before the end of a pipe or of a file that was cut."""
        length, _ = self._file.stated_length(self.header.stream_id)
        return None if length is None else round(length * self.header.time_base * self.sample_rate)

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
        run = self.run(start, stop)
        yield from through(self._file.packets({self.header.stream_id: run.position}), run)

    def run(self, start: float, stop: float | None) -> AudioRun:
        """A decoding of the sound between two times, for whoever brings the packets."""
        return AudioRun(self._file, self, start, stop)

    def read(self) -> AudioChunk:
        """The whole stream."""
        return self.get_samples_played_in_range()

    def get_samples_played_in_range(self, start: float = 0.0, stop: float | None = None) -> AudioChunk:
        """The sound between two times in seconds, as one chunk [channels, n]."""
        return joined(self.blocks(start=start, stop=stop), self.sample_rate, self.channels, start)

    def codes(self, start: float = 0.0, stop: float | None = None) -> NDArray[np.uint16]:
        """The integer codes of the packets that overlap a time range, [1, codebooks, frames], without decoding.

        Packets are whole: the first frame is that of the packet that contains `start`. Where a packet has fewer
        codebooks than the stream, the others hold the codebook size, which is no code. Raises BitstreamError kinds.
        """
        reader = code_reader(self.header, models=self._file.models)
        skip = self.header.pre_skip
        first = round(Fraction(start) / self.header.time_base) + skip
        last = None if stop is None else round(Fraction(stop) / self.header.time_base) + skip
        parts = [np.zeros((reader.num_codebooks, 0), dtype=np.uint16)]
        for packet in self._file.packets({self.header.stream_id: first if start else 0}):
            if packet.pts + packet.duration > first and (last is None or packet.pts < last):
                codes = reader.read(packet)
                missing = ((0, reader.num_codebooks - len(codes)), (0, 0))
                parts.append(np.pad(codes, missing, constant_values=reader.codebook_size))
        return np.concatenate(parts, axis=1)[None]


class AudioRun:
    """One decoding of a stream's sound between two times; see `Run`. Chunks follow each other exactly."""

    def __init__(self, file: FileReader, stream: AudioReader, start: float, stop: float | None) -> None:
        check_times(start, stop)
        self._file, self._stream, self.header = file, stream, stream.header
        self._rate = stream.sample_rate
        self._first = round(start * self._rate)
        self._last = None if stop is None else round(stop * self._rate)
        self._decoder = file.audio_decoder(self.header)
        self._begun = False  # whether a packet was decoded
        self._end = 0  # of what a decoder that looks ahead has given
        self._fill_left = MAX_FILL * self._rate
        self.position = self._first + self.header.pre_skip - self._decoder.preroll if self._first else 0
        self.done = False
        # who joins a stream on its way misses nothing before
        self._place = None if file.reader.joined else max(0, self.position)
        # The length may come behind the last packet: then only the chunk before the end can exceed it, which is held.
        self._length = stream.num_samples
        self._holds = self._length is None and not file.header.live
        self._held: AudioChunk | None = None

    def push(self, packet: Packet) -> Iterator[AudioChunk]:
        """The sound of a packet, and before it what stands in for missing ones."""
        return self._between(self._trimmed(self._sound(packet)))

    def finish(self) -> Iterator[AudioChunk]:
        """What is missing at the end, and the chunk that was held."""
        yield from self._between(self._trimmed(self._ending()))
        held, self._held = self._held, None
        if held is not None and not self.done:
            yield from self._between([cut_chunk(held, 0, self._stream.num_samples)])

    def _between(self, chunks: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
        """What lies between the two times."""
        for chunk in chunks:
            if self._last is not None and chunk.pts >= self._last:
                self.done = True
                return
            cut = cut_chunk(chunk, self._first, self._last)
            if cut.num_samples:
                yield cut

    def _trimmed(self, chunks: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
        """Chunks up to the stated length."""
        for chunk in chunks:
            if not chunk.num_samples:
                continue
            if not self._holds:
                yield cut_chunk(chunk, 0, self._length)
                continue
            held, self._held = self._held, chunk
            if held is not None:
                yield held

    def _sound(self, packet: Packet) -> Iterator[AudioChunk]:
        if self._place is not None:
            yield from self._fill(self._place, packet.pts)
        self._place = packet.pts + packet.duration
        yield from self._decoded(packet)

    def _ending(self) -> Iterator[AudioChunk]:
        length = self._stream.num_samples
        if length and self._place is not None:
            end = length + self.header.pre_skip
            check_end(self._file, self.header.stream_id, self._place, end)
            yield from self._fill(self._place, end)
        if self._decoder.delay:
            yield self._heard(self._decoder.flush())

    def _decoded(self, packet: Packet) -> Iterator[AudioChunk]:
        """A packet decoded, or concealed and noted where its bytes are whole but its symbols wrong."""
        try:
            chunk = self._decoder.push(packet)
        except BitstreamError as error:
            if self._file.strict:
                raise
            end = packet.pts + packet.duration
            self._file.note(Gap(packet.stream_id, packet.pts, end, -1, f"undecodable packet: {error}"))
            yield from self._fill(packet.pts, end)
        else:
            self._begun = True
            yield self._heard(chunk) if self._decoder.delay else chunk

    def _heard(self, chunk: AudioChunk) -> AudioChunk:
        """A chunk of a decoder that looks ahead, without what was heard before: time stamps may go back."""
        chunk = cut_chunk(chunk, self._end, None)
        self._end = chunk.pts + chunk.num_samples if chunk.num_samples else self._end
        return chunk

    def _fill(self, position: int, until: int) -> Iterator[AudioChunk]:
        """Concealment for the stretch of the coded timeline that no packet covers."""
        position = max(position, self.header.pre_skip)
        missing = until - position
        if missing > self._fill_left:  # a forged time stamp must not make hours of silence
            return
        self._fill_left -= max(0, missing)
        if self._decoder.delay:
            yield from self._fill_ahead(position, missing)
            return
        while missing > 0:
            chunk = self._decoder.push(None)
            count = min(missing, chunk.num_samples)
            yield replace(chunk, samples=chunk.samples[:, :count], pts=position - self.header.pre_skip)
            position, missing = position + count, missing - count

    def _fill_ahead(self, position: int, missing: int) -> Iterator[AudioChunk]:
        """The same for a decoder that looks ahead: its concealment comes when what follows it does."""
        parameters = self.header.parameters
        assert isinstance(parameters, AudioParameters)
        size = max(1, self.header.packet_duration // parameters.frame_size) * parameters.frame_size
        while missing > 0:
            if self._begun:
                yield self._heard(self._decoder.push(None))
            else:  # it does not know yet where it is
                silence = np.zeros((self._stream.channels, min(size, missing)), dtype=np.float32)
                yield self._heard(AudioChunk(silence, self._rate, position - self.header.pre_skip))
            position, missing = position + size, missing - size


def check_times(start: float, stop: float | None) -> None:
    """Raise ParameterError unless 0 <= start <= stop."""
    if start < 0 or (stop is not None and stop < start):
        raise ParameterError(f"times must satisfy 0 <= start <= stop, got {start}, {stop}")


def check_end(file: FileReader, stream_id: int, position: int, end: int) -> None:
    """Note where packets end before the stated length and no gap says so: who seeks never counts the packets."""
    known = any(g.stream_id == stream_id and (g.pts_start or 0) >= position for g in file.reader.gaps)
    if position < end and not known:
        reason = "packets are missing before the stated end"
        if file.strict:
            raise TruncatedError(reason)
        file.note(Gap(stream_id, position, end, -1, reason))


def cut_chunk(chunk: AudioChunk, first: int, last: int | None) -> AudioChunk:
    """The part of a chunk from sample `first` to before sample `last`; maybe empty."""
    begin = min(chunk.num_samples, max(0, first - chunk.pts))
    end = chunk.num_samples if last is None else min(chunk.num_samples, max(begin, last - chunk.pts))
    if (begin, end) == (0, chunk.num_samples):
        return chunk
    return replace(chunk, samples=chunk.samples[:, begin:end], pts=chunk.pts + begin)


def joined(chunks: Iterable[AudioChunk], sample_rate: int, channels: int, start: float) -> AudioChunk:
    """Chunks that follow each other as one, [channels, n]; empty at `start` seconds where there are none."""
    kept = list(chunks)
    pts = kept[0].pts if kept else round(start * sample_rate)
    parts = [chunk.samples for chunk in kept] or [np.zeros((channels, 0), dtype=np.float32)]
    return AudioChunk(np.concatenate(parts, axis=1), sample_rate, pts)
