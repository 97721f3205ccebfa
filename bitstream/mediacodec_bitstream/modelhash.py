"""The canonical hash that names a model or a set of tables (SPEC section 9).

It covers what a model *is* (each array's name, dtype, shape and bytes) and not how one tool happened to
serialise it, so that re-exporting the same weights keeps the same name.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .errors import ParameterError, ParameterTypeError

PREFIX = b"MCX arrays 1\n"

DTYPES = (
    "bool", "float16", "float32", "float64",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip


def canonical_hash(arrays: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    """Hash named arrays; independent of order, byte order and memory layout.

    arrays: name -> array of any shape, dtype one of `DTYPES`. The names are compared as UTF-8 bytes.
    Returns the 32 bytes of a SHA-256. Raises ParameterTypeError on a name that is no str, ParameterError on
    an unsupported dtype (for example object, or bfloat16, which has no portable numpy name).
    """
    for name in arrays:
        if not isinstance(name, str):
            raise ParameterTypeError(f"array names must be str, got {name!r}")
    digest = hashlib.sha256(PREFIX + struct.pack("<I", len(arrays)))
    for encoded, name in sorted((name.encode("utf-8"), name) for name in arrays):
        array = np.asarray(arrays[name])
        dtype = array.dtype.name
        if dtype not in DTYPES:
            raise ParameterError(f"array {name!r} has dtype {dtype}; allowed are {', '.join(DTYPES)}")
        # ascontiguousarray would turn a scalar into shape (1,), hence the shape of the original
        body = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(struct.pack("<I", len(encoded)) + encoded)
        digest.update(struct.pack("<B", len(dtype)) + dtype.encode("ascii"))
        digest.update(struct.pack(f"<I{array.ndim}Q", array.ndim, *array.shape))
        digest.update(struct.pack("<Q", body.nbytes))
        digest.update(body.data if body.size else b"")
    return digest.digest()
