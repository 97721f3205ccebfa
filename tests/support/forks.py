"""Work done in a forked child, as data loaders and servers do it."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
needs_fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")


def in_children(work: Callable[[], T], count: int = 1, *, seconds: float = 60) -> list[T]:
    """What `work` returns in forked children that run at once; fails where one of them hangs or dies."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    children = [context.Process(target=lambda: results.put(work())) for _ in range(count)]
    with warnings.catch_warnings():  # Python warns of what is tested here: that the parent has threads
        warnings.filterwarnings("ignore", "This process", DeprecationWarning)
        for child in children:
            child.start()
    for child in children:
        child.join(seconds)
    hanging = [child for child in children if child.is_alive()]
    for child in hanging:
        child.kill()
    assert not hanging, f"{len(hanging)} of {count} children still wait after {seconds} s"
    assert [child.exitcode for child in children] == [0] * count
    return [results.get() for _ in children]
