"""`mediacodec.open`: files as streams, after PyAV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, TypeVar, overload

from mediacodec.arguments import as_choice, refuse_unknown
from mediacodec.errors import ParameterError
from mediacodec.mcx.probe import Source
from mediacodec.mcx.reader import FileReader
from mediacodec.mcx.writer import FileWriter
from mediacodec.metadata import Chapter, Tags
from mediacodec.progress import FitMonitor

if TYPE_CHECKING:
    from mediacodec.mcx.appender import FileAppender

File = TypeVar("File", "FileReader", "FileWriter", "FileAppender")

_MACHINE = ("models", "device", "threads")
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "r": (*_MACHINE, "strict"),
    "w": (*_MACHINE, "overwrite", "live", "monitor", "resume", "metadata", "chapters"),
    "a": (*_MACHINE, "monitor"),
}
"""Which keyword arguments each mode takes."""


@overload
def open(
    file: Source,
    mode: Literal["r"] = "r",
    *,
    models: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    strict: bool = False,
) -> FileReader: ...
@overload
def open(
    file: str | PathLike[str] | BinaryIO,
    mode: Literal["w"],
    *,
    overwrite: bool = False,
    live: bool = False,
    models: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    monitor: FitMonitor | None = None,
    resume: bool = False,
    metadata: Tags | None = None,
    chapters: Sequence[Chapter] = (),
) -> FileWriter: ...
@overload
def open(
    file: str | PathLike[str],
    mode: Literal["a"],
    *,
    models: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    monitor: FitMonitor | None = None,
) -> FileAppender: ...
def open(file: object, mode: str = "r", **options: object) -> FileReader | FileWriter | FileAppender:
    """Open an .mcx file.

    Use it in a `with` block: a file being written appears under its name when the block ends, and not at all when it
    raises.

    Args:
        file: a path, an open binary file, or (reading) bytes; to append, a path.
        mode: "r" to read, "w" to write, "a" to append a clip to a file of `inr`: its stream goes on behind what is
            there, none of which changes.
        options: keyword arguments of `FileReader`, `FileWriter` and `FileAppender`; `models` (a folder to look for
            models in first), `device` and `threads` are taken by all three.

    Raises:
        InputError: the file cannot be read.
        BitstreamError: it is no .mcx file, or its header is damaged, in one of its kinds.
        OutputExistsError: it exists, and `overwrite` is not given.
        OutputError: it cannot be written.
        UsageError: nothing can be appended to files of its kind.
        ParameterError, ParameterTypeError: an argument makes no sense, or means nothing in this mode.

    Example:
        >>> with mediacodec.open("talk.mcx") as file:
        ...     chunk = file.audio.get_samples_played_in_range(60, 70)
    """
    as_choice("mode", mode, OPTIONS)
    _check_names(mode, options)
    if mode == "a":  # loads what fits networks
        from mediacodec.mcx.appender import open_appender

        return _called(open_appender, file, options)
    return _called(FileReader, file, options) if mode == "r" else _called(FileWriter, file, options)


def _called(kind: Callable[..., File], file: object, options: Mapping[str, object]) -> File:
    """What the arguments open; it checks their values."""
    return kind(file, **options)


def _check_names(mode: str, options: Mapping[str, object]) -> None:
    """Raise ParameterError for an argument that a mode does not take."""
    for name in options:
        if name not in OPTIONS[mode] and any(name in names for names in OPTIONS.values()):
            raise ParameterError(f"{name} means nothing in mode {mode!r}: leave it out")
    refuse_unknown("open() has no argument", options, OPTIONS[mode])
