"""Arrays of integers in JSON, made-up numbers, and small models: what the makers of packet vectors share."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def to_json(array: Any) -> dict[str, Any]:
    """An array of integers as {dtype, shape, values}, values flat in C order."""
    found = np.asarray(array)
    return {"dtype": found.dtype.name, "shape": list(found.shape), "values": found.ravel().tolist()}


def from_json(value: dict[str, Any]) -> Array:
    """The inverse of `to_json`."""
    return np.array(value["values"], value["dtype"]).reshape(value["shape"])


def dumped(value: Any) -> bytes:
    """JSON with lists of numbers on lines of up to 120 characters."""

    def wrapped(match: re.Match[str]) -> str:
        lines = [""]
        for number in re.findall(r"-?[\d.]+,?", match.group()):
            if len(lines[-1]) + len(number) > 119:
                lines.append("")
            lines[-1] += number
        return "[" + "\n".join(lines) + "]"

    text = json.dumps(value, indent=1)
    return (re.sub(r"\[\s+-?[\d.]+(?:,\s+-?[\d.]+)*\s+\]", wrapped, text) + "\n").encode()


def jsonable(value: Any) -> Any:
    """Arrays in a value as JSON has them."""
    if isinstance(value, dict):
        return {name: jsonable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    return to_json(value) if isinstance(value, np.ndarray) else value


def noise(shape: int | tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """Integers 0..2^31-1 from integer arithmetic alone, of which the lowest bits are as good as the others."""
    state = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(seed * 100_003 + 1)
    for shift in (13, 7, 17):
        state = (state ^ (state << np.uint64(shift))) * np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(29)
    return (state >> np.uint64(33)).astype(np.int64).reshape(shape)


def uniform(shape: int | tuple[int, ...], seed: int, low: int, high: int) -> NDArray[np.int64]:
    """Integers low..high."""
    return low + noise(shape, seed) % (high - low + 1)


def peaked(shape: int | tuple[int, ...], seed: int, *, zeros: int = 1) -> NDArray[np.int64]:
    """Signed integers, zero as a rule: a magnitude is half as likely as the one below, the first 2^-zeros."""
    bits = noise(shape, seed)
    size = np.zeros(bits.shape, np.int64)
    for place in range(24):  # how many of the lowest bits are 1
        size += (bits & (2 << place) - 1) == (2 << place) - 1
    size = np.maximum(size - zeros + 1, 0)
    return np.where(bits >> 30 & 1, -size, size)


def skewed(tables: int, symbols: int, seed: int, *, steep: int = 2) -> NDArray[np.int64]:
    """Counts [tables, symbols] that fall with the symbol, a little different in each table."""
    falling = (1 << 20) // (1 + np.arange(symbols)[None] * steep) ** 2
    return falling + uniform((tables, symbols), seed, 0, 1 << 12)
