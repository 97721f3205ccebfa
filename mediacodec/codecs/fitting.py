"""Video codecs whose encoding is fitting: pictures are gathered into groups, and a network is fitted to each.

This is the runtime's one door to torch: `open_fitter` imports `mediacodec_models.fit` when an encoder opens, and never
before. Decoding such a stream needs neither.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from mediacodec.errors import MissingExtraError, ParameterError, ParameterTypeError
from mediacodec.frames import Colour, VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_bitstream import RC24, Packet, StreamHeader, VideoParameters

EXTRA = "train"  # what brings torch
CRC_SIZE = 2
MAX_CRF = 63
MAX_PIXELS = 12 << 20  # of a padded picture
MAX_GATHERED = 256 << 20  # bytes of pictures that may wait for their group to fill
FIT_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True)
class FitProgress:
    """Where a fit stands.

    family: of the codec; group: number of the group of pictures, from 1; step, steps: done and planned for this group;
    loss: of late; psnr: of the group so far in dB, None before it was measured; seconds_left: for this group, None
    before it can be told.
    """

    family: str
    group: int
    step: int
    steps: int
    loss: float
    psnr: float | None = None
    seconds_left: float | None = None


class FitMonitor(Protocol):
    """Who watches a fit and may end it. `report` is called every few steps and may raise to break everything off."""

    @property
    def stopped(self) -> bool:
        """Whether the fit is to end now, and the stream to close with what is fitted."""
        ...

    def report(self, progress: FitProgress) -> None: ...


class Unwatched:
    """The monitor of whoever gives none."""

    stopped = False

    def report(self, _: FitProgress) -> None:
        return


@dataclass(frozen=True)
class FittedPicture:
    """The packet of a picture: its data, symbol CRC included, and whether decoding can start with it."""

    data: bytes
    is_keyframe: bool


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Options of an encoder that fits, checked. Raises ParameterError or ParameterTypeError.

    crf and bit_rate are both None where the codec's default quality is wanted; gop: pictures from keyframe to keyframe
    at most, None for the codec's default; checkpoint: a file to resume a fit from and to save it to.
    """

    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction
    crf: float | None = None
    bit_rate: float | None = None
    gop: int | None = None
    preset: str = "medium"
    device: str = "auto"
    threads: int = 1
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        for name in ("frame_rate", "time_base"):
            value = getattr(self, name)
            if not isinstance(value, Fraction):
                raise ParameterTypeError(f"{name} must be a fractions.Fraction, not {value!r}")
            if value <= 0:
                raise ParameterError(f"{name} must be above 0, not {value}")
        if self.preset not in FIT_PRESETS:
            raise ParameterError(f"preset must be one of {', '.join(FIT_PRESETS)}, not {self.preset!r}")
        if self.crf is not None and self.bit_rate is not None:
            raise ParameterError("crf and bit_rate exclude each other: give the one that is to be kept")
        if self.crf is not None and not 0 <= self.crf <= MAX_CRF:  # also refuses NaN
            raise ParameterError(f"crf must lie in 0..{MAX_CRF}, not {self.crf}")
        if self.bit_rate is not None and not (math.isfinite(self.bit_rate) and self.bit_rate >= 1000):
            raise ParameterError(f"bit_rate must be at least 1000 bits a second, not {self.bit_rate}")
        if self.gop is not None and (not isinstance(self.gop, int) or self.gop < 1):
            raise ParameterError(f"gop must be a number of pictures from 1 up, not {self.gop!r}")
        if not isinstance(self.threads, int) or self.threads < 1:
            raise ParameterError(f"threads must be a positive integer, not {self.threads!r}")
        if self.width < 1 or self.height < 1:
            raise ParameterError(f"pictures must have pixels, not {self.width} x {self.height}")
        if self.width * self.height > MAX_PIXELS:
            raise ParameterError(f"pictures of {self.width} x {self.height} are too large: at most {MAX_PIXELS} pixels")

    @property
    def effort(self) -> int:
        """0 (ultrafast) to 8 (veryslow)."""
        return FIT_PRESETS.index(self.preset)

    @property
    def most_gathered(self) -> int:
        """Pictures of this size that may wait for their group to fill."""
        return max(1, MAX_GATHERED * 2 // (3 * self.width * self.height))


class Fitter(Protocol):
    """What `mediacodec_models.fit` gives: it codes one group after the other, and remembers what the next one needs.

    group_size: pictures it wants at once, at most; with 1 every picture is coded as it comes. It may change from group
    to group.
    """

    @property
    def group_size(self) -> int: ...

    def fit(self, pictures: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedPicture]:
        """One packet for each picture, in their order; fewer, the first ones, where the monitor stops it."""
        ...


def open_fitter(model: Manifest, options: FitOptions) -> Fitter:
    """The fitter of the model's family.

    Raises MissingExtraError where torch is not installed, DeviceError, ParameterError.
    """
    feature = f"encoding with {model.name}, which fits a network to the pictures,"
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("mediacodec_models") is None:
        raise MissingExtraError(feature, EXTRA)
    try:
        fit = importlib.import_module("mediacodec_models.fit")
    except ImportError as error:
        raise MissingExtraError(feature, EXTRA) from error
    fitter: Fitter = fit.open_fitter(model, options)
    return fitter


def nominal_duration(options: FitOptions) -> int:
    """Ticks of one picture at the nominal rate; 0 where they are no whole number that a header can hold."""
    ticks = 1 / (options.frame_rate * options.time_base)
    return int(ticks) if ticks.denominator == 1 and ticks < 1 << 24 else 0


def make_header(
    model: Manifest,
    fourcc: str,
    options: FitOptions,
    *,
    colour: Colour,
    stream_id: int,
    padding: tuple[int, int] = (0, 0),
) -> StreamHeader:
    """The header of a stream; padding: pixels added on the right and at the bottom.

    Raises ParameterError where a value does not fit into one.
    """
    fields: dict[str, int | str | bytes] = {"model_name": model.name}
    if options.bit_rate is not None:
        fields["bit_rate"] = round(options.bit_rate)
    return StreamHeader(
        stream_id,
        fourcc,
        VideoParameters(options.width, options.height, options.frame_rate, colour, *padding),
        options.time_base,
        packet_duration=nominal_duration(options),
        coder=RC24,
        symbol_crc_size=CRC_SIZE,
        model_hash=model.weights_hash,
        tables_hash=model.tables_hash,
        fields=fields,
    )


class FittingEncoder:
    """Gathers pictures into groups and has each fitted; see `mediacodec.codecs.base.VideoEncoder`.

    `push` returns nothing until a group is complete, and then takes as long as fitting takes. Once the monitor says
    stop, nothing more is coded: the packets returned until then are a whole stream.
    """

    def __init__(self, header: StreamHeader, options: FitOptions, fitter: Fitter, monitor: FitMonitor | None) -> None:
        self.header = header
        self._options, self._fitter = options, fitter
        self._monitor: FitMonitor = monitor or Unwatched()
        self._gathered: list[VideoFrame] = []
        self._last_pts: int | None = None
        self._flushed = False
        self.num_frames = 0

    def push(self, frame: VideoFrame) -> list[Packet]:
        """Take the next picture; the packets of its group where it completes one."""
        self._check(frame)
        self._last_pts = frame.pts
        self.num_frames += 1
        y, u, v = frame.y.copy(), frame.u.copy(), frame.v.copy()  # the caller may write into its picture meanwhile
        self._gathered.append(VideoFrame(y, u, v, frame.pts, frame.time_base, frame.colour))
        full = min(self._fitter.group_size, self._options.most_gathered)
        return self._fit() if len(self._gathered) >= full else []

    def flush(self) -> list[Packet]:
        """The last group, fitted. The encoder takes nothing after that."""
        self._flushed = True
        return self._fit() if self._gathered else []

    def _fit(self) -> list[Packet]:
        frames, self._gathered = self._gathered, []
        coded = [] if self._monitor.stopped else self._fitter.fit(frames, self._monitor)
        self.num_frames -= len(frames) - len(coded)
        # a duration is stated only where the next picture cannot turn out to be nearer
        duration = self.header.packet_duration if self.header.packet_duration == 1 else 0
        return [
            Packet(self.header.stream_id, frame.pts, picture.data, duration, is_keyframe=picture.is_keyframe)
            for frame, picture in zip(frames, coded, strict=False)
        ]

    def _check(self, frame: VideoFrame) -> None:
        if self._flushed:
            raise ParameterError("this encoder was flushed; open a new one for another stream")
        if not isinstance(frame, VideoFrame):
            raise ParameterTypeError(f"push takes a VideoFrame, not {type(frame).__name__}")
        if (frame.width, frame.height) != (self._options.width, self._options.height):
            wanted = f"{self._options.width} x {self._options.height}"
            raise ParameterError(f"this stream's pictures are {wanted}, not {frame.width} x {frame.height}")
        if frame.time_base != self.header.time_base:
            raise ParameterError(f"this stream's time base is {self.header.time_base}, not {frame.time_base}")
        if frame.pts < 0 or (self._last_pts is not None and frame.pts <= self._last_pts):
            raise ParameterError(f"pts must be at least 0 and increase; {frame.pts} follows {self._last_pts}")
