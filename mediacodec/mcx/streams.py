"""The streams of a file being written: what is given to each, and the packets that come of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from numpy.typing import ArrayLike

from mediacodec import memory_errors
from mediacodec.arguments import as_instance, as_integer, sealed
from mediacodec.codecs.base import AudioEncoderBackend, VideoEncoderBackend
from mediacodec.codecs.options import VideoFormat
from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk, VideoFrame, as_sample_rate, as_samples
from mediacodec_bitstream import OPAQUE, AudioParameters, Packet, StreamHeader
from mediacodec_bitstream.packet import MAX_DURATION

if TYPE_CHECKING:
    from mediacodec.media.stream_copy import AudioCopy, AudioPacket

FINEST = Fraction(1, 1_000_000)  # ticks: finer ones could not hold a frame's duration in 24 bits
_FINE = Fraction(1, 90_000)
COPIED = "copy"  # codec of a stream of foreign packets; which codec that is stands in the field foreign_codec


class StreamWriter(Protocol):
    """What a file asks of a stream being written.

    Attributes:
        header: of the stream.
        payload_bytes: of all packets returned so far, symbol CRCs included.
    """

    header: StreamHeader
    payload_bytes: int

    @property
    def length(self) -> int:
        """Ticks presented so far, as the end of the file states them."""
        ...

    @property
    def notes(self) -> list[str]:
        """One line for each thing that was changed on the way in; loud ones begin with WARNING."""
        ...

    def flush(self) -> list[Packet]:
        """The rest of the packets."""
        ...


def storable(video: VideoFormat) -> VideoFormat:
    """A format whose ticks a file can hold: those below a microsecond become 1/90000 s."""
    return replace(video, time_base=_FINE) if video.tick < FINEST else video


@sealed
class AudioWriter:
    """One audio stream of a file being written.

    Args:
        encoder: makes the packets.
        sample_rate: of what will be given, Hz.
        channels: likewise.

    Attributes:
        header: of the stream.
        payload_bytes: of all packets returned so far.

    Raises:
        ParameterError, ParameterTypeError: rate or channels make no sense.
    """

    __slots__ = ("_converter", "_encoder", "_source_rate", "header", "payload_bytes")

    def __init__(self, encoder: AudioEncoderBackend, sample_rate: int, channels: int) -> None:
        from mediacodec.media.convert import MAX_CHANNELS, Converter

        sample_rate = as_sample_rate("sample_rate", sample_rate)
        channels = as_integer("channels", channels, 1, MAX_CHANNELS)
        self._encoder = encoder
        parameters = encoder.header.parameters
        assert isinstance(parameters, AudioParameters)
        self._converter = Converter(sample_rate, channels, parameters.sample_rate, parameters.channels)
        self._source_rate = sample_rate
        self.payload_bytes = 0
        fields = dict(encoder.header.fields)
        fields |= {"source_sample_rate": sample_rate, "source_channels": channels}
        self.header: StreamHeader = replace(encoder.header, fields=fields)

    @property
    def length(self) -> int:
        """Ticks of audio given so far, as the end of the file states it."""
        return int(self._encoder.num_samples)

    @property
    def notes(self) -> list[str]:
        """One line for each thing the conversion did; loud ones begin with WARNING."""
        return self._converter.notes()

    @memory_errors.named
    def encode(self, samples: AudioChunk | ArrayLike) -> list[Packet]:
        """Encode samples, in pieces of any size.

        Args:
            samples: a chunk, or floating point [n] or [channels, n] at the stream's rate.

        Returns:
            The packets that are complete by now, for `mux`.

        Raises:
            ParameterError: rate, channels or shape are others.
            ParameterTypeError: the samples are not floating point.
        """
        if not isinstance(samples, AudioChunk):
            samples = AudioChunk(as_samples("samples", samples), self._source_rate)
        return self._push(self._converter.push(samples))

    @memory_errors.named
    def flush(self) -> list[Packet]:
        """The rest of the packets; `close` of the file calls it."""
        rest = self._push(self._converter.flush())
        return rest + self._counted(self._encoder.flush())

    def _push(self, chunk: AudioChunk) -> list[Packet]:
        return self._counted(self._encoder.push(chunk)) if chunk.num_samples else []

    def _counted(self, packets: list[Packet]) -> list[Packet]:
        self.payload_bytes += sum(len(packet.data) for packet in packets)
        return packets


class _OneLate:
    """Packets that follow each other in time, one late: only the next one tells how long a packet lasts.

    Args:
        longest: ticks that no packet may exceed; what is longer is left as a hole in the time stamps.
        live: nothing waits; packets go as they are, for what is not known yet with a duration of 0.
    """

    def __init__(self, *, longest: int, live: bool) -> None:
        self._longest, self._live = longest or MAX_DURATION, live
        self._held: tuple[Packet, int] | None = None
        self.end = 0  # of the last packet, in ticks

    def push(self, packet: Packet, nominal: int) -> list[Packet]:
        """Take a packet that lasts `nominal` ticks if nothing follows; give the one before."""
        self.end = packet.pts + min(nominal, self._longest)  # as `_lasting` will say
        if self._live:
            return [packet]
        held, self._held = self._held, (packet, nominal)
        return [] if held is None else [self._lasting(held[0], packet.pts - held[0].pts)]

    def flush(self) -> list[Packet]:
        """The last packet."""
        held, self._held = self._held, None
        return [] if held is None else [self._lasting(*held)]

    def _lasting(self, packet: Packet, ticks: int) -> Packet:
        return replace(packet, duration=min(ticks, self._longest))


@sealed
class VideoWriter:
    """One video stream of a file being written.

    Packets come one frame late, because the next frame tells how long one is presented; live they come as the encoder
    gives them.

    Args:
        encoder: makes the packets.
        frame_rate: nominal, frames a second: how long the last frame is presented, unless it says so itself.
        live: whether somebody watches meanwhile.
        variable: whether frames may be presented for longer than the rate says.

    Attributes:
        header: of the stream.
        payload_bytes: of all packets returned so far.
    """

    __slots__ = ("_encoder", "_last", "_lasts", "_nominal", "_order", "header", "payload_bytes")

    def __init__(
        self, encoder: VideoEncoderBackend, frame_rate: Fraction, *, live: bool = False, variable: bool = False
    ) -> None:
        self._encoder = encoder
        self.header: StreamHeader = replace(encoder.header, packet_duration=0) if variable else encoder.header
        self._nominal = max(1, round(1 / (frame_rate * self.header.time_base)))
        self._order = _OneLate(longest=self.header.packet_duration, live=live)
        self._last, self._lasts = -1, 0  # time of the last frame, and how long it is presented, in ticks
        self.payload_bytes = 0

    @property
    def begin(self) -> int:
        """Tick of the file's timeline at which the frames given here begin."""
        return 0

    @property
    def length(self) -> int:
        """Ticks from 0 to the end of the last frame."""
        return self._order.end

    @property
    def num_frames(self) -> int:
        """Frames given so far."""
        return self._encoder.num_frames

    @property
    def notes(self) -> list[str]:
        """Nothing: frames go in as they are."""
        return []

    @memory_errors.named
    def encode(self, frame: VideoFrame) -> list[Packet]:
        """Encode the next frame.

        Args:
            frame: of the stream's size; its pts may count in any time base.

        Returns:
            The packets that are complete by now, for `mux`.

        Raises:
            ParameterError: the frame does not come after the one before, or has another size.
            ParameterTypeError: it is no VideoFrame.
        """
        as_instance("frame", frame, VideoFrame)
        pts = round(frame.pts * frame.time_base / self.header.time_base)
        if pts <= self._last:
            place = f"{float(pts * self.header.time_base):.6f} s"
            raise ParameterError(f"frames must come in the order of time, from 0 on; this one is presented at {place}")
        lasts = round(frame.duration * frame.time_base / self.header.time_base)
        self._last, self._lasts = pts, lasts
        return self._timed(self._encoder.push(replace(frame, pts=pts, time_base=self.header.time_base, duration=lasts)))

    @memory_errors.named
    def flush(self) -> list[Packet]:
        """The rest of the packets; `close` of the file calls it."""
        return [*self._timed(self._encoder.flush()), *self._order.flush()]

    def _timed(self, packets: list[Packet]) -> list[Packet]:
        self.payload_bytes += sum(len(packet.data) for packet in packets)
        out = []
        for packet in packets:
            lasts = self._lasts if packet.pts == self._last else 0
            out += self._order.push(packet, lasts or self._nominal)
        return out


