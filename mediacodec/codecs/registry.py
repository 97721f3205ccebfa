"""Codec families: one a file, CODECS the only table of them.

A family is a kind of codec; a model is one trained instance of it. `speech` is a model of the family `rvq`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from mediacodec import manifest
from mediacodec.codecs.base import AudioDecoder, AudioEncoder, CodeReader, Codes, CodeWriter, VideoDecoder, VideoEncoder
from mediacodec.codecs.conditional import decoder as conditional_decoder
from mediacodec.codecs.conditional import encoder as conditional
from mediacodec.codecs.inr import decoder as inr_decoder
from mediacodec.codecs.inr import encoder as inr
from mediacodec.codecs.overfit import decoder as overfit_decoder
from mediacodec.codecs.overfit import encoder as overfit
from mediacodec.codecs.rvq import causal, window
from mediacodec.codecs.rvq import decoder as rvq_decoder
from mediacodec.codecs.rvq import encoder as rvq
from mediacodec.codecs.rvq.packet import RvqCodeReader, RvqCodeWriter
from mediacodec.codecs.segment import encoder as segment
from mediacodec.codecs.segment.packet import SegmentCodeReader
from mediacodec.errors import ModelError, UnsupportedFeatureError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import StreamHeader


@dataclass(frozen=True)
class Family:
    """What the rest of the program needs to know of a codec family. `fourcc` is written into files: a constant.

    kind: what its encoder takes, and so which protocols of `mediacodec.codecs.base` it follows; code_reader,
    code_writer: None where the integers of a packet cannot be had, or made a packet of, without running a network;
    fits: whether encoding is fitting, so that the encoder takes a `monitor` (codecs.fitting.encoder); context:
    whether its models may have a context model, so that the encoder takes `entropy` (mediacodec.codecs.rvq.entropy);
    grows: whether clips can be added to its files (mediacodec.mcx.append).
    """

    fourcc: str
    kind: Literal["audio", "video"]
    encoder: Callable[..., AudioEncoder] | Callable[..., VideoEncoder]
    decoder: Callable[..., AudioDecoder] | Callable[..., VideoDecoder]
    code_reader: Callable[[Manifest, StreamHeader], CodeReader] | None = None
    code_writer: Callable[..., CodeWriter] | None = None
    fits: bool = False
    context: bool = False
    grows: bool = False


CODECS: dict[str, Family] = {
    "rvq": Family("rvq1", "audio", rvq.RvqEncoder, rvq_decoder.RvqDecoder, RvqCodeReader, RvqCodeWriter, context=True),
    "causal": Family("caus", "audio", causal.CausalEncoder, causal.CausalDecoder, RvqCodeReader, RvqCodeWriter),
    "segment": Family("sgmt", "audio", segment.SegmentEncoder, segment.SegmentDecoder, SegmentCodeReader),
    "window": Family("wndw", "audio", window.WindowEncoder, window.WindowDecoder, RvqCodeReader, RvqCodeWriter),
    "conditional": Family("cond", "video", conditional.ConditionalEncoder, conditional_decoder.ConditionalDecoder),
    "inr": Family("inr1", "video", inr.InrEncoder, inr_decoder.InrDecoder, fits=True, grows=True),
    "overfit": Family("ovft", "video", overfit.OverfitEncoder, overfit_decoder.OverfitDecoder, fits=True),
}


def Encoder(codec: str = "speech", *, models: Path | None = None, **options: Any) -> Any:  # noqa: N802
    """A live encoder of the model named `codec`, an AudioEncoder or a VideoEncoder of `mediacodec.codecs.base`.

    Which of the two, only the model tells, so type checkers take it as you annotate it. `options` as said there; a
    frame_rate or time_base may also be a whole number.

    Raises ModelNotFoundError, ParameterError on an option out of range, DeviceError.

    >>> encoder = Encoder("speech", bit_rate=3000, packet_duration=0.02)
    >>> encoder.header.codec
    'rvq1'
    """
    model = manifest.find_by_name(codec, models)
    if model.family not in CODECS:
        raise ModelError(f"model {model.name} is of family {model.family!r}, which this version does not know")
    for name in ("frame_rate", "time_base"):
        if isinstance(options.get(name), int):
            options[name] = Fraction(options[name])
    return CODECS[model.family].encoder(model, **options)


def Decoder(header: StreamHeader, *, models: Path | None = None, **options: Any) -> Any:  # noqa: N802
    """A decoder for the packets of the stream that `header` describes: an AudioDecoder or a VideoDecoder, by its kind.

    Raises UnsupportedFeatureError on a codec this version does not know, ModelNotFoundError or ModelMismatchError
    where the model of the stream is not here.
    """
    family = family_of(header)
    return family.decoder(model_of(header, models), header, **options)


def code_reader(header: StreamHeader, *, models: Path | None = None) -> CodeReader:
    """A reader of the integer codes in the packets of a stream; runs no network.

    Raises what `Decoder` raises, and UnsupportedFeatureError on a codec whose codes cannot be read so.
    """
    reader = family_of(header).code_reader
    if reader is None:
        raise UnsupportedFeatureError(f"stream {header.stream_id}: codes of {header.codec!r} need its networks")
    return reader(model_of(header, models), header)


def code_writer(model: Manifest, codes: Codes) -> CodeWriter:
    """A writer of packets for integer codes [codebooks, frames] of a model; runs no network.

    Raises ParameterError where the model has no such codes, UnsupportedFeatureError where its packets hold more.
    """
    family = CODECS.get(model.family)
    if family is None or family.code_writer is None:
        raise UnsupportedFeatureError(f"model {model.name}: codes alone are not all that family {model.family!r} sends")
    return family.code_writer(model, family.fourcc, codes)


def family_of(header: StreamHeader) -> Family:
    for family in CODECS.values():
        if family.fourcc == header.codec:
            return family
    known = ", ".join(family.fourcc for family in CODECS.values())
    raise UnsupportedFeatureError(f"stream {header.stream_id} uses codec {header.codec!r}; this version knows {known}")


def model_of(header: StreamHeader, models: Path | None = None) -> Manifest:
    """The installed model that a stream names by hash."""
    name = header.fields.get("model_name")
    return manifest.find_by_hash(header.model_hash, header.tables_hash, str(name) if name else None, models)
