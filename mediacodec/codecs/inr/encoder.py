"""The codec of fitted networks (family `inr`): its encoder. The decoder is in `inr_decoder`."""

from __future__ import annotations

from mediacodec.codecs.fitting.encoder import FamilyEncoder

FOURCC = "inr1"


class InrEncoder(FamilyEncoder):
    """Encodes pictures by fitting a network to each group of them; see `mediacodec.codecs.base.VideoEncoderBackend`.

    Without `crf` and `bit_rate` it encodes at crf 30. `scene_cut` means nothing here: groups have fixed lengths.
    """

    FOURCC = FOURCC
