"""Lossless coding of a motion field with integer tables, as a quadtree (see `tree`), all nodes of a level together.

A first symbol says whether nothing moves. If something does, the top node's vector follows: that of the field before,
0, or explicitly. Then, from the top down: which nodes are split, which children of these have another vector than their
parent (a pattern of four bits; at the lowest level the pattern 0 stands for not split), and those vectors: the first,
second, ... of the candidates that differ from the parent's and from each other, or explicitly. Candidates are the
parent's neighbours on the child's side, horizontal, vertical and diagonal, the field before at the child's place, and
0.
An explicit vector is coded as its difference from the parent's, x and then y.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.symbol_coder import Counting, Port, Reading, Writing, exchange_residuals
from mediacodec.video_coding.motion.default_tables import ALPHABET, default_tables
from mediacodec.video_coding.motion.quadtree import (
    ZERO,
    Field,
    Index,
    Keys,
    Mask,
    Tree,
    borders,
    build,
    field_of,
    pack,
    spread,
    unpack,
)
from mediacodec_bitstream.backends import Decoder, Encoder
from mediacodec_bitstream.errors import CorruptError, ParameterError
from mediacodec_bitstream.tables import TableFamily

__all__ = [
    "ALPHABET",
    "LIMIT",
    "NUM_CONTEXTS",
    "bits",
    "count_symbols",
    "decode_field",
    "default_tables",
    "encode_field",
]

Integers = npt.NDArray[np.int64]

LIMIT = 512  # quarter samples either way
EXPLICIT = 5  # after at most five candidates

# the first context of each kind of symbol
_PATTERN = 0  # lowest level: [field before uniform or not] of [which neighbours differ]; then all others: of the latter
_SPLIT = _PATTERN + 48  # [level 2, 3, more] of [field before uniform] of [how many neighbours differ: 0, 1, 2, more]
_CHOICE = _SPLIT + 24  # [level 0, 1, more] of [how many candidates there are: 1, 2, 3, more]
_ACROSS = _CHOICE + 12  # [level 0, 1, more]
_DOWN = _ACROSS + 3  # [level 0, 1, more] of [residual of x: 0, up to 3, more]
_TOP = _DOWN + 9
_STILL = _TOP + 1  # 1 where all vectors are 0; one where something moved before, one where not
NUM_CONTEXTS = _STILL + 2

_COUNT = np.array([bin(bits).count("1") for bits in range(16)])
_SIZE_OF = np.searchsorted([1, 4], np.arange(4 * LIMIT + 1), side="right")


def encode_field(encoder: Encoder, field: Field, previous: Field | None, tables: TableFamily) -> None:
    """Append a field, int16 [2 (x, y), rows, columns] in ±512, to an encoder.

    previous: the field before, of the same shape, or None; tables: NUM_CONTEXTS of ALPHABET symbols. The decoder needs
    the same. Raises ParameterError where they do not fit.
    """
    _check_tables(tables)
    _exchange(Writing(encoder, tables), field.shape, previous, field)


def decode_field(decoder: Decoder, shape: tuple[int, ...], previous: Field | None, tables: TableFamily) -> Field:
    """The next field of a decoder, of shape [2, rows, columns]: the inverse of `encode_field`.

    Raises CorruptError where the data cannot be what `encode_field` wrote.
    """
    _check_tables(tables)
    return _exchange(Reading(decoder, tables), shape, previous, None)


def count_symbols(field: Field, previous: Field | None) -> Integers:
    """How often each symbol is coded in each context: int64 [NUM_CONTEXTS, ALPHABET], to fit tables with."""
    return _count(field, previous).counts


def bits(field: Field, previous: Field | None, tables: TableFamily) -> float:
    """What `encode_field` spends, in bits, save for the coder's own rounding."""
    counting = _count(field, previous)
    row, symbol = np.nonzero(counting.counts)
    times = counting.counts[row, symbol]
    return tables.ideal_bits(np.repeat(symbol, times), np.repeat(row, times)) + counting.extra


def _count(field: Field, previous: Field | None) -> Counting:
    counting = Counting(NUM_CONTEXTS, ALPHABET)
    _exchange(counting, field.shape, previous, field)
    return counting


