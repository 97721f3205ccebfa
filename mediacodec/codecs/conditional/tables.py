"""The static tables of a conditional model, and which of them code a hyper-latent."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.frame_syntax import HyperLatent
from mediacodec.codecs.conditional.settings import ConditionalSettings
from mediacodec.entropy_coding.signed_golomb import Bits, SignedTables
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec.video_coding import aq_syntax
from mediacodec.video_coding.motion import skip_map, vector_coding
from mediacodec_bitstream import TableFamily

BUCKETS = (20, 36)  # quality levels at which the hyper-latents' tables change
TABULATED = 160  # magnitudes 0..159 whose bits are tabulated


class ConditionalTables:
    """The tables of a model.

    Attributes:
        coefficients: by scale index, then the same for chroma.
        hyper_key, hyper_inter: by channel, bucket of the quality level and, in inter frames, the magnitude before.
        motion, skip, aq_offsets: by context.

    Raises:
        ModelError: they are not for a conditional codec.
    """

    def __init__(self, model: Manifest, settings: ConditionalSettings) -> None:
        self.settings = s = settings
        try:
            arrays = model.arrays
            names = ("coefficients", "hyper_key", "hyper_inter", "motion", "skip", "levels")
            families = [TableFamily.from_array(arrays[name]) for name in names]
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"model {model.name}: its tables are not for a conditional codec: {error}") from error
        coefficients, self.hyper_key, self.hyper_inter, self.motion, self.skip, self.aq_offsets = families
        buckets, values = len(BUCKETS) + 1, 2 * s.hyper_limit + 1
        fits = (
            len(coefficients) == 2 * s.scales <= 256
            and self.hyper_key.frequencies.shape == (s.hyper * buckets, values)
            and self.hyper_inter.frequencies.shape == (s.hyper * buckets * 3, values)
            and all(row.size >= 4 and row.size % 2 == 0 for row in coefficients)
            and (len(self.motion), self.motion.alphabet) == (vector_coding.NUM_CONTEXTS, vector_coding.ALPHABET)
            and (len(self.skip), self.skip.alphabet) == (skip_map.NUM_CONTEXTS, skip_map.ALPHABET)
            and (len(self.aq_offsets), self.aq_offsets.alphabet) == (aq_syntax.NUM_CONTEXTS, aq_syntax.ALPHABET)
        )
        if not fits:
            raise ModelError(f"model {model.name}: its tables do not fit its settings; reinstall it")
        self.coefficients = SignedTables(coefficients)

    @cached_property
    def costs(self) -> Bits:
        """Bits of each magnitude of a coefficient, sign included, under each table: float32 [tables, TABULATED]."""
        return self.coefficients.bits(TABULATED)

    def hyper_rows(self, quality: int, previous: HyperLatent | None, cells: tuple[int, int]) -> npt.NDArray[np.uint16]:
        """The table of each hyper-latent.

        Args:
            quality: level of the frame.
            previous: hyper-latents of the frame before, None in keyframes.
            cells: (rows, columns).

        Returns:
            [hyper, *cells].
        """
        bucket = sum(quality >= start for start in BUCKETS)
        first = np.arange(self.settings.hyper, dtype=np.uint16)[:, None, None] * np.uint16(len(BUCKETS) + 1)
        first += np.uint16(bucket)
        if previous is None:
            return np.broadcast_to(first, (self.settings.hyper, *cells))
        return first * np.uint16(3) + np.minimum(np.abs(previous), 2).astype(np.uint16)
