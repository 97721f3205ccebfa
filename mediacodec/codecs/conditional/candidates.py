"""What an encoder hands from step to step: predictions, targets, coding passes, and frames as they would be sent."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from mediacodec.codecs.conditional.conditioning import Conditioning, Floats, Reconstruction
from mediacodec.codecs.conditional.entropy_state import EntropyState, Memory
from mediacodec.codecs.conditional.frame_syntax import FrameSyntax, HyperLatent, ScaleIndex, Symbols
from mediacodec.codecs.conditional.rate_distortion import Errors, rate_lambda
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.motion.skip_map import SkipMap
from mediacodec.video_coding.motion.vectors import MotionVectors


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the motion search found for a frame.

    Attributes:
        motion: int16 [2, H/8, W/8].
        filter_id: of luma's interpolation filter.
        planes: the frame before, motion-compensated.
        unchanged: the source is that of the frame coded last, which was coded as well as is asked for now.
    """

    motion: MotionVectors
    filter_id: int
    planes: Planes
    unchanged: bool


@dataclass(frozen=True, eq=False)
class EncodeTarget:
    """What is to be coded, and how.

    Attributes:
        planes: of the source, padded.
        conditioning: of the frame.
        previous: what the frame before left, None in keyframes.
        side_info: the syntax elements that are decided already.
        skip_errors: squared error of each block as predicted, None in keyframes.
        weight: perceptual weight of each block, [h, w].
        latent: minus its mean, in the blocks' steps, float32 [1, coefficients, h, w].
        hyper: not rounded, float32 [1, hyper, hh, ww].
    """

    planes: Planes
    conditioning: Conditioning
    previous: EntropyState | None
    side_info: FrameSyntax
    skip_errors: Errors | None
    weight: Errors
    latent: Floats
    hyper: Floats


@dataclass(frozen=True, eq=False)
class CodingPass:
    """The outcome of quantizing and reconstructing a target once."""

    hyper: HyperLatent
    symbols: Symbols
    scale_index: ScaleIndex
    conditional_mean: Floats
    skip: SkipMap | None
    memory: Future[Memory]
    reconstruction: Reconstruction

    @property
    def skips_all(self) -> bool:
        """Whether every block is skipped."""
        return self.skip is not None and bool(self.skip.all())


@dataclass(frozen=True, eq=False)
class CodedFrame:
    """A frame as it would be sent.

    Attributes:
        syntax: its syntax elements.
        reconstruction: what a decoder makes of it.
        memory: of the prior, after it.
        packed: the packet's data.
        error: squared, chroma counted twice, over the perceptual weight.
    """

    syntax: FrameSyntax
    reconstruction: Reconstruction
    memory: Future[Memory]
    packed: Future[bytes]
    error: float

    @property
    def data(self) -> bytes:
        """The packet's, as soon as it is there."""
        return self.packed.result()

    @property
    def bits(self) -> int:
        """Of the packet's data."""
        return 8 * len(self.data)

    @property
    def cost(self) -> float:
        """Rate-distortion cost, in squared error."""
        return self.error + rate_lambda(self.syntax.head.quality) * self.bits


@dataclass(frozen=True, eq=False)
class Candidate:
    """A coded frame, and how it came about; without target and pass where every block is skipped."""

    coded: CodedFrame
    target: EncodeTarget | None = None
    coding_pass: CodingPass | None = None
