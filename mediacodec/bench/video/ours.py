"""Our own video codecs as entries of the bench, through the classes that anybody else streams with."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from mediacodec.bench.video.entries import Planes, VideoClip, VideoResult
from mediacodec.codecs.options import VideoOptions
from mediacodec.codecs.streaming import VideoDecoder, VideoEncoder
from mediacodec.errors import MediaCodecError, ParameterError
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import Packet, StreamHeader

__all__ = ["VIDEO_CRFS", "OurVideoEntry", "decode_video", "encode_video"]

VIDEO_CRFS = (16.0, 22.0, 28.0, 34.0, 40.0, 46.0)


@dataclass(frozen=True)
class OurVideoEntry:
    """One of our codecs with one preset.

    Attributes:
        codec: name of a model.
        crfs: its points.
        preset: of the encoder.
        gop: frames from keyframe to keyframe; None for one keyframe a clip.

    Raises:
        ParameterError: there is no crf, or the gop is below 1.
    """

    codec: str = "conditional"
    crfs: tuple[float, ...] = VIDEO_CRFS
    preset: str = "fast"
    gop: int | None = None

    def __post_init__(self) -> None:
        if not self.crfs or (self.gop is not None and self.gop < 1):
            raise ParameterError(f"needs a crf and a gop of at least 1, not {self.crfs} and {self.gop}")

    @property
    def name(self) -> str:
        """Such as "conditional-fast"."""
        return f"{self.codec}-{self.preset}"

    @property
    def points(self) -> tuple[float, ...]:
        """Values of -crf."""
        return self.crfs

    def run(self, clip: VideoClip, point: float) -> VideoResult:
        """Encode and decode a clip; loading the model is left out of both times.

        Args:
            clip: the frames.
            point: value of -crf.

        Raises:
            MediaCodecError: what the codec raises, or it gives back another number of frames.
        """
        frames = [VideoFrame(*planes, pts=i, time_base=1 / clip.frame_rate) for i, planes in enumerate(clip.frames)]
        options = VideoOptions(crf=point, gop=self.gop or len(frames), preset=self.preset)
        encoder = _encoder(frames[0], clip.frame_rate, self.codec, options)
        start = time.perf_counter()
        packets = _encoded(encoder, frames)
        encode_seconds = time.perf_counter() - start
        decoder = VideoDecoder(encoder.header, threads=1)
        start = time.perf_counter()
        decoded = tuple(_planes(frame) for frame in _decoded(decoder, packets))
        decode_seconds = time.perf_counter() - start
        if len(decoded) != len(frames):
            raise MediaCodecError(f"{self.name} gave {len(decoded)} frames of {len(frames)} on {clip.name}")
        return VideoResult(sum(len(packet.data) for packet in packets), decoded, encode_seconds, decode_seconds)


def encode_video(
    frames: Iterable[VideoFrame],
    *,
    frame_rate: Fraction,
    codec: str = "conditional",
    crf: float = 28,
    gop: int = 48,
    preset: str = "fast",
) -> tuple[StreamHeader, list[Packet]]:
    """Encode frames of one size.

    Args:
        frames: in the order of time.
        frame_rate: frames a second.
        codec: name of a model.
        crf, gop, preset: see `VideoOptions`.

    Returns:
        The header that a decoder needs, and all packets.

    Raises:
        ParameterError: there is no frame, or an option is out of range.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise ParameterError("there is no frame to encode")
    encoder = _encoder(first, frame_rate, codec, VideoOptions(crf=crf, gop=gop, preset=preset))
    packets = list(encoder.push(first))
    packets += _encoded(encoder, rest)
    return encoder.header, packets


def decode_video(header: StreamHeader, packets: Iterable[Packet]) -> Iterator[VideoFrame]:
    """The frames of a stream in order of presentation, as they come.

    Args:
        header: of the stream.
        packets: all of it.
    """
    return _decoded(VideoDecoder(header, threads=1), packets)


def _encoder(first: VideoFrame, frame_rate: Fraction, codec: str, options: VideoOptions) -> VideoEncoder:
    return VideoEncoder(codec, options, width=first.width, height=first.height, frame_rate=frame_rate, threads=1)


def _encoded(encoder: VideoEncoder, frames: Iterable[VideoFrame]) -> list[Packet]:
    packets = [packet for frame in frames for packet in encoder.push(frame)]
    return [*packets, *encoder.flush()]


def _decoded(decoder: VideoDecoder, packets: Iterable[Packet]) -> Iterator[VideoFrame]:
    for packet in packets:
        yield from decoder.push(packet)
    yield from decoder.flush()


def _planes(frame: VideoFrame) -> Planes:
    return frame.y, frame.u, frame.v
