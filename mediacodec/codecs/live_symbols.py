"""The entropy coding of a picture's integers, hyper-latents and coefficients, under static tables.

Symbols are coded in groups, one table after the other in ascending order, and within a group in C order: a table is
used in one run. Coefficients beyond their table's reach code its last symbol; what they exceed it by follows after all
groups as Exp-Golomb numbers of order 3 and a sign bit, under a flat table.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mediacodec.codecs import live_local
from mediacodec.codecs.live_settings import LiveSettings
from mediacodec.errors import CorruptError, DesyncError, ModelError, ParameterError
from mediacodec.manifest import Manifest
from mediacodec.motion import field, skip
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.tables import PRECISION, TableRow

Array = npt.NDArray[Any]
Index = npt.NDArray[np.intp]
Rows = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int32]
Bits = npt.NDArray[np.float32]

GOLOMB_ORDER = 3
LARGEST = 32767  # of a coefficient's magnitude
BUCKETS = (20, 36)  # quality levels at which the hyper-latents' tables change
COSTED = 160  # magnitudes 0..159 whose bits are tabulated


class EscapedTables:
    """Tables of signed integers: symbols 0, +1, -1, .. and last an escape.

    coefficients: the family; a row of n symbols codes magnitudes up to (n - 2) / 2 without the escape.
    """

    coefficients: TableFamily

    @cached_property
    def rows(self) -> list[TableRow]:
        return list(self.coefficients)

    @cached_property
    def reach(self) -> Integers:
        """The largest magnitude that each row codes without an escape."""
        return np.array([(row.size - 2) // 2 for row in self.rows], np.int32)

    def bits(self, count: int) -> Bits:
        """Bits of the magnitudes 0..count-1, sign included, under each row: float32 [rows, count]."""
        result = np.zeros((len(self.rows), count), np.float32)
        for row, reach, out in zip(self.rows, self.reach.tolist(), result, strict=True):
            bits = PRECISION - np.log2(row.frequencies.astype(np.float64))
            out[0] = bits[0]
            out[1 : reach + 1] = (bits[1:-1:2] + bits[2:-1:2])[: count - 1] / 2
            beyond = np.arange(max(0, count - reach - 1)) + (1 << GOLOMB_ORDER)
            length = np.floor(np.log2(beyond)) + 1
            out[reach + 1 :] = bits[-1] + 2 * length - GOLOMB_ORDER
        return result


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


def grouped(rows: Array, tables: int) -> tuple[Index, list[tuple[int, int, int]]]:
    """The stable order of flat rows by table, and (table, start, stop) of each run in it."""
    counts = np.bincount(rows, minlength=tables)
    used = np.flatnonzero(counts)
    stops = np.cumsum(counts[used])
    groups = [(int(t), int(stop - counts[t]), int(stop)) for t, stop in zip(used, stops, strict=True)]
    return np.argsort(rows, kind="stable"), groups


def encode_coefficients(encoder: Encoder, values: Integers, rows: Rows, tables: EscapedTables) -> None:
    """Append coefficients, int32 [n] within ±LARGEST, with the table row of each.

    Raises ParameterError where one lies outside.
    """
    order, groups = grouped(rows, len(tables.rows))
    values = values[order]
    size = np.abs(values)
    over = size - tables.reach[rows[order]]
    symbols = np.where(values > 0, 2 * size - 1, 2 * size)
    escaped = np.flatnonzero(over > 0)
    if len(escaped):
        if size[escaped].max() > LARGEST:
            raise ParameterError(f"a coefficient of {size.max()} is beyond {LARGEST}")
        symbols[escaped] = 2 * tables.reach[rows[order[escaped]]] + 1
    for row, start, stop in groups:
        encoder.encode(symbols[start:stop], tables.rows[row])
    for number, value in zip((over[escaped] - 1).tolist(), values[escaped].tolist(), strict=True):
        encoder.encode([*_golomb(number), int(value < 0)], _BIT)


def decode_coefficients(decoder: Decoder, rows: Rows, tables: EscapedTables, *, payload_bits: int) -> Integers:
    """The inverse of `encode_coefficients`: int32 [n].

    Raises CorruptError, also on more escapes than a payload of so many bits holds.
    """
    order, groups = grouped(rows, len(tables.rows))
    symbols = np.empty(len(rows), np.int32)
    for row, start, stop in groups:
        symbols[start:stop] = decoder.decode(tables.rows[row], stop - start)
    values = (symbols + 1) >> 1
    np.negative(values, out=values, where=(symbols & 1) == 0)
    reach = tables.reach[rows[order]]
    escaped = np.flatnonzero(symbols > 2 * reach)
    if len(escaped) * (GOLOMB_ORDER + 2) > payload_bits:
        raise CorruptError(f"{len(escaped)} escape codes do not fit into {payload_bits} bits")
    for place in escaped.tolist():
        size = _read_golomb(decoder) + int(reach[place]) + 1
        if size > LARGEST:
            raise CorruptError(f"a coefficient of {size} is beyond {LARGEST}")
        values[place] = -size if decoder.decode_one(_BIT) else size
    result = np.empty_like(values)
    result[order] = values
    return result


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


def integers_crc(parts: list[tuple[Array, int]]) -> int:
    """`symbol_crc` of arrays one after the other, each with an offset added that makes it lie in 0..65535."""
    crc = 0
    for values, offset in parts:
        wide = values.astype("<u2") if not offset else (values + np.int32(offset)).astype("<u2")
        crc = zlib.crc32(np.ascontiguousarray(wide).data, crc)
    return crc


def check_crc(parts: list[tuple[Array, int]], crc: int, size: int) -> None:
    """Raise DesyncError unless the low `size` bytes of the integers' CRC are `crc`."""
    if integers_crc(parts) & ((1 << 8 * size) - 1) != crc:
        raise DesyncError("the decoded symbols are not those that were encoded: is this the right model?")


_BIT = TableFamily.uniform(2)[0]


def _golomb(number: int) -> list[int]:
    """The Exp-Golomb code of order 3: as many zeros as bits follow beyond the first four, then number + 8 in binary."""
    shifted = number + (1 << GOLOMB_ORDER)
    bits = [int(bit) for bit in f"{shifted:b}"]
    return [0] * (len(bits) - GOLOMB_ORDER - 1) + bits


def _read_golomb(decoder: Decoder) -> int:
    zeros = 0
    while not decoder.decode_one(_BIT):
        zeros += 1
        if zeros > 12:  # the longest that a coefficient within LARGEST needs
            raise CorruptError("an escape code is longer than any coefficient's")
    shifted = 1
    for _ in range(zeros + GOLOMB_ORDER):
        shifted = shifted << 1 | decoder.decode_one(_BIT)
    return shifted - (1 << GOLOMB_ORDER)
