"""Lossless coding of the map of skipped blocks, with integer tables; `lattice` has the order.

A first symbol says whether every block is skipped. Otherwise each block is a symbol, whose table is chosen by the map
before at its place and by how many of four known neighbours are skipped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.scan_order import Group, groups
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.errors import CorruptError, ParameterError
from mediacodec_bitstream.tables import TableFamily

Map = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

ALPHABET = 2
_NEIGHBOURS = 6  # 0..4 of four are skipped, and 5: none is known yet
_ALL = 2 * _NEIGHBOURS  # the first symbol: whether all are skipped; one context more where all were before
NUM_CONTEXTS = _ALL + 2


def encode_map(encoder: Encoder, skipped: Map, previous: Map | None, tables: TableFamily) -> None:
    """Append a map, bool [rows, columns], to an encoder.

    previous: the map before, of the same shape, or None; tables: NUM_CONTEXTS of two symbols. The decoder needs the
    same. Raises ParameterError where they do not fit.
    """
    _check_tables(tables)
    everything, contexts, symbols = _symbols(skipped, previous)
    encoder.encode_one(int(everything), tables[_all_context(previous)])
    for group_contexts, group_symbols in zip(contexts, symbols, strict=True):
        for context in np.unique(group_contexts).tolist():
            encoder.encode(group_symbols[group_contexts == context], tables[context])


def decode_map(decoder: Decoder, shape: tuple[int, ...], previous: Map | None, tables: TableFamily) -> Map:
    """The next map of a decoder, of shape [rows, columns]: the inverse of `encode_map`.

    Raises CorruptError where the data cannot be what `encode_map` wrote.
    """
    _check_tables(tables)
    before = _flat(previous, shape)
    if decoder.decode_one(tables[_all_context(previous)]):
        return np.ones(shape, np.bool_)
    known = np.zeros_like(before)
    for group in groups(*shape):
        contexts = _contexts(known, before, group)
        values = np.empty_like(contexts)
        for context in np.unique(contexts).tolist():
            chosen = contexts == context
            values[chosen] = decoder.decode(tables[context], int(chosen.sum()))
        known[group.ids] = values
    if known.all():
        raise CorruptError("a map that says it is not full is full")
    return known.astype(np.bool_).reshape(shape)


def count_map(skipped: Map, previous: Map | None) -> Integers:
    """How often each symbol is coded in each context: int64 [NUM_CONTEXTS, ALPHABET], to fit tables with."""
    everything, contexts, symbols = _symbols(skipped, previous)
    counts = np.zeros((NUM_CONTEXTS, ALPHABET), np.int64)
    counts[_all_context(previous), int(everything)] = 1
    for context, symbol in zip(contexts, symbols, strict=True):
        np.add.at(counts, (context, symbol), 1)
    return counts


def map_bits(skipped: Map, previous: Map | None, tables: TableFamily) -> float:
    """What `encode_map` spends, in bits, save for the coder's own rounding."""
    row, column = np.nonzero(counts := count_map(skipped, previous))
    return tables.ideal_bits(np.repeat(column, counts[row, column]), np.repeat(row, counts[row, column]))


def default_map_tables() -> TableFamily:
    """Tables to begin with, before any are fitted."""
    counts = np.zeros((NUM_CONTEXTS, ALPHABET), np.int64)
    skipped_around = np.array([8, 25, 50, 75, 94, 50])  # in 100
    counts[:_ALL, 1] = np.clip(np.concatenate([skipped_around - 6, skipped_around + 5]), 2, 98) * 10_000
    counts[_ALL:, 1] = np.array([2, 97]) * 10_000
    counts[:, 0] = 1_000_000 - counts[:, 1]
    return TableFamily.from_counts(counts)


def _check_tables(tables: TableFamily) -> None:
    if len(tables) != NUM_CONTEXTS or tables.alphabet != ALPHABET:
        raise ParameterError(f"a map needs {NUM_CONTEXTS} tables of {ALPHABET} symbols, not {tables!r}")


def _all_context(previous: Map | None) -> int:
    return _ALL + (previous is not None and bool(previous.all()))


def _flat(values: Map | None, shape: tuple[int, ...]) -> Integers:
    if len(shape) != 2 or min(shape) < 1:
        raise ParameterError(f"a map is [rows, columns], not {shape}")
    if values is None:
        return np.zeros(shape[0] * shape[1], np.int64)
    if values.shape != shape or values.dtype != np.bool_:
        raise ParameterError(f"a map of {values.dtype} {values.shape} where bool {shape} is expected")
    return values.reshape(-1).astype(np.int64)


def _contexts(known: Integers, before: Integers, group: Group) -> Integers:
    base: Integers = before[group.ids] * _NEIGHBOURS
    if group.around is None:
        return base + _NEIGHBOURS - 1
    a, b, c, d = (known[places] for places in group.around)
    base += a + b + c + d
    return base


def _symbols(skipped: Map, previous: Map | None) -> tuple[bool, list[Integers], list[Integers]]:
    """Whether all are skipped; if not, the contexts and symbols of each group."""
    known, before = _flat(skipped, skipped.shape), _flat(previous, skipped.shape)
    if known.all():
        return True, [], []
    order = groups(*skipped.shape)
    return False, [_contexts(known, before, group) for group in order], [known[group.ids] for group in order]
