"""Encoder, decoder and counter are three ends of one protocol: the same walk over each."""

from __future__ import annotations

import numpy as np
import pytest

from mediacodec.entropy_coding.signed_golomb import SignedTables
from mediacodec.entropy_coding.symbol_coder import (
    SymbolCoder,
    SymbolCounter,
    SymbolDecoder,
    SymbolEncoder,
    code_residuals,
    code_symbol,
)
from mediacodec.errors import CorruptError, ParameterError
from mediacodec_bitstream import TableFamily, open_decoder, open_encoder

RNG = np.random.default_rng(0)
FAMILY = TableFamily.from_counts((RNG.random((9, 40)) ** 4 * 1e5).astype(np.int64))
MANY = TableFamily.from_counts(RNG.integers(1, 1000, (300, 3)))
SIGNED = SignedTables(TableFamily.from_counts(RNG.integers(1, 1000, (4, 8))))
ROWS, SYMBOLS = RNG.integers(0, 9, 700), RNG.integers(0, 40, 700)
MANY_ROWS, FEW_SYMBOLS = RNG.integers(0, 300, 50), RNG.integers(0, 3, 50)
INTEGERS = np.rint(RNG.laplace(0, 6, 400)).astype(np.int32)
INTEGER_ROWS = RNG.integers(0, 4, 400).astype(np.uint8)
RESIDUALS = np.concatenate([RNG.integers(-20, 21, 90), [-1031, 1031, 16, -16, 15, -15]])
CONTEXTS = RNG.integers(0, 9, 96)


def walk(coder: SymbolCoder, *, given: bool) -> list[np.ndarray]:
    return [
        np.array([code_symbol(coder, FAMILY, 3, 17 if given else None)]),
        coder.grouped(FAMILY, ROWS, SYMBOLS if given else None),
        coder.grouped(MANY, MANY_ROWS, FEW_SYMBOLS if given else None),
        coder.run(FAMILY[2], 30, SYMBOLS[:30] if given else None),
        coder.run(FAMILY[1], 1, SYMBOLS[:1] if given else None),
        coder.integers(SIGNED, INTEGER_ROWS, INTEGERS if given else None),
        code_residuals(coder, FAMILY, CONTEXTS, RESIDUALS if given else None),
        coder.grouped(FAMILY, ROWS[:0], SYMBOLS[:0] if given else None),
    ]


def test_what_goes_in_comes_out_and_costs_what_is_counted() -> None:
    encoder, counter = open_encoder(), SymbolCounter()
    written, counted = walk(SymbolEncoder(encoder), given=True), walk(counter, given=True)
    data = encoder.finish()
    decoder = open_decoder(data)
    read = walk(SymbolDecoder(decoder, 8 * len(data)), given=False)
    decoder.finish()
    expected = [[17], SYMBOLS, FEW_SYMBOLS, SYMBOLS[:30], SYMBOLS[:1], INTEGERS, RESIDUALS, []]
    for one, other, third, wanted in zip(written, counted, read, expected, strict=True):
        assert np.array_equal(one, wanted)
        assert np.array_equal(other, wanted)
        assert np.array_equal(third, wanted)
    assert 0 <= 8 * len(data) - counter.bits < 64


def test_symbols_are_counted_by_table() -> None:
    counter = SymbolCounter()
    counter.grouped(FAMILY, np.array([2, 2, 5]), np.array([7, 7, 0]))
    counter.grouped(MANY, np.array([2]), np.array([1]))
    counts = counter.counts(FAMILY)
    assert (counts[2, 7], counts[5, 0], counts.sum()) == (2, 1, 3)
    assert counter.counts(MANY)[2, 1] == counter.counts(MANY).sum() == 1
    assert counter.counts(SIGNED.family).sum() == 0
    counter.integers(SIGNED, np.array([1], np.uint8), np.array([-500], np.int32))
    assert counter.counts(SIGNED.family)[1, 7] == 1, "the escape"


def test_a_difference_that_no_two_vectors_have_is_refused() -> None:
    with pytest.raises(ParameterError, match="not all in a table"):
        code_residuals(SymbolEncoder(open_encoder()), FAMILY, np.zeros(6, np.int64), np.full(6, 1032))


def test_escapes_of_all_integers_together_must_fit_into_the_payload() -> None:
    values, rows = np.full(60, 40, np.int32), np.zeros(60, np.uint8)
    encoder = open_encoder()
    for _ in range(2):
        SymbolEncoder(encoder).integers(SIGNED, rows, values)
    coder = SymbolDecoder(open_decoder(encoder.finish()), 500)
    coder.integers(SIGNED, rows, None)
    with pytest.raises(CorruptError, match="60 escape"):
        coder.integers(SIGNED, rows, None)
