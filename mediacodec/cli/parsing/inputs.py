"""An .mcx file or pipe as an input, whose errors say which file they mean."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import BinaryIO

from mediacodec.errors import BitstreamError, UsageError
from mediacodec.mcx.probe import open_path
from mediacodec_bitstream import FileHeader, Reader


@contextlib.contextmanager
def opened_mcx(source: str) -> Iterator[tuple[BinaryIO, FileHeader | None]]:
    """An .mcx input and, unless it is a pipe, its header; errors in its bytes name the file."""
    label = "standard input" if source == "-" else f"'{source}'"
    with contextlib.ExitStack() as stack:
        try:
            if source == "-":
                if sys.stdin.isatty():
                    raise UsageError("standard input is a terminal; pipe an .mcx in, or name a file")
                yield sys.stdin.buffer, None
                return
            file = stack.enter_context(open_path(source))
            header = None
            if file.seekable():
                header = Reader(file).header
                file.seek(0)
            yield file, header
        except BitstreamError as error:
            raise type(error)(f"{label}: {error}") from error
