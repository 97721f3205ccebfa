"""What entropy coding keeps of a frame for the next: integers alone, so that packets can be read ahead of frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.frame_syntax import FrameSyntax, HyperLatent
from mediacodec.codecs.conditional.settings import ConditionalSettings, FrameGeometry
from mediacodec.video_coding.aq_syntax import AqOffsets
from mediacodec.video_coding.motion.skip_map import SkipMap
from mediacodec.video_coding.motion.vectors import MotionVectors

Memory = npt.NDArray[np.float32]
"""What the prior remembers, integers in float32 [1, memory, h, w]."""


@dataclass(frozen=True, eq=False)
class EntropyState:
    """All that reading the next frame's packet needs.

    Attributes:
        memory: of the prior.
        motion: int16 [2, H/8, W/8], zeros after a keyframe.
        skip: bool [h, w].
        hyper: int8 [hyper, hh, ww], zeros after a keyframe.
        aq_offsets: int8 [h, w].
        filter_id: of luma's interpolation filter.
        position: frames since the keyframe.
    """

    memory: Memory
    motion: MotionVectors
    skip: SkipMap
    hyper: HyperLatent
    aq_offsets: AqOffsets
    filter_id: int
    position: int

    @classmethod
    def after(
        cls,
        syntax: FrameSyntax,
        memory: Memory,
        previous: EntropyState | None,
        settings: ConditionalSettings,
        geometry: FrameGeometry,
    ) -> EntropyState:
        """The state that a frame leaves.

        Args:
            syntax: of the frame.
            memory: as updated with it; of a frame that is skipped whole the last one's.
            previous: what the frame before left; of no account in keyframes.
            settings: of the model.
            geometry: of the stream's frames.
        """
        none = np.zeros((settings.hyper, *geometry.cells), np.int8)
        if not syntax.head.inter or previous is None:
            motion = np.zeros((2, *geometry.motion), np.int16)
            return cls(memory, motion, np.zeros(geometry.blocks, np.bool_), none, syntax.aq_offsets, 0, 0)
        assert syntax.motion is not None
        assert syntax.skip is not None
        kept = none if syntax.hyper is None else syntax.hyper
        position = previous.position + 1
        return cls(memory, syntax.motion, syntax.skip, kept, syntax.aq_offsets, syntax.filter_id, position)
