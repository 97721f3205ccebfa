"""The encoder of the `inr` family, which fits an implicit neural representation to each group of frames."""

from __future__ import annotations

from mediacodec.codecs.fitting.encoder import FamilyEncoder
from mediacodec.codecs.inr.settings import FOURCC


class InrEncoder(FamilyEncoder):
    """Encodes frames by fitting a network to each group of them; a `mediacodec.codecs.base.VideoEncoderBackend`.

    Without `crf` and `bit_rate` it encodes at crf 30. `scene_cut` means nothing here: groups have fixed lengths.

    Raises:
        MissingExtraError: torch is not installed.
    """

    FOURCC = FOURCC
