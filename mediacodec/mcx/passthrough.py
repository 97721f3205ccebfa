"""Audio of an .mcx file that was copied from its source: packets of another codec."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from mediacodec import memory_errors
from mediacodec.errors import InputError, UnsupportedFeatureError, UsageError
from mediacodec.frames import AudioChunk, Samples
from mediacodec.mcx.audio_reader import AudioReader, cut_chunk
from mediacodec.mcx.fill_budget import FILL_SECONDS, FillBudget
from mediacodec.mcx.interleave import Run, checked_times, through
from mediacodec.mcx.packet_source import PacketSource
from mediacodec_bitstream import AudioParameters, Gap, Packet, StreamHeader

if TYPE_CHECKING:
    from mediacodec.media.packet_decoder import PacketDecoder
    from mediacodec.media.stream_copy import AudioCopy, AudioPacket

GAP_SECONDS = 0.1  # below, time stamps are only imprecise
PREROLL_SECONDS = 0.25  # decoders need a running start


class CopyReader(AudioReader):
    """One audio stream of a file whose packets are another codec's, untouched; FFmpeg decodes them.

    Args:
        source: the file.
        header: of the stream.

    Attributes:
        foreign_codec: name of that codec.
    """

    __slots__ = ("foreign_codec",)

    def __init__(self, source: PacketSource, header: StreamHeader) -> None:
        super().__init__(source, header)
        self.foreign_codec = str(header.fields["foreign_codec"])

    @property
    def description(self) -> AudioCopy:
        """What a container must know to hold the packets."""
        from mediacodec.media.stream_copy import AudioCopy

        assert isinstance(self.header.parameters, AudioParameters)
        extradata = self.header.fields.get("extradata", b"")
        assert isinstance(extradata, bytes)
        return AudioCopy(
            self.foreign_codec,
            extradata,
            self.sample_rate,
            self.channels,
            self.header.time_base,
            self.header.parameters.pre_skip,
        )

    @memory_errors.named
    def packets(self, *, start: float = 0.0, stop: float | None = None) -> Iterator[AudioPacket]:
        """The packets that are presented between two times, as they were in the source.

        Args:
            start, stop: seconds; None for the end.

        Returns:
            Packets whose pts are the file's.

        Raises:
            MediaCodecError: as for `AudioReader.blocks`.
        """
        run = self.packet_run(start, stop)
        return through(self._source.packets({self.header.stream_id: run.position}), run)

    def packet_run(self, start: float, stop: float | None) -> Run[AudioPacket]:
        """A pass over the packets between two times, for whoever brings them.

        Args:
            start, stop: seconds; None for the end.
        """
        return CopyRun(self._source, self.header, start, stop)

    def run(self, start: float, stop: float | None) -> Run[AudioChunk]:
        """See `AudioReader.run`."""
        return DecodedCopyRun(self._source, self, start, stop)


class CopyRun:
    """One pass over a copied stream's packets between two times; see `Run`."""

    def __init__(self, source: PacketSource, header: StreamHeader, start: float, stop: float | None) -> None:
        self._start, self._stop = checked_times(start, stop)
        self._source, self.header = source, header
        before = Fraction(self._start) - Fraction(PREROLL_SECONDS)
        self.position = int(before / self.header.time_base) + self.header.pre_skip if self._start else 0
        self.done = False
        self._place = 0  # where the next packet is due

    def push(self, packet: Packet) -> Iterator[AudioPacket]:
        """A packet of the file as one of its codec."""
        from mediacodec.media.stream_copy import AudioPacket

        self._place = packet.pts + packet.duration
        pts, tick = packet.pts - self.header.pre_skip, self.header.time_base
        if self._stop is not None and pts * tick >= self._stop:
            self.done = True
        elif not self._start or (pts + packet.duration) * tick > self._start:
            yield AudioPacket(packet.data, pts, pts, packet.duration, tick, packet.is_keyframe)

    def finish(self) -> Iterator[AudioPacket]:
        """Nothing; but it is noted where packets are missing before the end."""
        length, _ = self._source.stated_length(self.header.stream_id)
        if length and self._place:
            self._source.check_end(self.header.stream_id, self._place, length + self.header.pre_skip)
        yield from ()


