"""Sound of an .mcx file that was copied from its source: packets of another codec."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from mediacodec.audio_reader import MAX_FILL, AudioReader, check_end, check_times, cut_chunk
from mediacodec.errors import InputError, UnsupportedFeatureError, UsageError
from mediacodec.frames import AudioChunk, Samples
from mediacodec_bitstream import AudioParameters, Gap, Packet, StreamHeader

if TYPE_CHECKING:
    from mediacodec.files import FileReader
    from mediacodec.media.copied import AudioCopy, AudioPacket

GAP_SECONDS = 0.1  # below, time stamps are only imprecise
PREROLL_SECONDS = 0.25  # decoders need a running start


class CopyReader(AudioReader):
    """One audio stream of a file whose packets are another codec's, untouched; FFmpeg decodes them."""

    def __init__(self, file: FileReader, header: StreamHeader) -> None:
        super().__init__(file, header)
        self.foreign_codec = str(header.fields["foreign_codec"])

    @property
    def description(self) -> AudioCopy:
        """What a container must know to hold the packets."""
        from mediacodec.media.copied import AudioCopy

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

    def packets(self, *, start: float = 0.0, stop: float | None = None) -> Iterator[AudioPacket]:
        """The packets that are heard between two times, as they were in the source. Their pts are the file's."""
        run = self.run(start, stop, raw=True)
        for _, packet in run.timed(self._file.packets({self.header.stream_id: run.position})):
            yield packet

    def run(self, start: float, stop: float | None, *, raw: bool = False) -> Any:
        """A reading of packets (raw) or a decoding, for whoever brings the packets."""
        return CopyRun(self._file, self, start, stop) if raw else DecodedCopyRun(self._file, self, start, stop)


class CopyRun:
    """One reading of a copied stream's packets between two times."""

    def __init__(self, file: FileReader, stream: CopyReader, start: float, stop: float | None) -> None:
        check_times(start, stop)
        self._file, self._stream, self.header = file, stream, stream.header
        self._start, self._stop = start, stop
        tick = self.header.time_base
        self.position = int((Fraction(start) - Fraction(PREROLL_SECONDS)) / tick) + self.header.pre_skip if start else 0

    def timed(self, packets: Iterable[Packet]) -> Iterator[tuple[float, AudioPacket]]:
        """(seconds, packet) for the packets of the stream."""
        tick = self.header.time_base
        for packet in self.whole(packets):
            pts = packet.pts - self.header.pre_skip
            if self._start and (pts + packet.duration) * tick <= self._start:
                continue
            if self._stop is not None and pts * tick >= self._stop:
                return
            yield float(pts * tick), self.as_audio(packet)

    def whole(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """The packets; at the end of the file it is noted where some are missing before it."""
        position = 0
        for packet in packets:
            position = packet.pts + packet.duration
            yield packet
        length, _ = self._file.stated_length(self.header.stream_id)
        if length and position:
            check_end(self._file, self.header.stream_id, position, length + self.header.pre_skip)

    def as_audio(self, packet: Packet) -> AudioPacket:
        """A packet of the file as one of its codec."""
        from mediacodec.media.copied import AudioPacket

        pts = packet.pts - self.header.pre_skip
        return AudioPacket(packet.data, pts, pts, packet.duration, self.header.time_base, packet.is_keyframe)


class DecodedCopyRun:
    """One decoding of a copied stream between two times; a hole in the time stamps becomes silence."""

    def __init__(self, file: FileReader, stream: CopyReader, start: float, stop: float | None) -> None:
        self._packets = CopyRun(file, stream, start, stop)
        self._file, self._stream, self.header = file, stream, stream.header
        self._rate = stream.sample_rate
        self._first = round(start * self._rate)
        self._last = None if stop is None else round(stop * self._rate)
        self._fill_left = MAX_FILL * self._rate
        self.position = self._packets.position

    def timed(self, packets: Iterable[Packet]) -> Iterator[tuple[float, AudioChunk]]:
        """(seconds, chunk) from the packets of the stream; chunks follow each other exactly."""
        for chunk in self._placed(packets):
            if self._last is not None and chunk.pts >= self._last:
                return
            cut = cut_chunk(chunk, self._first, self._end())
            if cut.num_samples:
                yield cut.pts_seconds, cut

    def _end(self) -> int | None:
        stated = self._stream.num_samples
        return min((each for each in (stated, self._last) if each is not None), default=None)

    def _placed(self, packets: Iterable[Packet]) -> Iterator[AudioChunk]:
        position: int | None = None
        for pts, samples in self._decoded(packets):
            least = GAP_SECONDS * self._rate
            if position is None:  # sound that begins late has silence before it
                position, least = min(pts, self._first), 0
            gap = pts - position
            if least < gap <= self._fill_left:
                self._fill_left -= gap
                yield AudioChunk(np.zeros((self._stream.channels, gap), np.float32), self._rate, position)
                position = pts
            yield AudioChunk(samples, self._rate, position)
            position += samples.shape[1]

    def _decoded(self, packets: Iterable[Packet]) -> Iterator[tuple[int, Samples]]:
        """(position in samples, samples [channels, n]) for each packet that can be decoded."""
        import av
        import av.error

        from mediacodec.media.bridge import planar_float32

        with self._context() as context:
            for packet in chain(self._packets.whole(packets), [None]):
                coded = None
                if packet is not None:
                    coded = av.Packet(packet.data)
                    coded.pts = packet.pts
                    coded.time_base = self.header.time_base
                try:
                    frames = context.decode(coded)
                except av.error.FFmpegError as error:
                    if packet is not None:
                        self._note(packet, error)
                    continue
                for frame in frames:
                    samples = planar_float32(frame)
                    if samples.shape[0] == self._stream.channels and frame.sample_rate == self._rate:
                        place = (frame.pts or 0) * self.header.time_base * self._rate
                        yield round(place) - self._stream.description.priming, samples

    @contextlib.contextmanager
    def _context(self) -> Iterator[Any]:
        """A decoder of FFmpeg for the stream. Raises UnsupportedFeatureError where it has none."""
        from mediacodec.media.copied import template_stream

        try:
            with template_stream(_without_priming(self._stream.description)) as template:
                yield template.codec_context
        except UsageError as error:
            name = self._stream.foreign_codec
            raise UnsupportedFeatureError(
                f"stream {self.header.stream_id} holds {name!r}, which is not known"
            ) from error

    def _note(self, packet: Packet, error: Exception) -> None:
        if self._file.strict:
            raise InputError(f"a copied packet cannot be decoded: {error}") from error
        reason = f"undecodable packet: {error}"
        self._file.note(Gap(packet.stream_id, packet.pts, packet.pts + packet.duration, -1, reason))


def _without_priming(copy: AudioCopy) -> AudioCopy:
    """So that FFmpeg drops nothing at the start, wherever that is: positions say what is heard."""
    extradata = copy.extradata
    if copy.codec == "opus" and len(extradata) >= 12:
        extradata = extradata[:10] + b"\0\0" + extradata[12:]
    return replace(copy, priming=0, extradata=extradata)
