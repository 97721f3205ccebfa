"""What the two journeys of `pipeline` take and what they tell: options, progress, reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

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
    """start, duration: seconds of the source; codec, bit_rate: of the sound, "copy" to keep the source's packets,
    bits a second, None for the codec's best; packet_duration: seconds, below 0.2 the file is a live one; entropy: as
    for `FileWriter.add_stream`; audio, video: whether to take them where there are any; video_codec, crf,
    video_bit_rate, gop, scene_cut, preset: as for `FileWriter.add_video_stream`; models: a folder to look for models in
    first."""

    codec: str = "speech"
    bit_rate: float | None = None
    start: float = 0.0
    duration: float | None = None
    packet_duration: float = 1.0
    entropy: str | None = None
    audio: bool = True
    video: bool = True
    video_codec: str = "conditional"
    crf: float | None = None
    video_bit_rate: float | None = None
    gop: int | None = None
    scene_cut: bool = True
    preset: str = "medium"
    device: str = "auto"
    threads: int = 1
    models: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """start, duration: seconds; sample_rate, channels: of the output, None for the codec's own; format: of the
    output, None to take it from the file's suffix; audio, video: whether to take them where the output holds them;
    video_codec: of the output, None for its default; keyframes_only: decode no other pictures."""

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
    threads: int = 1
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
