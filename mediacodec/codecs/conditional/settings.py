"""What a conditional model says of itself, the options of its encoder, and the sizes that follow from a frame's."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, get_args

from mediacodec.codecs.options import VideoOptions
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec.video_coding.gop import GOP_SECONDS
from mediacodec.video_coding.stream import padding

FOURCC = "cond"
DEFAULT_CRF = 30.0
MOST_THREADS = 2  # more have nothing to do
Preset = Literal["fast", "medium", "slow"]
PRESETS: Final[tuple[str, ...]] = get_args(Preset)


class ConditionalSettings:
    """What `model.json` says of a conditional model; checked once.

    Attributes:
        coefficients: latent channels, of which the first `luma` are luma's.
        scales: how many tables code luma's coefficients, and how many chroma's.
        hyper: hyper-latent channels, within ±hyper_limit.
        features: channels that are propagated at 1/8.
        memory: channels of integers that the prior remembers.
        block: samples of luma that a latent place stands for, each way.
        refresh: inter frames after which features start from nothing.

    Raises:
        ModelError: a setting is missing or impossible.
    """

    def __init__(self, model: Manifest) -> None:
        names = ("coefficients", "luma", "scales", "hyper", "hyper_limit", "features", "memory", "block", "refresh")
        try:
            values = [int(model.settings[name]) for name in names]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"model {model.name}: settings of a conditional codec are missing or wrong: {error!r}"
            ) from error
        if min(values) < 1:
            raise ModelError(f"model {model.name}: settings of a conditional codec must be at least 1")
        self.coefficients, self.luma, self.scales = values[:3]
        self.hyper, self.hyper_limit, self.features, self.memory, self.block, self.refresh = values[3:]
        if self.block != 16:
            raise ModelError(f"model {model.name}: this version codes blocks of 16, not of {self.block}")


@dataclass(frozen=True)
class FrameGeometry:
    """Sizes of a stream's frames: as presented, and padded to whole blocks at the right and bottom.

    Attributes:
        width, height: as presented, in pixels.
        block: samples of luma, each way.
    """

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
        """Rows and columns of 8x8 blocks, which have a motion vector each."""
        rows, columns = self.blocks
        return 2 * rows, 2 * columns


def quality_of(options: VideoOptions) -> int:
    """The quality level asked for where there is no bit rate."""
    return round(DEFAULT_CRF if options.crf is None else options.crf)


def gop_of(options: VideoOptions, frame_rate: Fraction) -> int:
    """Frames from keyframe to keyframe, at most."""
    return options.gop if options.gop is not None else max(1, round(GOP_SECONDS * frame_rate))
