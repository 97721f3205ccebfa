"""Lossless coding of a motion field with integer tables; `lattice` has the order.

A first symbol says whether nothing moves. Otherwise each component of a vector is predicted from four neighbours, or in
the first group by the field before. The residual is a symbol: -15..15 as 0..30, or 31 and the rest in Exp-Golomb bits.
Its table is chosen by the kind of step, by how far the four neighbours spread, and for y also by the residual of x.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.errors import CorruptError, ParameterError
from mediacodec_bitstream.tables import TOTAL, TableFamily

from .lattice import Group, groups

Field = npt.NDArray[np.int16]
Integers = npt.NDArray[np.int64]

LIMIT = 512  # quarter samples either way
ALPHABET = 32
ESCAPE = 31
LARGEST = 15  # residual that has a symbol of its own
KINDS = 4  # of steps: the first group, coarse ones, centres of the finest squares, edges of the finest squares
SPREADS = 5
SIZES = 3  # of the residual of x: 0, up to 3, more
NUM_CONTEXTS = KINDS * SPREADS * (1 + SIZES) + 2
"""The last two are of the first symbol: 1 where all vectors are 0; one where something moved before, one where not."""

_COIN = TableFamily.uniform(2)[0]
_EXP_GOLOMB_ORDER = 3
_LONGEST_PREFIX = 6  # of what an escape can carry, 2 * 512 - 16
# as many bits as a run of equal bits and its end: prefix 0, 1, 2, ... each with either sign
_PREFIX = TableFamily.from_counts(1 << 20 >> np.repeat(np.minimum(np.arange(_LONGEST_PREFIX + 1), 5), 2))[0]
_STEPS = (8 << np.arange(1, _LONGEST_PREFIX + 1)) - 8  # what an escape must carry to have a prefix of 1, 2, ...
_SPREAD_OF = np.searchsorted([1, 3, 9, 33], np.arange(2 * LIMIT + 1), side="right")
_SIZE_OF = np.searchsorted([1, 4], np.arange(4 * LIMIT + 1), side="right")


def encode_field(encoder: Encoder, field: Field, previous: Field | None, tables: TableFamily) -> None:
    """Append a field, int16 [2 (x, y), rows, columns] in ±512, to an encoder.

    previous: the field before, of the same shape, or None; tables: NUM_CONTEXTS of ALPHABET symbols. The decoder needs
    the same. Raises ParameterError where they do not fit.
    """
    _check_tables(tables)
    residuals, contexts, runs = _residuals(field, previous)
    encoder.encode_one(int(not runs), tables[_first_context(previous)])
    symbols = _symbols(residuals)
    escapes = symbols == ESCAPE
    some_escapes = bool(escapes.any())
    for start, stop in runs:
        span = slice(start, stop)
        order, pieces = _by_context(contexts[span])
        ordered = symbols[span][order]
        for context, first, last in pieces:
            encoder.encode(ordered[first:last], tables[context])
        if some_escapes and escapes[span].any():
            _encode_escapes(encoder, residuals[span][escapes[span]])


def decode_field(decoder: Decoder, shape: tuple[int, ...], previous: Field | None, tables: TableFamily) -> Field:
    """The next field of a decoder, of shape [2, rows, columns]: the inverse of `encode_field`.

    Raises CorruptError where the data cannot be what `encode_field` wrote.
    """
    _check_tables(tables)
    before = _flat(previous, shape)
    field = np.zeros_like(before)
    still = decoder.decode_one(tables[_first_context(previous)])
    if still > 1:
        raise CorruptError(f"the first symbol of a motion field is {still}, not 0 or 1")
    for group in () if still else groups(*shape[1:]):
        values, context = _predict(field, before, group)
        across = _decode_residuals(decoder, context[0], tables)
        values[0] += across
        values[1] += _decode_residuals(decoder, _contexts_of_y(context[1], across), tables)
        if values.max() > LIMIT or values.min() < -LIMIT:
            raise CorruptError(f"a motion vector is beyond {LIMIT} quarter samples")
        field[:, group.ids] = values
    if not still and not field.any():
        raise CorruptError("a motion field that says it moves does not")
    return field.astype(np.int16).reshape(shape)


def count_symbols(field: Field, previous: Field | None) -> Integers:
    """How often each symbol is coded in each context: int64 [NUM_CONTEXTS, ALPHABET], to fit tables with."""
    residuals, contexts, runs = _residuals(field, previous)
    flat = np.bincount(contexts * ALPHABET + _symbols(residuals), minlength=NUM_CONTEXTS * ALPHABET)
    counts = flat.reshape(NUM_CONTEXTS, ALPHABET).astype(np.int64)
    counts[_first_context(previous), int(not runs)] += 1
    return counts


def bits(field: Field, previous: Field | None, tables: TableFamily) -> float:
    """What `encode_field` spends, in bits, save for the coder's own rounding."""
    residuals, contexts, runs = _residuals(field, previous)
    beyond = np.abs(residuals[np.abs(residuals) > LARGEST]) - LARGEST - 1
    exponents = _exponents(beyond)
    prefixes = np.log2(TOTAL / _PREFIX.frequencies[2 * exponents].astype(np.float64))
    first = tables.ideal_bits([int(not runs)], [_first_context(previous)])
    first += tables.ideal_bits(_symbols(residuals), contexts)
    return first + float(prefixes.sum() + (exponents + _EXP_GOLOMB_ORDER).sum())


