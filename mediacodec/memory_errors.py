"""Running out of memory, raised by public functions as one of our errors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar, cast

from mediacodec.errors import OutOfMemoryError

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def translated() -> Iterator[None]:
    """Inside the block a MemoryError of Python or NumPy becomes an OutOfMemoryError."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        what = f" ({error})" if str(error) else ""
        raise OutOfMemoryError(f"out of memory{what}; take a shorter stretch, or smaller frames") from error


def named(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function, or the iterator that a generator function gives, raise OutOfMemoryError for MemoryError."""
    if inspect.isgeneratorfunction(function):
        generator = cast("Callable[P, Iterator[object]]", function)

        @functools.wraps(function)
        def iterate(*args: P.args, **kwargs: P.kwargs) -> Iterator[object]:
            with translated():
                yield from generator(*args, **kwargs)

        return cast("Callable[P, R]", iterate)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with translated():
            return function(*args, **kwargs)

    return call
