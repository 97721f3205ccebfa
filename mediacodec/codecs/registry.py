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
from mediacodec.codecs.conditional.decoder import ConditionalDecoder
from mediacodec.codecs.conditional.encoder import ConditionalEncoder
from mediacodec.codecs.conditional.settings import FOURCC as CONDITIONAL
from mediacodec.codecs.ecsq.decoder import EcsqDecoder
from mediacodec.codecs.ecsq.encoder import EcsqEncoder
from mediacodec.codecs.ecsq.packet import EcsqCodeReader
from mediacodec.codecs.ecsq.settings import FOURCC as ECSQ
from mediacodec.codecs.inr.decoder import InrDecoder
from mediacodec.codecs.inr.encoder import InrEncoder
from mediacodec.codecs.inr.settings import FOURCC as INR
from mediacodec.codecs.options import AudioOptions, Runtime, VideoFormat, VideoOptions
from mediacodec.codecs.overfit.decoder import OverfitDecoder
from mediacodec.codecs.overfit.encoder import OverfitEncoder
from mediacodec.codecs.overfit.settings import FOURCC as OVERFIT
from mediacodec.codecs.rvq.decoder import open_decoder as open_rvq_decoder
from mediacodec.codecs.rvq.encoder import RvqEncoder
from mediacodec.codecs.rvq.packet import RvqCodeReader, RvqCodeWriter
from mediacodec.codecs.rvq.settings import FOURCC as RVQ
from mediacodec.codecs.segment.decoder import SegmentDecoder
from mediacodec.codecs.segment.encoder import SegmentEncoder
from mediacodec.codecs.segment.packet import SegmentCodeReader
from mediacodec.codecs.segment.settings import FOURCC as SEGMENT
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

CODECS: dict[str, Family] = {
    "rvq": AudioFamily(RVQ, RvqEncoder, open_rvq_decoder, RvqCodeReader, RvqCodeWriter, has_context=True),
    "ecsq": AudioFamily(ECSQ, EcsqEncoder, EcsqDecoder, EcsqCodeReader),
    "segment": AudioFamily(SEGMENT, SegmentEncoder, SegmentDecoder, SegmentCodeReader),
    "conditional": VideoFamily(CONDITIONAL, ConditionalEncoder, ConditionalDecoder),
    "inr": VideoFamily(INR, InrEncoder, InrDecoder, fits=True, appends=True),
    "overfit": VideoFamily(OVERFIT, OverfitEncoder, OverfitDecoder, fits=True),
}


def family_of_model(model: Manifest) -> Family:
    """The family of a model. Raises ModelError where this version does not know it."""
    if model.family not in CODECS:
        raise ModelError(f"model {model.name} is of family {model.family!r}, which this version does not know")
    return CODECS[model.family]


def family_of(header: StreamHeader) -> Family:
    """The family of a stream. Raises UnsupportedFeatureError where this version does not know it."""
    for family in CODECS.values():
        if family.fourcc == header.codec:
            return family
    known = ", ".join(family.fourcc for family in CODECS.values())
    raise UnsupportedFeatureError(f"stream {header.stream_id} uses codec {header.codec!r}; this version knows {known}")


def audio_family_of(header: StreamHeader) -> AudioFamily:
    """As `family_of`, of a stream of audio."""
    family = family_of(header)
    if not isinstance(family, AudioFamily):
        raise UnsupportedFeatureError(f"stream {header.stream_id}: codec {header.codec!r} is one for video, not audio")
    return family


def video_family_of(header: StreamHeader) -> VideoFamily:
    """As `family_of`, of a stream of video."""
    family = family_of(header)
    if not isinstance(family, VideoFamily):
        raise UnsupportedFeatureError(f"stream {header.stream_id}: codec {header.codec!r} is one for audio, not video")
    return family


def model_of(header: StreamHeader, models: Path | None = None) -> Manifest:
    """The installed model that a stream names by hash."""
    name = header.fields.get("model_name")
    return manifest.find_by_hash(header.model_hash, header.tables_hash, str(name) if name else None, models)


def code_reader(header: StreamHeader, *, models: Path | None = None) -> CodeReader:
    """A reader of the integer codes in the packets of a stream; runs no network.

    Raises:
        UnsupportedFeatureError: the codec is not known, or its codes cannot be read without a network.
        ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
    """
    reader = audio_family_of(header).code_reader
    if reader is None:
        raise UnsupportedFeatureError(f"stream {header.stream_id}: codes of {header.codec!r} need its networks")
    return reader(model_of(header, models), header)


def code_writer(model: Manifest, codes: Codes) -> CodeWriter:
    """A writer of packets for integer codes [codebooks, frames] of a model; runs no network.

    Raises:
        ParameterError: the model has no such codes.
        UnsupportedFeatureError: packets of the model hold more than codes.
    """
    family = CODECS.get(model.family)
    if not isinstance(family, AudioFamily) or family.code_writer is None:
        raise UnsupportedFeatureError(f"model {model.name}: codes alone are not all that family {model.family!r} sends")
    return family.code_writer(model, codes)
