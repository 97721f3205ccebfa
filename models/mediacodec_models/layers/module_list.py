"""Torch's list of modules, which knows for type checkers what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


class ModuleList(nn.ModuleList, Generic[M]):
    """`torch.nn.ModuleList` of modules of one class: names in a state dict and all else are those of torch's."""

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[M]: ...
