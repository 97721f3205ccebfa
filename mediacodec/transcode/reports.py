"""What the two journeys of `pipeline` take and what they tell: options, progress, reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from mediacodec.codecs.options import AudioOptions, VideoOptions
from mediacodec_bitstream import Gap


@dataclass(frozen=True)
class Progress:
    """Where a job stands: seconds of media done and expected (None: unknown), bytes written, seconds of waiting;
    with video also the pictures done (else None) and the bytes of their packets."""

    seconds_done: float
    seconds_total: float | None
    bytes_written: int
    wall_seconds: float
    frames: int | None = None
    video_bytes: int = 0

    @property
    def fps(self) -> float:
        """Pictures per second of waiting."""
        return (self.frames or 0) / self.wall_seconds if self.wall_seconds > 0 else 0.0

    @property
    def video_kbps(self) -> float:
        """Payload of the pictures so far over their time."""
        return self.video_bytes * 8e-3 / self.seconds_done if self.seconds_done > 0 else 0.0


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """What to encode of a source, and how.

    Attributes:
        start, duration: seconds of the source; None for all of it.
        audio_codec, video_codec: names of models; "copy" for audio keeps the packets of the source.
        audio, video: options of the encoders; None leaves the kind out.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help.
        models: a folder to look for models in first.
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


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class EncodeReport:
    """What encoding gave. payload_bytes: packets with their symbol CRC; file_bytes: all that was written; frames,
    video_payload_bytes: pictures and their packets, None and 0 without video; stopped: the monitor of a fit ended it,
    and what was written is the part that was fitted; begin: seconds of the file at which the pictures begin, above 0
    where they were added to others, of which nothing is counted here."""

    seconds: float
    wall_seconds: float
    payload_bytes: int
    file_bytes: int
    notes: list[str]
    frames: int | None = None
    video_payload_bytes: int = 0
    stopped: bool = False
    begin: Fraction = Fraction(0)

    @property
    def payload_kbps(self) -> float:
        return self.payload_bytes * 8e-3 / self.seconds if self.seconds else 0.0

    @property
    def video_kbps(self) -> float:
        """Payload of the pictures alone."""
        return self.video_payload_bytes * 8e-3 / self.seconds if self.seconds else 0.0

    @property
    def file_kbps(self) -> float:
        return self.file_bytes * 8e-3 / self.seconds if self.seconds else 0.0

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def fps(self) -> float:
        """Pictures encoded per second of waiting."""
        return (self.frames or 0) / self.wall_seconds if self.wall_seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class DecodeReport:
    """What decoding gave. gaps: what was damaged or missing; truncated: the file has no end; frames: pictures
    written, None without video."""

    seconds: float
    wall_seconds: float
    gaps: list[Gap] = field(default_factory=list)
    truncated: bool = False
    notes: list[str] = field(default_factory=list)
    frames: int | None = None

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def fps(self) -> float:
        """Pictures decoded per second of waiting."""
        return (self.frames or 0) / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def damaged(self) -> bool:
        return bool(self.gaps) or self.truncated
