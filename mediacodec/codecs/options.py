"""Options of encoders, each of them spelled here and nowhere else.

`AudioOptions` and `VideoOptions` are built by whoever encodes, the command line or a program, and travel whole to the
encoder. `VideoFormat` says what frames come in, `Runtime` on what to run.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeVar

from mediacodec.arguments import as_float, as_fraction, as_instance, as_integer, normalise, quoted
from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.frames import Colour, check_colour
from mediacodec.progress import FitMonitor

PRESETS: Final = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
MAX_CRF: Final = 63
LEAST_VIDEO_BIT_RATE: Final = 1000
UNKNOWN_COLOUR: Final[Colour] = (2, 2, 2, 0)

Options = TypeVar("Options", bound="AudioOptions | VideoOptions")


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioOptions:
    """Options of audio encoders.

    Attributes:
        bit_rate: bits a second; the highest rate of the codec that does not exceed it is taken. None for its best.
        packet_duration: seconds of audio in a packet: 1 for files, 0.02 to 0.1 where somebody listens meanwhile. It
            must be a whole number of the codec's frames, within 2 %; the default stands for the number nearest to 1 s.
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
        normalise(self, bit_rate="float")
        object.__setattr__(self, "packet_duration", as_float("packet_duration", self.packet_duration))
        if self.bit_rate is not None and not (math.isfinite(self.bit_rate) and self.bit_rate > 0):
            raise ParameterError(f"bit_rate must be above 0 bits a second, not {self.bit_rate}")
        if not (math.isfinite(self.packet_duration) and self.packet_duration > 0):
            raise ParameterError(f"packet_duration must be above 0 seconds, not {self.packet_duration}")
        if self.entropy is not None:
            as_instance("entropy", self.entropy, str)


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
        normalise(self, crf="float", bit_rate="float", gop="integer")
        as_instance("scene_cut", self.scene_cut, bool)
        if as_instance("preset", self.preset, str) not in PRESETS:
            raise ParameterError(f"preset must be one of {', '.join(PRESETS)}, not {self.preset!r}")
        if self.crf is not None and self.bit_rate is not None:
            raise ParameterError("crf and bit_rate exclude each other: give the one that is to be kept")
        if self.crf is not None and not 0 <= self.crf <= MAX_CRF:  # also refuses NaN
            raise ParameterError(f"crf must lie in 0..{MAX_CRF}, not {self.crf}")
        least = LEAST_VIDEO_BIT_RATE
        if self.bit_rate is not None and not (math.isfinite(self.bit_rate) and self.bit_rate >= least):
            raise ParameterError(f"bit_rate must be at least {least} bits a second, not {self.bit_rate}")
        if self.gop is not None and self.gop < 1:
            raise ParameterError(f"gop must be a number of frames from 1 up, not {self.gop}")

    def require_preset(self, *offered: str) -> None:
        """Raise ParameterError unless the preset is one of those that a codec has."""
        if self.preset not in offered:
            raise ParameterError(f"preset must be one of {', '.join(offered)}, not {self.preset!r}")


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
        for name in ("width", "height"):
            object.__setattr__(self, name, as_integer(name, getattr(self, name)))
        for name in ("frame_rate", "time_base"):
            value = getattr(self, name)
            if name == "frame_rate" or value is not None:
                object.__setattr__(self, name, as_fraction(name, value))
                if value <= 0:
                    raise ParameterError(f"{name} must be above 0, not {value}")
        check_colour(self.colour)
        if self.width < 1 or self.height < 1:
            raise ParameterError(f"frames must have pixels, not {self.width} x {self.height}")

    @property
    def tick(self) -> Fraction:
        """Seconds a tick of pts."""
        return 1 / self.frame_rate if self.time_base is None else self.time_base


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """What a codec runs on.

    Attributes:
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help the codec on this machine.
        monitor: who watches, and may stop, an encoder that fits networks.

    Raises:
        ParameterError: threads is not at least 1.
        ParameterTypeError: threads is no integer.
    """

    device: str = "auto"
    threads: int | None = None
    monitor: FitMonitor | None = None

    def __post_init__(self) -> None:
        normalise(self, threads="integer")
        as_instance("device", self.device, str)
        if self.threads is not None and self.threads < 1:
            raise ParameterError(f"threads must be a positive integer, not {self.threads}")

    def threads_for(self, helpful: int) -> int:
        """The threads to use, for a codec that more than `helpful` do not help."""
        return min(helpful, available_cpus()) if self.threads is None else self.threads


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
    if options is not None and not isinstance(options, kind):
        raise ParameterTypeError(f"options must be {kind.__name__}, not {quoted(options)}")
    known = [field.name for field in dataclasses.fields(kind)]
    for name in changes:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise ParameterError(f"{kind.__name__} has no option {name!r}{hint}")
    replace: Callable[..., Options] = dataclasses.replace  # values are checked when the options are made
    return replace(options or kind(), **changes)
