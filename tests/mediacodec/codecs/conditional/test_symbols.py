"""Entropy coding of the live codec's integers, and how an encoder chooses them."""

from __future__ import annotations

import numpy as np
import pytest

from mediacodec import manifest
from mediacodec.codecs.conditional.rdo_quantization import quantise
from mediacodec.codecs.conditional.settings import LiveSettings
from mediacodec.codecs.conditional.symbols import COSTED, LiveTables, decode_hyper, encode_hyper
from mediacodec.entropy_coding.signed_golomb import LARGEST, check_crc, decode_integers, encode_integers, integers_crc
from mediacodec.errors import CorruptError, DesyncError, ParameterError
from mediacodec_bitstream import TableFamily, open_decoder, open_encoder, symbol_crc


@pytest.fixture(scope="module")
def tables() -> LiveTables:
    model = manifest.find_by_name("live")
    return LiveTables(model, LiveSettings(model))


def coded(values: np.ndarray, rows: np.ndarray, tables: LiveTables) -> bytes:
    encoder = open_encoder()
    encode_integers(encoder, values, rows, tables)
    return encoder.finish()


def decoded(data: bytes, rows: np.ndarray, tables: LiveTables) -> np.ndarray:
    decoder = open_decoder(data)
    values = decode_integers(decoder, rows, tables, payload_bits=8 * len(data))
    decoder.finish()
    return values


def test_coefficients_of_every_size_come_back(tables: LiveTables) -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(tables.rows), 4000).astype(np.uint8)
    values = np.rint(rng.laplace(0, 1 + rows % 48)).astype(np.int32)
    reach = tables.reach[rows]
    values[:200] = reach[:200]  # the last without an escape, the first with one, and the largest
    values[200:400] = -reach[200:400] - 1
    values[400:404] = [LARGEST, -LARGEST, 0, LARGEST]
    data = coded(values, rows, tables)
    assert np.array_equal(decoded(data, rows, tables), values)


def test_no_coefficients_take_no_bytes(tables: LiveTables) -> None:
    nothing = np.zeros(0, np.int32)
    data = coded(nothing, np.zeros(0, np.uint8), tables)
    assert data == b""
    assert len(decoded(data, np.zeros(0, np.uint8), tables)) == 0


def test_a_coefficient_beyond_the_largest_is_refused(tables: LiveTables) -> None:
    with pytest.raises(ParameterError, match="32768"):
        coded(np.array([LARGEST + 1], np.int32), np.array([5], np.uint8), tables)


def test_forged_escapes_are_corrupt(tables: LiveTables) -> None:
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


def test_more_escapes_than_the_payload_can_hold_are_corrupt(tables: LiveTables) -> None:
    rows = np.full(500, 3, np.uint8)
    data = coded(np.full(500, 300, np.int32), rows, tables)
    with pytest.raises(CorruptError, match="500 escape"):
        decode_integers(open_decoder(data), rows, tables, payload_bits=2000)


def test_the_tabulated_cost_is_what_coding_takes(tables: LiveTables) -> None:
    for row in (1, 12, 30, 47, 49, 80):
        for sizes in ((1, 1), (2, 0), (9, 3), (150, 9)):
            values = np.tile(np.array([*sizes, *sizes], np.int32) * [1, 1, -1, -1], 500).astype(np.int32)
            bits = 8 * len(coded(values, np.full(2000, row, np.uint8), tables)) / 1000
            assert bits == pytest.approx(tables.costs[row, list(sizes)].sum(), abs=0.02), (row, sizes)


def test_quantisation_is_the_cheapest_integer(tables: LiveTables) -> None:
    rng = np.random.default_rng(2)
    rows = rng.integers(1, 48, 3000).astype(np.uint8)
    values = rng.laplace(0, 2, 3000).astype(np.float32)
    found = quantise(values, rows, tables.costs)
    sizes = np.arange(COSTED)
    price = (np.abs(values)[:, None] - sizes) ** 2 + 0.18 * tables.costs[rows]
    near = np.rint(np.abs(values))[:, None]
    price[(sizes != 0) & (sizes != near) & (sizes != near - 1)] = np.inf
    least = price[np.arange(3000), np.abs(found)]
    assert np.allclose(least, price.min(axis=1), atol=1e-4)
    assert (np.sign(found) * np.sign(values) >= 0).all()
    assert np.count_nonzero(found) < np.count_nonzero(np.rint(values)), "bits count for nothing"


def test_hyper_latents_come_back(tables: LiveTables) -> None:
    rng = np.random.default_rng(3)
    previous = rng.integers(-3, 4, (tables.settings.hyper, 4, 5)).astype(np.int8)
    for before, family in ((None, tables.hyper_key), (previous, tables.hyper_inter)):
        rows = tables.hyper_rows(30, before, (4, 5)).reshape(-1)
        symbols = rng.integers(0, 17, rows.size).astype(np.uint16)
        encoder = open_encoder()
        encode_hyper(encoder, symbols, rows, family)
        decoder = open_decoder(encoder.finish())
        assert np.array_equal(decode_hyper(decoder, rows, family), symbols)
        decoder.finish()


def test_hyper_rows_tell_channel_quality_and_the_value_before(tables: LiveTables) -> None:
    previous = np.zeros((tables.settings.hyper, 2, 2), np.int8)
    previous[5, 0, 1] = -7
    assert tables.hyper_rows(19, None, (2, 2))[5, 0, 0] == 15
    assert tables.hyper_rows(20, None, (2, 2))[5, 0, 0] == 16
    assert tables.hyper_rows(36, previous, (2, 2))[5].ravel().tolist() == [51, 53, 51, 51]


def test_the_crc_is_that_of_the_format() -> None:
    motion = np.array([[-512, 512, 3]], np.int16)
    skip = np.array([[True, False]])
    together = np.concatenate([(motion.astype(int) + 512).ravel(), skip.ravel().astype(int)])
    parts = [(motion, 512), (skip, 0)]
    assert integers_crc(parts) == symbol_crc(together)
    check_crc(parts, symbol_crc(together) & 0xFFFF, 2)
    with pytest.raises(DesyncError):
        check_crc(parts, (symbol_crc(together) + 1) & 0xFFFF, 2)
