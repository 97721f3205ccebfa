"""Signed integers of any size under static tables, through the shipped tables of the conditional codec."""

from __future__ import annotations

import numpy as np
import pytest

from mediacodec import manifest
from mediacodec.entropy_coding.signed_golomb import (
    LARGEST,
    LONGEST_PREFIX,
    ORDER,
    SignedTables,
    decode_integers,
    encode_integers,
    exponents,
    from_remainders,
    remainder_bits,
)
from mediacodec.errors import CorruptError, ParameterError
from mediacodec_bitstream import TableFamily, open_decoder, open_encoder


@pytest.fixture(scope="module")
def tables() -> SignedTables:
    return SignedTables(TableFamily.from_array(manifest.find_by_name("conditional").arrays["coefficients"]))


def coded(values: np.ndarray, rows: np.ndarray, tables: SignedTables) -> bytes:
    encoder = open_encoder()
    encode_integers(encoder, values, rows, tables)
    return encoder.finish()


def decoded(data: bytes, rows: np.ndarray, tables: SignedTables) -> np.ndarray:
    decoder = open_decoder(data)
    values = decode_integers(decoder, rows, tables, payload_bits=8 * len(data))
    decoder.finish()
    return values


def test_integers_of_every_size_come_back(tables: SignedTables) -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(tables.rows), 4000).astype(np.uint8)
    values = np.rint(rng.laplace(0, 1 + rows % 48)).astype(np.int32)
    reach = tables.reach[rows]
    values[:200] = reach[:200]  # the last without an escape, the first with one, and the largest
    values[200:400] = -reach[200:400] - 1
    values[400:404] = [LARGEST, -LARGEST, 0, LARGEST]
    data = coded(values, rows, tables)
    assert np.array_equal(decoded(data, rows, tables), values)


def test_one_table_needs_no_sorting(tables: SignedTables) -> None:
    values = np.array([3, -900, 0, 1, -1, 900], np.int32)
    rows = np.full(6, 7, np.uint8)
    assert np.array_equal(decoded(coded(values, rows, tables), rows, tables), values)


def test_no_integers_take_no_bytes(tables: SignedTables) -> None:
    nothing = np.zeros(0, np.int32)
    data = coded(nothing, np.zeros(0, np.uint8), tables)
    assert data == b""
    assert len(decoded(data, np.zeros(0, np.uint8), tables)) == 0


def test_an_integer_beyond_the_largest_is_refused(tables: SignedTables) -> None:
    with pytest.raises(ParameterError, match="32768"):
        coded(np.array([LARGEST + 1], np.int32), np.array([5], np.uint8), tables)


def test_the_bits_of_an_escape_are_as_the_format_says(tables: SignedTables) -> None:
    """The escape, then prefix, number + 8 in binary, and a sign, written out by hand."""
    row, coin = tables.rows[3], TableFamily.uniform(2)[0]
    beyond = 21  # 21 + 8 = 0b11101, five bits: one zero in front
    encoder = open_encoder()
    encoder.encode([row.size - 1], row)
    encoder.encode([0, 1, 1, 1, 0, 1, 1], coin)
    value = -(int(tables.reach[3]) + 1 + beyond)
    assert coded(np.array([value], np.int32), np.array([3], np.uint8), tables) == encoder.finish()


def test_forged_escapes_are_corrupt(tables: SignedTables) -> None:
    escape, coin = tables.rows[3].size - 1, TableFamily.uniform(2)[0]
    encoder = open_encoder()
    encoder.encode([escape], tables.rows[3])
    encoder.encode([0] * 13 + [1] * 20, coin)  # a prefix longer than that of any number in range
    with pytest.raises(CorruptError, match="longer"):
        decoded(encoder.finish(), np.array([3], np.uint8), tables)
    encoder = open_encoder()
    encoder.encode([escape], tables.rows[3])
    encoder.encode([0] * 12 + [1] * 20, coin)
    with pytest.raises(CorruptError, match="beyond"):
        decoded(encoder.finish(), np.array([3], np.uint8), tables)


def test_more_escapes_than_the_payload_can_hold_are_corrupt(tables: SignedTables) -> None:
    rows = np.full(500, 3, np.uint8)
    data = coded(np.full(500, 300, np.int32), rows, tables)
    with pytest.raises(CorruptError, match="500 escape"):
        decode_integers(open_decoder(data), rows, tables, payload_bits=2000)


def test_the_tabulated_cost_is_what_coding_takes(tables: SignedTables) -> None:
    costs = tables.bits(160)
    for row in (1, 12, 30, 47, 49, 80):
        for sizes in ((1, 1), (2, 0), (9, 3), (150, 9)):
            values = np.tile(np.array([*sizes, *sizes], np.int32) * [1, 1, -1, -1], 500).astype(np.int32)
            bits = 8 * len(coded(values, np.full(2000, row, np.uint8), tables)) / 1000
            assert bits == pytest.approx(costs[row, list(sizes)].sum(), abs=0.02), (row, sizes)


def test_exponents_and_remainders_make_the_number() -> None:
    numbers = np.array([0, 1, 7, 8, 23, 24, 1000, LARGEST], np.int64)
    found = exponents(numbers)
    assert found.tolist() == [int(n + 8).bit_length() - 1 - ORDER for n in numbers]
    assert found.max() == LONGEST_PREFIX
    bits = remainder_bits(numbers, found)
    assert len(bits) == (found + ORDER).sum()
    assert from_remainders(bits, found).tolist() == numbers.tolist()
