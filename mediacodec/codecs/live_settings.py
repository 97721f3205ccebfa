"""What a `live` model says of itself, the options of its encoder, and the sizes that follow from a picture's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from mediacodec.errors import CorruptError, ModelError, ParameterError, ParameterTypeError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import RC24, StreamHeader, VideoParameters

FOURCC = "live"
CRC_SIZE = 2
MAX_QUALITY = 63
DEFAULT_CRF = 30.0
MAX_PIXELS = 12 << 20  # of a padded picture: a packet holds at most 2^24 symbols, of about 1.1 a pixel
KEY_OFFSET = -11  # quality levels that keyframes add to what is asked for
CYCLE = (-4, 4, 3, 4, 0, 4, 3, 4)  # what the others add, by their distance from the keyframe
GOP_SECONDS = 2.0
PRESETS = ("fast", "medium", "slow")
Preset = Literal["fast", "medium", "slow"]


class LiveSettings:
    """What `model.json` says of a `live` model; checked once."""

    def __init__(self, model: Manifest) -> None:
        names = ("coefficients", "luma", "scales", "hyper", "hyper_limit", "features", "memory", "block", "refresh")
        try:
            values = [int(model.settings[name]) for name in names]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"model {model.name}: settings of a `live` codec are missing or wrong: {error!r}"
            ) from error
        if min(values) < 1:
            raise ModelError(f"model {model.name}: settings of a `live` codec must be at least 1")
        self.coefficients, self.luma, self.scales = values[:3]
        self.hyper, self.hyper_limit, self.features, self.memory, self.block, self.refresh = values[3:]
        if self.block != 16:
            raise ModelError(f"model {model.name}: this version codes blocks of 16, not of {self.block}")


@dataclass(frozen=True)
class Geometry:
    """Sizes of a stream's pictures: shown (width, height) and padded to whole blocks at the right and bottom."""

    width: int
    height: int
    block: int = 16

    @property
    def pad_right(self) -> int:
        return -self.width % self.block

    @property
    def pad_bottom(self) -> int:
        return -self.height % self.block

    @property
    def luma(self) -> tuple[int, int]:
        """(rows, columns) of the padded luma plane."""
        return self.height + self.pad_bottom, self.width + self.pad_right

    @property
    def blocks(self) -> tuple[int, int]:
        """(rows, columns) of blocks, which is also the shape of the latent."""
        rows, columns = self.luma
        return rows // self.block, columns // self.block

    @property
    def cells(self) -> tuple[int, int]:
        """The shape of the hyper-latent: one cell for 2x2 blocks."""
        rows, columns = self.blocks
        return (rows + 1) // 2, (columns + 1) // 2

    @property
    def motion(self) -> tuple[int, int]:
        """Rows and columns of 8x8 blocks, which have a vector each."""
        rows, columns = self.blocks
        return 2 * rows, 2 * columns


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """Options of an encoder, checked. Raises ParameterError or ParameterTypeError."""

    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction
    crf: float | None
    bit_rate: float | None
    gop: int | None
    preset: str

    def __post_init__(self) -> None:
        for name in ("frame_rate", "time_base"):
            value = getattr(self, name)
            if not isinstance(value, Fraction):
                raise ParameterTypeError(f"{name} must be a fractions.Fraction, not {value!r}")
            if value <= 0:
                raise ParameterError(f"{name} must be above 0, not {value}")
        if self.preset not in PRESETS:
            raise ParameterError(f"preset must be one of {', '.join(PRESETS)}, not {self.preset!r}")
        if self.crf is not None and self.bit_rate is not None:
            raise ParameterError("crf and bit_rate exclude each other: give the one that is to be kept")
        if self.crf is not None and not 0 <= self.crf <= MAX_QUALITY:  # also refuses NaN
            raise ParameterError(f"crf must lie in 0..{MAX_QUALITY}, not {self.crf}")
        if self.bit_rate is not None and not (math.isfinite(self.bit_rate) and self.bit_rate >= 1000):
            raise ParameterError(f"bit_rate must be at least 1000 bits a second, not {self.bit_rate}")
        if self.gop is not None and (not isinstance(self.gop, int) or self.gop < 1):
            raise ParameterError(f"gop must be a number of pictures from 1 up, not {self.gop!r}")
        if self.width < 1 or self.height < 1:
            raise ParameterError(f"pictures must have pixels, not {self.width} x {self.height}")
        if math.prod(Geometry(self.width, self.height).luma) > MAX_PIXELS:
            raise ParameterError(f"pictures of {self.width} x {self.height} are too large: at most {MAX_PIXELS} pixels")

    @property
    def quality(self) -> int:
        """The quality level asked for where there is no bit rate."""
        return round(DEFAULT_CRF if self.crf is None else self.crf)

    @property
    def pictures(self) -> int:
        """From keyframe to keyframe, at most."""
        return self.gop if self.gop is not None else max(1, round(GOP_SECONDS * self.frame_rate))


def quality_offset(position: int) -> int:
    """What the picture `position` places after its keyframe (0: the keyframe) adds to the stream's quality level.

    A keyframe is better, since all that follows is predicted from it; of the others every second, fourth and eighth.
    Chosen on development clips.
    """
    return KEY_OFFSET if position == 0 else CYCLE[position % len(CYCLE)]


def level_at(base: int, position: int) -> int:
    """The quality level, 0..63, of the picture `position` places after its keyframe (0: the keyframe)."""
    return min(max(base + quality_offset(position), 0), MAX_QUALITY)


def nominal_duration(frame_rate: Fraction, time_base: Fraction) -> int:
    """Ticks of one picture at the nominal rate; 0 where they are no whole number that a header can hold."""
    ticks = 1 / (frame_rate * time_base)
    return int(ticks) if ticks.denominator == 1 and ticks < 1 << 24 else 0


def make_header(
    model: Manifest, options: LiveOptions, colour: tuple[int, int, int, int], stream_id: int
) -> StreamHeader:
    """The header of a stream. Raises ParameterError where a value does not fit into one."""
    size = Geometry(options.width, options.height)
    parameters = VideoParameters(
        options.width, options.height, options.frame_rate, colour, size.pad_right, size.pad_bottom
    )
    return StreamHeader(
        stream_id,
        FOURCC,
        parameters,
        options.time_base,
        packet_duration=nominal_duration(options.frame_rate, options.time_base),
        coder=RC24,
        symbol_crc_size=CRC_SIZE,
        model_hash=model.weights_hash,
        tables_hash=model.tables_hash,
        fields={"model_name": model.name},
    )


def check_header(header: StreamHeader, model: Manifest) -> VideoParameters:
    """The parameters of a stream's pictures. Raises CorruptError where its header is none of this family's."""
    parameters = header.parameters
    if not isinstance(parameters, VideoParameters):
        raise CorruptError(f"stream {header.stream_id}: the codec of model {model.name} is for video")
    size = Geometry(parameters.width, parameters.height)
    if (parameters.pad_right, parameters.pad_bottom) != (size.pad_right, size.pad_bottom):
        raise CorruptError(f"stream {header.stream_id}: its padding is not what model {model.name} needs")
    if header.coder != RC24 or header.symbol_crc_size != CRC_SIZE or header.layers or header.reorders:
        raise CorruptError(f"stream {header.stream_id}: its coder is not that of model {model.name}")
    if math.prod(size.luma) > MAX_PIXELS:
        raise CorruptError(f"stream {header.stream_id}: {size.luma[1]} x {size.luma[0]} pixels are too many")
    return parameters
