"""What travels between all parts: audio and video frames that know their rate and their place in time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mediacodec.arguments import as_instance, as_integer, as_positive_fraction, quoted
from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec_bitstream.stream_header import MAX_CHANNELS

Samples = NDArray[np.float32]
"""Samples of audio, [channels, n], full scale [-1, 1]."""

Codes = NDArray[np.uint16]
"""Integer codes of audio, [codebooks, frames]."""

Plane = NDArray[np.uint8]
"""One plane of a frame, uint8 [height, width]."""

MAX_SAMPLE_RATE = (1 << 31) - 1  # Hz: what FFmpeg counts in

Colour = tuple[int, int, int, int]
"""Primaries, transfer and matrix as numbered in ITU-T H.273 (2 = unspecified), and 1 for full range, 0 for limited."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class AudioChunk:
    """A stretch of audio.

    Chunks compare by identity: comparing samples is the caller's business (exact or within a tolerance).

    Attributes:
        samples: float32 [channels, n], full scale is [-1, 1]; peaks beyond it and n = 0 are allowed. Values are
            not checked for NaN or infinity, since that would cost a pass over every chunk.
        sample_rate: Hz, 1 to 2^31 - 1.
        pts: position of the first sample, in samples at `sample_rate` since the start of the stream.

    Raises:
        ParameterTypeError: samples are no float32 array, or a number is no integer.
        ParameterError: the array is not [channels >= 1, n], or the rate is not positive.
    """

    samples: Samples
    sample_rate: int
    pts: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.samples, np.ndarray):
            raise ParameterTypeError(f"samples must be a numpy array [channels, n], not {quoted(self.samples)}")
        if self.samples.dtype != np.float32:
            raise ParameterTypeError(
                f"samples must be float32, not {self.samples.dtype}; convert with .astype(numpy.float32), "
                "integers scaled to [-1, 1]"
            )
        if self.samples.ndim != 2 or self.samples.shape[0] < 1:
            raise ParameterError(
                f"samples must have shape [channels, n], not {list(self.samples.shape)}; "
                "for one channel use x[numpy.newaxis]"
            )
        object.__setattr__(self, "sample_rate", as_sample_rate("sample_rate", self.sample_rate))
        object.__setattr__(self, "pts", as_integer("pts", self.pts))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def num_samples(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[1])

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate

    @property
    def pts_seconds(self) -> float:
        """Position of the first sample in seconds."""
        return self.pts / self.sample_rate

    def __repr__(self) -> str:
        return (
            f"AudioChunk(samples=float32[{self.channels}, {self.num_samples}], "
            f"sample_rate={self.sample_rate}, pts={self.pts})"
        )


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class VideoFrame:
    """A video frame in 8-bit 4:2:0.

    Frames compare by identity, as chunks of audio do.

    Attributes:
        y: uint8 [height, width].
        u, v: uint8 [ceil(height / 2), ceil(width / 2)].
        pts: when it is presented, in ticks of `time_base` since the start of the stream; may be negative.
        time_base: seconds per tick, above 0.
        colour: (primaries, transfer, matrix, full range); the first three are code points of ITU-T H.273, 0..255,
            2 is unspecified; the last is 0 (Y in 16..235) or 1 (0..255).
        duration: how long it is presented, in ticks of `time_base`; 0 if only the next frame tells.

    Raises:
        ParameterTypeError: a plane is no uint8 array, pts or duration no integer or time_base no Fraction.
        ParameterError: the planes do not fit together, or a number is out of range.
    """

    y: Plane
    u: Plane
    v: Plane
    pts: int
    time_base: Fraction
    colour: Colour = (2, 2, 2, 0)
    duration: int = 0

    def __post_init__(self) -> None:
        for name in ("y", "u", "v"):
            plane = getattr(self, name)
            if not isinstance(plane, np.ndarray) or plane.dtype != np.uint8:
                kind = plane.dtype if isinstance(plane, np.ndarray) else quoted(plane)
                raise ParameterTypeError(f"{name} must be a uint8 array [height, width], not {kind}")
        if self.y.ndim != 2 or 0 in self.y.shape:
            raise ParameterError(f"y must have shape [height, width], both at least 1, not {list(self.y.shape)}")
        chroma = ((self.height + 1) // 2, (self.width + 1) // 2)
        for name in ("u", "v"):
            if getattr(self, name).shape != chroma:
                raise ParameterError(
                    f"{name} must have shape {list(chroma)}, half of y's {list(self.y.shape)} rounded up, "
                    f"not {list(getattr(self, name).shape)}"
                )
        for name in ("pts", "duration"):
            object.__setattr__(self, name, as_integer(name, getattr(self, name)))
        if self.duration < 0:
            raise ParameterError(f"duration must be at least 0 ticks, not {self.duration}")
        if not isinstance(self.time_base, Fraction):
            raise ParameterTypeError(f"time_base must be a fractions.Fraction, not {quoted(self.time_base)}")
        as_positive_fraction("time_base", self.time_base)
        object.__setattr__(self, "colour", check_colour("colour", self.colour))

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.y.shape[0])

    @property
    def pts_seconds(self) -> float:
        """When it is presented, in seconds."""
        return float(self.pts * self.time_base)

    def __repr__(self) -> str:
        return (
            f"VideoFrame(y=uint8[{self.height}, {self.width}], u, v=uint8[{self.u.shape[0]}, {self.u.shape[1]}], "
            f"pts={self.pts}, time_base={self.time_base}, colour={self.colour})"
        )


