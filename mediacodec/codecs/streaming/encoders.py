"""Encoders that work packet by packet, for any model, and what opens them."""

from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from mediacodec import manifest, memory_errors
from mediacodec.arguments import as_folder, as_instance, as_positive_fraction, sealed
from mediacodec.codecs.base import AudioEncoderBackend
from mediacodec.codecs.options import (
    UNKNOWN_COLOUR,
    AudioOptions,
    Runtime,
    VideoFormat,
    VideoOptions,
    with_changes,
)
from mediacodec.codecs.registry import (
    AudioFamily,
    VideoFamily,
    family_of_model,
)
from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk, Colour, Samples, VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_bitstream import Packet, StreamHeader

Kind = TypeVar("Kind", AudioFamily, VideoFamily)


@sealed
class AudioEncoder:
    """Audio to packets.

    Args:
        codec: name of a model.
        options: how to encode; None for the defaults.
        stream_id: of the packets.
        models: a folder to look for models in first.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help.
        changes: options by name, in place of those of `options`: `bit_rate=3000`.

    Raises:
        ModelNotFoundError: there is no such model.
        ParameterError: the codec is one for video, there is no option of a name, or a value is out of range.
        DeviceError: the device cannot be used.

    Example:
        >>> encoder = AudioEncoder("speech", bit_rate=3000, packet_duration=0.02)
        >>> packets = encoder.push(samples) + encoder.flush()
    """

    __slots__ = ("_backend",)

    @memory_errors.named
    def __init__(
        self,
        codec: str = "speech",
        options: AudioOptions | None = None,
        *,
        stream_id: int = 0,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        **changes: object,
    ) -> None:
        wanted = with_changes(AudioOptions, options, changes)
        runtime = Runtime(device=device, threads=threads)
        self._backend = open_audio_backend(codec, wanted, runtime, stream_id=stream_id, models=models)

    @property
    def header(self) -> StreamHeader:
        """What a decoder must know of the stream."""
        return self._backend.header

    @property
    def num_samples(self) -> int:
        """Samples per channel pushed so far."""
        return self._backend.num_samples

    @memory_errors.named
    def push(self, samples: AudioChunk | Samples) -> list[Packet]:
        """Encode samples, in pieces of any size.

        Args:
            samples: at the codec's own rate, float32 [channels, n] or, for mono, [n], in -1..1.

        Returns:
            The packets that are complete by now.

        Raises:
            ParameterError: the shape or rate is not the codec's, or the encoder was flushed.
            ParameterTypeError: the samples are not floating point.
        """
        return self._backend.push(samples)

    @memory_errors.named
    def flush(self) -> list[Packet]:
        """The rest of the packets. The encoder takes nothing after that."""
        return self._backend.flush()


@sealed
class VideoEncoder:
    """Frames to packets.

    Args:
        codec: name of a model.
        options: how to encode; None for the defaults.
        width, height: of the frames, in pixels.
        frame_rate: nominal, frames a second; the pts of the frames tell the true times.
        time_base: seconds a tick of pts; None for the time of one frame.
        colour: see `VideoFrame`.
        stream_id, models, device, threads, changes: as for `AudioEncoder`. With threads=1 a frame gives its packet at
            once; with more, codecs that use them give it one frame later.

    Raises:
        ModelNotFoundError: there is no such model.
        ParameterError: the codec is one for audio, there is no option of a name, or a value is out of range.
        DeviceError: the device cannot be used.
        MissingExtraError: the codec fits networks, and the extra `train` is not installed.

    Example:
        >>> encoder = VideoEncoder("conditional", width=640, height=360, frame_rate=25, crf=30)
        >>> packets = [packet for frame in frames for packet in encoder.push(frame)] + encoder.flush()
    """

    __slots__ = ("_backend",)

    @memory_errors.named
    def __init__(
        self,
        codec: str = "conditional",
        options: VideoOptions | None = None,
        *,
        width: int,
        height: int,
        frame_rate: Fraction | int,
        time_base: Fraction | int | None = None,
        colour: Colour = UNKNOWN_COLOUR,
        stream_id: int = 0,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        **changes: object,
    ) -> None:
        model, family = find_video_model(codec, models)
        video = video_format(width, height, frame_rate, time_base, colour)
        wanted = with_changes(VideoOptions, options, changes)
        runtime = Runtime(device=device, threads=threads)
        self._backend = family.encoder(model, video, wanted, runtime, stream_id=stream_id)

    @property
    def header(self) -> StreamHeader:
        """What a decoder must know of the stream."""
        return self._backend.header

    @property
    def num_frames(self) -> int:
        """Frames pushed so far."""
        return self._backend.num_frames

    @memory_errors.named
    def push(self, frame: VideoFrame) -> list[Packet]:
        """Encode the next frame.

        Args:
            frame: of the size and time base that were announced, later than the one before.

        Returns:
            The packets that are complete by now.

        Raises:
            ParameterError: the frame does not fit the stream, or the encoder was flushed.
            ParameterTypeError: it is no VideoFrame.
        """
        return self._backend.push(as_instance("frame", frame, VideoFrame))

    @memory_errors.named
    def flush(self) -> list[Packet]:
        """The rest of the packets. The encoder takes nothing after that."""
        return self._backend.flush()


def find_audio_model(codec: str, models: Path | None) -> tuple[Manifest, AudioFamily]:
    """The model of a name, and its family.

    Args:
        codec: name of a model.
        models: a folder to look for models in first.

    Raises:
        ModelNotFoundError: there is no such model.
        ParameterError: it is one for video.
        ParameterTypeError: codec is no text, or models no path.
    """
    return _find(AudioFamily, codec, models)


def find_video_model(codec: str, models: Path | None) -> tuple[Manifest, VideoFamily]:
    """As `find_audio_model`, for video."""
    return _find(VideoFamily, codec, models)


def _find(kind: type[Kind], codec: str, models: Path | None) -> tuple[Manifest, Kind]:
    model = manifest.find_by_name(as_instance("codec", codec, str), as_folder("models", models))
    family = family_of_model(model)
    if not isinstance(family, kind):
        raise ParameterError(f"{codec!r} is a codec for {family.kind}, not for {kind.kind}")
    return model, family


def open_audio_backend(
    codec: str, options: AudioOptions, runtime: Runtime, *, stream_id: int, models: Path | None
) -> AudioEncoderBackend:
    """The encoder of the model of a name; see `AudioEncoder` for arguments and errors."""
    model, family = find_audio_model(codec, models)
    if options.entropy is not None and not family.has_context:
        raise ParameterError(f"entropy {options.entropy!r}: codec {codec!r} offers no choice; leave it out")
    return family.encoder(model, options, runtime, stream_id=stream_id)


def video_format(
    width: int, height: int, frame_rate: Fraction | int, time_base: Fraction | int | None, colour: Colour
) -> VideoFormat:
    """The format of frames, from the arguments of `VideoEncoder`."""
    return VideoFormat(
        width=width,
        height=height,
        frame_rate=as_positive_fraction("frame_rate", frame_rate),
        time_base=None if time_base is None else as_positive_fraction("time_base", time_base),
        colour=colour,
    )
