"""The canonical hash: what an array is, not how it is stored."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest

from mediacodec_bitstream import ParameterError, ParameterTypeError, canonical_hash

WEIGHTS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(7, dtype=np.int64), "é": np.zeros((0, 2))}


def test_it_is_the_scheme_of_the_specification() -> None:
    text = b"MCX arrays 1\n" + struct.pack("<I", 3)
    text += struct.pack("<I", 1) + b"a" + b"\x05int64" + struct.pack("<IQ", 0, 8) + struct.pack("<q", 7)
    text += struct.pack("<I", 1) + b"b" + b"\x07float32" + struct.pack("<IQQQ", 2, 2, 3, 24)
    text += struct.pack("<6f", 0, 1, 2, 3, 4, 5)
    text += struct.pack("<I", 2) + "é".encode() + b"\x07float64" + struct.pack("<IQQQ", 2, 0, 2, 0)
    assert canonical_hash(WEIGHTS) == hashlib.sha256(text).digest()


def test_storage_does_not_matter() -> None:
    other = {
        "é": WEIGHTS["é"],
        "a": WEIGHTS["a"].astype(">i8"),
        "b": np.asfortranarray(WEIGHTS["b"]).astype(">f4"),
    }
    assert canonical_hash(other) == canonical_hash(WEIGHTS)
    strided = np.zeros((2, 6), dtype=np.float32)
    strided[:, ::2] = WEIGHTS["b"]
    assert canonical_hash({**WEIGHTS, "b": strided[:, ::2]}) == canonical_hash(WEIGHTS)


@pytest.mark.parametrize(
    "changed",
    [
        {"b": WEIGHTS["b"].reshape(3, 2)},
        {"b": WEIGHTS["b"].astype(np.float64)},
        {"b": WEIGHTS["b"] + np.float32(1)},
        {"b": -WEIGHTS["b"]},  # also tells -0.0 from 0.0
        {"c": WEIGHTS["b"]},
        {"a": WEIGHTS["a"].reshape(1)},
    ],
)
def test_content_matters(changed: dict[str, np.ndarray]) -> None:
    assert canonical_hash({**WEIGHTS, **changed}) != canonical_hash(WEIGHTS)


def test_names_cannot_run_into_each_other() -> None:
    zero, one = np.zeros(1), np.ones(1)
    assert canonical_hash({"ab": zero, "c": one}) != canonical_hash({"a": zero, "bc": one})


def test_refusals() -> None:
    with pytest.raises(ParameterError, match="object"):
        canonical_hash({"a": np.array([None])})
    with pytest.raises(ParameterTypeError):
        canonical_hash({1: np.zeros(1)})  # type: ignore[dict-item]
