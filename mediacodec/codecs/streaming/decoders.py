"""Decoders that work packet by packet, for any stream."""

from pathlib import Path

from mediacodec import memory_errors
from mediacodec.arguments import as_folder, as_instance, sealed
from mediacodec.codecs.options import (
    Runtime,
)
from mediacodec.codecs.registry import (
    AudioFamily,
    audio_family_of,
    family_of,
    model_of,
    video_family_of,
)
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec_bitstream import Packet, StreamHeader


@sealed
class AudioDecoder:
    """Packets to audio.

    Args:
        header: of the stream, from its encoder or its file.
        models: a folder to look for models in first.
        device, threads: as for `AudioEncoder`.

    Raises:
        UnsupportedFeatureError: the codec is not known, or not one for audio.
        ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
        DeviceError: the device cannot be used.
        ParameterTypeError: the header is none.

    Example:
        >>> decoder = AudioDecoder(encoder.header)
        >>> chunks = [decoder.push(packet) for packet in packets] + [decoder.flush()]
    """

    __slots__ = ("_backend",)

    @memory_errors.named
    def __init__(
        self,
        header: StreamHeader,
        *,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        family, model = audio_family_of(_header(header)), model_of(header, as_folder("models", models))
        self._backend = family.decoder(model, header, Runtime(device=device, threads=threads))

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        return self._backend.header

    @property
    def preroll(self) -> int:
        """Samples that must be decoded before a point for the output there to be as if decoded from the start."""
        return self._backend.preroll

    @property
    def delay(self) -> int:
        """Samples at most by which audio comes later than its packets; 0 where they decode at once."""
        return self._backend.delay

    @memory_errors.named
    def push(self, packet: Packet | None) -> AudioChunk:
        """Decode a packet.

        Args:
            packet: the next one; None stands for a lost one of the stream's packet duration, which is concealed.

        Returns:
            Samples float32 [channels, n]; pts counts presented samples: pre-skip is dropped already, so the first chunk
            is shorter.

        Raises:
            BitstreamError: the packet is damaged, in one of its kinds.
            ParameterTypeError: it is no packet.
        """
        return self._backend.push(_packet(packet))

    @memory_errors.named
    def flush(self) -> AudioChunk:
        """What the decoder still holds."""
        return self._backend.flush()


@sealed
class VideoDecoder:
    """Packets to frames.

    Args:
        header: of the stream, from its encoder or its file.
        models: a folder to look for models in first.
        device, threads: as for `AudioEncoder`.

    Raises:
        UnsupportedFeatureError: the codec is not known, or not one for video.
        ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
        DeviceError: the device cannot be used.
        ParameterTypeError: the header is none.

    Example:
        >>> decoder = VideoDecoder(encoder.header)
        >>> frames = [frame for packet in packets for frame in decoder.push(packet)] + decoder.flush()
    """

    __slots__ = ("_backend",)

    @memory_errors.named
    def __init__(
        self,
        header: StreamHeader,
        *,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        family, model = video_family_of(_header(header)), model_of(header, as_folder("models", models))
        self._backend = family.decoder(model, header, Runtime(device=device, threads=threads))

    @property
    def header(self) -> StreamHeader:
        """Of the stream."""
        return self._backend.header

    @memory_errors.named
    def push(self, packet: Packet | None) -> list[VideoFrame]:
        """Decode a packet. Nothing comes before the first keyframe.

        Args:
            packet: the next one; None stands for a lost one, which is concealed.

        Returns:
            The frames that are complete by now.

        Raises:
            BitstreamError: the packet is damaged, in one of its kinds.
            ParameterTypeError: it is no packet.
        """
        return self._backend.push(_packet(packet))

    @memory_errors.named
    def flush(self) -> list[VideoFrame]:
        """What the decoder still holds."""
        return self._backend.flush()


@memory_errors.named
def decoder_for(
    header: StreamHeader, *, models: Path | None = None, device: str = "auto", threads: int | None = None
) -> AudioDecoder | VideoDecoder:
    """An AudioDecoder or a VideoDecoder for the packets of a stream, by its kind.

    Args:
        header: of the stream.
        models, device, threads: as for `AudioDecoder`.

    Raises:
        UnsupportedFeatureError: the codec is not known.
        ModelNotFoundError, ModelMismatchError, DeviceError, ParameterTypeError: as for `AudioDecoder`.
    """
    kind = AudioDecoder if isinstance(family_of(_header(header)), AudioFamily) else VideoDecoder
    return kind(header, models=models, device=device, threads=threads)


def _header(header: StreamHeader) -> StreamHeader:
    return as_instance("header", header, StreamHeader)


def _packet(packet: Packet | None) -> Packet | None:
    return None if packet is None else as_instance("packet", packet, Packet)
