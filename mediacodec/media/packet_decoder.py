"""Packets of one audio codec to samples, without a container around them: FFmpeg's decoder for a copied stream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error

from mediacodec.errors import InputError
from mediacodec.frames import Samples
from mediacodec.media.avio import planar_float32
from mediacodec.media.stream_copy import AudioCopy, template_stream


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """What a packet decodes to.

    Attributes:
        samples: float32 [channels, n].
        sample_rate: Hz.
        pts: of the first sample, in ticks of the packets' time base.
    """

    samples: Samples
    sample_rate: int
    pts: int


class PacketDecoder:
    """A decoder of FFmpeg's; open one with `open_packet_decoder`."""

    __slots__ = ("_context",)

    def __init__(self, context: av.AudioCodecContext) -> None:
        self._context = context

    def decode(self, data: bytes | None, pts: int, time_base: Fraction) -> list[DecodedFrame]:
        """Decode a packet.

        Args:
            data: of the packet; None for the end of the stream.
            pts: in ticks of time_base.
            time_base: seconds a tick.

        Returns:
            The frames that are complete by now.

        Raises:
            InputError: the packet is damaged.
        """
        packet = None
        if data is not None:
            packet = av.Packet(data)
            packet.pts, packet.time_base = pts, time_base
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError as error:
            raise InputError(str(error)) from error
        return [DecodedFrame(planar_float32(frame), frame.sample_rate, frame.pts or 0) for frame in frames]


@contextlib.contextmanager
def open_packet_decoder(copy: AudioCopy) -> Iterator[PacketDecoder]:
    """A decoder for packets of a copied stream.

    Args:
        copy: what the packets are.

    Raises:
        UsageError: FFmpeg has no decoder for them, or none that can be set up without a container.
    """
    with template_stream(copy) as template:
        yield PacketDecoder(template.codec_context)
