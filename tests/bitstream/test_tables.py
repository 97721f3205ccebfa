"""Integer tables: exact, validated, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from mediacodec_bitstream import ParameterError, ParameterTypeError, TableFamily, canonical_hash

TOTAL = 1 << 24


def test_every_row_sums_to_2_24_and_has_no_zero() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 255, 1000, 65_536):
        counts = (rng.random((3, size)) ** 9 * 10**6).astype(np.int64)
        frequencies = TableFamily.from_counts(counts).frequencies
        assert (frequencies.sum(axis=1, dtype=np.int64) == TOTAL).all()
        assert frequencies.min() >= 1


def test_normalisation_is_the_one_of_the_specification() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        counts = rng.integers(0, 10_000, rng.integers(1, 40))
        smoothed, spare = [int(n) + 1 for n in counts], TOTAL - len(counts)
        exact = [divmod(m * spare, sum(smoothed)) for m in smoothed]
        expected = [1 + share for share, _ in exact]
        for symbol in sorted(range(len(counts)), key=lambda s: (-exact[s][1], s))[: TOTAL - sum(expected)]:
            expected[symbol] += 1
        assert TableFamily.from_counts(counts).frequencies[0].tolist() == expected


def test_tables_follow_the_counts() -> None:
    family = TableFamily.from_counts([[0, 10**6, 10**3]])
    never, often, rare = family.frequencies[0].tolist()
    assert never < 50
    assert often > 0.998 * TOTAL
    assert rare == pytest.approx(TOTAL / 1001, rel=0.01)


def test_rows_may_be_shorter_than_the_array() -> None:
    family = TableFamily.from_counts([[5, 5, 9], [1, 2, 3]], sizes=[2, 3])
    assert [row.size for row in family] == [2, 3]
    assert family.frequencies[0, 2] == 0
    assert family[0].cdf == [0, TOTAL // 2, TOTAL]


@pytest.mark.parametrize(
    "bad",
    [
        [[TOTAL - 1]],
        [[TOTAL, 1]],
        [[0, TOTAL]],
        [[TOTAL // 2, 0, TOTAL // 2]],
        [[-1, TOTAL + 1]],
        [[]],
        [TOTAL],
        np.zeros((1, 65_537), dtype=np.int64),
    ],
)
def test_nonsense_is_refused_at_birth(bad: object) -> None:
    with pytest.raises(ParameterError):
        TableFamily(np.asarray(bad, dtype=np.int64))


def test_floats_are_refused() -> None:
    with pytest.raises(ParameterTypeError):
        TableFamily(np.array([[0.5, 0.5]]))  # type: ignore[arg-type]
    with pytest.raises(ParameterTypeError):
        TableFamily.from_counts([0.5, 0.5])


@pytest.mark.parametrize("counts", [[[-1, 2]], [[1 << 38, 1]], [[(1 << 38) - 5, 10]]])
def test_counts_that_would_overflow_are_refused(counts: list[list[int]]) -> None:
    with pytest.raises(ParameterError):
        TableFamily.from_counts(counts)


def test_a_family_is_frozen() -> None:
    family = TableFamily.uniform(4, tables=2)
    with pytest.raises(ValueError, match="read-only"):
        family.frequencies[0, 0] = 5
    with pytest.raises(ParameterError, match="table 2"):
        family[2]
    with pytest.raises(ParameterError):
        family[-1]
    assert repr(family) == "TableFamily(tables=2, alphabet=4)"


def test_array_round_trip_and_hash() -> None:
    family = TableFamily.from_counts([[1, 2, 3], [3, 2, 1]])
    again = TableFamily.from_array(family.to_array().astype(">i8"))
    assert again == family
    assert hash(again) == hash(family)
    assert again.sha256 == family.sha256 == canonical_hash({"tables": family.to_array()})
    assert TableFamily.uniform(3) != family


def test_ideal_bits() -> None:
    family = TableFamily(np.array([[1 << 23, 1 << 22, 1 << 22]]))
    assert family.ideal_bits([0, 1, 2, 0], [0, 0, 0, 0]) == 6.0
    assert family.ideal_bits([], []) == 0.0
    for symbols, indices in (([3], [0]), ([-1], [0]), ([0], [1])):
        with pytest.raises(ParameterError):
            family.ideal_bits(symbols, indices)
