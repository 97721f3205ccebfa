"""What training predicts a picture from, as the encoder would."""

from __future__ import annotations

from torch import Tensor

from mediacodec_models.video.conditional import Planes, Reference
from mediacodec_models.video.motion import best_filters, compensate, follow


def predict(current: Planes, reference: Reference, motion: Tensor) -> tuple[Planes, Reference]:
    """The prediction through the best filter, and the reference with its features moved along."""
    filters = best_filters(current[0], reference.planes[0], motion)
    moved = Reference(reference.planes, follow(reference.features, motion), reference.memory)
    return compensate(reference.planes, motion, filters), moved
