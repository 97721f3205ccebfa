"""Files of NumPy arrays (.npz) from anywhere: an array is read once its size is known to be small enough.

`numpy.load` takes the memory that a header asks for before it looks whether the file holds so much, and lets errors of
six kinds through.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""An array of any kind of numbers."""

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes; others take memory that a file asks for
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
KINDS = "biufU"  # of dtypes: no objects, which only a pickle can hold


@contextmanager
def open_npz(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open an .npz for `names` and `read_array`.

    Args:
        file: open for reading, seekable.

    Raises:
        ValueError, OSError: something is wrong with it, also where reading on shows that.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, SyntaxError) as error:
        raise ValueError(f"it is no npz: {error}") from error
    except tokenize.TokenError as error:  # numpy.lib.format takes a header that is no literal for one of Python 2
        raise ValueError(f"the header of an array cannot be read: {error.args[0]}") from error


def save_arrays(file: Path | BinaryIO, arrays: Mapping[str, Array]) -> None:
    """Write an .npz, compressed.

    Args:
        file: a path that ends in .npz, or open for writing.
        arrays: of numbers or text, by name.
    """
    write: Callable[..., None] = np.savez_compressed  # its own keywords stand beside the names of arrays
    write(file, **arrays)


def names(archive: zipfile.ZipFile) -> list[str]:
    """Of the arrays in it."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def read_array(archive: zipfile.ZipFile, name: str, *, max_bytes: int) -> Array:
    """Read one array.

    Args:
        archive: from `open_npz`.
        name: of the array.
        max_bytes: that it may take, unpacked.

    Raises:
        ValueError: it takes more, or is not what it says it is.
        KeyError: there is no such array.
    """
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in METHODS:
        raise ValueError(f"{name} is packed in a way that NumPy does not write")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in HEADERS:
            raise ValueError(f"{name} is of a version of npy that is not known")
        shape, by_columns, kind = HEADERS[version](member)
        size = math.prod(shape) * kind.itemsize
        if kind.kind not in KINDS or min(shape, default=0) < 0:
            raise ValueError(f"{name} is {kind} {list(shape)}")
        if size > max_bytes:
            raise ValueError(f"{name} is too large: {kind} {list(shape)}")
        data = member.read(size)
    if len(data) != size:
        raise ValueError(f"{name} ends early")
    return np.frombuffer(data, kind).reshape(shape, order="F" if by_columns else "C")
