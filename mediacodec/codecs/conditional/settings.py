"""What a `live` model says of itself, the options of its encoder, and the sizes that follow from a picture's."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, get_args

from mediacodec.codecs.options import MAX_CRF, VideoOptions
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec.video_coding.stream import padding

FOURCC = "live"
MAX_QUALITY = MAX_CRF
DEFAULT_CRF = 30.0
KEY_OFFSET = -11  # quality levels that keyframes add to what is asked for
CYCLE = (-4, 4, 3, 4, 0, 4, 3, 4)  # what the others add, by their distance from the keyframe
GOP_SECONDS = 2.0
MOST_THREADS = 2  # more have nothing to do
Preset = Literal["fast", "medium", "slow"]
PRESETS: Final[tuple[str, ...]] = get_args(Preset)


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
    def luma(self) -> tuple[int, int]:
        """(rows, columns) of the padded luma plane."""
        right, bottom = padding(self.width, self.height, self.block)
        return self.height + bottom, self.width + right

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


def quality_of(options: VideoOptions) -> int:
    """The quality level asked for where there is no bit rate."""
    return round(DEFAULT_CRF if options.crf is None else options.crf)


def gop_of(options: VideoOptions, frame_rate: Fraction) -> int:
    """Frames from keyframe to keyframe, at most."""
    return options.gop if options.gop is not None else max(1, round(GOP_SECONDS * frame_rate))


def quality_offset(position: int) -> int:
    """What the picture `position` places after its keyframe (0: the keyframe) adds to the stream's quality level.

    A keyframe is better, since all that follows is predicted from it; of the others every second, fourth and eighth.
    Chosen on development clips.
    """
    return KEY_OFFSET if position == 0 else CYCLE[position % len(CYCLE)]


def level_at(base: int, position: int) -> int:
    """The quality level, 0..63, of the picture `position` places after its keyframe (0: the keyframe)."""
    return min(max(base + quality_offset(position), 0), MAX_QUALITY)
