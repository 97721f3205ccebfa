"""Where a file being written goes, under a name or into a file that is open; and its close, which comes once.

A named file appears whole or not at all. What is open already grows as it is written, and is closed by its owner.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from mediacodec.arguments import check_file
from mediacodec.errors import MediaCodecError, OutputError

if TYPE_CHECKING:
    from mediacodec.media.atomic import AtomicFile, LiveFile

Target = str | os.PathLike[str] | BinaryIO


class Output(Protocol):
    """What a file being written asks of the place that it goes to."""

    @property
    def file(self) -> CountedFile:
        """Takes the bytes."""
        ...

    def finish(self, *, partial: bool) -> None:
        """Everything was written; `partial`: it is only a part, because somebody stopped it. Raises OutputError."""
        ...

    def abort(self) -> None:
        """Give up, quietly: what can be taken back is taken back."""
        ...


class NamedOutput:
    """A file that gets its name at the end, or NAME.partial where it is only a part; pipes and devices grow live.

    Args:
        path: the name, "-" for standard output.
        overwrite: whether a file of that name may be replaced.

    Attributes:
        file: takes the bytes.
        stays: whether it is a file that appears under the name, no pipe or device.

    Raises:
        OutputExistsError, OutputError, UsageError: see `mediacodec.media.open_output`.
    """

    __slots__ = ("_owned", "file", "stays")

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool) -> None:
        from mediacodec.media.atomic import AtomicFile, open_output

        self._owned: AtomicFile | LiveFile = open_output(path, overwrite=overwrite)
        self.file = CountedFile(cast("BinaryIO", self._owned))
        self.stays = isinstance(self._owned, AtomicFile)

    def guard(self, check: Callable[[], None]) -> None:
        """Have `finish` ask `check`, last of all, whether the file may take its name; see `AtomicFile.guard`."""
        self._owned.guard(check)

    def finish(self, *, partial: bool) -> None:
        """See `Output`."""
        if partial:
            self._owned.call_partial()
        self._owned.commit()

    def abort(self) -> None:
        """See `Output`."""
        self._owned.abort()


class OpenOutput:
    """A file that somebody has open; it is never closed here.

    Args:
        file: binary, for writing; seekable or not.

    Attributes:
        file: takes the bytes.

    Raises:
        ParameterTypeError: it is no such file.
    """

    __slots__ = ("file",)

    def __init__(self, file: BinaryIO) -> None:
        check_file("file", file, "write", instead="a path or ")
        self.file = CountedFile(file)

    def finish(self, *, partial: bool) -> None:
        """See `Output`; whoever opened the file gives it its name."""

    def abort(self) -> None:
        """See `Output`."""


class CountedFile:
    """A binary file that counts the bytes written to it, and names the system's errors.

    Attributes:
        count: bytes written so far.
    """

    __slots__ = ("_file", "count")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0

    def write(self, data: bytes | memoryview) -> int:
        """Write bytes, maybe not all: an unbuffered pipe may take less. Raises OutputError."""
        with _as_output_error():
            written = self._file.write(data)
        count = len(data) if written is None else written
        self.count += count
        return count

    def flush(self) -> None:
        """Hand everything written so far on. Raises OutputError."""
        flush = getattr(self._file, "flush", None)
        if flush is not None:
            with _as_output_error():
                flush()

    def read(self, size: int = -1) -> bytes:
        """As the file does: continuing one also reads it."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As the file does. Raises OutputError: what waits in a buffer is written first."""
        with _as_output_error():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As the file does."""
        return self._file.tell()

    def seekable(self) -> bool:
        """As the file does."""
        return bool(hasattr(self._file, "seekable") and self._file.seekable())


@contextmanager
def _as_output_error() -> Iterator[None]:
    """Name errors of the system and of a closed file; ours, and a closed pipe, pass as they are."""
    try:
        yield
    except (BrokenPipeError, MediaCodecError):
        raise
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write: {getattr(error, 'strerror', None) or error}") from error


class Closing:
    """The end of a file being written, which comes once: later calls do nothing, or raise again what it raised."""

    __slots__ = ("_failure", "done")

    def __init__(self) -> None:
        self.done = False
        self._failure: Exception | None = None

    def run(self, finish: Callable[[], None], abort: Callable[[], None]) -> None:
        """Finish; where that raises, give up and raise it.

        Args:
            finish: what the close does.
            abort: what gives up.
        """
        if self._failure is not None:
            raise self._failure
        if self.done:
            return
        self.done = True
        try:
            finish()
        except BaseException as error:
            self._failure = error if isinstance(error, Exception) else None
            abort()
            raise
