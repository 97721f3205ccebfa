"""CODECS, the only table of codec families.

A family is a kind of codec; a model is one trained instance of it: `speech-1` is a model of the family `rvq`. What a
family must offer is said by the protocols of `mediacodec.codecs.base`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mediacodec import manifest
from mediacodec.codecs.base import (
    AudioDecoderBackend,
    AudioEncoderBackend,
    CodeReader,
    CodeWriter,
    VideoDecoderBackend,
    VideoEncoderBackend,
)
from mediacodec.codecs.options import AudioOptions, Runtime, VideoFormat, VideoOptions
from mediacodec.errors import ModelError, UnsupportedFeatureError
from mediacodec.frames import Codes
from mediacodec.manifest import Manifest
from mediacodec_bitstream import StreamHeader


class OpenAudioEncoder(Protocol):
    def __call__(
        self, model: Manifest, options: AudioOptions, runtime: Runtime, /, *, stream_id: int = 0
    ) -> AudioEncoderBackend: ...


class OpenVideoEncoder(Protocol):
    def __call__(
        self, model: Manifest, video: VideoFormat, options: VideoOptions, runtime: Runtime, /, *, stream_id: int = 0
    ) -> VideoEncoderBackend: ...


class OpenAudioDecoder(Protocol):
    def __call__(self, model: Manifest, header: StreamHeader, runtime: Runtime, /) -> AudioDecoderBackend: ...


class OpenVideoDecoder(Protocol):
    def __call__(self, model: Manifest, header: StreamHeader, runtime: Runtime, /) -> VideoDecoderBackend: ...


class OpenCodeReader(Protocol):
    def __call__(self, model: Manifest, header: StreamHeader, /) -> CodeReader: ...


class OpenCodeWriter(Protocol):
    def __call__(self, model: Manifest, codes: Codes, /) -> CodeWriter: ...


@dataclass(frozen=True)
class AudioFamily:
    """A family of audio codecs.

    Attributes:
        fourcc: of its streams; it names the syntax of packets. Written into files: a constant.
        encoder, decoder: open one.
        code_reader, code_writer: open one; None where the integers of a packet cannot be had, or made a packet of,
            without running a network.
        has_context: whether its models may have a context model, so that `AudioOptions.entropy` means something.
    """

    fourcc: str
    encoder: OpenAudioEncoder
    decoder: OpenAudioDecoder
    code_reader: OpenCodeReader | None = None
    code_writer: OpenCodeWriter | None = None
    has_context: bool = False

    kind: Final = "audio"


@dataclass(frozen=True)
class VideoFamily:
    """A family of video codecs.

    Attributes:
        fourcc: of its streams; it names the syntax of packets. Written into files: a constant.
        encoder, decoder: open one.
        fits: whether encoding is fitting networks (`codecs.fitting`): it can be watched, stopped and resumed.
        appends: whether clips can be added to its files (`mcx.append`).
    """

    fourcc: str
    encoder: OpenVideoEncoder
    decoder: OpenVideoDecoder
    fits: bool = False
    appends: bool = False

    kind: Final = "video"


Family = AudioFamily | VideoFamily

# Functions, so that a job imports the one family that it needs: all of them take longer than coding a second of audio.


def _rvq_encoder(
    model: Manifest, options: AudioOptions, runtime: Runtime, /, *, stream_id: int = 0
) -> AudioEncoderBackend:
    from mediacodec.codecs.rvq.encoder import RvqEncoder

    return RvqEncoder(model, options, runtime, stream_id=stream_id)


def _rvq_decoder(model: Manifest, header: StreamHeader, runtime: Runtime, /) -> AudioDecoderBackend:
    from mediacodec.codecs.rvq.decoder import open_decoder

    return open_decoder(model, header, runtime)


def _rvq_code_reader(model: Manifest, header: StreamHeader, /) -> CodeReader:
    from mediacodec.codecs.rvq.packet import RvqCodeReader

    return RvqCodeReader(model, header)


def _rvq_code_writer(model: Manifest, codes: Codes, /) -> CodeWriter:
    from mediacodec.codecs.rvq.packet import RvqCodeWriter

    return RvqCodeWriter(model, codes)


def _ecsq_encoder(
    model: Manifest, options: AudioOptions, runtime: Runtime, /, *, stream_id: int = 0
) -> AudioEncoderBackend:
    from mediacodec.codecs.ecsq.encoder import EcsqEncoder

    return EcsqEncoder(model, options, runtime, stream_id=stream_id)


def _ecsq_decoder(model: Manifest, header: StreamHeader, runtime: Runtime, /) -> AudioDecoderBackend:
    from mediacodec.codecs.ecsq.decoder import EcsqDecoder

    return EcsqDecoder(model, header, runtime)


def _ecsq_code_reader(model: Manifest, header: StreamHeader, /) -> CodeReader:
    from mediacodec.codecs.ecsq.packet import EcsqCodeReader

    return EcsqCodeReader(model, header)


def _segment_encoder(
    model: Manifest, options: AudioOptions, runtime: Runtime, /, *, stream_id: int = 0
) -> AudioEncoderBackend:
    from mediacodec.codecs.segment.encoder import SegmentEncoder

    return SegmentEncoder(model, options, runtime, stream_id=stream_id)


def _segment_decoder(model: Manifest, header: StreamHeader, runtime: Runtime, /) -> AudioDecoderBackend:
    from mediacodec.codecs.segment.decoder import SegmentDecoder

    return SegmentDecoder(model, header, runtime)


def _segment_code_reader(model: Manifest, header: StreamHeader, /) -> CodeReader:
    from mediacodec.codecs.segment.packet import SegmentCodeReader

    return SegmentCodeReader(model, header)


def _conditional_encoder(
    model: Manifest, video: VideoFormat, options: VideoOptions, runtime: Runtime, /, *, stream_id: int = 0
) -> VideoEncoderBackend:
    from mediacodec.codecs.conditional.encoder import ConditionalEncoder

    return ConditionalEncoder(model, video, options, runtime, stream_id=stream_id)


def _conditional_decoder(model: Manifest, header: StreamHeader, runtime: Runtime, /) -> VideoDecoderBackend:
    from mediacodec.codecs.conditional.decoder import ConditionalDecoder

    return ConditionalDecoder(model, header, runtime)


def _inr_encoder(
    model: Manifest, video: VideoFormat, options: VideoOptions, runtime: Runtime, /, *, stream_id: int = 0
) -> VideoEncoderBackend:
    from mediacodec.codecs.inr.encoder import InrEncoder

    return InrEncoder(model, video, options, runtime, stream_id=stream_id)


def _inr_decoder(model: Manifest, header: StreamHeader, runtime: Runtime, /) -> VideoDecoderBackend:
    from mediacodec.codecs.inr.decoder import InrDecoder

    return InrDecoder(model, header, runtime)


def _overfit_encoder(
    model: Manifest, video: VideoFormat, options: VideoOptions, runtime: Runtime, /, *, stream_id: int = 0
) -> VideoEncoderBackend:
    from mediacodec.codecs.overfit.encoder import OverfitEncoder

    return OverfitEncoder(model, video, options, runtime, stream_id=stream_id)


def _overfit_decoder(model: Manifest, header: StreamHeader, runtime: Runtime, /) -> VideoDecoderBackend:
    from mediacodec.codecs.overfit.decoder import OverfitDecoder

    return OverfitDecoder(model, header, runtime)


CODECS: dict[str, Family] = {
    "rvq": AudioFamily("rvq1", _rvq_encoder, _rvq_decoder, _rvq_code_reader, _rvq_code_writer, has_context=True),
    "ecsq": AudioFamily("ecsq", _ecsq_encoder, _ecsq_decoder, _ecsq_code_reader),
    "segment": AudioFamily("sgmt", _segment_encoder, _segment_decoder, _segment_code_reader),
    "conditional": VideoFamily("cond", _conditional_encoder, _conditional_decoder),
    "inr": VideoFamily("inr1", _inr_encoder, _inr_decoder, fits=True, appends=True),
    "overfit": VideoFamily("ovft", _overfit_encoder, _overfit_decoder, fits=True),
}


def family_of_model(model: Manifest) -> Family:
    """The family of a model.

    Args:
        model: that names it.

    Raises:
        ModelError: this version does not know it.
    """
    if model.family not in CODECS:
        raise ModelError(f"model {model.name} is of family {model.family!r}, which this version does not know")
    return CODECS[model.family]


def family_of(header: StreamHeader) -> Family:
    """The family of a stream.

    Args:
        header: of the stream; its fourcc tells.

    Raises:
        UnsupportedFeatureError: this version does not know it.
    """
    for family in CODECS.values():
        if family.fourcc == header.codec:
            return family
    known = ", ".join(family.fourcc for family in CODECS.values())
    raise UnsupportedFeatureError(f"stream {header.stream_id} uses codec {header.codec!r}; this version knows {known}")


def audio_family_of(header: StreamHeader) -> AudioFamily:
    """As `family_of`, of a stream of audio. Raises UnsupportedFeatureError for one of video too."""
    family = family_of(header)
    if not isinstance(family, AudioFamily):
        raise UnsupportedFeatureError(f"stream {header.stream_id}: codec {header.codec!r} is one for video, not audio")
    return family


def video_family_of(header: StreamHeader) -> VideoFamily:
    """As `family_of`, of a stream of video. Raises UnsupportedFeatureError for one of audio too."""
    family = family_of(header)
    if not isinstance(family, VideoFamily):
        raise UnsupportedFeatureError(f"stream {header.stream_id}: codec {header.codec!r} is one for audio, not video")
    return family


def model_of(header: StreamHeader, models: Path | None = None) -> Manifest:
    """The installed model that a stream names by hash.

    Args:
        header: of the stream.
        models: a folder to look for models in first.

    Raises:
        ModelNotFoundError, ModelMismatchError: it is not here.
    """
    name = header.fields.get("model_name")
    return manifest.find_by_hash(header.model_hash, header.tables_hash, str(name) if name else None, models)


def code_reader(header: StreamHeader, *, models: Path | None = None) -> CodeReader:
    """A reader of the integer codes in the packets of a stream; runs no network.

    Args:
        header: of the stream.
        models: a folder to look for models in first.

    Raises:
        UnsupportedFeatureError: the codec is not known, or its codes cannot be read without a network.
        ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
    """
    reader = audio_family_of(header).code_reader
    if reader is None:
        raise UnsupportedFeatureError(f"stream {header.stream_id}: codes of {header.codec!r} need its networks")
    return reader(model_of(header, models), header)


def code_writer(model: Manifest, codes: Codes) -> CodeWriter:
    """A writer of packets for integer codes of a model; runs no network.

    Args:
        model: that the codes are of.
        codes: uint16 [codebooks, frames], the codebook size for no code; see `CodeWriter`.

    Raises:
        ParameterError: the model has no such codes.
        UnsupportedFeatureError: packets of the model hold more than codes.
    """
    family = CODECS.get(model.family)
    if not isinstance(family, AudioFamily) or family.code_writer is None:
        raise UnsupportedFeatureError(f"model {model.name}: codes alone are not all that family {model.family!r} sends")
    return family.code_writer(model, codes)
