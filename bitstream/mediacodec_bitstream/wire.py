"""Integers on the wire: varints, zigzag, and a cursor that never reads past its bytes (SPEC section 2)."""

from __future__ import annotations

import struct
from typing import Any

from .errors import CorruptError, ParameterError

MAX_VARINT = (1 << 56) - 1  # at most 8 bytes of 7 bits


def varint(value: int) -> bytes:
    """LEB128: 7 bits a byte, least significant first, bit 7 set where another byte follows; 0..2^56-1."""
    if not 0 <= value <= MAX_VARINT:
        raise ParameterError(f"{value} does not fit in a varint (0..2^56-1)")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """A signed integer as the varint of 0, -1, 1, -2, ... -> 0, 1, 2, 3, ..."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def u24(value: int) -> bytes:
    """Three bytes, little-endian."""
    return value.to_bytes(3, "little")


def u40(value: int) -> bytes:
    """Five bytes, little-endian."""
    return value.to_bytes(5, "little")


def u48(value: int) -> bytes:
    """Six bytes, little-endian."""
    return value.to_bytes(6, "little")


class Cursor:
    """Reads a byte string from front to back; reading past the end raises CorruptError.

    It is used on bytes that a CRC has already covered: what is missing there was never written.
    """

    def __init__(self, data: bytes | bytearray | memoryview, what: str) -> None:
        self._data = memoryview(data)
        self._what = what
        self.position = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self.position

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > self.left:
            raise CorruptError(f"{self._what}: {size} bytes wanted, {self.left} left")
        self.position += size
        return bytes(self._data[self.position - size : self.position])

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """The next fields of a little-endian struct layout."""
        layout = "<" + layout
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def uint(self, size: int) -> int:
        """A little-endian unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        """See `varint`; a form longer than needed is refused, so that a number has one spelling."""
        value = 0
        for shift in range(0, 56, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise CorruptError(f"{self._what}: a varint is longer than it needs to be")
                return value
        raise CorruptError(f"{self._what}: a varint is longer than 8 bytes")

    def zigzag(self) -> int:
        """See `zigzag`."""
        value = self.varint()
        return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)
