"""Files of models, read as what they must be: regular, and no larger than is taken.

Whoever may put a folder among the models could else have every `models list` wait for a named pipe, or read a device
without an end.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from mediacodec.errors import ModelError

MAX_FILE = 1 << 32  # bytes of a graph or of tables


def open_regular(path: Path) -> BinaryIO:
    """Open a file of a model for reading: a named pipe would be waited for, a device read without an end.

    Raises:
        ModelError: it is no regular file.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ModelError(f"{path} is no regular file")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a file of a model.

    Args:
        path: of the file.
        limit: bytes that it may have.

    Raises:
        ModelError: it has more, or is no regular file.
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ModelError(f"{path} is larger than {limit} bytes: no file of a model")
    return data
