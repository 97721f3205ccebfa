"""Outputs as FFmpeg writes them: a name or an open file, and FFmpeg's errors in one clear line."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import BinaryIO, cast

import av.error

from mediacodec.arguments import quoted
from mediacodec.errors import MediaCodecError, OutputError, ParameterTypeError
from mediacodec.media.atomic import AtomicFile, LiveFile, open_output
from mediacodec.media.avio import AvioFile

Target = str | os.PathLike[str] | BinaryIO


def open_target(target: Target, *, overwrite: bool) -> tuple[AtomicFile | LiveFile | None, AvioFile]:
    """Open an output for FFmpeg.

    Args:
        target: a path, "-" for standard output, or a binary file object (not closed).
        overwrite: replace an existing file.

    Returns:
        The file that was opened here, if it was, and what PyAV writes to.

    Raises:
        ParameterTypeError: it is nothing that can be written to.
        OutputExistsError, OutputError, UsageError: see `open_output`.
    """
    if isinstance(target, (str, os.PathLike)):
        file = open_output(target, overwrite=overwrite)
        return file, AvioFile(cast("BinaryIO", file))
    if isinstance(target, io.TextIOBase) or not callable(getattr(target, "write", None)):
        raise ParameterTypeError(f"target must be a path or a file opened in binary mode, not {quoted(target)}")
    return None, AvioFile(target)


@contextlib.contextmanager
def writing(avio: AvioFile, what: str) -> Iterator[None]:
    """Around calls into PyAV: errors of FFmpeg and of the file become an OutputError.

    Args:
        avio: what PyAV writes to.
        what: was to be written.
    """
    try:
        with avio.guard():
            yield
    except (MediaCodecError, BrokenPipeError):
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise OutputError(f"cannot write {what}: {getattr(error, 'strerror', None) or error}") from error