def _exchange(port: Port, shape: tuple[int, ...], previous: Field | None, field: Field | None) -> Field:
    """Send a field through a port; field is None where the port reads."""
    before = _keys(previous, shape)
    known = None if field is None else _keys(field, shape)
    context = _STILL + (previous is None or not previous.any())
    still = _one(port, context, None if known is None else (known == ZERO).all())
    if still > 1:
        raise CorruptError(f"the first symbol of a motion field is {still}, not 0 or 1")
    if still:
        return np.zeros(shape, np.int16)
    walk = _Walk(port, build(before), None if known is None else build(known))
    result = field_of(walk.run())
    if not result.any():
        raise CorruptError("a motion field that says it moves does not")
    return result


class _Walk:
    """One way from the top of the tree to the bottom. before: the tree of the field before; truth: None to read it."""

    def __init__(self, port: Port, before: Tree, truth: Tree | None) -> None:
        self.port, self.before, self.truth = port, before, truth

    def run(self) -> Keys:
        """The keys of the field."""
        top = len(self.before.keys) - 1
        dense = self._top(top)
        nodes = np.zeros(1, np.int64)  # those of the level that exist: places in its raster
        for level in range(top, 0, -1):
            own = dense.reshape(-1)
            around = borders(dense).reshape(-1)
            nodes, pattern = self._patterns(level, nodes, around[nodes])
            changed, children = self._children(level, nodes, pattern)
            below = spread(dense, self.before.keys[level - 1].shape)
            dense = np.ascontiguousarray(below)
            if len(changed[0]):
                dense.reshape(-1)[changed[0]] = self._vectors(level, own, *changed)
            nodes = children
        return dense

    def _top(self, top: int) -> Keys:
        before = self.before.keys[top]
        wanted = None if self.truth is None else self.truth.keys[top]
        symbol = None
        if wanted is not None:
            symbol = 0 if wanted == before else 1 if wanted == ZERO else 2
        symbol = _one(self.port, _TOP, symbol)
        if symbol > 2:
            raise CorruptError(f"the top of a motion field says {symbol}, not 0, 1 or 2")
        if symbol == 2:
            keys = None if wanted is None else wanted.reshape(-1)
            return self._explicit(top, before.reshape(-1), keys).reshape(1, 1)
        return np.full((1, 1), ZERO) if symbol else before

    def _patterns(self, level: int, nodes: Index, around: Integers) -> tuple[Index, Integers]:
        """Those of the nodes that are split, and which of their children (bits 0..3) have another vector."""
        uniform = self.before.uniform[level].reshape(-1)[nodes].astype(np.int64)
        if level > 1:
            contexts = (min(level - 2, 2) * 2 + uniform) * 4 + np.minimum(_COUNT[around], 3) + _SPLIT
            wanted = None if self.truth is None else ~self.truth.uniform[level].reshape(-1)[nodes]
            split = self.port.exchange(contexts, None if wanted is None else wanted.astype(np.int64))
            if split.size and split.max() > 1:
                raise CorruptError(f"a flag of a motion field is {split.max()}, not 0 or 1")
            nodes, around = nodes[split == 1], around[split == 1]
            contexts = around + (_PATTERN + 32)
        else:
            contexts = around + (uniform * 16 + _PATTERN)
        if not len(nodes):
            return nodes, nodes
        pattern = self.port.exchange(contexts, self._true_patterns(level, nodes))
        if pattern.max() > 15:
            raise CorruptError(f"a pattern of a motion field is {pattern.max()}, not 0..15")
        return nodes, pattern

    def _true_patterns(self, level: int, nodes: Index) -> Integers | None:
        if self.truth is None:
            return None
        places, there = self._places(level, nodes)
        below = self.truth.keys[level - 1].reshape(-1)
        other = below[np.where(there, places, 0)] != self.truth.keys[level].reshape(-1)[nodes]
        other &= there
        return np.asarray((other * (1 << np.arange(4))[:, None]).sum(0))

    def _places(self, level: int, nodes: Index) -> tuple[Index, Mask]:
        """Where the four children of nodes lie in the raster of their level, [4, n], and whether they exist."""
        height, width = self.before.keys[level - 1].shape
        row, column = np.divmod(nodes, self.before.keys[level].shape[1])
        rows = 2 * row + np.array([0, 0, 1, 1])[:, None]
        columns = 2 * column + np.array([0, 1, 0, 1])[:, None]
        return rows * width + columns, (rows < height) & (columns < width)

    def _children(self, level: int, nodes: Index, pattern: Integers) -> tuple[tuple[Index, Index, Index], Index]:
        """Children with a vector of their own (places, parents' places, 0..3 for which of four), and all places."""
        places, there = self._places(level, nodes)
        other = (pattern >> np.arange(4)[:, None] & 1).astype(np.bool_)
        if (other & ~there).any():
            raise CorruptError("a vector of a motion field lies outside of it")
        which, parent = np.nonzero(other)
        return (places[other], nodes[parent], which), places[there]

    def _vectors(self, level: int, above: Keys, places: Index, parents: Index, which: Index) -> Keys:
        """The vectors of children. above: their parents' level, flat."""
        parent = above[parents]
        candidates, valid = self._candidates(level, above, parents, which)
        np.copyto(candidates[3], self.before.keys[level - 1].reshape(-1)[places])
        candidates[4] = ZERO
        for k in range(5):
            repeats = candidates[:k] == candidates[k]
            valid[k] = (candidates[k] != parent) & ~repeats.any(0)
        ranks = np.cumsum(valid, axis=0) - 1
        count = ranks[4] + 1
        wanted = None if self.truth is None else self.truth.keys[level - 1].reshape(-1)[places]
        symbols = None
        if wanted is not None:
            match = (candidates == wanted) & valid
            symbols = np.where(match.any(0), (ranks * match).sum(0), EXPLICIT)
        asked = np.flatnonzero(count)
        chosen = np.full(len(places), EXPLICIT)
        contexts = min(level - 1, 2) * 4 + np.minimum(count[asked], 4) + (_CHOICE - 1)
        chosen[asked] = self.port.exchange(contexts, None if symbols is None else symbols[asked])
        if ((chosen >= count) & (chosen != EXPLICIT)).any():
            raise CorruptError("a motion field names a vector that is not there")
        result: Keys = np.take_along_axis(candidates, ((ranks == chosen) & valid).argmax(0)[None], axis=0)[0]
        explicit = np.flatnonzero(chosen == EXPLICIT)
        if len(explicit):
            keys = None if wanted is None else wanted[explicit]
            result[explicit] = self._explicit(level - 1, parent[explicit], keys)
        return result

    def _candidates(self, level: int, above: Keys, parents: Index, which: Index) -> tuple[Keys, npt.NDArray[np.bool_]]:
        """Room for five candidates, of which the parents' neighbours are filled in; at a border, the parent itself."""
        height, width = self.before.keys[level].shape
        row, column = np.divmod(parents, width)
        aside = np.clip(column + 2 * (which & 1) - 1, 0, width - 1)
        beyond = np.clip(row + (which & 2) - 1, 0, height - 1) * width
        candidates = np.empty((5, len(parents)), np.int64)
        candidates[0] = above[row * width + aside]
        candidates[1] = above[beyond + column]
        candidates[2] = above[beyond + aside]
        return candidates, np.empty((5, len(parents)), np.bool_)

    def _explicit(self, level: int, predicted: Keys, wanted: Keys | None) -> Keys:
        x, y = unpack(predicted)
        contexts = np.full(len(x), _ACROSS + min(level, 2))
        true_x, true_y = (None, None) if wanted is None else unpack(wanted)
        across = exchange_residuals(self.port, contexts, None if true_x is None else true_x - x)
        contexts = _SIZE_OF[np.minimum(np.abs(across), 4)] + (3 * min(level, 2) + _DOWN)
        down = exchange_residuals(self.port, contexts, None if true_y is None else true_y - y)
        x, y = x + across, y + down
        if max(np.abs(x).max(), np.abs(y).max()) > LIMIT:
            raise CorruptError(f"a motion vector is beyond {LIMIT} quarter samples")
        return pack(x, y)


def _one(port: Port, context: int, symbol: int | np.bool_ | None) -> int:
    symbols = None if symbol is None else np.array([int(symbol)])
    return int(port.exchange(np.array([context]), symbols)[0])


def _keys(field: Field | None, shape: tuple[int, ...]) -> Keys:
    if len(shape) != 3 or shape[0] != 2 or min(shape) < 1:
        raise ParameterError(f"a motion field is [2, rows, columns], not {shape}")
    if field is None:
        return np.full(shape[1:], ZERO)
    if field.shape != shape:
        raise ParameterError(f"a motion field of shape {field.shape} where {shape} is expected")
    if field.max() > LIMIT or field.min() < -LIMIT:
        raise ParameterError(f"a motion vector is beyond {LIMIT} quarter samples")
    return pack(field[0], field[1])


def _check_tables(tables: TableFamily) -> None:
    if len(tables) != NUM_CONTEXTS or tables.alphabet != ALPHABET:
        raise ParameterError(f"motion needs {NUM_CONTEXTS} tables of {ALPHABET} symbols, not {tables!r}")
