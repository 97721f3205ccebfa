"""The structure of an ONNX graph, read without the onnx package: what a check of its arithmetic needs of the format.

An ONNX file is a protocol buffer: fields of a number, a kind and a value, nested where the value is a message. Only
the path to nodes and constants is followed: the model's graph (field 7), its nodes (1) with inputs (1), outputs (2) and
operator (4), and its initialisers (5) with shape (1), type (2), name (8) and raw bytes (9).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mediacodec.errors import ModelError
from mediacodec.regular_files import MAX_FILE, read_regular

Floats = npt.NDArray[np.float32]

_GRAPH = 7
_NODE, _INITIALISER = 1, 5
_INPUT, _OUTPUT, _OPERATOR = 1, 2, 4
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT = 1


@dataclass(frozen=True)
class Node:
    """One operation, by the names of what goes in and out; an input that is left out has no name."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class OnnxGraph:
    """A graph: its nodes in their order of execution, and its float32 constants by name."""

    nodes: tuple[Node, ...]
    constants: dict[str, Floats]


def read_graph(path: Path) -> OnnxGraph:
    """The structure of an ONNX file.

    Raises:
        ModelError: it cannot be read, or is no ONNX file.
    """
    try:
        data = memoryview(read_regular(path, MAX_FILE))
        nodes: list[Node] = []
        constants: dict[str, Floats] = {}
        for graph in _messages(data, _GRAPH):
            nodes += [_node(message) for message in _messages(graph, _NODE)]
            constants |= dict(found for message in _messages(graph, _INITIALISER) if (found := _constant(message)))
        return OnnxGraph(tuple(nodes), constants)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, IndexError) as error:
        raise ModelError(f"{path} is no ONNX file: {error!r}") from error


def _node(data: memoryview) -> Node:
    inputs, outputs = ([bytes(name).decode() for name in _messages(data, kind)] for kind in (_INPUT, _OUTPUT))
    operator = "".join(bytes(name).decode() for name in _messages(data, _OPERATOR))
    return Node(operator, tuple(inputs), tuple(outputs))


def _constant(data: memoryview) -> tuple[str, Floats] | None:
    """A float32 constant; None where it is of another type."""
    shape: list[int] = []
    kind, name, raw = 0, "", memoryview(b"")
    for number, value in _fields(data):
        if number == _DIMS:
            shape += [value] if isinstance(value, int) else _varints(value)
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number == _RAW and isinstance(value, memoryview):
            raw = value
    if kind != _FLOAT:
        return None
    if len(raw) != 4 * math.prod(shape):
        raise ValueError(f"{name} of shape {shape} has {len(raw)} bytes")
    return name, np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape)


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    """The values of all fields of a number, which are messages or text."""
    for number, value in _fields(data):
        if number == wanted:
            if not isinstance(value, memoryview):
                raise ValueError(f"field {number} is a number")
            yield value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message: integers, and the bytes of what has a length."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield tag >> 3, value
        elif kind in (_BYTES, _FIXED64, _FIXED32):
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
            if kind == _BYTES:
                size, place = _varint(data, place)
            if place + size > len(data):
                raise ValueError("a field goes beyond its message")
            yield tag >> 3, data[place : place + size]
            place += size
        else:
            raise ValueError(f"a field of kind {kind}")


def _varints(data: memoryview) -> list[int]:
    result, place = [], 0
    while place < len(data):
        value, place = _varint(data, place)
        result.append(value)
    return result


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number of more than ten bytes")
