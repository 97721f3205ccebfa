"""What an encoder of pictures hands from step to step: predictions, drafts, and pictures as they would be sent."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.early_skip import bit_worth
from mediacodec.codecs.conditional.reconstructor import Floats, Integers, Known, LiveState, Mask, Rows, Shown
from mediacodec.video_coding.motion.compensate import Planes


@dataclass(frozen=True, eq=False)
class Coded:
    """A picture as it would be sent. packed: the packet's data; error: squared, chroma twice, over the masking."""

    integers: Integers
    shown: Shown
    memory: Future[Floats]
    packed: Future[bytes]
    error: float

    @property
    def data(self) -> bytes:
        """The packet's, as soon as it is there."""
        return self.packed.result()

    @property
    def bits(self) -> int:
        return 8 * len(self.data)

    @property
    def cost(self) -> float:
        """Error, and bits by what they are worth."""
        return self.error + bit_worth(self.integers.quality) * self.bits


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be coded, and how. begun: what is decided already; unseen: squared error of each block as predicted,
    [h, w], None in keyframes; masking: what a bit is worth in each block, [h, w]; latent: float32 [1, coefficients, h,
    w] minus its mean, in local steps; hyper: not rounded; state: of the picture before."""

    planes: Planes
    known: Known
    state: LiveState | None
    begun: Integers
    unseen: Floats | None
    masking: Floats
    latent: Floats
    hyper: Floats


@dataclass(frozen=True, eq=False)
class Draft:
    """The outcome of one pass."""

    hyper: npt.NDArray[np.int8]
    symbols: npt.NDArray[np.int32]
    index: Rows
    shift: Floats
    skip: Mask | None
    memory: Future[Floats]
    result: Shown


@dataclass(frozen=True, eq=False)
class Trial:
    """A picture as coded, and how it came about; without target and draft where every block is skipped."""

    coded: Coded
    target: Target | None = None
    draft: Draft | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the motion search found for a picture. moved: the picture before, in the planes of `known.predicted`."""

    motion: npt.NDArray[np.int16]
    filter_id: int
    moved: Planes
    same: bool  # the source is that of the picture coded last, which was coded as well as is asked for now
