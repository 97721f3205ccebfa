"""A byte source over files and pipes that knows its offset and never trusts an announced size."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from typing import BinaryIO, TypeVar, cast

from .chunk import SYNC
from .errors import ParameterError, ParameterTypeError

T = TypeVar("T")
_BLOCK = 1 << 16
_LARGEST = 1 << 20  # of one read: memory grows with what is really there, not with what a head claims


class ByteSource:
    """buffer: the bytes at the cursor that are in memory; offset: the cursor's distance from the start.

    A source keeps its own place: several over one seekable file, in threads or forked processes, do not disturb each
    other (see `_SeekingFile`).
    """

    def __init__(self, file: BinaryIO) -> None:
        if not hasattr(file, "read"):
            raise ParameterTypeError(f"expected a binary file object, got {type(file).__name__}")
        self.buffer = bytearray()
        self.offset = 0
        self.seekable = bool(hasattr(file, "seekable") and file.seekable())
        self._at = _SeekingFile(file) if self.seekable else None
        self._base = file.tell() if self.seekable else 0
        self._read = _reader(file)
        self._memory: dict[Callable[[ByteSource], object], tuple[int, object]] = {}

    def remembered(self, load: Callable[[ByteSource], T]) -> T:
        """What `load` reads of a seekable file, read anew only where its size has changed; for all views of it."""
        size = self.size()
        known = self._memory.get(load)
        if known is None or known[0] != size:
            known = self._memory[load] = size, load(self)
        return cast("T", known[1])

    def view(self) -> ByteSource:
        """Another source over the same seekable file, at the same place."""
        assert self._at is not None
        other = object.__new__(ByteSource)
        other.__dict__ |= self.__dict__ | {"buffer": bytearray(self.buffer)}
        return other

    def fill(self, size: int) -> bool:
        """Read until `size` bytes are buffered; False where the file ends before."""
        while len(self.buffer) < size:
            wanted = min(max(size - len(self.buffer), 1), _LARGEST)
            if self._at is None:
                block = self._read(wanted)
            else:
                block = self._at.read(self._base + self.offset + len(self.buffer), wanted)
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
        self.offset = offset

    def size(self) -> int:
        """Bytes from the start to the end of the file; only where `seekable`."""
        assert self._at is not None
        return self._at.size() - self._base

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


class _SeekingFile:
    """Reads of a seekable file at given places, whoever else moves its position.

    A file of the system's is read without its position, which processes share after a fork; any other under a lock,
    since its position belongs to this process.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._read = _reader(file)
        self._descriptor = file.fileno() if _is_plain(file) else None

    def read(self, position: int, size: int) -> bytes:
        """At least one byte at a position, unless the file ends before; `size` are wanted."""
        if self._descriptor is not None:
            if self._file.closed:
                raise ValueError("I/O operation on closed file")
            return os.pread(self._descriptor, max(size, _BLOCK), position)
        with _Turn.lock:
            self._file.seek(position)
            return self._read(size)

    def size(self) -> int:
        """Bytes of the whole file."""
        if self._descriptor is not None and not self._file.closed:
            return os.fstat(self._descriptor).st_size
        with _Turn.lock:
            return self._file.seek(0, io.SEEK_END)


def _is_plain(file: BinaryIO) -> bool:
    """Whether a file is one of the system's as it is, open for reading alone; not one that unpacks, say."""
    raw = file.raw if type(file) is io.BufferedReader else file
    return hasattr(os, "pread") and type(raw) is io.FileIO and not raw.writable() and raw.seekable()


class _Turn:
    """Whose turn it is to move the position of a file that has only one."""

    lock = threading.RLock()

    @classmethod
    def renew(cls) -> None:
        """A thread that held the lock does not exist in a forked child."""
        cls.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Turn.renew)


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
