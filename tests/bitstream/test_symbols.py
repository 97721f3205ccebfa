"""Grouping, bit-packing, the symbol CRC, and the choice of a back end."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from mediacodec_bitstream import (
    CorruptError,
    DesyncError,
    ParameterError,
    RangeEncoder,
    TableFamily,
    backend_name,
    bits_per_symbol,
    check_symbols,
    decode_grouped,
    encode_grouped,
    open_encoder,
    pack_bits,
    symbol_crc,
    unpack_bits,
)


@pytest.fixture(params=["python", "constriction"], autouse=True)
def back_end(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "constriction":
        pytest.importorskip("constriction")
    monkeypatch.setenv("MEDIACODEC_RANGE_CODER", request.param)
    return str(request.param)


def family_and_symbols(count: int, tables: int, seed: int = 0) -> tuple[TableFamily, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 60, tables)
    family = TableFamily.from_counts((rng.random((tables, 60)) ** 5 * 1e5).astype(np.int64), sizes=sizes.tolist())
    indices = rng.integers(0, tables, count)
    return family, rng.integers(0, 1 << 30, count) % sizes[indices], indices


@pytest.mark.parametrize("tables", [1, 2, 255, 256, 257, 400])
def test_grouped_round_trip(tables: int) -> None:
    family, symbols, indices = family_and_symbols(3000, tables)
    shape = (3, 500, 2)
    payload = encode_grouped(symbols.reshape(shape), indices.reshape(shape), family)
    found = decode_grouped(payload, indices.reshape(shape), family)
    assert found.shape == shape
    assert found.dtype == np.uint16
    assert (found.ravel() == symbols).all()


def test_groups_stand_in_ascending_order_of_table() -> None:
    family, symbols, indices = family_and_symbols(500, 7)
    encoder = RangeEncoder()
    for table in range(7):
        encoder.encode(symbols[indices == table], family[table])
    assert encode_grouped(symbols, indices, family) == encoder.finish()


def test_empty() -> None:
    family = TableFamily.uniform(5)
    assert encode_grouped([], [], family) == b""
    assert decode_grouped(b"", np.zeros((0, 4), dtype=int), family).shape == (0, 4)
    with pytest.raises(CorruptError):
        decode_grouped(b"x", [], family)


@pytest.mark.parametrize(
    ("symbols", "indices"),
    [([5], [0]), ([-1], [0]), ([0], [1]), ([0], [-1]), ([0, 1], [0]), ([0], [0.0]), ([1 << 20], [0]), (["a"], [0])],
)
def test_grouped_refuses(symbols: list[int], indices: list[int]) -> None:
    with pytest.raises((ParameterError, TypeError)):
        encode_grouped(symbols, indices, TableFamily.uniform(5))


def test_wrong_tables_are_noticed() -> None:
    family, symbols, indices = family_and_symbols(2000, 4)
    payload = encode_grouped(symbols, indices, family)
    frequencies = family.to_array()
    frequencies[0, 0] += 1
    frequencies[0, 1] -= 1

    def decode() -> None:
        found = decode_grouped(payload, indices, TableFamily(frequencies))
        check_symbols(found, symbol_crc(symbols), 4)

    with pytest.raises((CorruptError, DesyncError)):
        decode()


@pytest.mark.parametrize("alphabet", [1, 2, 3, 10, 256, 1000, 1024, 65_535, 65_536])
def test_bits_round_trip(alphabet: int) -> None:
    rng = np.random.default_rng(alphabet)
    for count in (0, 1, 7, 8, 1001):
        symbols = rng.integers(0, alphabet, (count, 1))
        data = pack_bits(symbols, alphabet)
        assert len(data) == -(-count * bits_per_symbol(alphabet) // 8)
        assert (unpack_bits(data, alphabet, count) == symbols.ravel()).all()


def test_bits_are_most_significant_first() -> None:
    assert pack_bits([1, 2, 3], 1024) == bytes([0b00000000, 0b01000000, 0b00100000, 0b00001100])
    assert bits_per_symbol(1024) == 10
    assert bits_per_symbol(1025) == 11


def test_bits_refuse() -> None:
    for data, count in ((b"", 1), (b"\0\0", 1), (b"\x0f", 1), (b"\xa0", 1)):
        with pytest.raises(CorruptError):
            unpack_bits(data, 10, count)
    for symbols in ([10], [-1], [0.5]):
        with pytest.raises(ParameterError):
            pack_bits(symbols, 10)
    with pytest.raises(ParameterError):
        unpack_bits(b"", 10, 1 << 25)
    with pytest.raises(ParameterError):
        bits_per_symbol(65_537)


def test_symbol_crc_is_that_of_little_endian_u16() -> None:
    assert symbol_crc([1, 9]) == zlib.crc32(b"\1\0\x09\0") == 0x483A0330
    assert symbol_crc(np.array([[1], [9]], dtype=">i8")) == 0x483A0330
    assert symbol_crc([]) == 0
    with pytest.raises(ParameterError):
        symbol_crc([65_536])


def test_check_symbols_compares_the_low_bytes() -> None:
    for size in (0, 1, 2, 4):
        check_symbols([1, 9], 0x483A0330 & ((1 << 8 * size) - 1), size)
    with pytest.raises(DesyncError):
        check_symbols([1, 9], 0x31, 1)


def test_the_environment_chooses(back_end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend_name() == back_end
    assert type(open_encoder()).__module__.endswith("constriction" if back_end == "constriction" else "rangecoder")
    monkeypatch.setenv("MEDIACODEC_RANGE_CODER", "fortran")
    with pytest.raises(ParameterError, match="fortran"):
        open_encoder()
