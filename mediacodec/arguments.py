"""Numbers that callers give, NumPy's and others, as Python's own."""

from __future__ import annotations

from fractions import Fraction

from mediacodec.errors import ParameterTypeError


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
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        raise ParameterTypeError(f"{name} must be a number, not {value!r}")
    return float(value)


def as_integer(name: str, value: object) -> int:
    """An integer of any kind as Python's. Arguments and errors as for `as_float`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ParameterTypeError(f"{name} must be an integer, not {value!r}")
    return int(value.__index__())


def as_fraction(name: str, value: object) -> Fraction:
    """A Fraction or integer as a Fraction: a float cannot say 30000/1001. Arguments and errors as for `as_float`."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ParameterTypeError(f"{name} must be a fractions.Fraction or a whole number, not {value!r}")
    return Fraction(value.__index__())


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
