"""What training predicts a frame from, as the encoder would."""

from __future__ import annotations

from torch import Tensor

from mediacodec_models.video.coding import ReferenceFrame
from mediacodec_models.video.motion import best_filters, compensate, follow
from mediacodec_models.video.transform import Planes


def predict(current: Planes, reference: ReferenceFrame, motion: Tensor) -> tuple[Planes, ReferenceFrame]:
    """The prediction through the best filter, and the reference with its features moved along."""
    filters = best_filters(current[0], reference.planes[0], motion)
    moved = ReferenceFrame(reference.planes, follow(reference.features, motion), reference.memory)
    return compensate(reference.planes, motion, filters), moved
