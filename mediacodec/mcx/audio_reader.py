"""Audio of an .mcx file being read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mediacodec import memory_errors
from mediacodec.arguments import sealed
from mediacodec.codecs.registry import code_reader
from mediacodec.frames import AudioChunk
from mediacodec.mcx.fill_budget import FILL_SECONDS, FillBudget
from mediacodec.mcx.interleave import Run, checked_times, through
from mediacodec.mcx.packet_source import PacketSource
from mediacodec.mcx.tags import tags_of
from mediacodec_bitstream import AudioParameters, BitstreamError, Gap, Packet, StreamHeader


@sealed
class AudioReader:
    """One audio stream of a file, as `FileReader.audio` gives it.

    Args:
        source: the file.
        header: of the stream.

    Attributes:
        header: of the stream.
        sample_rate: Hz.
        channels: number of channels.
    """

    __slots__ = ("_source", "channels", "header", "sample_rate")

    def __init__(self, source: PacketSource, header: StreamHeader) -> None:
        assert isinstance(header.parameters, AudioParameters)
        self._source = source
        self.header = header
        self.sample_rate = header.parameters.sample_rate
        self.channels = header.parameters.channels

    @property
    def num_samples(self) -> int | None:
        """Samples per channel that the file states; None before the end of a pipe or of a file that was cut."""
        length, _ = self._source.stated_length(self.header.stream_id)
        return None if length is None else round(length * self.header.time_base * self.sample_rate)

    @property
    def metadata(self) -> dict[str, str]:
        """Tags of the stream by name: language, title ..."""
        return tags_of(self.header.fields)

    @property
    def duration(self) -> float | None:
        """Seconds; None where num_samples is."""
        samples = self.num_samples
        return None if samples is None else samples / self.sample_rate

    @memory_errors.named
    def blocks(self, *, start: float = 0.0, stop: float | None = None) -> Iterator[AudioChunk]:
        """Decode from `start` to `stop`, about a packet at a time, in bounded memory.

        Chunks follow each other without holes: what is missing is concealed, then silent. On a seekable file decoding
        starts near `start`; on a pipe everything before is decoded too.

        Args:
            start, stop: seconds; None for the end.

        Returns:
            Chunks of samples float32 [channels, n] at `sample_rate`.

        Raises:
            ParameterError: a time is negative, stop comes before start, or the file is a pipe that was read before.
            ParameterTypeError: a time is no number.
            ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
            BitstreamError: the file is damaged and was opened strict; else damage is listed in `FileReader.gaps`.

        Example:
            >>> with mediacodec.open("talk.mcx") as file:
            ...     loudest = max(abs(chunk.samples).max() for chunk in file.audio.blocks(start=60, stop=70))
        """
        run = self.run(start, stop)
        return through(self._source.packets({self.header.stream_id: run.position}), run)

    def run(self, start: float, stop: float | None) -> Run[AudioChunk]:
        """A decoding of the audio between two times, for whoever brings the packets.

        Args:
            start, stop: seconds; None for the end.
        """
        return AudioRun(self._source, self, start, stop)

    def read(self) -> AudioChunk:
        """Decode the whole stream. Returns and raises what `get_samples_played_in_range` does."""
        return self.get_samples_played_in_range()

    @memory_errors.named
    def get_samples_played_in_range(self, start: float = 0.0, stop: float | None = None) -> AudioChunk:
        """Decode from `start` to `stop` at once.

        Args:
            start, stop: seconds; None for the end.

        Returns:
            One chunk, samples [channels, n].

        Raises:
            MediaCodecError: as for `blocks`.
        """
        return joined(self.blocks(start=start, stop=stop), self.sample_rate, self.channels, start)

    @memory_errors.named
    def codes(self, start: float = 0.0, stop: float | None = None) -> NDArray[np.uint16]:
        """The integer codes of the packets that overlap a time range, without decoding.

        Packets are whole: the first frame is that of the packet that contains `start`. Where a packet has fewer
        codebooks than the stream, the others hold the codebook size, which is no code.

        Args:
            start, stop: seconds; None for the end.

        Returns:
            uint16 [1, codebooks, frames].

        Raises:
            UnsupportedFeatureError: codes of this codec cannot be had without its networks.
            BitstreamError: a packet is damaged.
            MediaCodecError: as for `blocks`.
        """
        begin, end = checked_times(start, stop)
        reader = code_reader(self.header, models=self._source.models)
        skip = self.header.pre_skip
        first = round(Fraction(begin) / self.header.time_base) + skip
        last = None if end is None else round(Fraction(end) / self.header.time_base) + skip
        parts = [np.zeros((reader.num_codebooks, 0), dtype=np.uint16)]
        for packet in self._source.packets({self.header.stream_id: first if begin else 0}):
            if packet.pts + packet.duration > first and (last is None or packet.pts < last):
                codes = reader.read(packet)
                missing = ((0, reader.num_codebooks - len(codes)), (0, 0))
                parts.append(np.pad(codes, missing, constant_values=reader.codebook_size))
        return np.concatenate(parts, axis=1)[None]


class AudioRun:
    """One decoding of an audio stream between two times; see `Run`. Chunks follow each other exactly."""

    def __init__(self, source: PacketSource, stream: AudioReader, start: float, stop: float | None) -> None:
        begin, end = checked_times(start, stop)
        self._source, self._stream, self.header = source, stream, stream.header
        self._rate = stream.sample_rate
        self._first = round(begin * self._rate)
        self._last = None if end is None else round(end * self._rate)
        self._decoder = source.audio_decoder(self.header)
        self._has_decoded = False  # a packet, so far
        self._end = 0  # of what a decoder that looks ahead has given
        self._budget = FillBudget(FILL_SECONDS * self._rate)
        self._closed, self._closed_before, self._closed_from = 0, 0, 0  # samples too long to fill: see `_close_up`
        self.position = self._first + self.header.pre_skip - self._decoder.preroll if self._first else 0
        self.done = False
        # who joins a stream on its way misses nothing before
        self._place = None if source.joined else max(0, self.position)
        # The length may come behind the last packet: then only the chunk before the end can exceed it, which is held.
        self._length = stream.num_samples
        self._holds = self._length is None and not source.header.live
        self._held: AudioChunk | None = None

    def push(self, packet: Packet) -> Iterator[AudioChunk]:
        """The audio of a packet, and before it what stands in for missing ones."""
        return self._between(self._trimmed(self._packet(packet)))

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
                closed = self._closed if cut.pts >= self._closed_from else self._closed_before
                yield replace(cut, pts=cut.pts - closed) if closed else cut

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

    def _packet(self, packet: Packet) -> Iterator[AudioChunk]:
        if self._place is not None:
            yield from self._fill(self._place, packet.pts)
        self._place = packet.pts + packet.duration
        yield from self._decoded(packet)

    def _ending(self) -> Iterator[AudioChunk]:
        length = self._stream.num_samples
        if length and self._place is not None:
            end = length + self.header.pre_skip
            self._source.check_end(self.header.stream_id, self._place, end)
            yield from self._fill(self._place, end)
        if self._decoder.delay:
            yield self._presented(self._decoder.flush())

    def _decoded(self, packet: Packet) -> Iterator[AudioChunk]:
        """A packet decoded, or concealed and noted where its bytes are whole but its symbols wrong."""
        try:
            chunk = self._decoder.push(packet)
        except BitstreamError as error:
            if self._source.strict:
                raise
            end = packet.pts + packet.duration
            self._source.note(Gap(packet.stream_id, packet.pts, end, -1, f"undecodable packet: {error}"))
            yield from self._fill(packet.pts, end)
        else:
            self._has_decoded = True
            self._budget.earn(chunk.num_samples)
            yield self._presented(chunk) if self._decoder.delay else chunk

    def _presented(self, chunk: AudioChunk) -> AudioChunk:
        """A chunk of a decoder that looks ahead, without what was presented before: time stamps may go back."""
        chunk = cut_chunk(chunk, self._end, None)
        self._end = chunk.pts + chunk.num_samples if chunk.num_samples else self._end
        return chunk

    def _fill(self, position: int, until: int) -> Iterator[AudioChunk]:
        """Concealment for the stretch of the coded timeline that no packet covers."""
        position = max(position, self.header.pre_skip)
        missing = until - position
        if not self._budget.spend(missing):
            self._close_up(position, missing)
            return
        if self._decoder.delay:
            yield from self._fill_ahead(position, missing)
            return
        while missing > 0:
            chunk = self._decoder.push(None)
            count = min(missing, chunk.num_samples)
            yield replace(chunk, samples=chunk.samples[:, :count], pts=position - self.header.pre_skip)
            position, missing = position + count, missing - count

    def _close_up(self, position: int, missing: int) -> None:
        """Leave a stretch out: what follows it, but not a chunk that is still held, comes earlier by that much."""
        reason = f"{missing / self._rate:.0f} s are missing, too long to conceal: closed up"
        self._source.note(Gap(self.header.stream_id, position, position + missing, -1, reason))
        self._closed_before, self._closed = self._closed, self._closed + missing
        self._closed_from = position + missing - self.header.pre_skip

    def _fill_ahead(self, position: int, missing: int) -> Iterator[AudioChunk]:
        """The same for a decoder that looks ahead: its concealment comes when what follows it does."""
        parameters = self.header.parameters
        assert isinstance(parameters, AudioParameters)
        size = max(1, self.header.packet_duration // parameters.frame_size) * parameters.frame_size
        while missing > 0:
            if self._has_decoded:
                yield self._presented(self._decoder.push(None))
            else:  # it does not know yet where it is
                silence = np.zeros((self._stream.channels, min(size, missing)), dtype=np.float32)
                yield self._presented(AudioChunk(silence, self._rate, position - self.header.pre_skip))
            position, missing = position + size, missing - size


def cut_chunk(chunk: AudioChunk, first: int, last: int | None) -> AudioChunk:
    """The part of a chunk between two samples; maybe empty.

    Args:
        chunk: to cut.
        first: sample of the stream that the part begins with.
        last: sample that it ends before; None for the end of the chunk.
    """
    begin = min(chunk.num_samples, max(0, first - chunk.pts))
    end = chunk.num_samples if last is None else min(chunk.num_samples, max(begin, last - chunk.pts))
    if (begin, end) == (0, chunk.num_samples):
        return chunk
    return replace(chunk, samples=chunk.samples[:, begin:end], pts=chunk.pts + begin)


def joined(chunks: Iterable[AudioChunk], sample_rate: int, channels: int, start: float) -> AudioChunk:
    """Chunks that follow each other as one.

    Args:
        chunks: in their order.
        sample_rate: Hz, of the chunk where there are none.
        channels: likewise.
        start: seconds at which it begins, likewise.
    """
    kept = list(chunks)
    pts = kept[0].pts if kept else round(start * sample_rate)
    parts = [chunk.samples for chunk in kept] or [np.zeros((channels, 0), dtype=np.float32)]
    return AudioChunk(np.concatenate(parts, axis=1), sample_rate, pts)