class DecodedCopyRun:
    """One decoding of a copied stream between two times; see `Run`. A hole in the time stamps becomes silence."""

    def __init__(self, source: PacketSource, stream: CopyReader, start: float, stop: float | None) -> None:
        begin, end = checked_times(start, stop)
        self._packets = CopyRun(source, stream.header, 0.0, stop)
        self._source, self._stream, self.header = source, stream, stream.header
        self._rate = stream.sample_rate
        self._first = round(begin * self._rate)
        self._last = None if end is None else round(end * self._rate)
        self._budget = FillBudget(FILL_SECONDS * self._rate)
        self._next: int | None = None  # sample that is due
        self._priming = stream.description.priming
        self._decoder: PacketDecoder | None = None
        self._cleanup = contextlib.ExitStack()
        self.position = CopyRun(source, stream.header, start, stop).position
        self.done = False

    def push(self, packet: Packet) -> Iterator[AudioChunk]:
        """The audio of a packet, and before it silence for missing ones."""
        for _ in self._packets.push(packet):
            yield from self._between(self._decoded(packet))
        self._stop_if(self._packets.done)

    def finish(self) -> Iterator[AudioChunk]:
        """What the decoder still holds."""
        for _ in self._packets.finish():
            pass
        yield from self._between(self._decoded(None))
        self._stop_if(True)

    def _stop_if(self, over: bool) -> None:
        if over or self.done:
            self.done = True
            self._cleanup.close()

    def _between(self, parts: Iterable[tuple[int, Samples]]) -> Iterator[AudioChunk]:
        """What lies between the two times, from (position, samples)."""
        for chunk in self._placed(parts):
            if self._last is not None and chunk.pts >= self._last:
                self.done = True
                return
            cut = cut_chunk(chunk, self._first, self._end())
            if cut.num_samples:
                yield cut

    def _end(self) -> int | None:
        stated = self._stream.num_samples
        return min((each for each in (stated, self._last) if each is not None), default=None)

    def _placed(self, parts: Iterable[tuple[int, Samples]]) -> Iterator[AudioChunk]:
        for pts, samples in parts:
            least = GAP_SECONDS * self._rate
            if self._next is None:  # audio that begins late has silence before it
                self._next, least = min(pts, self._first), 0
            gap = pts - self._next
            if gap > least and self._budget.spend(gap):
                for place in range(self._next, pts, self._rate):
                    size = min(self._rate, pts - place)
                    yield AudioChunk(np.zeros((self._stream.channels, size), np.float32), self._rate, place)
                self._next = pts
            self._budget.earn(samples.shape[1])
            yield AudioChunk(samples, self._rate, self._next)
            self._next += samples.shape[1]

    def _decoded(self, packet: Packet | None) -> Iterator[tuple[int, Samples]]:
        """(position in samples, samples [channels, n]) of what a packet, or the end, makes the decoder give."""
        if self._decoder is None:
            self._decoder = self._opened()
        data, pts = (None, 0) if packet is None else (packet.data, packet.pts)
        try:
            frames = self._decoder.decode(data, pts, self.header.time_base)
        except InputError as error:
            if packet is not None:
                self._note(packet, error)
            return
        for frame in frames:
            if frame.samples.shape[0] == self._stream.channels and frame.sample_rate == self._rate:
                yield round(frame.pts * self.header.time_base * self._rate) - self._priming, frame.samples

    def _opened(self) -> PacketDecoder:
        """FFmpeg's decoder for the stream. Raises UnsupportedFeatureError where it has none."""
        from mediacodec.media.packet_decoder import open_packet_decoder

        try:
            return self._cleanup.enter_context(open_packet_decoder(_without_priming(self._stream.description)))
        except UsageError as error:
            name = self._stream.foreign_codec
            raise UnsupportedFeatureError(
                f"stream {self.header.stream_id} holds {name!r}, which is not known"
            ) from error

    def _note(self, packet: Packet, error: InputError) -> None:
        if self._source.strict:
            raise InputError(f"a copied packet cannot be decoded: {error}") from error
        reason = f"undecodable packet: {error}"
        self._source.note(Gap(packet.stream_id, packet.pts, packet.pts + packet.duration, -1, reason))


def _without_priming(copy: AudioCopy) -> AudioCopy:
    """So that FFmpeg drops nothing at the start, wherever that is: positions say what is presented."""
    extradata = copy.extradata
    if copy.codec == "opus" and len(extradata) >= 12:
        extradata = extradata[:10] + b"\0\0" + extradata[12:]
    return replace(copy, priming=0, extradata=extradata)
