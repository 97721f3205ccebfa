"""Motion fields, maps coarse to fine, and prediction: codecs/motion.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .base import HALF, Table, by_row, coder, corrupt

PREFIX = coder.from_counts([1 << n for n in (20, 20, 19, 19, 18, 18, 17, 17, 16, 16, 15, 15, 15, 15)])
Vector = tuple[int, int]
Grid = dict[tuple[int, int], Vector]
Node = tuple[int, int]


class Tree:
    """Vector and mark of each node, level by level (1.1)."""

    def __init__(self, field: Any) -> None:
        _, rows, columns = field.shape
        self.sizes = [(rows, columns)]
        vectors = {(r, c): (int(field[0, r, c]), int(field[1, r, c])) for r in range(rows) for c in range(columns)}
        self.vectors, self.uniform = [vectors], [dict.fromkeys(vectors, True)]
        while self.sizes[-1] != (1, 1):
            self._above()

    def _above(self) -> None:
        (rows, columns), below, marks = self.sizes[-1], self.vectors[-1], self.uniform[-1]
        vectors: Grid = {}
        uniform: dict[Node, bool] = {}
        for r in range(-(-rows // 2)):
            for c in range(-(-columns // 2)):
                four = [(min(y, rows - 1), min(x, columns - 1)) for y, x in children((r, c))]
                a, b, cc, d = (below[node] for node in four)
                n_a, n_b, n_c = (sum(other == one for other in (a, b, cc, d)) for one in (a, b, cc))
                vectors[r, c] = cc if n_c > max(n_a, n_b) else b if n_b > n_a else a
                uniform[r, c] = a == b == cc == d and all(marks[node] for node in four)
        self.sizes.append((-(-rows // 2), -(-columns // 2)))
        self.vectors.append(vectors)
        self.uniform.append(uniform)


def children(node: Node) -> list[Node]:
    r, c = node
    return [(2 * r, 2 * c), (2 * r, 2 * c + 1), (2 * r + 1, 2 * c), (2 * r + 1, 2 * c + 1)]


def field(decoder: Any, tables: list[Table], before: Any) -> Any:
    """The walk (1.3)."""
    tree = Tree(before)
    moved = before.any()
    all_zero = decoder.symbol(tables[97 if moved else 98])
    if all_zero > 1:
        raise corrupt("neither all nor not all")
    if all_zero:
        return np.zeros_like(before)
    vectors = walk(decoder, tables, tree)
    rows, columns = tree.sizes[0]
    result = np.array([[vectors[r, c] for c in range(columns)] for r in range(rows)], np.int16)
    if not result.any():
        raise corrupt("a field that is all 0 after all")
    return np.moveaxis(result, 2, 0)


def walk(decoder: Any, tables: list[Table], tree: Tree) -> Grid:
    top = len(tree.sizes) - 1
    kind = decoder.symbol(tables[96])
    if kind > 2:
        raise corrupt("an unknown vector of the top")
    vector = tree.vectors[top][0, 0]
    if kind == 1:
        vector = (0, 0)
    if kind == 2:
        vector = explicit(decoder, tables, top, [vector])[0]
    vectors: Grid = {(0, 0): vector}
    nodes: list[Node] = [(0, 0)]
    for level in range(top, 0, -1):
        nodes, patterns = patterned(decoder, tables, tree, level, vectors, nodes)
        rows, columns = tree.sizes[level - 1]
        own: list[tuple[Node, Node, int]] = []
        following: list[Node] = []
        for i in range(4):
            for node, pattern in zip(nodes, patterns, strict=True):
                y, x = children(node)[i]
                there = y < rows and x < columns
                if pattern >> i & 1:
                    if not there:
                        raise corrupt("a vector outside of the field")
                    own.append(((y, x), node, i))
                if there:
                    following.append((y, x))
        found = chosen(decoder, tables, tree, level - 1, vectors, own)
        vectors = {(r, c): vectors[r // 2, c // 2] for r in range(rows) for c in range(columns)}
        vectors |= {child: vector for (child, _, _), vector in zip(own, found, strict=True)}
        nodes = following
    return vectors


def patterned(
    decoder: Any, tables: list[Table], tree: Tree, level: int, vectors: Grid, nodes: list[Node]
) -> tuple[list[Node], list[int]]:
    """The nodes of a list that are split, and their patterns."""

    def unlike(node: Node) -> int:
        r, c = node
        places = ((r, c - 1), (r, c + 1), (r - 1, c), (r + 1, c))
        return sum(1 << bit for bit, place in enumerate(places) if vectors.get(place, vectors[node]) != vectors[node])

    def same(node: Node) -> int:
        return int(tree.uniform[level][node])

    if level > 1:
        rows = [48 + 8 * min(level - 2, 2) + 4 * same(n) + min(unlike(n).bit_count(), 3) for n in nodes]
        split = by_row(decoder, tables, rows)
        if (split > 1).any():
            raise corrupt("neither split nor not")
        nodes = [node for node, flag in zip(nodes, split, strict=True) if flag]
        rows = [32 + unlike(node) for node in nodes]
    else:
        rows = [16 * same(node) + unlike(node) for node in nodes]
    patterns = by_row(decoder, tables, rows)
    if (patterns > 15).any():
        raise corrupt("a pattern beyond 15")
    return nodes, patterns.tolist()


def chosen(
    decoder: Any, tables: list[Table], tree: Tree, level: int, parents: Grid, own: list[tuple[Node, Node, int]]
) -> list[Vector]:
    """The vectors of children of a level that have their own (1.4)."""
    height, width = tree.sizes[level + 1]
    offered: list[list[Vector]] = []
    for child, (r, c), i in own:
        y, x = min(max(r + (1 if i & 2 else -1), 0), height - 1), min(max(c + (1 if i & 1 else -1), 0), width - 1)
        candidates = [parents[r, x], parents[y, c], parents[y, x], tree.vectors[level][child], (0, 0)]
        left: list[Vector] = []
        for candidate in candidates:
            if candidate != parents[r, c] and candidate not in left:
                left.append(candidate)
        offered.append(left)
    asked = [place for place, left in enumerate(offered) if left]
    rows = [72 + 4 * min(level, 2) + min(len(offered[place]), 4) - 1 for place in asked]
    said = dict(zip(asked, by_row(decoder, tables, rows).tolist(), strict=True))
    result: list[Vector | None] = []
    for place, left in enumerate(offered):
        symbol = said.get(place, 5)
        if symbol != 5 and symbol >= len(left):
            raise corrupt("a candidate that is not there")
        result.append(None if symbol == 5 else left[symbol])
    rest = [place for place, vector in enumerate(result) if vector is None]
    found = explicit(decoder, tables, level, [parents[own[place][1]] for place in rest])
    for place, vector in zip(rest, found, strict=True):
        result[place] = vector
    return [vector for vector in result if vector is not None]


def explicit(decoder: Any, tables: list[Table], level: int, predicted: list[Vector]) -> list[Vector]:
    if not predicted:
        return []
    across = residuals(decoder, tables, [84 + min(level, 2)] * len(predicted))
    sizes = [0 if r == 0 else 1 if abs(r) <= 3 else 2 for r in across]
    down = residuals(decoder, tables, [87 + 3 * min(level, 2) + size for size in sizes])
    result = [(x + r, y + s) for (x, y), r, s in zip(predicted, across, down, strict=True)]
    if any(abs(component) > 512 for vector in result for component in vector):
        raise corrupt("a vector beyond 512")
    return result


def residuals(decoder: Any, tables: list[Table], rows: list[int]) -> list[int]:
    result = (by_row(decoder, tables, rows) - 15).tolist()
    escaped = [place for place, r in enumerate(result) if r == 16]
    prefixes = [decoder.symbol(PREFIX) for _ in escaped]
    for place, prefix in zip(escaped, prefixes, strict=True):
        bits = 0
        for _ in range(prefix // 2 + 3):
            bits = 2 * bits + decoder.symbol(HALF)
        size = bits + (1 << prefix // 2 + 3) - 8 + 16
        result[place] = -size if prefix % 2 else size
    return result


Group = list[tuple[Node, list[Node]]]


def groups(rows: int, columns: int) -> Iterator[Group]:
    """Blocks and their neighbours, group by group (2)."""
    yield [((y, x), []) for y in range(0, rows, 8) for x in range(0, columns, 8)]
    for r in (4, 2, 1):
        places = [(y, x) for y in range(0, rows, r) for x in range(0, columns, r)]
        yield [(p, diagonal(p, r, rows, columns)) for p in places if p[0] // r % 2 and p[1] // r % 2]
        yield [(p, upright(p, r, rows, columns)) for p in places if p[0] // r % 2 != p[1] // r % 2]


def either_side(at: int, r: int, size: int) -> list[int]:
    """The places on both sides, the one for the other outside of the grid; empty where both are outside."""
    there = [place for place in (at - r, at + r) if 0 <= place < size]
    return there * 2 if len(there) == 1 else there


def diagonal(place: Node, r: int, rows: int, columns: int) -> list[Node]:
    return [(y, x) for y in either_side(place[0], r, rows) for x in either_side(place[1], r, columns)]


def upright(place: Node, r: int, rows: int, columns: int) -> list[Node]:
    beside = [(place[0], x) for x in either_side(place[1], r, columns)]
    above = [(y, place[1]) for y in either_side(place[0], r, rows)]
    return (beside or above[:1] * 2) + (above or beside[:1] * 2)


def skip_map(decoder: Any, tables: list[Table], before: Any) -> Any:
    """2.1."""
    if decoder.symbol(tables[13 if before.all() else 12]):
        return np.ones_like(before)
    result = np.zeros_like(before)
    for group in groups(*before.shape):
        rows = [
            6 * int(before[place]) + (sum(int(result[n]) for n in around) if around else 5) for place, around in group
        ]
        for (place, _), symbol in zip(group, by_row(decoder, tables, rows), strict=True):
            result[place] = symbol
    if result.all():
        raise corrupt("a map that is all 1 after all")
    return result


FILTERS = (
    ((0, 0, 0, 256, 0, 0, 0, 0), (0, 4, -28, 228, 64, -14, 2, 0), (0, 4, -28, 152, 152, -28, 4, 0),
     (0, 2, -14, 64, 228, -28, 4, 0)),
    ((0, 0, 0, 256, 0, 0, 0, 0), (0, 0, -18, 222, 58, -6, 0, 0), (0, 0, -16, 144, 144, -16, 0, 0),
     (0, 0, -6, 58, 222, -18, 0, 0)),
    ((0, 0, 0, 256, 0, 0, 0, 0), (-4, 16, -40, 232, 68, -20, 4, 0), (-4, 16, -44, 160, 160, -44, 16, -4),
     (0, 4, -20, 68, 232, -40, 16, -4)),
)  # fmt: skip


def moved(planes: list[Any], vectors: Any, kind: int) -> list[Any]:
    """3."""
    result = [plane.copy() for plane in planes]
    for r, c in np.ndindex(*vectors.shape[1:]):
        x, y = int(vectors[0, r, c]), int(vectors[1, r, c])
        if x or y:
            result[0][8 * r : 8 * r + 8, 8 * c : 8 * c + 8] = luma(planes[0], 8 * r, 8 * c, x, y, kind)
            for plane, before in zip(result[1:], planes[1:], strict=True):
                plane[4 * r : 4 * r + 4, 4 * c : 4 * c + 4] = chroma(before, 4 * r, 4 * c, x, y)
    return result


def window(plane: Any, top: int, left: int, rows: int, columns: int) -> Any:
    """Part of a plane, coordinates clipped to it."""
    y = np.clip(np.arange(top, top + rows), 0, plane.shape[0] - 1)
    x = np.clip(np.arange(left, left + columns), 0, plane.shape[1] - 1)
    return plane[np.ix_(y, x)].astype(np.int64)


def luma(plane: Any, top: int, left: int, x: int, y: int, kind: int) -> Any:
    across, down = x >> 2, y >> 2
    if not x % 4 and not y % 4:
        return window(plane, top + down, left + across, 8, 8)
    patch = window(plane, top + down - 3, left + across - 3, 15, 15)
    taps, more = FILTERS[kind][x % 4], FILTERS[kind][y % 4]
    a = (sum(t * patch[:, k : k + 8] for k, t in enumerate(taps)) + 2) >> 2
    return np.clip((sum(t * a[k : k + 8] for k, t in enumerate(more)) + (1 << 13)) >> 14, 0, 255)


def chroma(plane: Any, top: int, left: int, x: int, y: int) -> Any:
    p, fx, fy = window(plane, top + (y >> 3), left + (x >> 3), 5, 5), x % 8, y % 8
    rows = (8 - fx) * p[:, :4] + fx * p[:, 1:]
    return ((8 - fy) * rows[:4] + fy * rows[1:] + 32) >> 6
