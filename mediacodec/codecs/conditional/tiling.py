"""A worker thread for one frame, and a graph run on two tiles of a frame at once.

Both cores of a small machine help only if they seldom wait for each other: a graph's own threads meet after every
layer, two tiles of a frame once. A tile takes along the rows around it that its own can see, its halo.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
T = TypeVar("T")

FEWEST_ROWS = 12  # rows of blocks from which on two tiles are faster than one


class Worker:
    """Work done in a second thread where there is one, else there and then; so also what that thread itself starts.

    Threads do not survive a fork: before one, what was started is waited for, and the child gets a thread of its own.

    Args:
        second: whether there is to be a second thread.
    """

    def __init__(self, second: bool) -> None:
        # a mark of the second thread's own; were it a method of ours, the thread would keep us, and so itself, alive
        self._local = threading.local()
        self._pool = self._new_pool() if second else None
        if second:
            _WORKERS.add(self)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(
            1, "mediacodec-conditional", initializer=partial(setattr, self._local, "inside", True)
        )

    @property
    def parallel(self) -> bool:
        """Whether there is a second thread."""
        return self._pool is not None

    @property
    def idle(self) -> bool:
        """Whether there is a second thread, and this is not it."""
        return self._pool is not None and not getattr(self._local, "inside", False)

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Begin `work`; its result or what it raises is the future's."""
        if self._pool is not None and self.idle:
            return self._pool.submit(work)
        done: Future[T] = Future()
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)
        return done

    def settle(self) -> None:
        """Wait until nothing is left to do in the second thread; not from within."""
        if self._pool is not None and self.idle:
            self._pool.submit(int).result()

    def renew(self) -> None:
        """Begin with another second thread, where there is to be one."""
        if self._pool is not None:
            self._pool = self._new_pool()


_WORKERS: weakref.WeakSet[Worker] = weakref.WeakSet()


def _each(method: Callable[[Worker], None]) -> None:
    for worker in list(_WORKERS):
        method(worker)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=partial(_each, Worker.settle), after_in_child=partial(_each, Worker.renew))


def run_tiled(
    run: Callable[[Mapping[str, Array]], dict[str, Array]],
    inputs: Mapping[str, Array],
    rows: int,
    *,
    halo: int,
    worker: Worker,
) -> dict[str, Array]:
    """Run a graph over a frame, on two tiles at once where that is faster.

    Tiles begin at even rows, since patterns in the graphs (checkerboards, cells of 2x2 blocks) begin there.

    Args:
        run: the graph.
        inputs: those with four axes have a whole number of lines to a row in axis 2, or one to two rows; and so have
            outputs.
        rows: rows of blocks of the frame.
        halo: rows around a row that it sees.
        worker: who takes the second tile.

    Returns:
        The outputs, as of the whole frame.
    """
    if not worker.idle or rows < FEWEST_ROWS:
        return run(inputs)
    cut = (rows // 2 + 1) // 2 * 2
    over = halo + halo % 2
    tail = rows - cut + over
    lower = worker.start(lambda: _cropped(run(_sliced(inputs, rows, cut - over, rows)), tail, over, tail))
    upper = _cropped(run(_sliced(inputs, rows, 0, cut + halo)), cut + halo, 0, cut)
    below = lower.result()
    return {name: np.concatenate([upper[name], below[name]], axis=2) for name in upper}


def _sliced(inputs: Mapping[str, Array], rows: int, start: int, stop: int) -> dict[str, Array]:
    """The lines of rows start..stop of every input over the frame."""
    return {
        name: np.ascontiguousarray(_lines(value, rows, start, stop)) if value.ndim == 4 else value
        for name, value in inputs.items()
    }


def _cropped(outputs: Mapping[str, Array], rows: int, start: int, stop: int) -> dict[str, Array]:
    return {name: _lines(value, rows, start, stop) for name, value in outputs.items()}


def _lines(value: Array, rows: int, start: int, stop: int) -> Array:
    lines = value.shape[2]
    if lines < rows:
        return value[:, :, (start + 1) // 2 : (stop + 1) // 2]
    return value[:, :, start * (lines // rows) : stop * (lines // rows)]
