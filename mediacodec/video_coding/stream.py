"""What the streams of all video codecs share: options of encoders, headers, and what frames must be like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from mediacodec.errors import CorruptError, ParameterError, ParameterTypeError
from mediacodec.frames import Colour, VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_bitstream import RC24, StreamHeader, VideoParameters

CRC_SIZE = 2
MAX_CRF = 63
MAX_PIXELS = 12 << 20  # of a padded frame: a packet holds at most 2^24 symbols, of about 1.1 a pixel


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Options of an encoder, checked.

    Attributes:
        width, height: of the frames, in pixels.
        frame_rate: nominal, frames a second.
        time_base: seconds a tick.
        crf: quality, 0 (best) to 63; None, and no bit_rate, for the codec's default.
        bit_rate: bits a second, None where the quality is kept.
        gop: frames from keyframe to keyframe at most, None for the codec's default.
        scene_cut: whether a new scene begins with a keyframe.
        preset: one of PRESETS, how much time is spent.
        block: frames are padded to multiples of so many pixels.

    Raises:
        ParameterError: an option is out of range.
        ParameterTypeError: a rate is no Fraction.
    """

    PRESETS: ClassVar[tuple[str, ...]]

    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction
    crf: float | None = None
    bit_rate: float | None = None
    gop: int | None = None
    scene_cut: bool = True
    preset: str = "medium"
    block: int = 1

    def __post_init__(self) -> None:
        for name in ("frame_rate", "time_base"):
            value = getattr(self, name)
            if not isinstance(value, Fraction):
                raise ParameterTypeError(f"{name} must be a fractions.Fraction, not {value!r}")
            if value <= 0:
                raise ParameterError(f"{name} must be above 0, not {value}")
        if self.preset not in self.PRESETS:
            raise ParameterError(f"preset must be one of {', '.join(self.PRESETS)}, not {self.preset!r}")
        if self.crf is not None and self.bit_rate is not None:
            raise ParameterError("crf and bit_rate exclude each other: give the one that is to be kept")
        if self.crf is not None and not 0 <= self.crf <= MAX_CRF:  # also refuses NaN
            raise ParameterError(f"crf must lie in 0..{MAX_CRF}, not {self.crf}")
        if self.bit_rate is not None and not (math.isfinite(self.bit_rate) and self.bit_rate >= 1000):
            raise ParameterError(f"bit_rate must be at least 1000 bits a second, not {self.bit_rate}")
        if self.gop is not None and (not isinstance(self.gop, int) or self.gop < 1):
            raise ParameterError(f"gop must be a number of frames from 1 up, not {self.gop!r}")
        if self.width < 1 or self.height < 1:
            raise ParameterError(f"frames must have pixels, not {self.width} x {self.height}")
        right, bottom = padding(self.width, self.height, self.block)
        if (self.width + right) * (self.height + bottom) > MAX_PIXELS:
            raise ParameterError(f"frames of {self.width} x {self.height} are too large: at most {MAX_PIXELS} pixels")


def padding(width: int, height: int, block: int) -> tuple[int, int]:
    """Pixels added on the right and at the bottom for sides to be multiples of `block`."""
    return -width % block, -height % block


def nominal_duration(frame_rate: Fraction, time_base: Fraction) -> int:
    """Ticks of one frame at the nominal rate; 0 where they are no whole number that a header can hold."""
    ticks = 1 / (frame_rate * time_base)
    return int(ticks) if ticks.denominator == 1 and ticks < 1 << 24 else 0


def make_header(
    model: Manifest,
    fourcc: str,
    options: VideoOptions,
    *,
    colour: Colour,
    stream_id: int,
    fields: Mapping[str, int | str | bytes] | None = None,
) -> StreamHeader:
    """The header of a stream.

    Args:
        model: what its packets decode with.
        fourcc: of the codec family.
        options: of the encoder.
        colour: as in VideoFrame.
        stream_id: its number in the file.
        fields: what it states beside the model's name.

    Raises:
        ParameterError: a value does not fit into a header.
    """
    added = padding(options.width, options.height, options.block)
    return StreamHeader(
        stream_id,
        fourcc,
        VideoParameters(options.width, options.height, options.frame_rate, colour, *added),
        options.time_base,
        packet_duration=nominal_duration(options.frame_rate, options.time_base),
        coder=RC24,
        symbol_crc_size=CRC_SIZE,
        model_hash=model.weights_hash,
        tables_hash=model.tables_hash,
        fields={"model_name": model.name, **(fields or {})},
    )


def check_header(header: StreamHeader, model: Manifest, block: int = 1) -> VideoParameters:
    """The parameters of a stream's frames.

    Args:
        header: of the stream.
        model: what its packets decode with.
        block: frames are padded to multiples of so many pixels.

    Raises:
        CorruptError: the header is none that `make_header` makes.
    """
    parameters = header.parameters
    if not isinstance(parameters, VideoParameters):
        raise CorruptError(f"stream {header.stream_id}: the codec of model {model.name} is for video")
    right, bottom = padding(parameters.width, parameters.height, block)
    if (parameters.pad_right, parameters.pad_bottom) != (right, bottom):
        raise CorruptError(f"stream {header.stream_id}: its padding is not what model {model.name} needs")
    if header.coder != RC24 or header.symbol_crc_size != CRC_SIZE or header.layers or header.reorders:
        raise CorruptError(f"stream {header.stream_id}: its coder is not that of model {model.name}")
    width, height = parameters.width + right, parameters.height + bottom
    if width * height > MAX_PIXELS:
        raise CorruptError(f"stream {header.stream_id}: {width} x {height} pixels are too many")
    return parameters


def check_frame(frame: VideoFrame, header: StreamHeader, last_pts: int | None, *, flushed: bool) -> None:
    """Check that a frame may follow in a stream.

    Args:
        frame: what the caller pushes.
        header: of the stream.
        last_pts: of the frame before, None for the first.
        flushed: whether the encoder was flushed.

    Raises:
        ParameterError: it does not fit.
        ParameterTypeError: it is no VideoFrame.
    """
    if flushed:
        raise ParameterError("this encoder was flushed; open a new one for another stream")
    if not isinstance(frame, VideoFrame):
        raise ParameterTypeError(f"push takes a VideoFrame, not {type(frame).__name__}")
    size = header.parameters
    assert isinstance(size, VideoParameters)
    if (frame.width, frame.height) != (size.width, size.height):
        wanted = f"{size.width} x {size.height}"
        raise ParameterError(f"this stream's frames are {wanted}, not {frame.width} x {frame.height}")
    if frame.time_base != header.time_base:
        raise ParameterError(f"this stream's time base is {header.time_base}, not {frame.time_base}")
    if frame.pts < 0 or (last_pts is not None and frame.pts <= last_pts):
        raise ParameterError(f"pts must be at least 0 and increase; {frame.pts} follows {last_pts}")
