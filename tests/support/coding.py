"""Codecs opened by keyword: what tests vary is one option at a time."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

from mediacodec.codecs.base import AudioDecoderBackend, AudioEncoderBackend, VideoDecoderBackend, VideoEncoderBackend
from mediacodec.codecs.fitting.protocol import FitTask
from mediacodec.codecs.options import AudioOptions, Runtime, VideoFormat, VideoOptions
from mediacodec.codecs.registry import AudioFamily, VideoFamily, family_of_model, model_of, video_family_of
from mediacodec.manifest import Manifest, find_by_name
from mediacodec.transcode.options import EncodeOptions
from mediacodec_bitstream import StreamHeader


def parted(given: dict[str, Any], *kinds: type) -> list[dict[str, Any]]:
    """Keywords by the class that has a field of the name, and the rest."""
    parts: list[dict[str, Any]] = []
    left = dict(given)
    for kind in kinds:
        names = {field.name for field in dataclasses.fields(kind)}
        parts.append({name: left.pop(name) for name in [*left] if name in names})
    return [*parts, left]


def audio_encoder(model: Manifest, **given: Any) -> AudioEncoderBackend:
    """The encoder of a model; options of the encoder, of the runtime, and stream_id."""
    family = family_of_model(model)
    assert isinstance(family, AudioFamily)
    options, runtime, rest = parted(given, AudioOptions, Runtime)
    return family.encoder(model, AudioOptions(**options), Runtime(**runtime), **rest)


def audio_decoder(model: Manifest, header: StreamHeader, **runtime: Any) -> AudioDecoderBackend:
    """The decoder of a model for a stream."""
    family = family_of_model(model)
    assert isinstance(family, AudioFamily)
    return family.decoder(model, header, Runtime(**runtime))


def video_encoder(codec: str, *, models: Path | None = None, **given: Any) -> VideoEncoderBackend:
    """The encoder of a model by name; options of the video, of the encoder, of the runtime (one thread), stream_id."""
    model = find_by_name(codec, models)
    family = family_of_model(model)
    assert isinstance(family, VideoFamily)
    if isinstance(given.get("frame_rate"), int):
        given["frame_rate"] = Fraction(given["frame_rate"])
    video, options, runtime, rest = parted(given, VideoFormat, VideoOptions, Runtime)
    return family.encoder(
        model, VideoFormat(**video), VideoOptions(**options), Runtime(**{"threads": 1} | runtime), **rest
    )


def video_decoder(header: StreamHeader, *, models: Path | None = None, **runtime: Any) -> VideoDecoderBackend:
    """The decoder of a stream, on one thread unless told otherwise."""
    return video_family_of(header).decoder(model_of(header, models), header, Runtime(**{"threads": 1} | runtime))


def fit_task(width: int = 32, height: int = 16, frame_rate: Fraction = Fraction(25), **given: Any) -> FitTask:
    """What a fitter is asked for; options of the video, of the encoder and of the runtime."""
    video, options, runtime, rest = parted(given, VideoFormat, VideoOptions, Runtime)
    assert not rest
    size = {"width": width, "height": height, "frame_rate": frame_rate}
    return FitTask(VideoFormat(**size, **video), VideoOptions(**options), Runtime(**runtime))


def encode_options(*, audio: bool = True, video: bool = True, **given: Any) -> EncodeOptions:
    """Options of a journey, by the names of AudioOptions and VideoOptions; `video_bit_rate` is that of the video."""
    chosen = {"bit_rate": given.pop("video_bit_rate")} if "video_bit_rate" in given else {}
    of_audio, of_video, rest = parted(given, AudioOptions, VideoOptions)
    return EncodeOptions(
        audio=AudioOptions(**of_audio) if audio else None,
        video=VideoOptions(**of_video, **chosen) if video else None,
        **rest,
    )
