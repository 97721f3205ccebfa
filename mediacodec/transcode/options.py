"""What is to be encoded or decoded, and how: the options of a whole journey."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mediacodec.arguments import (
    Check,
    as_device,
    as_flag,
    as_folder,
    as_instance,
    as_integer,
    as_optional,
    as_seconds,
    as_threads,
    check_fields,
    sealed,
)
from mediacodec.codecs.options import AudioOptions, VideoOptions
from mediacodec.frames import as_sample_rate
from mediacodec.media.convert import MAX_CHANNELS
from mediacodec.metadata import MediaMetadata, Tags, as_tags, changed


@dataclass(frozen=True, kw_only=True, slots=True)
class MetadataOptions:
    """What is said of the media in the output.

    Attributes:
        keep_tags, keep_chapters: whether those of the source travel.
        tags, audio_tags, video_tags: others in their place; an empty value takes one away.
        unneeded: kinds of streams that nobody misses: "subtitle", "data".
    """

    keep_tags: bool = True
    keep_chapters: bool = True
    tags: Tags = field(default_factory=dict)
    audio_tags: Tags = field(default_factory=dict)
    video_tags: Tags = field(default_factory=dict)
    unneeded: frozenset[str] = frozenset()

    def of(self, source: MediaMetadata) -> MediaMetadata:
        """What is said, given what the source says.

        Raises:
            ParameterError, ParameterTypeError: a tag makes no sense.
        """
        found = source if self.keep_tags else MediaMetadata(chapters=source.chapters)
        return MediaMetadata(
            tags=changed(found.tags, as_tags("tags", self.tags)),
            audio=changed(found.audio, as_tags("audio_tags", self.audio_tags)),
            video=changed(found.video, as_tags("video_tags", self.video_tags)),
            chapters=found.chapters if self.keep_chapters else (),
        )


def _is(kind: type) -> Check:
    """What checks that a field is of a class."""
    return lambda name, value: as_instance(name, value, kind)


@sealed
@dataclass(frozen=True, kw_only=True, slots=True)
class EncodeOptions:
    """What to encode of a source, and how.

    Attributes:
        start, duration: seconds of the source; None for all of it.
        audio_codec, video_codec: names of models; "copy" for audio keeps the packets of the source.
        audio, video: options of the encoders; None leaves the kind out.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help.
        models: a folder to look for models in first.
        metadata: what is said of the media.

    Raises:
        ParameterError: a value is out of range.
        ParameterTypeError: a value is of the wrong kind.
        DeviceError: no device is called so.
    """

    start: float = 0.0
    duration: float | None = None
    audio_codec: str = "speech"
    video_codec: str = "conditional"
    audio: AudioOptions | None = field(default_factory=AudioOptions)
    video: VideoOptions | None = field(default_factory=VideoOptions)
    device: str = "auto"
    threads: int | None = None
    models: Path | None = None
    metadata: MetadataOptions = field(default_factory=MetadataOptions)

    def __post_init__(self) -> None:
        check_fields(
            self,
            start=as_seconds,
            duration=as_seconds,
            audio_codec=_is(str),
            video_codec=_is(str),
            device=as_device,
            threads=as_threads,
            models=as_folder,
            metadata=_is(MetadataOptions),
        )
        for name, kind in (("audio", AudioOptions), ("video", VideoOptions)):
            as_optional(name, getattr(self, name), kind)


@sealed
@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeOptions:
    """What to decode of an .mcx file, and into what.

    Attributes:
        start, duration: seconds of the file; None for all of it.
        sample_rate, channels: of the output; None for the codec's own.
        format: of the output; None to take it from the file's suffix.
        audio, video: whether to take them where the output holds them.
        video_codec: of the output; None for the format's default.
        keyframes_only: decode no other frames.
        overwrite: whether an output that exists may be replaced.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help.
        models: a folder to look for models in first.
        metadata: what is said of the media.

    Raises:
        ParameterError: a value is out of range.
        ParameterTypeError: a value is of the wrong kind.
        DeviceError: no device is called so.
    """

    start: float = 0.0
    duration: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    format: str | None = None
    audio: bool = True
    video: bool = True
    video_codec: str | None = None
    keyframes_only: bool = False
    overwrite: bool = False
    device: str = "auto"
    threads: int | None = None
    models: Path | None = None
    metadata: MetadataOptions = field(default_factory=MetadataOptions)

    def __post_init__(self) -> None:
        check_fields(
            self,
            start=as_seconds,
            duration=as_seconds,
            sample_rate=as_sample_rate,
            channels=lambda name, value: as_integer(name, value, 1, MAX_CHANNELS),
            format=_is(str),
            audio=as_flag,
            video=as_flag,
            video_codec=_is(str),
            keyframes_only=as_flag,
            overwrite=as_flag,
            device=as_device,
            threads=as_threads,
            models=as_folder,
            metadata=_is(MetadataOptions),
        )