def default_tables() -> TableFamily:
    """Tables to begin with, before any are fitted: two-sided geometric, the wider the more the neighbours differ."""
    context = np.arange(NUM_CONTEXTS - 2)
    size, kind, spread = context // (SPREADS * KINDS), context // SPREADS % KINDS, context % SPREADS
    zero = np.array([[35, 35, 35, 35, 35], [93, 60, 36, 20, 12], [96, 62, 31, 14, 9], [98, 83, 75, 66, 45]])  # percent
    zero = zero[kind, spread] * np.array([100, 103, 92, 60])[size]  # the last index: x, then y by the residual of x
    escape = np.array([20, 50, 200, 800, 4000])[spread] * np.array([2, 1, 1, 2])[size]
    escape[kind == 0] = 1000
    numerator = np.array([15, 15, 30, 44, 47])[spread]  # of 50: how fast the rest falls
    numerator[kind == 0] = 42
    counts = np.zeros((NUM_CONTEXTS, ALPHABET), np.int64)
    zero, escape = np.minimum(zero, 9900), np.minimum(escape, 5000)
    for row, head, tail, share in zip(counts, zero.tolist(), escape.tolist(), numerator.tolist(), strict=False):
        weights = [1 << 20]
        for _ in range(LARGEST - 1):
            weights.append(weights[-1] * share // 50)
        rest = max(10_000 - head - tail, 50)
        total = 2 * sum(weights)
        row[LARGEST], row[ESCAPE] = head * 1000, tail * 1000
        row[LARGEST + 1 : ESCAPE] = [rest * 1000 * weight // total for weight in weights]
        row[:LARGEST] = row[ESCAPE - 1 : LARGEST : -1]
    counts[-2:, :2] = np.array([[97, 3], [5, 95]]) << 24
    return TableFamily.from_counts(counts)


def _check_tables(tables: TableFamily) -> None:
    if len(tables) != NUM_CONTEXTS or tables.alphabet != ALPHABET:
        raise ParameterError(f"motion needs {NUM_CONTEXTS} tables of {ALPHABET} symbols, not {tables!r}")


def _first_context(previous: Field | None) -> int:
    return NUM_CONTEXTS - 1 if previous is None or not previous.any() else NUM_CONTEXTS - 2


def _flat(field: Field | None, shape: tuple[int, ...]) -> Integers:
    """A field as int64 [2, rows * columns]; zeros for None."""
    if len(shape) != 3 or shape[0] != 2 or min(shape) < 1:
        raise ParameterError(f"a motion field is [2, rows, columns], not {shape}")
    if field is None:
        return np.zeros((2, shape[1] * shape[2]), np.int64)
    if field.shape != shape:
        raise ParameterError(f"a motion field of shape {field.shape} where {shape} is expected")
    return field.reshape(2, -1).astype(np.int64)


def _predict(field: Integers, before: Integers, group: Group) -> tuple[Integers, Integers]:
    """What the known blocks say of a group's vectors, and their contexts as for x: each [2, n]."""
    if group.around is None:
        return before[:, group.ids], np.zeros((2, group.ids.size), np.int64)
    a, b, c, d = (field[:, places] for places in group.around)
    low, low_too = np.minimum(a, b), np.minimum(c, d)
    high, high_too = np.maximum(a, b), np.maximum(c, d)
    middle = np.maximum(low, low_too)
    middle += np.minimum(high, high_too)
    middle >>= 1  # the mean of the middle two
    spread = np.maximum(high, high_too)
    spread -= np.minimum(low, low_too)
    kind = 1 if group.level < 3 else 2 + group.upright
    return middle, _SPREAD_OF[spread] + kind * SPREADS


def _contexts_of_y(contexts: Integers, residuals_of_x: Integers) -> Integers:
    sizes: Integers = _SIZE_OF[np.abs(residuals_of_x)] + 1
    sizes *= KINDS * SPREADS
    sizes += contexts
    return sizes


def _residuals(field: Field, previous: Field | None) -> tuple[Integers, Integers, list[tuple[int, int]]]:
    """Residuals and contexts of a field in the order of coding, and where each group's x and y begin and end.

    All empty where nothing moves.
    """
    known, before = _flat(field, field.shape), _flat(previous, field.shape)
    if known.max() > LIMIT or known.min() < -LIMIT:
        raise ParameterError(f"a motion vector is beyond {LIMIT} quarter samples")
    if not known.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64), []
    residuals, contexts, runs = np.empty(known.size, np.int64), np.empty(known.size, np.int64), []
    start = 0
    for group in groups(*field.shape[1:]):
        predicted, context = _predict(known, before, group)
        residual = known[:, group.ids] - predicted
        context[1] = _contexts_of_y(context[1], residual[0])
        for axis in range(2):
            stop = start + group.ids.size
            residuals[start:stop], contexts[start:stop] = residual[axis], context[axis]
            runs.append((start, stop))
            start = stop
    return residuals, contexts, runs


def _symbols(residuals: Integers) -> Integers:
    return np.where(np.abs(residuals) > LARGEST, ESCAPE, residuals + LARGEST)


def _by_context(contexts: Integers) -> tuple[npt.NDArray[np.intp], Iterator[tuple[int, int, int]]]:
    """The order that sorts by context, and (context, first, last) of each run in it."""
    order = np.argsort(contexts.astype(np.uint8), kind="stable")  # in eight bits numpy sorts by radix
    counts = np.bincount(contexts)
    used = np.flatnonzero(counts)
    ends = np.cumsum(counts[used]).tolist()
    return order, zip(used.tolist(), [0, *ends], ends, strict=False)


def _decode_residuals(decoder: Decoder, contexts: Integers, tables: TableFamily) -> Integers:
    order, pieces = _by_context(contexts)
    ordered = np.empty(len(contexts), np.int64)
    for context, first, last in pieces:
        ordered[first:last] = decoder.decode(tables[context], last - first)
    residuals = np.empty_like(ordered)
    residuals[order] = ordered
    residuals -= LARGEST
    escapes = residuals == ESCAPE - LARGEST
    if escapes.any():
        residuals[escapes] = _decode_escapes(decoder, int(escapes.sum()))
    return residuals


def _exponents(beyond: Integers) -> Integers:
    """floor(log2(beyond / 8 + 1)), in integers."""
    return np.asarray(np.searchsorted(_STEPS, beyond, side="right"))


def _encode_escapes(encoder: Encoder, residuals: Integers) -> None:
    """Prefixes with signs, then all remainders one after another, high bits first."""
    beyond = np.abs(residuals) - LARGEST - 1
    exponents = _exponents(beyond)
    encoder.encode(exponents * 2 + (residuals < 0), _PREFIX)
    which, shifts = _places(exponents)
    values = beyond + (1 << _EXP_GOLOMB_ORDER)
    encoder.encode(values[which] >> shifts & 1, _COIN)


def _decode_escapes(decoder: Decoder, count: int) -> Integers:
    exponents, negative = np.divmod(decoder.decode(_PREFIX, count).astype(np.int64), 2)
    which, shifts = _places(exponents)
    found = decoder.decode(_COIN, len(which)).astype(np.int64) << shifts
    ends = np.cumsum(exponents + _EXP_GOLOMB_ORDER)
    remainders = np.add.reduceat(found, ends - exponents - _EXP_GOLOMB_ORDER)
    size = remainders + (1 << exponents + _EXP_GOLOMB_ORDER) - (1 << _EXP_GOLOMB_ORDER) + LARGEST + 1
    return np.asarray(np.where(negative > 0, -size, size))


def _places(exponents: Integers) -> tuple[Integers, Integers]:
    """For each bit of all remainders: which escape it belongs to, and by how much it is shifted."""
    lengths = exponents + _EXP_GOLOMB_ORDER
    which = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(lengths)
    return which, np.repeat(ends, lengths) - 1 - np.arange(len(which))
