"""What every codec family implements. `mediacodec.codecs.streaming` has the classes that people use.

Audio encoders take samples at the codec's own rate and channels (`mediacodec.media.Converter` gets them there) in
pieces of any size, and return the same packets whatever the pieces were; video encoders take pictures one at a time.
Decoders take packets, or None for one that was lost.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.frames import AudioChunk, Codes, Samples, VideoFrame
from mediacodec_bitstream import Packet, StreamHeader

LIVE_BELOW = 0.2  # seconds: packets shorter than this are for live use
LOUDEST = 65_536.0  # a sample: 16-bit sound that nobody scaled still fits, and its squares are numbers


class AudioEncoderBackend(Protocol):
    """Samples to packets; opened with a model, `AudioOptions`, a `Runtime` and the id of its stream."""

    @property
    def header(self) -> StreamHeader: ...

    @property
    def num_samples(self) -> int:
        """Samples per channel pushed so far: the length that the end of a file states."""
        ...

    def push(self, samples: AudioChunk | Samples) -> list[Packet]:
        """Take [channels, n] or, for mono, [n] float32 in -1..1; return the packets that are complete."""
        ...

    def flush(self) -> list[Packet]:
        """The rest. The encoder takes nothing after that."""
        ...


class AudioDecoderBackend(Protocol):
    """Packets to samples."""

    @property
    def header(self) -> StreamHeader: ...

    @property
    def preroll(self) -> int:
        """Samples that must be decoded before a point for the output there to be as if decoded from the start."""
        ...

    @property
    def delay(self) -> int:
        """Samples at most by which sound comes later than its packets; 0 where they decode at once."""
        ...

    def push(self, packet: Packet | None) -> AudioChunk:
        """Decode a packet; None stands for a lost one of the stream's packet duration, which is concealed.

        The chunk's pts counts presented samples: pre-skip is already dropped, so the first chunk of a stream is
        shorter. A decoder that looks ahead gives what is ready, maybe nothing. Raises BitstreamError kinds only.
        """
        ...

    def flush(self) -> AudioChunk:
        """What the decoder still holds (nothing, for codecs whose packets decode at once)."""
        ...


class VideoEncoderBackend(Protocol):
    """Pictures to packets.

    Options of every encoder: `width` and `height` in pixels, `frame_rate` (nominal, a Fraction), `time_base` (seconds
    per tick; one picture where it is not given), `colour` (as in VideoFrame), `crf` (0, best, to 63) or `bit_rate` in
    bits a second, `gop` (pictures from keyframe to keyframe at most), `scene_cut`, `preset` (effort; each family has
    fast, medium and slow, some have more), `stream_id`, `device`, `threads`. Those that fit take `monitor` too
    (`mediacodec.codecs.fitting.encoder`).
    """

    @property
    def header(self) -> StreamHeader: ...

    @property
    def num_frames(self) -> int:
        """Pictures pushed so far."""
        ...

    def push(self, frame: VideoFrame) -> list[Packet]:
        """Take the next picture; return the packets that are complete. Raises ParameterError where it does not fit."""
        ...

    def flush(self) -> list[Packet]:
        """The rest. The encoder takes nothing after that."""
        ...


class VideoDecoderBackend(Protocol):
    """Packets to pictures."""

    @property
    def header(self) -> StreamHeader: ...

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode a packet; None stands for a lost one, which is concealed.

        Nothing comes before the first keyframe. Raises BitstreamError kinds only.
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
        concealed: pictures concealed so far.
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

        Raises BitstreamError kinds only.
        """
        ...


class CodeReader(Protocol):
    """Packets to integer codes, without any network."""

    num_codebooks: int
    codebook_size: int
    frame_rate: float

    def read(self, packet: Packet) -> Codes:
        """[codebooks, frames] uint16, at most num_codebooks of them. Raises BitstreamError kinds only."""
        ...


class CodeWriter(Protocol):
    """Integer codes [codebooks, frames] uint16 to packets, without any network: what a `CodeReader` reads back.

    Opened with the model, the fourcc of its family and all codes; the codebook size stands for no code, from some
    codebook of a frame on. Raises ParameterError where the model has no such codes.
    """

    @property
    def header(self) -> StreamHeader: ...

    @property
    def num_samples(self) -> int:
        """Samples per channel that the codes stand for, the codec's delay taken off."""
        ...

    def packets(self) -> list[Packet]:
        """All packets, in order."""
        ...


def channel_samples(samples: AudioChunk | Samples, sample_rate: int, channels: int) -> Samples:
    """The argument of `push` as [channels, n] float32, finite. Raises ParameterError or ParameterTypeError where it is
    no sound of that rate and channels; what is no number becomes 0.
    """
    if isinstance(samples, AudioChunk):
        if samples.sample_rate != sample_rate:
            raise ParameterError(f"samples are at {samples.sample_rate} Hz, the codec takes {sample_rate}")
        samples = samples.samples
    array = np.asarray(samples)
    if array.dtype.kind != "f":
        raise ParameterTypeError(f"samples must be floating point in -1..1, got {array.dtype}")
    if array.ndim == 1 and channels == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[0] != channels:
        wanted = "mono, [n] or [1, n]" if channels == 1 else f"{channels} channels, [{channels}, n]"
        raise ParameterError(f"the codec takes {wanted}; got shape {array.shape}")
    array = array.astype(np.float32, copy=False)
    if array.size and not np.abs(array).max() <= LOUDEST:  # or not a number: a network with a memory keeps it for good
        array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0).clip(-LOUDEST, LOUDEST)
    return array
