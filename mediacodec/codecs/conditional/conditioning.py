"""What a frame is coded given, and what a decoded frame is: values, and the steps between them that need no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.entropy_state import EntropyState, Memory
from mediacodec.codecs.conditional.settings import ConditionalSettings, FrameGeometry
from mediacodec.video_coding.adaptive_quantization import step_factors
from mediacodec.video_coding.aq_syntax import AqOffsets
from mediacodec.video_coding.motion.compensate import Planes, compensate, source_cells
from mediacodec.video_coding.motion.vectors import MotionVectors

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A decoded frame.

    Attributes:
        planes: padded, uint8.
        features: propagated to the next frame, float32 [1, features, H/8, W/8].
    """

    planes: Planes
    features: Floats


@dataclass(frozen=True, eq=False)
class ConditionalState:
    """What a frame leaves to the next one."""

    entropy: EntropyState
    reconstruction: Reconstruction


@dataclass(frozen=True, eq=False)
class Context:
    """What the prediction and the propagated features tell of an inter frame.

    Attributes:
        fine: at 1/8, float32 [1, width, H/8, W/8].
        deep: at 1/16, float32 [1, deep, h, w].
        mean: of the latent, float32 [1, coefficients, h, w].
    """

    fine: Floats
    deep: Floats
    mean: Floats


@dataclass(eq=False)
class Conditioning:
    """What both ends know of a frame before its first coefficient.

    Attributes:
        level: quality level, 0..63.
        inter: predicted from another frame, or a keyframe.
        memory: of the prior.
        step_factors: what AQ multiplies the step by, float32 [1, 1, h, w].
        predicted: the motion-compensated last frame, once `predict` ran.
        source_cells: where features come from, int64 [1, 1, H/8, W/8], likewise.
        context: once the network over the prediction ran.
    """

    level: int
    inter: bool
    memory: Memory
    step_factors: Floats
    predicted: Planes | None = None
    source_cells: npt.NDArray[np.int64] | None = None
    context: Context | None = None

    @property
    def quality(self) -> npt.NDArray[np.int64]:
        """The level as graphs take it, int64 [1]."""
        return np.array([self.level], np.int64)

    @classmethod
    def for_keyframe(
        cls, level: int, offsets: AqOffsets, settings: ConditionalSettings, geometry: FrameGeometry
    ) -> Conditioning:
        """A keyframe is coded given nothing: its memory is zeros.

        Args:
            level: quality level.
            offsets: of adaptive quantization.
            settings: of the model.
            geometry: of the frames.
        """
        return cls(level, False, empty_memory(settings, geometry), step_factors(offsets))

    @classmethod
    def for_inter(cls, level: int, offsets: AqOffsets, previous: EntropyState) -> Conditioning:
        """An inter frame before its prediction.

        Args:
            level: quality level.
            offsets: of adaptive quantization.
            previous: what the frame before left.
        """
        return cls(level, True, previous.memory, step_factors(offsets))

    def predict(self, planes: Planes, motion: MotionVectors, filter_id: int) -> None:
        """Motion-compensate the frame before; `predicted` and `source_cells` are set.

        Args:
            planes: of that frame, padded, uint8.
            motion: int16 [2, H/8, W/8], quarter samples.
            filter_id: interpolation filter of luma.
        """
        self.predicted = compensate(planes, motion, filter_id=filter_id)
        self.source_cells = source_cells(motion)


def empty_memory(settings: ConditionalSettings, geometry: FrameGeometry) -> Memory:
    """What the prior remembers before a keyframe."""
    return np.zeros((1, settings.memory, *geometry.blocks), np.float32)


def skipped_reconstruction(conditioning: Conditioning, features: Floats, *, refresh: bool) -> Reconstruction:
    """A frame of which every block is skipped: its prediction, and the features moved along.

    Args:
        conditioning: after `predict`.
        features: of the frame before.
        refresh: they count as zero.
    """
    assert conditioning.predicted is not None
    assert conditioning.source_cells is not None
    kept = np.zeros_like(features) if refresh else features
    moved = kept.reshape(*kept.shape[:2], -1)[:, :, conditioning.source_cells[0, 0]]
    return Reconstruction(conditioning.predicted, moved.reshape(kept.shape))
