"""Lists under tables, arrays, errors: codecs/README.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from support.paths import load_from_vectors

coder = load_from_vectors("reference.coder")
Bytes, Decoder, FaultError, corrupt, flat = coder.Bytes, coder.Decoder, coder.FaultError, coder.corrupt, coder.flat
Table = Sequence[int]
Arrays = dict[str, Any]

HALF = flat(2)


def from_json(value: dict[str, Any]) -> Any:
    """An array of a vector."""
    return np.array(value["values"], value["dtype"]).reshape(value["shape"])


def family(array: Any) -> list[Table]:
    """Tables without the zeros that fill them up."""
    return [[int(f) for f in row if f] for row in array]


def by_row(decoder: Any, tables: Sequence[Table], rows: Any) -> Any:
    """The symbols of a list, each under its row."""
    rows = [int(row) for row in rows]
    symbols = np.zeros(len(rows), np.int64)
    for place in sorted(range(len(rows)), key=lambda place: rows[place]):
        symbols[place] = decoder.symbol(tables[rows[place]])
    return symbols


def u16(*parts: Any) -> list[int]:
    """Arrays, flat and one after the other, modulo 2^16: what a symbol CRC is of."""
    return [int(value) % 65536 for part in parts for value in np.asarray(part).ravel()]


def check_crc(values: Sequence[int], crc: int, size: int) -> None:
    coder.check(values, crc, size)


def unsealed(data: bytes, size: int) -> tuple[bytes, int]:
    found: tuple[bytes, int] = coder.unsealed(data, size)
    return found


def truncated(what: str) -> Exception:
    fault: Exception = FaultError("TruncatedError", what)
    return fault


def check_keyframe(inter: bool, keyframe: bool) -> None:
    if inter == keyframe:
        raise corrupt("packet and chunk differ in whether it is a keyframe")
