"""The entropy coding of a packet's symbols: which table codes each, and what lies beyond a table's reach.

A symbol is coded as its distance from the whole part of its mean, under the table of its scale and of the quarter in
which the mean lies. Frames follow each other, and in a frame the groups: first all symbols of a group whose channels
are coded at the packet's quality, then, for those at an end of their table, by how much they lie beyond it.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.ecsq.context import FRACTIONS, ContextNetwork, ContextWeights, Distribution, Int64s
from mediacodec.codecs.ecsq.settings import MAX_SYMBOL, QUALITIES, EcsqSettings
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import CorruptError, TableFamily
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.tables import PRECISION, TableRow

Symbols = NDArray[np.int16]  # [frames, latent]

GOLOMB_BITS = 16  # the longest prefix of what lies beyond a table


class EcsqTables:
    """The tables of a model.

    Attributes:
        gains: float32 [64, latent]: by what a latent is multiplied before it is rounded.
        rows: tables by scale and fraction of the mean: row scale * FRACTIONS + fraction, symbols -reach - 1, an escape,
            then the distances -reach..reach, then another escape.

    Raises:
        ModelError: they are not for such a codec.
    """

    def __init__(self, model: Manifest, settings: EcsqSettings) -> None:
        try:
            self.family = TableFamily.from_array(model.arrays["frequencies"])
            self.gains = np.asarray(model.arrays["gains"])
            if self.gains.dtype != np.float32 or self.gains.shape != (QUALITIES, settings.shape.latent):
                raise ValueError(f"gains are {self.gains.dtype} {self.gains.shape}")
            if not (np.isfinite(self.gains).all() and self.gains.min() > 0 and self.gains.max() < MAX_SYMBOL):
                raise ValueError("gains are out of range")
            if len(self.family) % FRACTIONS or any(row.size % 2 == 0 or row.size < 3 for row in self.family):
                raise ValueError("tables are not of an odd number of symbols")
            self.context = ContextNetwork(ContextWeights(model.arrays, settings.shape), settings.shape)
            self._coded: dict[int, list[NDArray[np.intp]]] = {}
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError(f"model {model.name}: its tables are not for an `ecsq` codec: {error}") from error

    @cached_property
    def rows(self) -> list[TableRow]:
        return list(self.family)

    @cached_property
    def reach(self) -> Int64s:
        """The largest distance that each row codes without an escape."""
        return np.array([(row.size - 3) // 2 for row in self.rows])

    @property
    def scales(self) -> int:
        """How many there are."""
        return len(self.family) // FRACTIONS

    @cached_property
    def bits(self) -> NDArray[np.float32]:
        """Bits of each symbol of each row, [rows, widest row]; an escape takes what its prefix takes on top."""
        result = np.zeros((len(self.rows), self.family.alphabet), np.float32)
        for row, out in zip(self.rows, result, strict=True):
            out[: row.size] = PRECISION - np.log2(row.frequencies.astype(np.float64))
            out[[0, row.size - 1]] += 2
        return result

    def coded_channels(self, quality: int) -> list[NDArray[np.intp]]:
        """Channels that a quality codes, by group."""
        if quality not in self._coded:
            active = self.context.weights.active[quality]
            self._coded[quality] = [np.flatnonzero(active[c]) + c.start for c in self.context.slices]
        return self._coded[quality]

    def row_indices(self, known: Distribution) -> tuple[Int64s, Int64s]:
        """The row of each symbol, and the whole part of its mean."""
        scale = np.clip(known.scale, 0, self.scales - 1)
        return scale * FRACTIONS + (known.mean & FRACTIONS - 1), known.mean >> 2

    def places(self, distance: Int64s, rows: Int64s) -> Int64s:
        """The symbol, in its row, of each distance from the whole part of the mean."""
        reach = self.reach[rows]
        return np.clip(distance, -reach - 1, reach + 1) + reach + 1


def encode_beyond(encoder: Encoder, beyond: list[int]) -> None:
    """Exp-Golomb codes of order 0 (Teuhola 1978) of numbers from 0 on."""
    for number in beyond:
        bits = f"{number + 1:b}"
        symbols = [0] * (len(bits) - 1) + [int(bit) for bit in bits]
        encoder.encode_each(symbols, [_BIT] * len(symbols))


def decode_beyond(decoder: Decoder) -> int:
    """The inverse, of one number. Raises CorruptError on one that no encoder writes."""
    zeros = 0
    while not decoder.decode_one(_BIT):
        zeros += 1
        if zeros > GOLOMB_BITS:
            raise CorruptError("an escape code is longer than any symbol's")
    number = 1
    for bit in decoder.decode_each([_BIT] * zeros):
        number = number << 1 | bit
    return number - 1


_BIT = TableFamily.uniform(2)[0]
