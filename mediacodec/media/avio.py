"""Between Python and FFmpeg: files and arrays as the other side wants them.

Everything is opened by Python and handed to FFmpeg as a file object: file names then need no care (FFmpeg would take
"a:b.wav" for a protocol), and a playlist given as an input cannot make FFmpeg open other files or the network.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from mediacodec.arguments import check_file
from mediacodec.errors import InputError, UsageError
from mediacodec.frames import Samples

T = TypeVar("T")
_HEAD_SIZE, _LARGEST_HEAD = 1 << 20, 64 << 20
_OFFSETS = {"u8": 128}
_FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}


class AvioFile:
    """A binary file as PyAV wants it, which loses no exception.

    PyAV calls `read` and `write` from inside FFmpeg. A KeyboardInterrupt raised there is printed and *forgotten*
    (PyAV catches only Exception), and an error in the last write, while a container closes, surfaces as a
    nameless PyAVCallbackError. So the first exception is kept here, later calls do nothing and say so to nobody (PyAV
    would print a traceback for each), and `guard` raises what really happened.

    Args:
        file: readable or writable; seekable or not. It is never closed here.

    Attributes:
        name: the file's name, "" if it has none; FFmpeg knows some formats only by their suffix.
        num_read: bytes read so far.
        head: what was read first, up to 1 MiB and beyond that to the end of an ID3v2 tag, if the file cannot seek (and
            so cannot be read again); None once it is not wanted any more.
    """

    def __init__(self, file: BinaryIO) -> None:
        name = getattr(file, "name", "")
        self.name = name if isinstance(name, str) else ""
        self.num_read = 0
        self.head: bytearray | None = bytearray()
        self._head_size = _HEAD_SIZE
        self._file = file
        self._unread = b""
        self._left, self._limited = sys.maxsize, False
        self._corrections: dict[int, bytes] = {}
        self._failure: BaseException | None = None
        self._can_seek = bool(file.seekable()) if hasattr(file, "seekable") else hasattr(file, "seek")
        # From a pipe take what has arrived: read(n) would wait for n bytes, and live audio would lag.
        live_read: Callable[[int], bytes] | None = None if self._can_seek else getattr(file, "read1", None)
        self._read = live_read or file.read

    def seekable(self) -> bool:
        """Whether the file can be read or written at any place."""
        return self._can_seek

    def read(self, size: int) -> bytes:
        """Up to size bytes; b"" at the end."""
        if self._failure is not None:
            return b""
        if self._unread:
            data, self._unread = self._unread[:size], self._unread[size:]
            return data
        size = min(size, self._left)
        place = self.tell() if self._corrections else 0
        data = self._call(lambda: bytes(self._read(size) or b"")) if size > 0 else b""
        self.num_read += len(data)
        self._left -= len(data)
        for at, instead in self._corrections.items():
            begin, end = max(at, place), min(at + len(instead), place + len(data))
            if begin < end:
                data = data[: begin - place] + instead[begin - at : end - at] + data[end - place :]
        if not self._can_seek and self.head is not None and len(self.head) < self._head_size:
            self.head += data
            if self.head[:3] == b"ID3" and len(self.head) >= 10:  # the first frame comes behind it
                self._head_size = min(_HEAD_SIZE + (self.head[6] << 21 | self.head[7] << 14), _LARGEST_HEAD)
        return data

    def unread(self, data: bytes) -> None:
        """Put bytes back in front, to be read again."""
        self._unread = data + self._unread

    def limit(self, size: int) -> None:
        """Let the file end after so many bytes more."""
        self._left = size
        self._limited = True

    @property
    def num_missing(self) -> int:
        """Bytes by which the file ended before its limit, at its end; 0 without a limit."""
        return self._left if self._limited else 0

    def correct(self, corrections: dict[int, bytes]) -> None:
        """Read other bytes than there are, of a file that can seek.

        Args:
            corrections: by place.
        """
        self._corrections = corrections

    def write(self, data: bytes) -> int:
        """Write all of data; returns its length."""
        if self._failure is not None:
            return len(data)
        return self._call(lambda: self._write_all(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; returns the new position in bytes."""
        if self._failure is not None:
            return 0
        self._call(lambda: self._file.seek(offset, whence))
        return self.tell()

    def tell(self) -> int:
        """Position in bytes."""
        if self._failure is not None:
            return 0
        return self._call(self._file.tell)

    def _write_all(self, data: bytes) -> int:
        done = self._file.write(data)
        while done is not None and done < len(data):  # an unbuffered file may take less than it is given
            done += self._file.write(data[done:]) or 0
        return len(data)

    def _call(self, function: Callable[[], T]) -> T:
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


def open_input(source: str | os.PathLike[str] | BinaryIO) -> tuple[str, BinaryIO]:
    """Open an input by name, or take a file object as it is.

    Args:
        source: a path, "-" for standard input, or a binary file object.

    Returns:
        A name for messages, and the file.

    Raises:
        InputError: there is no such file, it is a directory, is empty, or may not be read.
        UsageError: standard input is a terminal.
        ParameterTypeError: it is nothing that can be read as bytes.
    """
    if not isinstance(source, (str, os.PathLike)):
        check_file("source", source, "read", instead="a path or ")
        name = getattr(source, "name", None)
        return (f"'{name}'" if isinstance(name, str) else f"the {type(source).__name__} object"), source
    if os.fspath(source) == "-":
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal; pipe media in or name a file")
        return "standard input", sys.stdin.buffer
    label, path = f"'{os.fspath(source)}'", Path(source)
    try:
        if path.is_dir():
            raise InputError(f"{label} is a directory")
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{label} is empty (0 bytes)")
        return label, path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{label} does not exist") from error
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise InputError(f"cannot open {label}: {getattr(error, 'strerror', None) or error}") from error


def planar_float32(frame: av.AudioFrame) -> Samples:
    """The samples of a frame as float32 [channels, n], full scale [-1, 1]."""
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    kind = frame.format.name.removesuffix("p")
    samples = data.astype(np.float32, copy=False)
    if kind in _FULL_SCALE:
        samples = (samples - np.float32(_OFFSETS.get(kind, 0))) / np.float32(_FULL_SCALE[kind])
    return samples


def arranged(samples: Samples, sample_format: str) -> NDArray[np.float32] | NDArray[np.int16]:
    """Samples as the array that PyAV wants.

    Args:
        samples: float32 [channels, n].
        sample_format: FFmpeg's name; planar formats end in p.

    Returns:
        Planar as they are, packed as [1, n * channels].
    """
    if sample_format == "s16":
        integers: NDArray[np.int16] = np.rint(samples * np.float32(32768.0)).clip(-32768, 32767).astype(np.int16)
        return np.ascontiguousarray(integers.T.reshape(1, -1))
    return np.ascontiguousarray(samples if sample_format.endswith("p") else samples.T.reshape(1, -1))
