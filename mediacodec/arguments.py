"""Arguments of public functions: checked, and numbers of NumPy and others made Python's own.

Every check names the argument and the value in one line.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import io
import math
import os
from collections.abc import Callable, Collection, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast

import numpy as np

from mediacodec.errors import DeviceError, ParameterError, ParameterTypeError
from mediacodec_bitstream.errors import quoted as quoted  # for everybody here

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Check = Callable[[str, object], object]
"""Takes the name of a value and the value; returns it as it is to be kept, or raises."""

DEVICES: Final = ("auto", "cpu", "cuda")
MAX_THREADS: Final = 256
MAX_TERM: Final = (1 << 31) - 1  # of a fraction


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


def as_optional(name: str, value: object, kind: type[T]) -> T | None:
    """A value that is of a class, or None. Arguments and errors as for `as_instance`."""
    return None if value is None else as_instance(name, value, kind)


def as_flag(name: str, value: object) -> bool:
    """True or False, of Python's kind or NumPy's. Arguments and errors as for `as_float`."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ParameterTypeError(f"{name} must be True or False, not {quoted(value)}")


def as_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """One of several words.

    Args:
        name: what the value is called in the error.
        value: anything.
        choices: the words.

    Raises:
        ParameterTypeError: it is no text.
        ParameterError: it is another text.
    """
    word, known = as_instance(name, value, str), list(choices)
    if word not in known:
        raise ParameterError(f"{name} must be one of {', '.join(known)}, not {quoted(word)}")
    return word


def as_float(name: str, value: object) -> float:
    """A number as an int or float of Python's.

    Args:
        name: what the value is called in the error.
        value: anything that is a number.

    Raises:
        ParameterTypeError: it is none.
        ParameterError: it is beyond what a float can hold.
    """
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            float(value)
            return value
        if _may_be_number(value):
            return float(value)  # type: ignore[arg-type]  # it has __float__
    except OverflowError as error:
        raise ParameterError(f"{name} is too large: {quoted(value)}") from error
    except (TypeError, ValueError):  # an array of several numbers
        pass
    raise ParameterTypeError(f"{name} must be a number, not {quoted(value)}")


def _may_be_number(value: object) -> bool:
    """Whether float() may be asked: it makes numbers of text, truth values and complex ones too."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return not isinstance(value, (bool, str, bytes)) and hasattr(value, "__float__")


def as_integer(name: str, value: object, low: int | None = None, high: int | None = None, unit: str = "") -> int:
    """An integer of any kind as Python's.

    Args:
        name: what the value is called in the error.
        value: anything that is an integer.
        low, high: the range that it must lie in; None for no bound.
        unit: of the number, in the error.

    Raises:
        ParameterTypeError: it is no integer.
        ParameterError: it is out of range.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ParameterTypeError(f"{name} must be an integer, not {quoted(value)}")
    try:
        number = int(value.__index__())
    except TypeError as error:  # an array of several numbers, or of floats
        raise ParameterTypeError(f"{name} must be an integer, not {quoted(value)}") from error
    if low is not None and number < low:
        raise ParameterError(f"{name} must be at least {low} {unit}".rstrip() + f", not {quoted(number)}")
    if high is not None and number > high:
        raise ParameterError(f"{name} must be at most {high} {unit}".rstrip() + f", not {quoted(number)}")
    return number


def as_fraction(name: str, value: object) -> Fraction:
    """A Fraction or integer as a Fraction: a float cannot say 30000/1001. Arguments and errors as for `as_float`."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ParameterTypeError(f"{name} must be a fractions.Fraction or a whole number, not {quoted(value)}")
    return Fraction(as_integer(name, value))


def as_positive_fraction(name: str, value: object) -> Fraction:
    """A Fraction or integer above 0 of two numbers below 2^31, which is what FFmpeg counts in.

    Args:
        name: what the value is called in the error.
        value: anything.

    Raises:
        ParameterTypeError: it is neither.
        ParameterError: it is out of range.
    """
    fraction = as_fraction(name, value)
    if fraction <= 0:
        raise ParameterError(f"{name} must be above 0, not {quoted(fraction)}")
    if max(fraction.numerator, fraction.denominator) > MAX_TERM:
        raise ParameterError(f"{name} must be a fraction of numbers below 2^31, not {quoted(fraction)}")
    return fraction


def as_positive(name: str, value: object, unit: str) -> float:
    """A finite number above 0.

    Args:
        name: what the value is called in the error.
        value: anything.
        unit: of the number, in the error.

    Raises:
        ParameterTypeError: it is no number.
        ParameterError: it is not above 0, infinite or not a number.
    """
    number = as_float(name, value)
    if not (math.isfinite(number) and number > 0):
        raise ParameterError(f"{name} must be above 0 {unit}, not {quoted(number)}")
    return number


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
        ParameterError: no path can have such a name.
    """
    if value is None:
        return None
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if isinstance(path, str):
            if "\0" in path:
                raise ParameterError(f"{name} cannot hold a null byte: {quoted(path)}")
            return Path(path)
    raise ParameterTypeError(f"{name} must be a folder's path, not {quoted(value)}")


