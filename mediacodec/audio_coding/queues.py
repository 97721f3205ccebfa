"""What waits between the steps of an encoder: samples that do not fill a step yet, frames that do not fill a packet."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.float32, np.integer)


class Queue(Generic[Number]):
    """Arrays that follow each other along their second axis, put in and taken out in pieces of any size."""

    def __init__(self) -> None:
        self._parts: list[NDArray[Number]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, part: NDArray[Number]) -> None:
        """Add an array behind the others; it is not copied."""
        self._parts.append(part)
        self._size += part.shape[1]

    def own(self) -> None:
        """Copy the array that was put last: the caller may fill its buffer anew."""
        if self._parts:
            self._parts[-1] = self._parts[-1].copy()

    def all(self) -> NDArray[Number]:
        """Everything that waits, as one array; at least one array was put. It goes on waiting."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts, axis=1)]
        return self._parts[0]

    def take(self, size: int) -> NDArray[Number]:
        """The first `size` columns, which wait no longer."""
        whole = self.all()
        self._parts, self._size = [whole[:, size:]], whole.shape[1] - size
        return whole[:, :size]

    def drop_behind(self, size: int) -> None:
        """Forget what waits behind the first `size` columns."""
        if self._size > size:
            self._parts, self._size = [self.all()[:, :size]], size
