"""The streams of a file being written: what is given to each, and the packets that come of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mediacodec.codecs.base import AudioEncoderBackend, VideoEncoderBackend
from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec_bitstream import OPAQUE, AudioParameters, Packet, StreamHeader
from mediacodec_bitstream.packet import MAX_DURATION

if TYPE_CHECKING:
    from mediacodec.media.stream_copy import AudioCopy, AudioPacket

COPIED = "copy"  # codec of a stream of foreign packets; which codec that is stands in the field foreign_codec


class StreamWriter(Protocol):
    """What a file asks of a stream being written."""

    header: StreamHeader
    payload_bytes: int  # of all packets returned so far, symbol CRCs included

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


def as_chunk(samples: ArrayLike, sample_rate: int) -> AudioChunk:
    """Samples [n] or [channels, n] as a chunk. Raises ParameterTypeError on integers: their full scale is not known."""
    array = np.asarray(samples)
    if array.dtype.kind != "f":
        raise ParameterTypeError(f"samples must be floating point in -1..1, got {array.dtype}; scale and convert them")
    return AudioChunk(np.atleast_2d(array.astype(np.float32, copy=False)), sample_rate)


class AudioWriter:
    """One audio stream of a file being written."""

    def __init__(self, encoder: AudioEncoderBackend, sample_rate: int, channels: int) -> None:
        from mediacodec.media.convert import Converter

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
        """Ticks of sound given so far, as the end of the file states it."""
        return int(self._encoder.num_samples)

    @property
    def notes(self) -> list[str]:
        """One line for each thing the conversion did; loud ones begin with WARNING."""
        return self._converter.notes()

    def encode(self, samples: AudioChunk | ArrayLike) -> list[Packet]:
        """Packets for samples, an AudioChunk or [n] or [channels, n] at the stream's rate, in pieces of any size."""
        chunk = samples if isinstance(samples, AudioChunk) else as_chunk(samples, self._source_rate)
        return self._push(self._converter.push(chunk))

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


class VideoWriter:
    """One video stream of a file being written.

    Packets come one picture late, because the next picture tells how long one is shown; live they come as the encoder
    gives them.
    """

    begin = 0  # tick at which the pictures given here begin

    def __init__(self, encoder: VideoEncoderBackend, frame_rate: Fraction, *, live: bool = False) -> None:
        self._encoder = encoder
        self.header: StreamHeader = encoder.header
        self._nominal = max(1, round(1 / (frame_rate * self.header.time_base)))
        self._order = _OneLate(longest=self.header.packet_duration, live=live)
        self._last = -1
        self.payload_bytes = 0

    @property
    def length(self) -> int:
        """Ticks from 0 to the end of the last picture."""
        return self._order.end

    @property
    def num_frames(self) -> int:
        """Pictures given so far."""
        return self._encoder.num_frames

    @property
    def notes(self) -> list[str]:
        """Nothing: pictures go in as they are."""
        return []

    def encode(self, frame: VideoFrame) -> list[Packet]:
        """Packets for the next picture, whose pts may count in any time base.

        Raises ParameterError where it does not come after the one before, or has another size.
        """
        pts = round(frame.pts * frame.time_base / self.header.time_base)
        if pts <= self._last:
            place = f"{float(pts * self.header.time_base):.6f} s"
            raise ParameterError(f"pictures must come in the order of time, from 0 on; this one is shown at {place}")
        self._last = pts
        return self._timed(self._encoder.push(replace(frame, pts=pts, time_base=self.header.time_base)))

    def flush(self) -> list[Packet]:
        """The rest of the packets; `close` of the file calls it."""
        return [*self._timed(self._encoder.flush()), *self._order.flush()]

    def _timed(self, packets: list[Packet]) -> list[Packet]:
        self.payload_bytes += sum(len(packet.data) for packet in packets)
        return [out for packet in packets for out in self._order.push(packet, self._nominal)]


class CopyWriter:
    """Audio packets of another codec, untouched, as a stream of a file being written.

    Args:
        copy: what the packets are; kept in the stream's header, so that they can be played or copied on.
    """

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
        """Ticks of sound given so far, priming not counted."""
        return max(0, self._order.end - self.header.pre_skip)

    @property
    def notes(self) -> list[str]:
        """What could not be kept."""
        if not self._left_out:
            return []
        return [f"WARNING: left out {self._left_out} copied audio packet(s) that come before the start"]

    def encode(self, packet: AudioPacket) -> list[Packet]:
        """The packet of the file for a packet of the source."""
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
