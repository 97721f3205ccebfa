"""RC24: two coders, one set of bytes; and garbage is recognised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mediacodec_bitstream import (
    CorruptError,
    ParameterError,
    ParameterTypeError,
    RangeDecoder,
    RangeEncoder,
    TableFamily,
)
from mediacodec_bitstream.rangecoder import MAX_SYMBOLS, close_payload, shortest_point
from mediacodec_bitstream.tables import TableRow

TOTAL = 1 << 24
Run = tuple[TableRow, Any]


def coders() -> list[tuple[type, type]]:
    pairs: list[tuple[type, type]] = [(RangeEncoder, RangeDecoder)]
    try:
        from mediacodec_bitstream.rangecoder_constriction import ConstrictionDecoder, ConstrictionEncoder
    except ImportError:
        return pairs
    return [*pairs, (ConstrictionEncoder, ConstrictionDecoder)]


@pytest.fixture(params=coders(), ids=lambda pair: pair[0].__name__)
def coder(request: pytest.FixtureRequest) -> tuple[type, type]:
    pair: tuple[type, type] = request.param
    return pair


def streams(count: int) -> Iterator[list[Run]]:
    """Random streams; one in two stresses carries and tiny probabilities."""
    rng = np.random.default_rng(2024)
    extreme = TableFamily(np.array([[1, TOTAL - 2, 1], [TOTAL - 1, 1, 0], [1, TOTAL - 1, 0]]))
    for number in range(count):
        family = extreme
        if number % 2:
            size = int(rng.integers(1, 40))
            family = TableFamily.from_counts((rng.random((3, size)) ** 8 * 1e6).astype(np.int64))
        runs = []
        for _ in range(int(rng.integers(0, 7))):
            row = family[int(rng.integers(0, 3))]
            likely = int(np.argmax(row.frequencies))
            symbols = rng.integers(0, row.size, int(rng.integers(0, 40)))
            runs.append((row, np.where(rng.random(len(symbols)) < 0.5, likely, symbols)))
        yield runs


def encode(encoder: Any, runs: list[Run], *, singly: bool = False) -> bytes:
    for row, symbols in runs:
        if singly:
            for symbol in symbols.tolist():
                encoder.encode_one(symbol, row)
        else:
            encoder.encode(symbols, row)
    payload: bytes = encoder.finish()
    return payload


def decode(decoder: Any, runs: list[Run], *, singly: bool = False) -> list[list[int]] | str:
    """The symbols, or what the decoder has against the payload."""
    try:
        if singly:
            found = [[decoder.decode_one(row) for _ in symbols] for row, symbols in runs]
        else:
            found = [decoder.decode(row, len(symbols)).tolist() for row, symbols in runs]
        decoder.finish()
    except CorruptError as error:
        return str(error)
    return found


def test_round_trip_and_both_coders_agree_to_the_byte() -> None:
    for number, runs in enumerate(streams(3000)):
        payloads = {encode(encoder(), runs, singly=number % 5 == 0) for encoder, _ in coders()}
        assert len(payloads) == 1
        payload = payloads.pop()
        assert not payload.endswith(b"\0")
        for _, decoder in coders():
            assert decode(decoder(payload), runs, singly=number % 7 == 0) == [s.tolist() for _, s in runs]


def test_both_coders_judge_damage_alike() -> None:
    rng = np.random.default_rng(7)
    refused = 0
    for runs in streams(1500):
        payload = encode(RangeEncoder(), runs)
        data = bytearray(payload or b"\1")
        data[int(rng.integers(0, len(data)))] ^= int(rng.integers(1, 256))
        outcomes = [decode(decoder(bytes(data)), runs) for _, decoder in coders()]
        assert all(outcome == outcomes[0] for outcome in outcomes)
        if isinstance(outcomes[0], str):
            refused += 1
        else:  # then it is what an encoder writes for those other symbols
            other = [(row, np.array(symbols, dtype=int)) for (row, _), symbols in zip(runs, outcomes[0], strict=True)]
            assert encode(RangeEncoder(), other) == bytes(data)
    assert refused > 1000


@pytest.mark.parametrize(
    "change", [lambda p: p + b"\0", lambda p: p + b"\1", lambda p: p[:-1], lambda p: p + bytes(100)]
)
def test_a_payload_has_one_spelling(coder: tuple[type, type], change: Any) -> None:
    encoder, decoder = coder
    row = TableFamily.uniform(1000)[0]
    runs = [(row, np.arange(0, 1000, 7))]
    payload = encode(encoder(), runs)
    outcome = decode(decoder(change(payload)), runs)
    if len(change(payload)) > len(payload):
        assert isinstance(outcome, str)
    else:  # a shorter payload may be right for other symbols
        assert outcome != [runs[0][1].tolist()]


def test_nothing_is_nothing(coder: tuple[type, type]) -> None:
    encoder, decoder = coder
    assert encoder().finish() == b""
    decoder(b"").finish()
    row = TableFamily.uniform(1)[0]
    assert encode(encoder(), [(row, np.zeros(50, dtype=int))]) == b""
    assert decoder(b"").decode(row, 50).tolist() == [0] * 50
    with pytest.raises(CorruptError):
        decoder(b"\1").finish()


def test_overhead_is_below_a_thousandth_and_four_bytes(coder: tuple[type, type]) -> None:
    encoder, _ = coder
    rng = np.random.default_rng(3)
    family = TableFamily.from_counts((rng.random((1, 300)) ** 6 * 1e6).astype(np.int64))
    for count in (1, 10, 100, 10_000):
        symbols = np.searchsorted(family[0].cdf, rng.integers(0, TOTAL, count), side="right") - 1
        payload = encode(encoder(), [(family[0], symbols)])
        ideal = family.ideal_bits(symbols, np.zeros(count, dtype=int)) / 8
        assert ideal - 1 < len(payload) <= ideal * 1.001 + 4


def test_the_caller_is_told(coder: tuple[type, type]) -> None:
    encoder, decoder = coder
    row = TableFamily.uniform(4)[0]
    for bad in ([4], [-1], [70_000]):
        with pytest.raises(ParameterError):
            encoder().encode(bad, row)
        with pytest.raises(ParameterError):
            encoder().encode_one(bad[0], row)
    with pytest.raises(ParameterTypeError):
        encoder().encode([0.5], row)
    for count in (-1, MAX_SYMBOLS + 1, 10**12):  # the library underneath would abort the process
        with pytest.raises(ParameterError):
            decoder(b"abc").decode(row, count)


def test_numpy_symbols_one_by_one(coder: tuple[type, type]) -> None:
    encoder, decoder = coder
    row = TableFamily.uniform(65_536)[0]
    symbols = np.array([65_535, 0, 32_768], dtype=np.uint16)
    instance = encoder()
    for symbol in symbols:
        instance.encode_one(symbol, row)
    assert decoder(instance.finish()).decode(row, 3).tolist() == symbols.tolist()


def test_numbers_no_encoder_writes(coder: tuple[type, type]) -> None:
    _, decoder = coder
    row = TableFamily.uniform(3)[0]
    with pytest.raises(CorruptError):
        decoder(b"\xff" * 64).decode(row, 100)


def test_shortest_point_is_shortest() -> None:
    rng = np.random.default_rng(5)
    for _ in range(2000):
        lower, width = (
            int(rng.integers(0, 1 << 62)) * 4,
            int(rng.integers(1 << 32, 1 << 62)) >> int(rng.integers(0, 29)),
        )
        width = max(width, 1 << 32)
        point, count = shortest_point(lower, width)
        assert lower <= point < lower + width
        assert point % (1 << (64 - 8 * count)) == 0
        if count:
            unit = 1 << (64 - 8 * (count - 1))
            assert -(-lower // unit) * unit >= lower + width
        assert len(close_payload(b"\1", lower, width)) <= 1 + count


def test_a_long_run_of_carries(coder: tuple[type, type]) -> None:
    """An interval that keeps straddling a word boundary, then decides upwards."""
    encoder, decoder = coder
    family = TableFamily(np.array([[1, TOTAL - 2, 1]]))
    for tail in (0, 1, 2):
        runs = [(family[0], np.array([1] * 5000 + [tail] * 3))]
        payload = encode(encoder(), runs)
        assert payload == encode(RangeEncoder(), runs)
        assert decode(decoder(payload), runs) == [runs[0][1].tolist()]


def test_symbols_with_a_table_each(coder: tuple[type, type]) -> None:
    encoder, decoder = coder
    for runs in streams(60):
        rows = [row for row, symbols in runs for _ in symbols]
        values = [int(symbol) for _, symbols in runs for symbol in symbols]
        instance = encoder()
        instance.encode_each(values, rows)
        data = instance.finish()
        assert data == encode(encoder(), runs)
        back = decoder(data)
        assert back.decode_each(rows) == values
        back.finish()
    row = TableFamily.uniform(4)[0]
    with pytest.raises(ParameterError, match="4"):
        encoder().encode_each([1, 4], [row, row])
    with pytest.raises(ValueError, match="zip"):
        encoder().encode_each([1], [row, row])
