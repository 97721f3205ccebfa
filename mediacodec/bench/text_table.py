"""A table as text, for a terminal, a pipe or a file alike.

A library for terminals would take 0.1 s to import for the ten lines that this is, and fit its tables to a width: here
nothing is wrapped or cut, so that figures can be copied and compared.
"""

from __future__ import annotations

from collections.abc import Sequence


def columns(title: str, head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Lay cells out in columns, the first to the left and the others to the right.

    Args:
        title: the first line.
        head: a title for each column.
        body: rows of cells.
    """
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    lines = []
    for cells in (head, *body):
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        lines.append("  ".join([cells[0].ljust(widths[0]), *rest]))
    return "\n".join([title, *lines])