def check_file(name: str, value: object, method: Literal["read", "write"], *, instead: str = "") -> None:
    """Raise ParameterTypeError for what is no open binary file.

    Args:
        name: what the value is called in the error.
        value: anything.
        method: that the file must have.
        instead: what would do as well: "a path or ".
    """
    if isinstance(value, io.TextIOBase) or not callable(getattr(value, method, None)):
        raise ParameterTypeError(f"{name} must be {instead}a file opened in binary mode, not {quoted(value)}")


def as_device(name: str, value: object) -> str:
    """The name of a device.

    Args:
        name: what the value is called in the error.
        value: anything.

    Raises:
        ParameterTypeError: it is no text.
        DeviceError: no device is called so.
    """
    device = as_instance(name, value, str)
    if device not in DEVICES:
        raise DeviceError(f"unknown {name} {quoted(device)}; choose one of {', '.join(DEVICES)}")
    return device


def as_threads(name: str, value: object) -> int:
    """A number of CPU threads, 1 to MAX_THREADS: nobody is helped by more, and each takes memory."""
    return as_integer(name, value, 1, MAX_THREADS)


def check_callback(name: str, value: object) -> None:
    """Raise ParameterTypeError for what is neither None nor something that can be called; arguments as above."""
    if value is not None and not callable(value):
        raise ParameterTypeError(f"{name} must be something that can be called, or None, not {quoted(value)}")


def check_fields(record: object, **checks: Check) -> None:
    """Check fields of a frozen dataclass while it is made, and keep what the checks return.

    Args:
        record: the instance.
        checks: by the name of a field, what is called with the name and the value. A field whose default is None may
            be None.

    Raises:
        ParameterError, ParameterTypeError: as the checks do.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(cast("DataclassInstance", record))}
    for name, check in checks.items():
        value = getattr(record, name)
        if value is not None or defaults[name] is not None:
            object.__setattr__(record, name, check(name, value))


def refuse_unknown(what: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise ParameterError for the first name that is not known, with the one that was probably meant.

    Args:
        what: lacks the name: "AudioOptions has no option".
        given: names.
        known: names that there are.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
            raise ParameterError(f"{what} {name!r}; {hint}")


def sealed(kind: type[T]) -> type[T]:
    """Have a class raise ParameterError for names that it does not have.

    These are attributes that somebody sets, as one does in PyAV (`stream.bit_rate = 3000`), and, of a dataclass, fields
    that somebody gives. Python would raise AttributeError and TypeError.

    Args:
        kind: a class with `__slots__`.
    """
    before: Callable[[T, str, object], None] = kind.__setattr__
    fields = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []

    def set_attribute(self: T, name: str, value: object) -> None:
        if not hasattr(type(self), name):
            public = [known for known in dir(type(self)) if not known.startswith("_")]
            near = difflib.get_close_matches(name, public, 1)
            hint = f"did you mean {near[0]!r}?" if near else "options are given when it is made"
            raise ParameterError(f"{kind.__name__} has no attribute {name!r} to be set; {hint}")
        before(self, name, value)

    def make(cls: type[T], *_: object, **given: object) -> T:
        refuse_unknown(f"{kind.__name__} has no option", given, fields)
        return object.__new__(cls)

    methods: dict[str, object] = {"__setattr__": set_attribute}
    if fields:
        methods["__new__"] = staticmethod(make)
        methods["__signature__"] = inspect.signature(kind)  # which would be that of `make` from here on
    for name, method in methods.items():
        setattr(kind, name, method)
    return kind
