"""What is presented where audio packets are lost: the last frame goes on, then fades out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

HOLD_SECONDS, FADE_SECONDS = 0.06, 0.10  # go on for so long, then fade over so long


def fade(lost: ArrayLike, sample_rate: int) -> NDArray[np.float32]:
    """Gain after so many samples without a packet.

    Args:
        lost: samples, of any shape.
        sample_rate: Hz.

    Returns:
        float32 of that shape, 0..1.
    """
    gain = 1 - (np.asarray(lost, dtype=np.float32) - HOLD_SECONDS * sample_rate) / (FADE_SECONDS * sample_rate)
    return np.asarray(np.clip(gain, 0, 1), dtype=np.float32)


def comeback(lost: int, size: int, sample_rate: int) -> NDArray[np.float32]:
    """Gain over the first samples behind a loss: a hard switch from a faded gap would click.

    Args:
        lost: samples without a packet before.
        size: samples that the gain is for.
        sample_rate: Hz.

    Returns:
        float32 [size], 0..1.
    """
    return np.linspace(fade(lost, sample_rate), 1, size, dtype=np.float32)
