"""ONNX models written byte by byte: the little of the format (protocol buffers) that a decoded network needs.

Exported graphs with symbolic sizes cannot stand in for it, though ONNX Runtime computes with symbolic sizes as quickly
and to the same bit: packets choose the number of stages, the factor of each pixel shuffle and the channels of depthwise
convolutions, which are nodes and attributes of a graph, not sizes; 137,256 choices of strides alone, for each
architecture. The `onnx` package could write the graph, but is no dependency of decoding. It takes 0.3 to 1.3 ms.
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
    """Write a number, at least 0, in groups of seven bits, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def number_field(field: int, value: int) -> bytes:
    """Write a field that holds an integer (two's complement of 64 bits where negative)."""
    return varint(field << 3) + varint(value & (1 << 64) - 1)


def bytes_field(field: int, value: bytes | str) -> bytes:
    """Write a field that holds bytes, text or a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name: str, values: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> bytes:
    """Write a TensorProto of a float32 or int64 array."""
    dims = b"".join(number_field(1, size) for size in values.shape)
    raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return dims + number_field(2, _TYPES[values.dtype]) + bytes_field(8, name) + bytes_field(9, raw)


def node(kind: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute]) -> bytes:
    """Write a NodeProto with one output.

    Args:
        kind: the operator, as ONNX calls it.
        inputs: names of values; "" for an optional input that is left out.
        output: name of the value it makes, and of the node.
        attributes: of the operator.
    """
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
    """Write a ValueInfoProto of a float32 tensor."""
    dims = b"".join(bytes_field(1, number_field(1, size)) for size in shape)
    kind = number_field(1, FLOAT) + bytes_field(2, dims)
    return bytes_field(1, name) + bytes_field(2, bytes_field(1, kind))


def model(
    nodes: Sequence[bytes],
    constants: Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]],
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, Sequence[int]],
) -> bytes:
    """Write a ModelProto.

    Args:
        nodes: serialized, each behind those whose outputs it takes.
        constants: by name.
        inputs: shape of each float32 input by name.
        outputs: shape of each float32 output by name.

    Returns:
        The bytes of a .onnx file.
    """
    graph = [*(bytes_field(1, data) for data in nodes), bytes_field(2, "network")]
    graph += [bytes_field(5, tensor(name, values)) for name, values in constants.items()]
    graph += [bytes_field(11, value(name, shape)) for name, shape in inputs.items()]
    graph += [bytes_field(12, value(name, shape)) for name, shape in outputs.items()]
    opset = bytes_field(8, number_field(2, OPSET))
    return number_field(1, IR_VERSION) + bytes_field(7, b"".join(graph)) + opset