@sealed
class CopyWriter:
    """Audio packets of another codec, untouched, as a stream of a file being written.

    Args:
        copy: what the packets are; kept in the stream's header, so that they can be played or copied on.
        stream_id: of the packets.
        live: whether somebody listens meanwhile.

    Attributes:
        header: of the stream.
        payload_bytes: of all packets returned so far.
    """

    __slots__ = ("_left_out", "_next", "_order", "header", "payload_bytes")

    def __init__(self, copy: AudioCopy, *, stream_id: int = 0, live: bool = False) -> None:
        fields: dict[str, int | str | bytes] = {"foreign_codec": copy.codec}
        if copy.extradata:
            fields["extradata"] = copy.extradata
        self.header = StreamHeader(
            stream_id,
            COPIED,
            AudioParameters(copy.sample_rate, copy.channels, copy.priming, 1),
            copy.time_base,
            coder=OPAQUE,
            symbol_crc_size=0,
            fields=fields,
        )
        self._order = _OneLate(longest=0, live=live)
        self._next = 0
        self._left_out = 0
        self.payload_bytes = 0

    @property
    def length(self) -> int:
        """Ticks of audio given so far, priming not counted."""
        return max(0, self._order.end - self.header.pre_skip)

    @property
    def notes(self) -> list[str]:
        """What could not be kept."""
        if not self._left_out:
            return []
        return [f"WARNING: left out {self._left_out} copied audio packet(s) that come before the start"]

    @memory_errors.named
    def encode(self, packet: AudioPacket) -> list[Packet]:
        """The packet of the file for a packet of the source, or nothing where it comes before the start.

        Args:
            packet: of the codec that the stream is for.

        Raises:
            ParameterTypeError: it is no AudioPacket.
        """
        from mediacodec.media.stream_copy import AudioPacket

        as_instance("packet", packet, AudioPacket)
        pts = packet.pts * packet.time_base / self.header.time_base + self.header.pre_skip
        if pts + max(1, packet.duration) <= 0:
            self._left_out += 1
            return []
        ticks = max(round(pts), self._next)  # time stamps that count milliseconds may be one off
        duration = round(packet.duration * packet.time_base / self.header.time_base)
        self._next = ticks + 1
        self.payload_bytes += len(packet.data)
        stream_id = self.header.stream_id
        return self._order.push(Packet(stream_id, ticks, packet.data, 0, is_keyframe=packet.is_keyframe), duration)

    def flush(self) -> list[Packet]:
        """The last packet; `close` of the file calls it."""
        return self._order.flush()
