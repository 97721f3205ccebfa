"""Outputs: a named file appears whole or not at all; pipes and devices grow live.

A file is written as `.NAME.tmp-PID` beside its final name and renamed at the end. Whatever stops the program in
between, even `kill -9`, leaves nothing under the final name.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from mediacodec.errors import OutputError, OutputExistsError, UsageError

_BUFFER = 1 << 18
_KEPT_MODE = 0o775  # of a file that is replaced: neither setuid, setgid and sticky nor leave for anybody to write
_REASONS = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.ENOENT: "its directory does not exist",
    errno.ENOTDIR: "its directory is no directory",
    errno.EISDIR: "it is a directory",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextlib.contextmanager
def _as_output_error(label: str) -> Iterator[None]:
    """Turn the system's errors into one clear line; a closed pipe and errors of ours pass unchanged."""
    try:
        yield
    except (BrokenPipeError, OutputError, OutputExistsError, io.UnsupportedOperation):
        raise
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        raise OutputError(f"cannot write {label}: {reason}") from error


class _Output(io.BufferedIOBase):
    """The parts that AtomicFile and LiveFile share; mixed in before a buffered file of the io module."""

    _label = "the output"

    def write(self, data: object) -> int:
        """Write bytes; OutputError if they cannot be kept."""
        with _as_output_error(self._label):
            return super().write(data)  # type: ignore[arg-type]

    def flush(self) -> None:
        """Hand everything written so far to the system."""
        with _as_output_error(self._label):
            super().flush()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move, as every seekable file does (a full buffer is written first, so OutputError is possible)."""
        with _as_output_error(self._label):
            return super().seek(offset, whence)

    def commit(self) -> None:
        """Finish: from here on the output is there, whole."""
        raise NotImplementedError

    def call_partial(self) -> str | None:
        """Have `commit` put the output under NAME.partial, over one that is there; None where it has no name."""
        return None

    def guard(self, check: Callable[[], None]) -> None:
        """Have `commit` ask `check`, last of all, whether the output may take its name. Where that raises OutputError,
        `commit` does too, and the output is under NAME.partial. Nothing is asked where it has no name.
        """

    def abort(self) -> None:
        """Give up, quietly: what can be taken back is taken back."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()


class AtomicFile(_Output, io.BufferedRandom):
    """A binary file that gets its name only when it is complete.

    A plain, seekable file object for whoever writes. Leaving the `with` block commits, leaving it through an
    exception aborts; closing or losing the object without a commit aborts too. A symbolic link is followed, as
    every program does that opens a file for writing.

    Args:
        path: the final name.
        overwrite: replace an existing file. If False, a file that exists now, or appears while this one is
            written, is never touched.
        follow_links: whether what a symbolic link names is written; else the link itself is replaced.

    Raises:
        OutputExistsError: the file exists (now, or at commit) and overwrite is False.
        OutputError: no such directory, no permission, disk full, and so on.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False, follow_links: bool = True) -> None:
        self._label = f"'{os.fspath(path)}'"
        self._overwrite = overwrite
        self._check: Callable[[], None] | None = None
        self._done = True  # nothing to take back until the temporary file exists
        self.path = Path(os.path.realpath(path)) if follow_links else Path(path).absolute()
        with _as_output_error(self._label):
            if self.path.is_dir():
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not overwrite and self.path.exists():
                raise self._exists_error()
            self.temporary, descriptor = _create_beside(self.path)
            super().__init__(io.FileIO(descriptor, "r+b"), _BUFFER)
            self._done = False

    def call_partial(self) -> str:
        """See the base; returns the name."""
        self.path = self.path.with_name(f"{self.path.name}.partial")
        self._label, self._overwrite, self._check = f"'{self.path}'", True, None
        return str(self.path)

    def guard(self, check: Callable[[], None]) -> None:
        """See the base."""
        self._check = check

    def _refused(self) -> OutputError | None:
        """What speaks against the name, if anything; the file is called partial then."""
        try:
            if self._check is not None:
                self._check()
        except OutputError as error:
            return OutputError(f"{error}; what was written is in '{self.call_partial()}'")
        return None

    def _exists_error(self) -> OutputExistsError:
        return OutputExistsError(f"{self._label} already exists; pass -y (overwrite=True) to replace it")

    def commit(self) -> None:
        """Put the file under its final name, its bytes safely on the disk.

        Raises:
            OutputExistsError, OutputError: as for the class; nothing is left behind then, but for what `guard` says.
        """
        if self._done:
            return
        try:
            with _as_output_error(self._label):
                self.flush()
                os.fsync(self.fileno())
                super().close()
                refused = self._refused()
                self._publish()
        except BaseException:
            self.abort()
            raise
        self._done = True
        if refused is not None:
            raise refused

    def _publish(self) -> None:
        if self._overwrite:
            with contextlib.suppress(FileNotFoundError):
                there = self.path.lstat().st_mode
                if stat.S_ISREG(there):
                    self.temporary.chmod(there & _KEPT_MODE)
            self.temporary.replace(self.path)
            return
        try:
            self.path.hardlink_to(self.temporary)  # unlike a rename, this fails when the name is taken
        except FileExistsError as error:
            raise self._exists_error() from error
        except OSError:
            self._publish_without_links()
        else:
            self.temporary.unlink()

    def _publish_without_links(self) -> None:
        """For file systems that know no hard links (FAT, some network drives): claim the name, then replace."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError as error:
            raise self._exists_error() from error
        self.temporary.replace(self.path)

    def abort(self) -> None:
        """Close and remove the temporary file; nothing appears under the final name."""
        if self._done:
            return
        self._done = True
        with contextlib.suppress(OSError):  # what was still buffered may not fit on the disk: let it go
            super().close()
        with contextlib.suppress(OSError):
            self.temporary.unlink()

    def close(self) -> None:
        """Without an earlier commit, the same as abort."""
        self.abort()


