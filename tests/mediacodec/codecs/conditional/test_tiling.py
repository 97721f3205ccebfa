"""A graph on two tiles gives what it gives on the whole frame."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.codecs.conditional.tiling import FEWEST_ROWS, Worker, run_tiled

Array = NDArray[Any]


def graph(given: Mapping[str, Array]) -> dict[str, Array]:
    """Three rows summed from each, a checkerboard, and one output at half the resolution, as an analysis has."""
    x, q = given["x"], given["q"]
    rows, columns = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    summed = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    odd = (np.arange(rows)[:, None] + np.arange(columns)) % 2
    fine = np.repeat(summed * odd, 4, axis=2) + given["fine"] * q
    even = np.pad(summed, ((0, 0), (0, 0), (0, rows % 2), (0, 0)), mode="edge")
    return {"fine": fine, "coarse": even[:, :, ::2] + even[:, :, 1::2]}


@pytest.mark.parametrize("rows", [FEWEST_ROWS - 1, FEWEST_ROWS, 13, 22, 23])
def test_tiles_are_the_whole(rows: int) -> None:
    rng = np.random.default_rng(rows)
    inputs = {"x": rng.normal(size=(1, 3, rows, 5)), "fine": rng.normal(size=(1, 3, 4 * rows, 5)), "q": np.array([2.0])}
    whole = graph(inputs)
    threads = set()

    def run(given: Mapping[str, Array]) -> dict[str, Array]:
        threads.add(threading.get_ident())
        return graph(given)

    found = run_tiled(run, inputs, rows, halo=2, worker=Worker(True))
    assert len(threads) == (2 if rows >= FEWEST_ROWS else 1)
    for name, value in whole.items():
        assert np.array_equal(found[name], value), name


def test_what_fails_in_the_worker_fails_where_it_is_waited_for() -> None:
    for second in (False, True):
        done = Worker(second).start(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            done.result()


def test_what_runs_in_the_worker_may_start_more() -> None:
    worker = Worker(True)
    outer = worker.start(lambda: worker.start(threading.get_ident).result())
    assert outer.result(timeout=10) != threading.get_ident()
