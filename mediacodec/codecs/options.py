"""Options of encoders, each of them spelled here and nowhere else.

`AudioOptions` and `VideoOptions` are built by whoever encodes, the command line or a program, and travel whole to the
encoder. `VideoFormat` says what frames come in, `Runtime` on what to run.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeVar

from mediacodec.arguments import (
    as_choice,
    as_device,
    as_flag,
    as_float,
    as_instance,
    as_integer,
    as_positive,
    as_positive_fraction,
    as_threads,
    check_fields,
    quoted,
    refuse_unknown,
    sealed,
)
from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.frames import Colour, check_colour
from mediacodec.progress import FitMonitor

PRESETS: Final = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
MAX_CRF: Final = 63
LEAST_VIDEO_BIT_RATE: Final = 1000
MOST_BIT_RATE: Final = (1 << 32) - 1  # that a file can state
MAX_GOP: Final = 100_000  # an hour of video
MAX_SIDE: Final = (1 << 16) - 1  # pixels
UNKNOWN_COLOUR: Final[Colour] = (2, 2, 2, 0)

Options = TypeVar("Options", bound="AudioOptions | VideoOptions")


@sealed
@dataclass(frozen=True, kw_only=True, slots=True)
class AudioOptions:
    """Options of audio encoders.

    Attributes:
        bit_rate: bits a second; the highest rate of the codec that does not exceed it is taken. None for its best.
        packet_duration: seconds of audio in a packet: 1 for files, 0.02 to 0.1 where somebody listens meanwhile.
        entropy: "static", or "context" for fewer bits and more time, where the model has a context model; None for the
            codec's default.

    Raises:
        ParameterError: a value is out of range.
        ParameterTypeError: a value is of the wrong kind.
    """

    bit_rate: float | None = None
    packet_duration: float = 1.0
    entropy: str | None = None

    def __post_init__(self) -> None:
        check_fields(
            self,
            bit_rate=lambda name, value: as_positive(name, value, "bits a second"),
            packet_duration=lambda name, value: as_positive(name, value, "seconds"),
            entropy=lambda name, value: as_instance(name, value, str),
        )


@sealed
@dataclass(frozen=True, kw_only=True, slots=True)
class VideoOptions:
    """Options of video encoders.

    Attributes:
        crf: quality, 0 (best) to 63; None for the codec's default, or with a bit rate.
        bit_rate: bits a second to be kept on average, instead of a crf.
        gop: frames from keyframe to keyframe at most; None for the codec's default.
        scene_cut: whether a new scene begins with a keyframe.
        preset: how much work the encoder does, one of PRESETS; `conditional` has fast, medium and slow.

    Raises:
        ParameterError: a value is out of range, or crf and bit_rate are both given.
        ParameterTypeError: a value is of the wrong kind.
    """

    crf: float | None = None
    bit_rate: float | None = None
    gop: int | None = None
    scene_cut: bool = True
    preset: str = "medium"

    def __post_init__(self) -> None:
        check_fields(
            self,
            crf=_crf,
            bit_rate=_video_bit_rate,
            gop=lambda name, value: as_integer(name, value, 1, MAX_GOP),
            scene_cut=as_flag,
            preset=lambda name, value: as_choice(name, value, PRESETS),
        )
        if self.crf is not None and self.bit_rate is not None:
            raise ParameterError("crf and bit_rate exclude each other: give the one that is to be kept")

    def require_preset(self, *offered: str) -> None:
        """Raise ParameterError unless the preset is one of those that a codec has."""
        as_choice("preset", self.preset, offered)


def _crf(name: str, value: object) -> float:
    crf = as_float(name, value)
    if not 0 <= crf <= MAX_CRF:  # also refuses NaN
        raise ParameterError(f"{name} must lie in 0..{MAX_CRF}, not {crf}")
    return crf


def _video_bit_rate(name: str, value: object) -> float:
    rate, least = as_float(name, value), LEAST_VIDEO_BIT_RATE
    if not least <= rate <= MOST_BIT_RATE:
        raise ParameterError(f"{name} must lie in {least}..{MOST_BIT_RATE} bits a second, not {rate}")
    return rate


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoFormat:
    """What the frames of a stream are like.

    Attributes:
        width, height: pixels.
        frame_rate: nominal, frames a second; the pts of the frames tell the true times.
        time_base: seconds a tick of pts; None for the time of one frame.
        colour: see `VideoFrame`.

    Raises:
        ParameterError: a value is out of range.
        ParameterTypeError: a rate is no Fraction, or a size no integer.
    """

    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction | None = None
    colour: Colour = UNKNOWN_COLOUR

    def __post_init__(self) -> None:
        check_fields(
            self, width=_side, height=_side, frame_rate=as_positive_fraction, time_base=as_positive_fraction,
            colour=check_colour,
        )  # fmt: skip

    @property
    def tick(self) -> Fraction:
        """Seconds a tick of pts."""
        return 1 / self.frame_rate if self.time_base is None else self.time_base


def _side(name: str, value: object) -> int:
    return as_integer(name, value, 1, MAX_SIDE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """What a codec runs on.

    Attributes:
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help the codec on this machine.
        monitor: who watches, and may stop, an encoder that fits networks.

    Raises:
        DeviceError: no device is called so.
        ParameterError: threads is not in 1..256.
        ParameterTypeError: a value is of the wrong kind.
    """

    device: str = "auto"
    threads: int | None = None
    monitor: FitMonitor | None = None

    def __post_init__(self) -> None:
        check_fields(
            self,
            device=as_device,
            threads=as_threads,
            monitor=as_monitor,
        )

    def threads_for(self, helpful: int) -> int:
        """The threads to use, for a codec that more than `helpful` do not help."""
        return min(helpful, available_cpus()) if self.threads is None else self.threads


def as_monitor(name: str, value: object) -> FitMonitor:
    """Something that watches a fit.

    Args:
        name: what the value is called in the error.
        value: anything.

    Raises:
        ParameterTypeError: it cannot be told of a fit, or does not say whether to stop.
    """
    if not isinstance(value, FitMonitor):
        raise ParameterTypeError(f"{name} must have `stopped` and `report`, as a FitMonitor has, not {quoted(value)}")
    return value


DEFAULT_RUNTIME: Final = Runtime()


def available_cpus() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def with_changes(kind: type[Options], options: Options | None, changes: Mapping[str, object]) -> Options:
    """Options with some of them changed by name, as keyword arguments bring them.

    Args:
        kind: the class of the options.
        options: what to start from; None for the defaults.
        changes: values by name.

    Raises:
        ParameterError: there is no option of a name, or a value is out of range.
        ParameterTypeError: `options` is of another kind, or a value is.
    """
    start = kind() if options is None else as_instance("options", options, kind)
    refuse_unknown(f"{kind.__name__} has no option", changes, [field.name for field in dataclasses.fields(kind)])
    replace: Callable[..., Options] = dataclasses.replace  # values are checked when the options are made
    return replace(start, **changes)