class LiveFile(_Output, io.BufferedWriter):
    """An output that grows as it is written: a pipe, a device, standard output.

    Every write goes out at once, so that whoever listens gets it in time.

    Args:
        raw: what is written to.
        label: names the output in errors.
    """

    def __init__(self, raw: io.FileIO, label: str) -> None:
        self._label = label
        super().__init__(raw, _BUFFER)

    def write(self, data: object) -> int:
        """Write bytes and flush."""
        written = super().write(data)
        self.flush()
        return written

    def commit(self) -> None:
        """Close; everything has been sent already."""
        self.close()

    def abort(self) -> None:
        """Close; what was sent cannot be taken back."""
        with contextlib.suppress(OSError):
            self.close()


def open_output(target: str | os.PathLike[str], *, overwrite: bool = False) -> AtomicFile | LiveFile:
    """Open an output by name, for writing; finish it with `commit()` or `abort()`, or use it in `with`.

    Args:
        target: a path, or "-" for standard output. A pipe or a device (/dev/null, a named pipe) is written live.
        overwrite: see AtomicFile; does not matter for pipes and devices.

    Raises:
        OutputExistsError, OutputError: see AtomicFile.
        UsageError: standard output is a terminal.
    """
    if os.fspath(target) == "-":
        if sys.stdout.isatty():
            raise UsageError("will not write binary data to a terminal; use a pipe or a file name")
        sys.stdout.flush()
        try:
            descriptor = os.dup(sys.stdout.fileno())  # ours to close, while print() keeps its own
        except io.UnsupportedOperation as error:  # a notebook, a test
            raise OutputError("standard output is no file here; name one") from error
        return LiveFile(io.FileIO(descriptor, "wb"), "standard output")
    with contextlib.suppress(OSError):
        mode = Path(target).stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            label = f"'{os.fspath(target)}'"
            with _as_output_error(label):
                return LiveFile(io.FileIO(target, "wb"), label)
    return AtomicFile(target, overwrite=overwrite)


def _create_beside(path: Path) -> tuple[Path, int]:
    """Create `.NAME.tmp-PID` in the directory of path, not yet used by anyone; returns it and its descriptor."""
    name = os.fsdecode(os.fsencode(path.name)[:200])  # leaves room for the rest of the name below 255 bytes
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    for attempt in range(1000):
        suffix = f"-{attempt}" if attempt else ""  # the PID may have been used before, by one that was killed
        temporary = path.with_name(f".{name}.tmp-{os.getpid()}{suffix}")
        with contextlib.suppress(FileExistsError):
            return temporary, os.open(temporary, flags, 0o666)
    raise FileExistsError(errno.EEXIST, "too many temporary files beside it")
