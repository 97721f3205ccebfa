"""Files of arrays that are not what they say: an error of one kind, and no memory for what is not there."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mediacodec.errors import InputError, ModelError
from mediacodec.manifest import read_manifest
from mediacodec.npz import names, open_npz, read_array
from mediacodec.tokens.formats import read_tokens

from .test_manifest import make_model

GOOD = "{'descr': '<u2', 'fortran_order': False, 'shape': (1, 1, 5)}"


def npy(header: str, body: bytes = b"") -> bytes:
    """A file of NumPy with any header."""
    text = header.encode().ljust(118 - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def packed(data: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("codes.npy", data)
    return file.getvalue()


def broken(data: bytes) -> bytes:
    """An array whose deflated bytes are none."""
    file = bytearray(packed(data, zipfile.ZIP_DEFLATED))
    file[39:45] = b"\xff" * 6
    return bytes(file)


BAD = {
    "an open bracket": packed(npy("{'descr': (")),
    "an odd indent": packed(npy("  {\n a")),
    "packed otherwise": packed(npy(GOOD, bytes(10)), zipfile.ZIP_LZMA),
    "not deflated": broken(npy(GOOD, bytes(10))),
    "far too large": packed(npy("{'descr': '<u2', 'fortran_order': False, 'shape': (1, 1, 4000000000)}")),
    "large, and not there": packed(npy("{'descr': '<u2', 'fortran_order': False, 'shape': (1, 1, 90000000)}")),
    "a negative side": packed(npy("{'descr': '<u2', 'fortran_order': False, 'shape': (-1, -1, 5)}")),
    "objects": packed(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04.")),
}


def arrays(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    with open_npz(io.BytesIO(data)) as archive:
        return {name: read_array(archive, name, max_bytes=1 << 28) for name in names(archive)}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_a_value_error_and_takes_no_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"."):
            arrays(BAD[name])
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", BAD)
def test_so_it_is_one_clear_line_for_codes_and_for_tables(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'a\.npz' is not a file of codes: ."):
        read_tokens(io.BytesIO(BAD[name]), "a.npz")
    folder = make_model(tmp_path, "toy-1")
    (folder / "tables.npz").write_bytes(BAD[name])
    with pytest.raises(ModelError, match=r"cannot read tables\.npz: .") as caught:
        _ = read_manifest(folder).arrays
    assert "\n" not in str(caught.value)


def test_what_numpy_writes_is_read() -> None:
    given = {
        "row": np.arange(6, dtype=np.uint16).reshape(1, 2, 3),
        "column": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "empty": np.zeros((1, 2, 0), np.uint16),
        "number": np.array(5),
        "text": np.array("speech-1"),
    }
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **given)
        found = arrays(file.getvalue())
        assert found.keys() == given.keys()
        for name, array in given.items():
            assert found[name].dtype == array.dtype
            assert found[name].shape == array.shape
            assert np.array_equal(found[name], array)
