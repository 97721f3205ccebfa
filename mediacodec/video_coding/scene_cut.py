"""Scene cuts: frames that the one before says little about, and that are better keyframes."""

from __future__ import annotations

import numpy as np

from mediacodec.video_coding.motion.compensate import Plane

BLOCK = 8
PREDICTED_BADLY = 0.75  # error of the prediction over the deviation inside blocks from which it is a cut
SUDDEN = 2.0  # that error over its usual size from which it is one: foam and confetti predict badly all the time
VISIBLE = 2.0  # grey levels
NEARBY = 0.2  # of the frames from keyframe to keyframe: so close behind a keyframe there is none for a cut
SMOOTHING = 0.2


class SceneCuts:
    """Tells cuts from frames as they come.

    Args:
        gop: frames from keyframe to keyframe.
    """

    def __init__(self, gop: int) -> None:
        self._nearest = max(2, round(NEARBY * gop))
        self._usual: float | None = None

    def is_cut(self, current: Plane, predicted: Plane, position: int) -> bool:
        """Whether a scene begins with a frame.

        Args:
            current: its luma, uint8 [H, W].
            predicted: its luma as predicted from the frame before.
            position: frames since the keyframe.
        """
        error = float(np.abs(np.subtract(current, predicted, dtype=np.int16)).mean())
        usual = error if self._usual is None else self._usual
        cut = (
            position >= self._nearest
            and error >= VISIBLE
            and (self._usual is None or error >= SUDDEN * usual)
            and error >= PREDICTED_BADLY * deviation(current)
        )
        if not cut:  # the error of a cut is not what is usual in the scene that begins
            self._usual = usual + SMOOTHING * (error - usual)
        return cut


def deviation(luma: Plane) -> float:
    """The mean absolute deviation from the mean of each 8x8 block: about what is left without a prediction."""
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    blocks = luma.reshape(rows, BLOCK, columns, BLOCK).astype(np.float32)
    means = blocks.sum(axis=1).sum(axis=2) / BLOCK**2
    blocks -= means[:, None, :, None]
    return float(np.abs(blocks, out=blocks).mean())
