"""The three ends that symbols of a motion field can go to: an encoder, a decoder, or a count.

All exchange symbols for symbols: writing ends return what they were given, the decoder what it read. So the order and
the contexts of a format are written once, and cannot differ between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.tables import TOTAL, TableFamily

Integers = npt.NDArray[np.int64]

LARGEST = 15  # residual that has a symbol of its own
ESCAPE = 31
_FEW = 5  # symbols that are quicker one by one; most runs of the coarse levels are that short
_COIN = TableFamily.uniform(2)[0]
_ORDER = 3  # of the Exp-Golomb code
_LONGEST_PREFIX = 6  # of what an escape can carry, 2 * 512 - 16
# as many bits as a run of equal bits and its end: prefix 0, 1, 2, ... each with either sign
_PREFIX = TableFamily.from_counts(1 << 20 >> np.repeat(np.minimum(np.arange(_LONGEST_PREFIX + 1), 5), 2))[0]
_STEPS = (8 << np.arange(1, _LONGEST_PREFIX + 1)) - 8  # what an escape must carry to have a prefix of 1, 2, ...


class Port(Protocol):
    """Where symbols go. In a decoder's the symbols given are None."""

    def exchange(self, contexts: Integers, symbols: Integers | None, /) -> Integers:
        """Symbols, int64 [n], each under the table that its context names."""

    def exchange_escapes(self, count: int, residuals: Integers | None, /) -> Integers:
        """Residuals beyond ±LARGEST, int64 [count]."""


def exchange_residuals(port: Port, contexts: Integers, residuals: Integers | None) -> Integers:
    """Any integers within ±1040, int64 [n]: -15..15 as 0..30, or 31 and the rest in Exp-Golomb bits."""
    wanted = None
    if residuals is not None:
        wanted = np.where(np.abs(residuals) > LARGEST, ESCAPE, residuals + LARGEST)
    symbols = port.exchange(contexts, wanted)
    result = symbols - LARGEST
    escapes = np.flatnonzero(symbols == ESCAPE)
    if len(escapes):
        result[escapes] = port.exchange_escapes(len(escapes), None if residuals is None else residuals[escapes])
    return result


class Writing:
    """Symbols go into an encoder."""

    def __init__(self, encoder: Encoder, tables: TableFamily) -> None:
        self._encoder, self._tables = encoder, tables

    def exchange(self, contexts: Integers, symbols: Integers | None) -> Integers:
        assert symbols is not None
        order, pieces = _by_context(contexts)
        ordered = symbols[order]
        for context, first, last in pieces:
            row = self._tables[context]
            if last - first <= _FEW:
                for symbol in ordered[first:last].tolist():
                    self._encoder.encode_one(symbol, row)
            else:
                self._encoder.encode(ordered[first:last], row)
        return symbols

    def exchange_escapes(self, _count: int, residuals: Integers | None) -> Integers:
        """Prefixes with signs, then all remainders one after another, high bits first."""
        assert residuals is not None
        beyond = np.abs(residuals) - LARGEST - 1
        exponents = _exponents(beyond)
        self._encoder.encode(exponents * 2 + (residuals < 0), _PREFIX)
        which, shifts = _places(exponents)
        values = beyond + (1 << _ORDER)
        self._encoder.encode(values[which] >> shifts & 1, _COIN)
        return residuals


class Reading:
    """Symbols come out of a decoder."""

    def __init__(self, decoder: Decoder, tables: TableFamily) -> None:
        self._decoder, self._tables = decoder, tables

    def exchange(self, contexts: Integers, _symbols: Integers | None) -> Integers:
        order, pieces = _by_context(contexts)
        result = np.empty(len(contexts), np.int64)
        for context, first, last in pieces:
            if last - first == 1:
                result[order[first]] = self._decoder.decode_one(self._tables[context])
            else:
                result[order[first:last]] = self._decoder.decode(self._tables[context], last - first)
        return result

    def exchange_escapes(self, count: int, _residuals: Integers | None) -> Integers:
        exponents, negative = np.divmod(self._decoder.decode(_PREFIX, count).astype(np.int64), 2)
        which, shifts = _places(exponents)
        found = self._decoder.decode(_COIN, len(which)).astype(np.int64) << shifts
        ends = np.cumsum(exponents + _ORDER)
        remainders = np.add.reduceat(found, ends - exponents - _ORDER)
        size = remainders + (1 << exponents + _ORDER) - (1 << _ORDER) + LARGEST + 1
        return np.asarray(np.where(negative > 0, -size, size))


class Counting:
    """Symbols are counted. counts: int64 [contexts, alphabet]; extra: what escapes take beside them, in bits."""

    def __init__(self, contexts: int, alphabet: int) -> None:
        self.counts: Integers = np.zeros((contexts, alphabet), np.int64)
        self.extra = 0.0

    def exchange(self, contexts: Integers, symbols: Integers | None) -> Integers:
        assert symbols is not None
        size = self.counts.size
        flat = np.bincount(contexts * self.counts.shape[1] + symbols, minlength=size)
        self.counts += flat.reshape(self.counts.shape)
        return symbols

    def exchange_escapes(self, _count: int, residuals: Integers | None) -> Integers:
        assert residuals is not None
        exponents = _exponents(np.abs(residuals) - LARGEST - 1)
        prefixes = np.log2(TOTAL / _PREFIX.frequencies[2 * exponents].astype(np.float64))
        self.extra += float(prefixes.sum() + (exponents + _ORDER).sum())
        return residuals


def _by_context(contexts: Integers) -> tuple[npt.NDArray[np.intp], Iterator[tuple[int, int, int]]]:
    """The order that sorts by context, and (context, first, last) of each run in it."""
    order = np.argsort(contexts.astype(np.uint8), kind="stable")  # in eight bits numpy sorts by radix
    counts = np.bincount(contexts)
    used = np.flatnonzero(counts)
    ends = np.cumsum(counts[used]).tolist()
    return order, zip(used.tolist(), [0, *ends], ends, strict=False)


def _exponents(beyond: Integers) -> Integers:
    """floor(log2(beyond / 8 + 1)), in integers."""
    return np.asarray(np.searchsorted(_STEPS, beyond, side="right"))


def _places(exponents: Integers) -> tuple[Integers, Integers]:
    """For each bit of all remainders: which escape it belongs to, and by how much it is shifted."""
    lengths = exponents + _ORDER
    which = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(lengths)
    return which, np.repeat(ends, lengths) - 1 - np.arange(len(which))
