"""ONNX models written byte by byte: the little of the format (protocol buffers) that a decoded network needs.

A network whose weights arrive in a stream runs twice as fast when ONNX Runtime knows them as constants, and so it is
handed a model. The `onnx` package could write one but is no dependency of decoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Attribute = int | str | Sequence[int]

IR_VERSION = 9
OPSET = 20  # the first with Gelu
FLOAT, INT64 = 1, 7
_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}
_INT, _STRING, _INTS = 2, 3, 7  # AttributeProto.type


def varint(number: int) -> bytes:
    """A number, at least 0, in groups of seven bits."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def number_field(field: int, value: int) -> bytes:
    """A field that holds an integer (two's complement of 64 bits where negative)."""
    return varint(field << 3) + varint(value & (1 << 64) - 1)


def bytes_field(field: int, value: bytes | str) -> bytes:
    """A field that holds bytes, text or a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name: str, values: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> bytes:
    """TensorProto of a float32 or int64 array."""
    dims = b"".join(number_field(1, size) for size in values.shape)
    raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return dims + number_field(2, _TYPES[values.dtype]) + bytes_field(8, name) + bytes_field(9, raw)


def node(kind: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute]) -> bytes:
    """NodeProto with one output."""
    parts = [*(bytes_field(1, name) for name in inputs), bytes_field(2, output), bytes_field(3, output)]
    parts.append(bytes_field(4, kind))
    return b"".join(parts) + b"".join(bytes_field(5, _attribute(*item)) for item in attributes.items())


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, int):
        kind, body = _INT, number_field(3, value)
    elif isinstance(value, str):
        kind, body = _STRING, bytes_field(4, value)
    else:
        kind, body = _INTS, b"".join(number_field(8, number) for number in value)
    return bytes_field(1, name) + body + number_field(20, kind)


def value(name: str, shape: Sequence[int]) -> bytes:
    """ValueInfoProto of a float32 tensor."""
    dims = b"".join(bytes_field(1, number_field(1, size)) for size in shape)
    kind = number_field(1, FLOAT) + bytes_field(2, dims)
    return bytes_field(1, name) + bytes_field(2, bytes_field(1, kind))


def model(
    nodes: Sequence[bytes],
    constants: Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]],
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, Sequence[int]],
) -> bytes:
    """ModelProto: nodes in order, constants by name, and shapes of what goes in and out."""
    graph = [*(bytes_field(1, data) for data in nodes), bytes_field(2, "network")]
    graph += [bytes_field(5, tensor(name, values)) for name, values in constants.items()]
    graph += [bytes_field(11, value(name, shape)) for name, shape in inputs.items()]
    graph += [bytes_field(12, value(name, shape)) for name, shape in outputs.items()]
    opset = bytes_field(8, number_field(2, OPSET))
    return number_field(1, IR_VERSION) + bytes_field(7, b"".join(graph)) + opset
