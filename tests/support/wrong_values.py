"""Values that a caller gets wrong, by what an argument should be: of another kind, out of range, not a number.

Each kind of argument is a table of values by a name for the test's report. None is in each of them; arguments that may
be None are `optional`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np

from mediacodec.frames import AudioChunk

Wrong = Mapping[str, Any]

NAN, INF = float("nan"), float("inf")
HUGE = 10**40  # beyond 64 bits
BEYOND_FLOATS = 10**400

_NOTHING: Final = {"None": None}
_OBJECTS: Final = {"object": object(), "dict": {}, "list": [], "class": int}
_TEXTS: Final = {"text": "3", "bytes": b"3", "no text": ""}
_ARRAYS: Final = {
    "empty array": np.zeros(0),
    "array of one": np.ones(1),
    "array": np.ones(3),
    "array of bools": np.ones((), bool),
    "array of text": np.array("3"),
}
_BOOLS: Final = {"True": True, "False": False, "NumPy's True": np.bool_(True)}
_COMPLEX: Final = {"complex": 1j, "NumPy's complex": np.complex128(1)}
_NO_NUMBERS: Final = _NOTHING | _OBJECTS | _TEXTS | _ARRAYS | _BOOLS | _COMPLEX

POSITIVE_NUMBER: Final[Wrong] = _NO_NUMBERS | {
    "0": 0, "-1": -1.0, "nan": NAN, "inf": INF, "-inf": -INF, "huge": BEYOND_FLOATS,
    "NumPy's nan": np.float32("nan"), "Decimal's nan": Decimal("nan"), "huge Fraction": Fraction(BEYOND_FLOATS),
}  # fmt: skip
SECONDS: Final[Wrong] = {name: value for name, value in POSITIVE_NUMBER.items() if name != "0"}
INTEGER: Final[Wrong] = _NO_NUMBERS | {
    "1.5": 1.5, "whole float": 2.0, "NumPy's float": np.float64(2), "nan": NAN, "inf": INF, "Fraction": Fraction(2),
}  # fmt: skip
NATURAL: Final[Wrong] = INTEGER | {"-1": -1, "huge": HUGE, "huge and negative": -HUGE}
POSITIVE_INTEGER: Final[Wrong] = NATURAL | {"0": 0}
FRACTION: Final[Wrong] = _NO_NUMBERS | {
    "25.0": 25.0, "nan": NAN, "inf": INF, "0": 0, "-1": -1, "Fraction 0": Fraction(0), "negative": Fraction(-1, 25),
    "huge": HUGE, "huge Fraction": Fraction(1, HUGE),
}  # fmt: skip
FLAG: Final[Wrong] = _NOTHING | _OBJECTS | _TEXTS | _COMPLEX | {
    "0": 0, "1": 1, "1.0": 1.0, "array": np.ones(3, bool), "array of one": np.ones(1, bool),
}  # fmt: skip
TEXT: Final[Wrong] = _NOTHING | _OBJECTS | _ARRAYS | _BOOLS | {"3": 3, "bytes": b"speech", "nan": NAN}
CHOICE: Final[Wrong] = TEXT | {"no text": "", "another": "no such thing"}
PATH: Final[Wrong] = _NOTHING | _OBJECTS | _ARRAYS | _BOOLS | {"3": 3, "1.5": 1.5, "bytes": b"folder"}
CALLBACK: Final[Wrong] = {"text": "print", "3": 3, "True": True, "list": [], "array": np.ones(3)}
SOURCE: Final[Wrong] = _NOTHING | _OBJECTS | _BOOLS | {"3": 3, "file of text": io.StringIO("text"), "array": np.ones(3)}
TARGET: Final[Wrong] = SOURCE | {"bytes": b"name"}
COLOUR: Final[Wrong] = _NOTHING | _OBJECTS | _TEXTS | _BOOLS | {
    "3": 3, "three": (2, 2, 2), "five": (2, 2, 2, 0, 0), "float": (2.0, 2, 2, 0), "bool": (2, 2, 2, True),
    "beyond a byte": (256, 2, 2, 0), "negative": (-1, 2, 2, 0), "range of 2": (2, 2, 2, 2),
    "array": np.array([2, 2, 2, 0]), "text in it": ("2", 2, 2, 0), "nan in it": (NAN, 2, 2, 0), "huge": (HUGE, 2, 2, 0),
}  # fmt: skip
RECORD: Final[Wrong] = _NOTHING | _OBJECTS | _ARRAYS | _BOOLS | {"3": 3, "text": "text", "bytes": b"bytes", "nan": NAN}

SAMPLES: Final[Wrong] = _NOTHING | {
    "object": object(), "dict": {"samples": [0.0]}, "text": "text", "bytes": b"bytes", "True": True, "3": 3, "0.5": 0.5,
    "list of lists of several lengths": [[0.0], [0.0, 0.5]], "list of text": ["0.5", "0.5"],
    "list of None": [None, 0.5],
    "int16": np.zeros(64, np.int16), "uint8": np.zeros((1, 64), np.uint8), "int64": np.zeros(64, np.int64),
    "bool": np.zeros(64, bool), "complex": np.zeros(64, complex), "complex64": np.zeros((1, 64), np.complex64),
    "objects": np.array([0.5, None]), "text array": np.array(["0.5"]), "times": np.zeros(64, "datetime64[s]"),
    "no axis": np.zeros((), np.float32), "three axes": np.zeros((1, 1, 64), np.float32),
    "no channel": np.zeros((0, 64), np.float32), "channels last": np.zeros((64, 1), np.float32),
    "chunk of another rate": AudioChunk(np.zeros((1, 64), np.float32), 7),
    "chunk of other channels": AudioChunk(np.zeros((65, 64), np.float32), 16_000),
}  # fmt: skip


def optional(wrong: Wrong) -> Wrong:
    """The same of an argument that may be None."""
    return without(wrong, "None")


def without(wrong: Wrong, *names: str) -> Wrong:
    """The same but for values that an argument takes."""
    return {name: value for name, value in wrong.items() if name not in names}
