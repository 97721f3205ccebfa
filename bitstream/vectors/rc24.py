"""RC24 vectors: tables, symbols and the bytes they become."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from mediacodec_bitstream import RangeEncoder, TableFamily, encode_grouped
from mediacodec_bitstream.rangecoder import propagate_carry

TOTAL = 1 << 24


def vectors() -> list[dict[str, Any]]:
    """Every entry: frequencies by table, symbols, table index of each symbol, payload in hex."""
    counts = np.arange(1, 1 + 6 * 11, dtype=np.int64).reshape(6, 11) ** 3
    mixed = TableFamily.from_counts(counts, sizes=[11, 2, 7, 1, 3, 10])
    sizes = np.array([row.size for row in mixed])
    indices = _noise(3000, 1) % 6
    extreme = TableFamily(np.array([[1, TOTAL - 2, 1]]))
    carry, flush = carrying_symbols(extreme)
    return [
        _entry("nothing", mixed, [], []),
        _entry("one symbol of probability one half", TableFamily.uniform(2), [1], [0]),
        _entry("a table of one symbol costs nothing", TableFamily.uniform(1), [0] * 9, [0] * 9),
        _entry("the shortest number is zero: forty symbols, no byte", TableFamily.uniform(256), [0] * 40, [0] * 40),
        _entry("six tables, grouped", mixed, _noise(3000, 2) % sizes[indices], indices),
        _entry("rare symbols at both ends", extreme, _noise(200, 3) % 3, np.zeros(200, dtype=np.int64)),
        _entry("a carry runs through words already emitted", extreme, carry, np.zeros(len(carry), dtype=np.int64)),
        _entry("the flush itself carries", extreme, flush, np.zeros(len(flush), dtype=np.int64)),
    ]


def carrying_symbols(family: TableFamily) -> tuple[list[int], list[int]]:
    """Short sequences, found by search, whose encoding carries while coding and in the flush."""
    found: dict[str, list[int]] = {}
    for seed in range(20_000):
        symbols = ((_noise(24, seed) % 5) // 2).tolist()
        where = _carries(symbols, family)
        if where:
            found.setdefault(where, symbols)
        if len(found) == 2:
            return found["coding"], found["flush"]
    raise AssertionError("no carry found")


def _carries(symbols: list[int], family: TableFamily) -> str | None:
    calls: list[str] = []
    phase = "coding"

    def spy(number: bytearray) -> None:
        calls.append(phase)
        propagate_carry(number)

    with mock.patch("mediacodec_bitstream.rangecoder.propagate_carry", spy):
        encoder = RangeEncoder()
        encoder.encode(symbols, family[0])
        phase = "flush"
        encoder.finish()
    return calls[0] if calls else None


def _entry(about: str, family: TableFamily, symbols: npt.ArrayLike, indices: npt.ArrayLike) -> dict[str, Any]:
    values, rows = np.asarray(symbols, dtype=np.int64), np.asarray(indices, dtype=np.int64)
    return {
        "about": about,
        "tables": [row.frequencies.tolist() for row in family],
        "symbols": values.tolist(),
        "indices": rows.tolist(),
        "payload": encode_grouped(values, rows, family).hex(),
    }


def _noise(count: int, seed: int) -> npt.NDArray[np.int64]:
    state = np.arange(count, dtype=np.uint64) + np.uint64(seed * 7919 + 1)
    for shift in (13, 7, 17):
        state = (state ^ (state << np.uint64(shift))) * np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(29)
    return (state >> np.uint64(33)).astype(np.int64)
