"""A byte source over files and pipes that knows its offset and never trusts an announced size."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from .chunk import SYNC
from .errors import ParameterError, ParameterTypeError

_BLOCK = 1 << 16
_LARGEST = 1 << 20  # of one read: memory grows with what is really there, not with what a head claims


class ByteSource:
    """buffer: the bytes at the cursor that are in memory; offset: the cursor's distance from the start."""

    def __init__(self, file: BinaryIO) -> None:
        if not hasattr(file, "read"):
            raise ParameterTypeError(f"expected a binary file object, got {type(file).__name__}")
        self._file = file
        self._read = _reader(file)
        self.buffer = bytearray()
        self.offset = 0
        self.seekable = bool(hasattr(file, "seekable") and file.seekable())
        self._base = file.tell() if self.seekable else 0

    def fill(self, size: int) -> bool:
        """Read until `size` bytes are buffered; False where the file ends before."""
        while len(self.buffer) < size:
            block = self._read(min(max(size - len(self.buffer), 1), _LARGEST))
            if not block:
                return False
            self.buffer += block
        return True

    def advance(self, size: int) -> None:
        """Move the cursor over bytes, buffered or not; stops at the end of the file."""
        while size > len(self.buffer):
            if self.seekable and size - len(self.buffer) > _BLOCK:
                self.seek(self.offset + size)
                return
            size -= len(self.buffer)
            self.offset += len(self.buffer)
            self.buffer.clear()
            if not self.fill(1):
                return
        del self.buffer[:size]
        self.offset += size

    def seek(self, offset: int) -> None:
        """Put the cursor at an offset; only where `seekable`."""
        ahead = offset - self.offset
        if 0 <= ahead <= len(self.buffer):
            del self.buffer[:ahead]
        else:
            self.buffer.clear()
            self._file.seek(self._base + offset)
        self.offset = offset

    def size(self) -> int:
        """Bytes from the start to the end of the file; only where `seekable`."""
        end = self._file.seek(0, io.SEEK_END) - self._base
        self._file.seek(self._base + self.offset + len(self.buffer))
        return end

    def skip_to_sync(self) -> int:
        """Move to the next sync word after the cursor, or to the end; returns the bytes skipped."""
        start = self.offset
        self.advance(1)
        while True:
            at = self.buffer.find(SYNC)
            if at >= 0:
                self.advance(at)
                return self.offset - start
            self.advance(max(len(self.buffer) - 1, 0))  # the last byte may be the first of a sync word
            if not self.fill(len(SYNC)):
                self.advance(len(self.buffer))
                return self.offset - start


def _reader(file: BinaryIO) -> Callable[[int], bytes]:
    """How to get bytes without waiting for more than are needed: live pipes deliver in small pieces."""
    read1 = getattr(file, "read1", None)
    if read1 is not None:
        return lambda size: bytes(read1(max(size, _BLOCK)))
    if isinstance(file, io.RawIOBase):
        return lambda size: _not_none(file.read(max(size, _BLOCK)))
    return lambda size: _not_none(file.read(size))


def _not_none(block: bytes | None) -> bytes:
    if block is None:
        raise ParameterError("the file is in non-blocking mode; open it blocking")
    if not isinstance(block, bytes | bytearray):
        raise ParameterTypeError(f"the file returned {type(block).__name__}; open it in binary mode")
    return bytes(block)
