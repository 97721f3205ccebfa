"""Skip maps survive coding exactly, cost what is counted, and forged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.entropy_coding.symbol_coder import SymbolCounter, SymbolDecoder, SymbolEncoder
from mediacodec.errors import CorruptError, ParameterError
from mediacodec.video_coding.motion.skip_map import NUM_CONTEXTS, code_skip_map, default_skip_tables
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import Decoder, open_decoder, open_encoder

SkipMap = NDArray[np.bool_]


def decode(decoder: Decoder, shape: tuple[int, ...], previous: SkipMap | None, tables: TableFamily) -> SkipMap:
    return code_skip_map(SymbolDecoder(decoder, 0), tables, shape, previous, None)


def count(skip: SkipMap, previous: SkipMap | None, tables: TableFamily) -> SymbolCounter:
    counter = SymbolCounter()
    code_skip_map(counter, tables, skip.shape, previous, skip)
    return counter


def bits(skip: SkipMap, previous: SkipMap | None, tables: TableFamily) -> float:
    return count(skip, previous, tables).bits


def make(rows: int, columns: int, centre: float) -> NDArray[np.bool_]:
    """Everything is skipped but what moves about the centre."""
    y, x = np.mgrid[0:rows, 0:columns]
    return np.hypot(y - rows / 2, x - columns * centre) > min(rows, columns) / 4


@pytest.mark.parametrize("shape", [(23, 40), (1, 1), (1, 7), (68, 120)], ids=str)
def test_it_comes_back(shape: tuple[int, int]) -> None:
    tables = default_skip_tables()
    moving, before = make(*shape, 0.5), make(*shape, 0.47)
    for skipped in (moving, ~moving, np.ones(shape, bool), np.zeros(shape, bool)):
        for previous in (None, before, np.ones(shape, bool)):
            encoder = open_encoder()
            code_skip_map(SymbolEncoder(encoder), tables, shape, previous, skipped)
            data = encoder.finish()
            decoder = open_decoder(data)
            assert np.array_equal(decode(decoder, shape, previous, tables), skipped)
            decoder.finish()
            assert len(data) * 8 - bits(skipped, previous, tables) < 40


def test_a_full_map_costs_next_to_nothing() -> None:
    full, tables = np.ones((23, 40), bool), default_skip_tables()
    assert bits(full, full, tables) < 0.1
    assert count(full, full, tables).counts(tables).sum() == 1


def test_the_map_before_and_the_neighbours_save_bits() -> None:
    skipped, tables = make(23, 40, 0.5), default_skip_tables()
    alone = bits(skipped, None, tables)
    after = bits(skipped, make(23, 40, 0.48), tables)
    assert after < alone < 0.5 * skipped.size
    fitted = TableFamily.from_counts(100 * count(skipped, None, tables).counts(tables))
    assert bits(skipped, None, fitted) < alone


def test_a_full_map_that_says_it_is_not_is_refused() -> None:
    tables = default_skip_tables()
    encoder = open_encoder()
    encoder.encode_one(0, tables[NUM_CONTEXTS - 2])
    encoder.encode_one(1, tables[5])
    with pytest.raises(CorruptError, match="full"):
        decode(open_decoder(encoder.finish()), (1, 1), None, tables)


def test_what_does_not_fit_is_refused() -> None:
    tables = default_skip_tables()
    with pytest.raises(ParameterError, match="bool"):
        bits(np.ones((2, 3), bool), np.ones((3, 2), bool), tables)
    with pytest.raises(ParameterError, match="tables"):
        bits(np.ones((2, 3), bool), None, TableFamily.uniform(2))
