"""The archive codec (family `overfit`): its encoder. The decoder is in `overfit_decoder`.

After Cool-chic (Ladune et al. 2023; Leguay et al. 2023; Blard et al. 2024) and C3 (Kim et al. 2024): a picture is
latent grids of integers at several resolutions, and small networks of which it says what it changes. It is fitted to
the picture while encoding, in `mediacodec_models.overfit`.
"""

from __future__ import annotations

from mediacodec.codecs.fitting.encoder import FamilyEncoder
from mediacodec.codecs.overfit.settings import FOURCC, UNIT


class OverfitEncoder(FamilyEncoder):
    """Fits pictures one by one; see `mediacodec.codecs.base.VideoEncoderBackend`.

    Without `crf` and `bit_rate` it encodes at crf 30, without `gop` there is a keyframe every two seconds. Presets from
    ultrafast to veryslow double the time.
    """

    FOURCC = FOURCC
    BLOCK = UNIT
