"""What every public function raises where memory runs out, and where it is given arguments that it does not have."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec, TypeVar, cast

from mediacodec.arguments import refuse_unknown
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
    """Have a function raise our errors in place of Python's.

    OutOfMemoryError stands for MemoryError, also from the iterator that a generator function gives, and ParameterError
    for a keyword that is no argument.
    """
    check = _keyword_check(function)
    if inspect.isgeneratorfunction(function):
        generator = cast("Callable[P, Iterator[object]]", function)

        def iterate(*args: P.args, **kwargs: P.kwargs) -> Iterator[object]:
            with translated():
                yield from generator(*args, **kwargs)

        @functools.wraps(function)
        def start(*args: P.args, **kwargs: P.kwargs) -> Iterator[object]:
            check(kwargs)
            return iterate(*args, **kwargs)

        return cast("Callable[P, R]", start)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs:
            check(kwargs)
        with translated():
            return function(*args, **kwargs)

    return call


def _keyword_check(function: Callable[P, R]) -> Callable[[Mapping[str, object]], None]:
    """What raises ParameterError for keywords that a function has no arguments of."""
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    name = function.__qualname__.removesuffix(".__init__")

    def check(given: Mapping[str, object]) -> None:
        if not takes_any:
            refuse_unknown(f"{name}() has no argument", given, known)

    return check
