"""The syntax of motion vectors: a quadtree (see `quadtree`), all nodes of a level together.

A first symbol says whether nothing moves. If something does, the top node's vector follows: that of the frame before,
0, or explicitly. Then, from the top down: which nodes are split, which children of these have another vector than their
parent (a pattern of four bits; at the lowest level the pattern 0 stands for not split), and those vectors: the first,
second, ... of the predictors that differ from the parent's and from each other, or explicitly. Predictors are the
parent's neighbours on the child's side, horizontal, vertical and diagonal, the frame before at the child's place, and
0. An explicit vector is coded as its difference from the parent's, x and then y.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.entropy_coding.symbol_coder import SymbolCoder, code_residuals, code_symbol
from mediacodec.video_coding.motion.default_tables import ALPHABET, default_tables
from mediacodec.video_coding.motion.quadtree import Index, Mask, Quadtree, build, differing_neighbours, spread
from mediacodec.video_coding.motion.vectors import (
    LIMIT,
    ZERO,
    MotionVectors,
    PackedVectors,
    motion_of,
    pack,
    unpack,
)
from mediacodec_bitstream.errors import CorruptError, ParameterError
from mediacodec_bitstream.tables import TableFamily

__all__ = ["ALPHABET", "NUM_CONTEXTS", "code_motion", "default_tables"]

Int64s = npt.NDArray[np.int64]

EXPLICIT = 5  # after at most five predictors

# the first context of each kind of symbol
_PATTERN = 0  # lowest level: [frame before uniform or not] of [which neighbours differ]; then all others: of the latter
_SPLIT = _PATTERN + 48  # [level 2, 3, more] of [frame before uniform] of [how many neighbours differ: 0, 1, 2, more]
_CHOICE = _SPLIT + 24  # [level 0, 1, more] of [how many predictors there are: 1, 2, 3, more]
_ACROSS = _CHOICE + 12  # [level 0, 1, more]
_DOWN = _ACROSS + 3  # [level 0, 1, more] of [difference of x: 0, up to 3, more]
_TOP = _DOWN + 9
_STATIC = _TOP + 1  # 1 where all vectors are 0; one where something moved before, one where not
NUM_CONTEXTS = _STATIC + 2

_COUNT = np.array([bin(bits).count("1") for bits in range(16)])
_SIZE_OF = np.searchsorted([1, 4], np.arange(4 * LIMIT + 1), side="right")


def code_motion(
    coder: SymbolCoder,
    tables: TableFamily,
    shape: tuple[int, ...],
    previous: MotionVectors | None,
    motion: MotionVectors | None,
) -> MotionVectors:
    """Pass motion vectors through a coder.

    Args:
        coder: either end.
        tables: NUM_CONTEXTS of ALPHABET symbols.
        shape: [2, rows, columns] of 8x8 blocks.
        previous: the vectors of the frame before, None where there are none.
        motion: int16 [2 (x, y), rows, columns] in ±512 quarter samples, None for a decoder.

    Returns:
        The vectors.

    Raises:
        ParameterError: vectors or tables do not fit.
        CorruptError: what was read cannot be motion vectors.
    """
    if len(tables) != NUM_CONTEXTS or tables.alphabet != ALPHABET:
        raise ParameterError(f"motion needs {NUM_CONTEXTS} tables of {ALPHABET} symbols, not {tables!r}")
    before = _packed(previous, shape)
    given = None if motion is None else _packed(motion, shape)
    context = _STATIC + (previous is None or not previous.any())
    static = code_symbol(coder, tables, context, None if given is None else (given == ZERO).all())
    if static > 1:
        raise CorruptError(f"the first symbol of motion vectors is {static}, not 0 or 1")
    if static:
        return np.zeros(shape, np.int16)
    walk = _Walk(coder, tables, build(before), None if given is None else build(given))
    result = motion_of(walk.run())
    if not result.any():
        raise CorruptError("motion vectors that say they move do not")
    return result


class _Walk:
    """One way from the top of the tree to the bottom.

    Args:
        coder: either end.
        tables: as of `code_motion`.
        before: the tree of the frame before.
        given: the tree to code, None for a decoder.
    """

    def __init__(self, coder: SymbolCoder, tables: TableFamily, before: Quadtree, given: Quadtree | None) -> None:
        self.coder, self.tables, self.before, self.given = coder, tables, before, given

    def run(self) -> PackedVectors:
        """The blocks' vectors."""
        top = len(self.before.vectors) - 1
        dense = self._top(top)
        nodes = np.zeros(1, np.int64)  # those of the level that exist: places in its raster
        for level in range(top, 0, -1):
            above = dense.reshape(-1)
            around = differing_neighbours(dense).reshape(-1)
            nodes, pattern = self._patterns(level, nodes, around[nodes])
            changed, children = self._children(level, nodes, pattern)
            below = spread(dense, self.before.vectors[level - 1].shape)
            dense = np.ascontiguousarray(below)
            if len(changed[0]):
                dense.reshape(-1)[changed[0]] = self._vectors(level, above, *changed)
            nodes = children
        return dense

    def _top(self, top: int) -> PackedVectors:
        before = self.before.vectors[top]
        given = None if self.given is None else self.given.vectors[top]
        symbol = None
        if given is not None:
            symbol = 0 if given == before else 1 if given == ZERO else 2
        symbol = code_symbol(self.coder, self.tables, _TOP, symbol)
        if symbol > 2:
            raise CorruptError(f"the top motion vector says {symbol}, not 0, 1 or 2")
        if symbol == 2:
            vectors = None if given is None else given.reshape(-1)
            return self._explicit(top, before.reshape(-1), vectors).reshape(1, 1)
        return np.full((1, 1), ZERO) if symbol else before

    def _patterns(self, level: int, nodes: Index, around: Int64s) -> tuple[Index, Int64s]:
        """Those of the nodes that are split, and which of their children (bits 0..3) have another vector."""
        uniform = self.before.uniform[level].reshape(-1)[nodes].astype(np.int64)
        if level > 1:
            contexts = (min(level - 2, 2) * 2 + uniform) * 4 + np.minimum(_COUNT[around], 3) + _SPLIT
            given = None if self.given is None else ~self.given.uniform[level].reshape(-1)[nodes]
            split = self.coder.grouped(self.tables, contexts, None if given is None else given.astype(np.int64))
            if split.size and split.max() > 1:
                raise CorruptError(f"a flag of motion vectors is {split.max()}, not 0 or 1")
            nodes, around = nodes[split == 1], around[split == 1]
            contexts = around + (_PATTERN + 32)
        else:
            contexts = around + (uniform * 16 + _PATTERN)
        if not len(nodes):
            return nodes, nodes
        pattern = self.coder.grouped(self.tables, contexts, self._given_patterns(level, nodes))
        if pattern.max() > 15:
            raise CorruptError(f"a pattern of motion vectors is {pattern.max()}, not 0..15")
        return nodes, pattern

    def _given_patterns(self, level: int, nodes: Index) -> Int64s | None:
        if self.given is None:
            return None
        places, there = self._places(level, nodes)
        below = self.given.vectors[level - 1].reshape(-1)
        other = below[np.where(there, places, 0)] != self.given.vectors[level].reshape(-1)[nodes]
        other &= there
        return np.asarray((other * (1 << np.arange(4))[:, None]).sum(0))

    def _places(self, level: int, nodes: Index) -> tuple[Index, Mask]:
        """Where the four children of nodes lie in the raster of their level, [4, n], and whether they exist."""
        height, width = self.before.vectors[level - 1].shape
        row, column = np.divmod(nodes, self.before.vectors[level].shape[1])
        rows = 2 * row + np.array([0, 0, 1, 1])[:, None]
        columns = 2 * column + np.array([0, 1, 0, 1])[:, None]
        return rows * width + columns, (rows < height) & (columns < width)

    def _children(self, level: int, nodes: Index, pattern: Int64s) -> tuple[tuple[Index, Index, Index], Index]:
        """Children with a vector of their own (places, parents' places, 0..3 for which of four), and all places."""
        places, there = self._places(level, nodes)
        other = (pattern >> np.arange(4)[:, None] & 1).astype(np.bool_)
        if (other & ~there).any():
            raise CorruptError("a motion vector lies outside of the frame")
        which, parent = np.nonzero(other)
        return (places[other], nodes[parent], which), places[there]

    def _vectors(self, level: int, above: PackedVectors, places: Index, parents: Index, which: Index) -> PackedVectors:
        """The vectors of children. above: their parents' level, flat."""
        parent = above[parents]
        predictors, valid = self._predictors(level, above, parents, which)
        np.copyto(predictors[3], self.before.vectors[level - 1].reshape(-1)[places])
        predictors[4] = ZERO
        for k in range(5):
            repeats = predictors[:k] == predictors[k]
            valid[k] = (predictors[k] != parent) & ~repeats.any(0)
        ranks = np.cumsum(valid, axis=0) - 1
        count = ranks[4] + 1
        given = None if self.given is None else self.given.vectors[level - 1].reshape(-1)[places]
        symbols = None
        if given is not None:
            match = (predictors == given) & valid
            symbols = np.where(match.any(0), (ranks * match).sum(0), EXPLICIT)
        asked = np.flatnonzero(count)
        chosen = np.full(len(places), EXPLICIT)
        contexts = min(level - 1, 2) * 4 + np.minimum(count[asked], 4) + (_CHOICE - 1)
        chosen[asked] = self.coder.grouped(self.tables, contexts, None if symbols is None else symbols[asked])
        if ((chosen >= count) & (chosen != EXPLICIT)).any():
            raise CorruptError("motion vectors name a predictor that is not there")
        place = ((ranks == chosen) & valid).argmax(0)
        result: PackedVectors = np.take_along_axis(predictors, place[None], axis=0)[0]
        explicit = np.flatnonzero(chosen == EXPLICIT)
        if len(explicit):
            vectors = None if given is None else given[explicit]
            result[explicit] = self._explicit(level - 1, parent[explicit], vectors)
        return result

    def _predictors(self, level: int, above: PackedVectors, parents: Index, which: Index) -> tuple[PackedVectors, Mask]:
        """Room for five predictors, of which the parents' neighbours are filled in; at a border, the parent itself."""
        height, width = self.before.vectors[level].shape
        row, column = np.divmod(parents, width)
        aside = np.clip(column + 2 * (which & 1) - 1, 0, width - 1)
        beyond = np.clip(row + (which & 2) - 1, 0, height - 1) * width
        predictors = np.empty((5, len(parents)), np.int64)
        predictors[0] = above[row * width + aside]
        predictors[1] = above[beyond + column]
        predictors[2] = above[beyond + aside]
        return predictors, np.empty((5, len(parents)), np.bool_)

    def _explicit(self, level: int, predicted: PackedVectors, given: PackedVectors | None) -> PackedVectors:
        x, y = unpack(predicted)
        contexts = np.full(len(x), _ACROSS + min(level, 2))
        given_x, given_y = (None, None) if given is None else unpack(given)
        across = code_residuals(self.coder, self.tables, contexts, None if given_x is None else given_x - x)
        contexts = _SIZE_OF[np.minimum(np.abs(across), 4)] + (3 * min(level, 2) + _DOWN)
        down = code_residuals(self.coder, self.tables, contexts, None if given_y is None else given_y - y)
        x, y = x + across, y + down
        if max(np.abs(x).max(), np.abs(y).max()) > LIMIT:
            raise CorruptError(f"a motion vector is beyond {LIMIT} quarter samples")
        return pack(x, y)


def _packed(motion: MotionVectors | None, shape: tuple[int, ...]) -> PackedVectors:
    if len(shape) != 3 or shape[0] != 2 or min(shape) < 1:
        raise ParameterError(f"motion vectors are [2, rows, columns], not {shape}")
    if motion is None:
        return np.full(shape[1:], ZERO)
    if motion.shape != shape:
        raise ParameterError(f"motion vectors of shape {motion.shape} where {shape} is expected")
    if motion.max() > LIMIT or motion.min() < -LIMIT:
        raise ParameterError(f"a motion vector is beyond {LIMIT} quarter samples")
    return pack(motion[0], motion[1])