def as_sample_rate(name: str, value: object) -> int:
    """A sample rate in Hz, 1 to MAX_SAMPLE_RATE.

    Args:
        name: what the value is called in the error.
        value: anything.

    Raises:
        ParameterTypeError: it is no integer.
        ParameterError: it is out of range.
    """
    return as_integer(name, value, 1, MAX_SAMPLE_RATE, "Hz")


def as_samples(name: str, value: object) -> Samples:
    """Floating point of any kind, [n] or [channels, n], as samples; what float32 cannot hold becomes infinite.

    Args:
        name: what the value is called in the error.
        value: anything.

    Returns:
        float32 [channels, n]; the caller's own array where it is that already.

    Raises:
        ParameterTypeError: it holds integers, whose full scale is not known, or no numbers.
        ParameterError: it has another shape.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:  # rows of several lengths, or something that cannot be an array
        raise ParameterError(f"{name} must be an array [n] or [channels, n], not {quoted(value)}") from error
    if array.dtype.kind != "f":
        raise ParameterTypeError(f"{name} must be floating point in -1..1, not {array.dtype}; scale and convert them")
    if array.ndim not in (1, 2) or (array.ndim == 2 and not len(array)):
        raise ParameterError(f"{name} must be an array [n] or [channels, n]; got shape {array.shape}")
    if array.ndim == 2 and array.shape[0] > max(array.shape[1], MAX_CHANNELS):
        raise ParameterError(
            f"{name} must be [channels, n]; {list(array.shape)} looks like [n, channels]: pass {name}.T"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        return np.atleast_2d(array.astype(np.float32, copy=False))


def check_colour(name: str, colour: object) -> Colour:
    """A description of colour.

    Args:
        name: what it is called in the error.
        colour: what should be four numbers, see `Colour`.

    Returns:
        The numbers as Python's own.

    Raises:
        ParameterTypeError: it is no tuple of integers.
        ParameterError: there are not four, or one is out of range.
    """
    parts = as_instance(name, colour, tuple)
    if len(parts) != 4:
        raise ParameterError(f"{name} must be (primaries, transfer, matrix, 0 or 1), not {quoted(colour)}")
    primaries, transfer, matrix = (as_integer(f"each part of {name}", part, 0, 255) for part in parts[:3])
    return primaries, transfer, matrix, as_integer(f"the last part of {name}", parts[3], 0, 1)
