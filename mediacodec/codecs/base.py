"""What every codec family implements. `mediacodec.codecs.streaming` has the classes that people use.

Audio encoders take samples at the codec's own rate and channels (`mediacodec.media.Converter` gets them there) in
pieces of any size, and return the same packets whatever the pieces were; video encoders take frames one at a time.
Decoders take packets, or None for one that was lost.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk, Codes, Samples, VideoFrame, as_samples
from mediacodec_bitstream import Packet, StreamHeader

LIVE_BELOW = 0.2  # seconds: packets shorter than this are for live use
LOUDEST = 65_536.0  # a sample: 16-bit audio that nobody scaled still fits, and its squares are numbers


class AudioEncoderBackend(Protocol):
    """Samples to packets; opened with a model, `AudioOptions`, a `Runtime` and the id of its stream."""

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        ...

    @property
    def num_samples(self) -> int:
        """Samples per channel pushed so far: the length that the end of a file states."""
        ...

    def push(self, samples: AudioChunk | Samples) -> list[Packet]:
        """Encode samples, in pieces of any size.

        Args:
            samples: at the codec's rate, float32 [channels, n] or, for mono, [n], in -1..1.

        Returns:
            The packets that are complete by now.

        Raises:
            ParameterError: the shape or rate is not the codec's, or the encoder was flushed.
            ParameterTypeError: they are not floating point.
        """
        ...

    def flush(self) -> list[Packet]:
        """The rest. The encoder takes nothing after that."""
        ...


class AudioDecoderBackend(Protocol):
    """Packets to samples."""

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        ...

    @property
    def preroll(self) -> int:
        """Samples that must be decoded before a point for the output there to be as if decoded from the start."""
        ...

    @property
    def delay(self) -> int:
        """Samples at most by which audio comes later than its packets; 0 where they decode at once."""
        ...

    def push(self, packet: Packet | None) -> AudioChunk:
        """Decode a packet; None stands for a lost one of the stream's packet duration, which is concealed.

        A decoder that looks ahead gives what is ready, maybe nothing.

        Returns:
            A chunk whose pts counts presented samples: pre-skip is already dropped, so the first chunk of a stream is
            shorter.

        Raises:
            BitstreamError: the packet is damaged, in one of its kinds, and nothing else.
        """
        ...

    def flush(self) -> AudioChunk:
        """What the decoder still holds (nothing, for codecs whose packets decode at once)."""
        ...


class VideoEncoderBackend(Protocol):
    """Frames to packets; opened with a model, `VideoFormat`, `VideoOptions`, a `Runtime` and the id of its stream."""

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        ...

    @property
    def num_frames(self) -> int:
        """Frames pushed so far."""
        ...

    def push(self, frame: VideoFrame) -> list[Packet]:
        """Encode the next frame.

        Args:
            frame: of the stream's size and time base, later than the one before.

        Returns:
            The packets that are complete by now.

        Raises:
            ParameterError: it does not fit the stream, or the encoder was flushed.
            ParameterTypeError: it is no VideoFrame.
        """
        ...

    def flush(self) -> list[Packet]:
        """The rest. The encoder takes nothing after that."""
        ...


class VideoDecoderBackend(Protocol):
    """Packets to frames."""

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        ...

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode a packet; None stands for a lost one, which is concealed. Nothing comes before the first keyframe.

        Raises:
            BitstreamError: the packet is damaged, in one of its kinds, and nothing else.
        """
        ...

    def flush(self) -> list[VideoFrame]:
        """What the decoder still holds."""
        ...


@runtime_checkable
class RandomAccessDecoder(Protocol):
    """A VideoDecoderBackend that knows by itself what each packet needs: frames can be passed over at less cost than
    making them, and after a loss it decodes what is whole and conceals the rest until a keyframe.

    Attributes:
        concealed: frames concealed so far.
    """

    concealed: int

    def skip(self, packet: Packet) -> None:
        """Take from a packet what later ones need. Raises BitstreamError kinds only."""
        ...


@runtime_checkable
class ReferringDecoder(RandomAccessDecoder, Protocol):
    """A RandomAccessDecoder some of whose keyframes refer to earlier ones."""

    def needs(self, packet: Packet) -> int | None:
        """The pts of an earlier keyframe that the decoder lacks and must skip first; None where nothing is missing.

        Raises:
            BitstreamError: the packet is damaged, in one of its kinds, and nothing else.
        """
        ...


class CodeReader(Protocol):
    """Packets to integer codes, without any network."""

    num_codebooks: int
    codebook_size: int
    frame_rate: float

    def read(self, packet: Packet) -> Codes:
        """The codes of a packet.

        Args:
            packet: of the stream.

        Returns:
            uint16 [codebooks, frames], at most num_codebooks of them.

        Raises:
            BitstreamError: the packet is damaged, in one of its kinds, and nothing else.
        """
        ...


class CodeWriter(Protocol):
    """Integer codes to packets, without any network: what a `CodeReader` reads back.

    Opened with the model and all codes, uint16 [codebooks, frames]; the codebook size stands for no code, from some
    codebook of a frame on.

    Raises:
        ParameterError: the model has no such codes.
    """

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        ...

    @property
    def num_samples(self) -> int:
        """Samples per channel that the codes stand for, the codec's delay taken off."""
        ...

    def packets(self) -> list[Packet]:
        """All packets, in order."""
        ...


def channel_samples(samples: AudioChunk | Samples, sample_rate: int, channels: int) -> Samples:
    """The argument of `push` as samples of the codec; what is no number becomes 0.

    Args:
        samples: a chunk, [channels, n] or, for mono, [n].
        sample_rate: of the codec, Hz.
        channels: of the codec.

    Returns:
        float32 [channels, n], finite.

    Raises:
        ParameterError: it has another rate, other channels or another shape.
        ParameterTypeError: it is not floating point.
    """
    if isinstance(samples, AudioChunk):
        if samples.sample_rate != sample_rate:
            raise ParameterError(f"samples are at {samples.sample_rate} Hz, the codec takes {sample_rate}")
        samples = samples.samples
    array = as_samples("samples", samples)
    if array.shape[0] != channels:
        wanted = "mono, [n] or [1, n]" if channels == 1 else f"{channels} channels, [{channels}, n]"
        raise ParameterError(f"samples must be what the codec takes, {wanted}; got shape {np.shape(samples)}")
    return bounded(array)[0]


def bounded(samples: Samples) -> tuple[Samples, int]:
    """Samples within what meters, filters and networks can work with; a network with a memory keeps a NaN for good.

    Args:
        samples: [channels, n].

    Returns:
        The same, with 0 for what is no finite number and at most LOUDEST for the rest; and how many were changed.
    """
    if not samples.size or np.abs(samples).max() <= LOUDEST:  # false where one is NaN
        return samples, 0
    changed = int(np.count_nonzero(~(np.abs(samples) <= LOUDEST)))
    return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).clip(-LOUDEST, LOUDEST), changed
