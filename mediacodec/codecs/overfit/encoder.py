"""The encoder of the `overfit` family.

After Cool-chic (Ladune et al. 2023; Leguay et al. 2023; Blard et al. 2024) and C3 (Kim et al. 2024): a frame is latent
grids of integers at several resolutions, and small networks whose weights it updates. It is fitted to the frame while
encoding, in `mediacodec_models.overfit`.
"""

from __future__ import annotations

from mediacodec.codecs.fitting.encoder import FamilyEncoder
from mediacodec.codecs.overfit.settings import FOURCC, UNIT


class OverfitEncoder(FamilyEncoder):
    """Fits frames one by one; a `mediacodec.codecs.base.VideoEncoderBackend`.

    Without `crf` and `bit_rate` it encodes at crf 30, without `gop` there is a keyframe every two seconds. Each preset
    from ultrafast to veryslow doubles the time of the one before.

    Raises:
        MissingExtraError: torch is not installed.
    """

    FOURCC = FOURCC
    BLOCK = UNIT
