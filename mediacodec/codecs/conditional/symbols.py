"""The entropy coding of a picture's integers, hyper-latents and coefficients, under static tables.

Coefficients are coded as `escapes` says, hyper-latents in the same order under tables that hold all their values.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.settings import LiveSettings
from mediacodec.entropy_coding.signed_golomb import Array, Bits, EscapedTables, grouped
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec.video_coding import adaptive_quantization as live_local
from mediacodec.video_coding.motion import skip_map as skip
from mediacodec.video_coding.motion import vector_coding as field
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import Decoder, Encoder

BUCKETS = (20, 36)  # quality levels at which the hyper-latents' tables change
COSTED = 160  # magnitudes 0..159 whose bits are tabulated


class LiveTables(EscapedTables):
    """The tables of a model. Raises ModelError where they are not for a `live` codec.

    coefficients: rows by scale index, then the same for chroma; hyper_key, hyper_inter: rows by channel, bucket of the
    quality level and, in inter pictures, the magnitude before.
    """

    def __init__(self, model: Manifest, settings: LiveSettings) -> None:
        self.settings = s = settings
        try:
            arrays = model.arrays
            names = ("coefficients", "hyper_key", "hyper_inter", "motion", "skip", "levels")
            families = [TableFamily.from_array(arrays[name]) for name in names]
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"model {model.name}: its tables are not for a `live` codec: {error}") from error
        self.coefficients, self.hyper_key, self.hyper_inter, self.motion, self.skip, self.levels = families
        buckets, values = len(BUCKETS) + 1, 2 * s.hyper_limit + 1
        fits = (
            len(self.coefficients) == 2 * s.scales <= 256
            and self.hyper_key.frequencies.shape == (s.hyper * buckets, values)
            and self.hyper_inter.frequencies.shape == (s.hyper * buckets * 3, values)
            and all(row.size >= 4 and row.size % 2 == 0 for row in self.coefficients)
            and (len(self.motion), self.motion.alphabet) == (field.NUM_CONTEXTS, field.ALPHABET)
            and (len(self.skip), self.skip.alphabet) == (skip.NUM_CONTEXTS, skip.ALPHABET)
            and (len(self.levels), self.levels.alphabet) == (live_local.NUM_CONTEXTS, live_local.ALPHABET)
        )
        if not fits:
            raise ModelError(f"model {model.name}: its tables do not fit its settings; reinstall it")

    @cached_property
    def costs(self) -> Bits:
        """Bits of each magnitude, sign included, under each row: float32 [rows, COSTED]."""
        return self.bits(COSTED)

    def hyper_rows(self, quality: int, previous: npt.NDArray[np.int8] | None, cells: tuple[int, int]) -> Array:
        """The row of each hyper-latent, [hyper, *cells]; previous: those of the picture before, None for a keyframe."""
        bucket = sum(quality >= start for start in BUCKETS)
        first = np.arange(self.settings.hyper, dtype=np.uint16)[:, None, None] * (len(BUCKETS) + 1) + bucket
        if previous is None:
            return np.broadcast_to(first, (self.settings.hyper, *cells))
        return first * np.uint16(3) + np.minimum(np.abs(previous), 2).astype(np.uint16)


def encode_hyper(encoder: Encoder, symbols: Array, rows: Array, family: TableFamily) -> None:
    """Append hyper-latents + hyper_limit, flat, each with its table row."""
    order, groups = grouped(rows, len(family))
    symbols = symbols[order]
    for row, start, stop in groups:
        encoder.encode(symbols[start:stop], family[row])


def decode_hyper(decoder: Decoder, rows: Array, family: TableFamily) -> npt.NDArray[np.uint16]:
    """The inverse of `encode_hyper`, [n]. Raises CorruptError."""
    order, groups = grouped(rows, len(family))
    result = np.empty(len(rows), np.uint16)
    for row, start, stop in groups:
        result[order[start:stop]] = decoder.decode(family[row], stop - start)
    return result
