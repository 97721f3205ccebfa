"""Python files as FFmpeg sees them.

Everything is opened by Python and handed to FFmpeg as a file object: file names then need no care (FFmpeg would take
"a:b.wav" for a protocol), and a playlist given as an input cannot make FFmpeg open other files or the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

T = TypeVar("T")
_HEAD_SIZE = 1 << 20


class Bridge:
    """A binary file as PyAV wants it, which loses no exception.

    PyAV calls `read` and `write` from inside FFmpeg. A KeyboardInterrupt raised there is printed and *forgotten*
    (PyAV catches only Exception), and an error in the last write, while a container closes, surfaces as a
    nameless PyAVCallbackError. So the first exception is kept here, every later call fails at once, and `guard`
    raises what really happened.

    Args:
        file: readable or writable; seekable or not. It is never closed here.

    Attributes:
        name: the file's name, "" if it has none; FFmpeg knows some formats only by their suffix.
        head: what was read first, up to 1 MiB, if the file cannot seek (and so cannot be read again).
    """

    def __init__(self, file: BinaryIO) -> None:
        name = getattr(file, "name", "")
        self.name = name if isinstance(name, str) else ""
        self.head = b""
        self._file = file
        self._failure: BaseException | None = None
        self._can_seek = bool(file.seekable()) if hasattr(file, "seekable") else hasattr(file, "seek")
        # From a pipe take what has arrived: read(n) would wait for n bytes, and live sound would lag.
        live_read: Callable[[int], bytes] | None = None if self._can_seek else getattr(file, "read1", None)
        self._read = live_read or file.read

    def seekable(self) -> bool:
        """Whether the file can be read or written at any place."""
        return self._can_seek

    def read(self, size: int) -> bytes:
        """Up to size bytes; b"" at the end."""
        data = self._call(lambda: bytes(self._read(size) or b""))
        if not self._can_seek and len(self.head) < _HEAD_SIZE:
            self.head += data
        return data

    def write(self, data: bytes) -> int:
        """Write all of data; returns its length."""
        return self._call(lambda: self._write_all(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; returns the new position in bytes."""
        self._call(lambda: self._file.seek(offset, whence))
        return self.tell()

    def tell(self) -> int:
        """Position in bytes."""
        return self._call(self._file.tell)

    def _write_all(self, data: bytes) -> int:
        done = self._file.write(data)
        while done is not None and done < len(data):  # an unbuffered file may take less than it is given
            done += self._file.write(data[done:]) or 0
        return len(data)

    def _call(self, function: Callable[[], T]) -> T:
        if self._failure is not None:
            raise OSError("an earlier call failed")
        try:
            return function()
        except BaseException as error:
            self._failure = error
            raise OSError("reading or writing failed") from error

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Around every call into PyAV: raises what a read, write or seek raised inside it, as it was."""
        try:
            yield
        except Exception as error:
            if self._failure is not None and self._failure is not error:
                raise self._failure from None
            raise
        if self._failure is not None:
            raise self._failure
