"""Integer frequency tables: the only probability models that reach the range coder.

A probability computed with floats differs between machines, and one unit in 2^24 is enough to lose
everything after it. Hence tables are integers, made once when a model is exported, and shipped with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .errors import ParameterError, ParameterTypeError
from .modelhash import canonical_hash

PRECISION = 24
TOTAL = 1 << PRECISION  # what every row sums to
MAX_ALPHABET = 1 << 16  # symbols fit in 16 bits, also in the symbol CRC
MAX_TABLES = 1 << 16
MAX_COUNT_SUM = 1 << 38  # keeps count * TOTAL inside int64

IntArray = npt.NDArray[np.integer]


class TableRow:
    """One table of a family, as the coders want it.

    frequencies: integers (size,), each >= 1, sum 2^24; cdf: the size + 1 running sums, as Python ints.
    """

    __slots__ = ("_cdf", "accelerated", "frequencies", "size")

    def __init__(self, frequencies: npt.NDArray[np.integer]) -> None:
        self.frequencies = frequencies
        self.size = len(frequencies)
        self._cdf: list[int] | None = None  # not every back end asks for it, and rows may be made for one symbol each
        self.accelerated: object = None  # a coder back end keeps its converted model here

    @property
    def cdf(self) -> list[int]:
        if self._cdf is None:
            self._cdf = [0, *self.frequencies.cumsum(dtype=np.int64).tolist()]
        return self._cdf

    def __repr__(self) -> str:
        return f"TableRow(size={self.size})"


@dataclass(frozen=True, eq=False)
class TableFamily:
    """T integer frequency tables over an alphabet of at most K symbols.

    frequencies: integer array (T, K). A row of n symbols (1 <= n <= K <= 65536) holds n frequencies >= 1 that
    sum to exactly 2^24, then zeros. Kept as a read-only uint32 copy. Raises ParameterError where a rule is
    broken.
    """

    frequencies: npt.NDArray[np.uint32]
    _rows: dict[int, TableRow] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "frequencies", _validated(self.frequencies))

    @classmethod
    def from_counts(cls, counts: npt.ArrayLike, *, sizes: Sequence[int] | None = None) -> TableFamily:
        """Tables close to observed counts, by integer arithmetic alone (same result on every machine).

        counts: integers >= 0, (T, K) or (K,); sizes: symbols per row where shorter than K. One is added to
        every count (a symbol never seen must stay codable). Each symbol gets frequency 1, the rest of 2^24 is
        shared in proportion, rounded down, and the units left over go to the largest remainders, the lowest
        symbol first. The sum of a row must be < 2^38.
        """
        table = np.atleast_2d(np.asarray(counts))
        if table.ndim != 2 or table.dtype.kind not in "iu":
            raise ParameterTypeError(f"counts must be integers (T, K), got {table.dtype} {table.shape}")
        widths = [table.shape[1]] * len(table) if sizes is None else list(sizes)
        if len(widths) != len(table) or not all(1 <= width <= table.shape[1] for width in widths):
            raise ParameterError(f"sizes must be {len(table)} numbers in 1..{table.shape[1]}, got {widths}")
        result = np.zeros(table.shape, dtype=np.uint32)
        for row, out, width in zip(table, result, widths, strict=True):
            out[:width] = _normalised(row[:width])
        return cls(result)

    @classmethod
    def uniform(cls, size: int, *, tables: int = 1) -> TableFamily:
        """`tables` equal rows in which `size` symbols (1..65536) are as likely as integers allow."""
        return cls.from_counts(np.zeros((tables, size), dtype=np.int64))

    @classmethod
    def from_array(cls, array: npt.ArrayLike) -> TableFamily:
        """The inverse of `to_array`; validates."""
        return cls(np.asarray(array))

    def to_array(self) -> npt.NDArray[np.uint32]:
        """The frequencies, uint32 (T, K), for storing beside a model."""
        return self.frequencies.copy()

    @property
    def sha256(self) -> bytes:
        """Canonical hash, 32 bytes, under the array name "tables"."""
        return canonical_hash({"tables": self.frequencies})

    @property
    def alphabet(self) -> int:
        """K, the size of the largest alphabet."""
        return int(self.frequencies.shape[1])

    def __len__(self) -> int:
        return len(self.frequencies)

    def __getitem__(self, index: int) -> TableRow:
        row = self._rows.get(index)
        if row is None:
            if not 0 <= index < len(self.frequencies):  # no negative indices: they would hide mistakes
                raise ParameterError(f"table {index} does not exist; the family has {len(self)}")
            table = self.frequencies[index]
            row = self._rows[index] = TableRow(table[: int(np.count_nonzero(table))])
        return row

    def __iter__(self) -> Iterator[TableRow]:
        return (self[index] for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TableFamily) and np.array_equal(self.frequencies, other.frequencies)

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"TableFamily(tables={len(self)}, alphabet={self.alphabet})"

    def ideal_bits(self, symbols: npt.ArrayLike, indices: npt.ArrayLike) -> float:
        """Information content in bits of symbols coded with the tables at indices (same shape).

        The lower bound that the coder's payload is compared with. Raises ParameterError where a symbol is not
        in its table.
        """
        values, rows = np.asarray(symbols), np.asarray(indices)
        if not values.size and not rows.size:
            return 0.0
        try:
            found = self.frequencies[rows, values]
        except IndexError as error:
            raise ParameterError(f"a symbol or a table index is out of range: {error}") from None
        if values.min() < 0 or rows.min() < 0 or not found.all():
            raise ParameterError("a symbol or a table index is out of range")
        return float(found.size * PRECISION - np.log2(found.astype(np.float64)).sum())


def _validated(array: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    table = np.asarray(array)
    if table.dtype.kind not in "iu":
        raise ParameterTypeError(f"frequencies must be integers, got {table.dtype}")
    if table.ndim != 2 or not 1 <= len(table) <= MAX_TABLES or not 1 <= table.shape[1] <= MAX_ALPHABET:
        raise ParameterError(f"frequencies must be (1..65536, 1..65536), got shape {table.shape}")
    if table.min() < 0 or table.max() > TOTAL:
        raise ParameterError("frequencies must lie in 0..2^24")
    sums = table.sum(axis=1, dtype=np.int64)
    if (sums != TOTAL).any():
        bad = int(np.argmax(sums != TOTAL))
        raise ParameterError(f"table {bad} sums to {sums[bad]}, not to 2^24 = {TOTAL}")
    filled = table > 0
    if (filled[:, 1:] & ~filled[:, :-1]).any() or not filled[:, 0].all():
        raise ParameterError("a frequency of 0 is allowed only as padding after a table's last symbol")
    result = table.astype(np.uint32)
    result.setflags(write=False)
    return result


def _normalised(counts: IntArray) -> npt.NDArray[np.uint32]:
    if counts.min() < 0 or int(counts.max()) >= MAX_COUNT_SUM:
        raise ParameterError("counts must lie in 0..2^38-1")
    smoothed = counts.astype(np.int64) + 1
    total = int(smoothed.sum())
    if total >= MAX_COUNT_SUM:
        raise ParameterError(f"counts of one table sum to {total}; scale them below 2^38")
    shared, remainder = np.divmod(smoothed * (TOTAL - len(counts)), total)
    missing = TOTAL - len(counts) - int(shared.sum())
    shared[np.argsort(-remainder, kind="stable")[:missing]] += 1
    return (shared + 1).astype(np.uint32)
