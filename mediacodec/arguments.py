"""Arguments of public functions: checked, and numbers of NumPy and others made Python's own.

Every check names the argument and the value in one line.
"""

from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from mediacodec.errors import ParameterError, ParameterTypeError

T = TypeVar("T")
MAX_QUOTED = 80  # characters of a value in a message


def quoted(value: object) -> str:
    """A value as a message shows it: on one line, and not all of a long one."""
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}..."


def as_instance(name: str, value: object, kind: type[T]) -> T:
    """A value that is of a class.

    Args:
        name: what the value is called in the error.
        value: anything.
        kind: the class.

    Raises:
        ParameterTypeError: it is not.
    """
    if not isinstance(value, kind):
        raise ParameterTypeError(f"{name} must be of type {kind.__name__}, not {quoted(value)}")
    return value


def as_float(name: str, value: object) -> float:
    """A number as an int or float of Python's.

    Args:
        name: what the value is called in the error.
        value: anything that is a number.

    Raises:
        ParameterTypeError: it is none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if not isinstance(value, (bool, str, bytes)) and hasattr(value, "__float__"):
        try:
            return float(value)
        except (TypeError, ValueError):  # an array of several numbers
            pass
    raise ParameterTypeError(f"{name} must be a number, not {quoted(value)}")


def as_integer(name: str, value: object) -> int:
    """An integer of any kind as Python's. Arguments and errors as for `as_float`."""
    if not isinstance(value, bool) and hasattr(value, "__index__"):
        try:
            return int(value.__index__())
        except TypeError:  # an array of several numbers, or of floats
            pass
    raise ParameterTypeError(f"{name} must be an integer, not {quoted(value)}")


def as_fraction(name: str, value: object) -> Fraction:
    """A Fraction or integer as a Fraction: a float cannot say 30000/1001. Arguments and errors as for `as_float`."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ParameterTypeError(f"{name} must be a fractions.Fraction or a whole number, not {quoted(value)}")
    return Fraction(as_integer(name, value))


def as_seconds(name: str, value: object) -> float:
    """A time in seconds, finite and from 0 on.

    Args:
        name: what the value is called in the error.
        value: anything.

    Raises:
        ParameterTypeError: it is no number.
        ParameterError: it is negative, infinite or not a number.
    """
    seconds = as_float(name, value)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ParameterError(f"{name} must be a number of seconds from 0 on, not {quoted(value)}")
    return seconds


def as_folder(name: str, value: object) -> Path | None:
    """A path, or None where there is none.

    Args:
        name: what the value is called in the error.
        value: anything.

    Raises:
        ParameterTypeError: it is neither.
    """
    if value is None or isinstance(value, Path):
        return value
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if isinstance(path, str):
            return Path(path)
    raise ParameterTypeError(f"{name} must be a folder's path, not {quoted(value)}")


def normalise(record: object, **kinds: str) -> None:
    """Make plain numbers of fields of a frozen dataclass, where they are not None.

    Args:
        record: the instance, while it is made.
        kinds: "float" or "integer" by the name of the field.

    Raises:
        ParameterTypeError: a field is no such number.
    """
    for name, kind in kinds.items():
        value = getattr(record, name)
        if value is not None:
            object.__setattr__(record, name, (as_float if kind == "float" else as_integer)(name, value))
