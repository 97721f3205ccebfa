"""The networks of the `inr` family, written down once for whoever computes, counts or exports them.

A network makes one picture of a small embedding and of the picture's place in its group. `synthesise` says how, in
terms of the few operations of `Ops`; torch fits with them, ONNX Runtime decodes with them, `Shapes` counts them.
Features grow stage by stage and are cut to what the picture needs after each, so that any size of picture is exact.

Architectures: `hnerv` (HNeRV, Chen et al. 2023), `boost` (Zhang et al., "Boosting Neural Representations for Videos",
2024: sines, residual layers that the place in time modulates) and `nerv++` (Ghorbel et al. 2024: separable residual
layers around each enlargement, a bilinear skip).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from mediacodec.errors import CorruptError

T = TypeVar("T")

ARCHITECTURES = {"hnerv": 0, "boost": 1, "nerv++": 2}
"""Numbers as written into packets: constants."""

CODE = 16  # width of what modulates
LEVELS = 24  # frequencies of the place in time, 1.25 apart
OUTPUTS = 6  # four places of Y, then U and V, at half the picture's size each way
MAX_STAGES = 6
MAX_STRIDE = 8
MAX_WIDTH = 1024
MAX_EMBEDDING = 64
MAX_GROUP = 4096  # pictures
MAX_PARAMETERS = 8 << 20
MAX_OPERATIONS = 1 << 39  # multiplications of a picture
MAX_FEATURES = 1 << 28  # numbers in the largest layer


@dataclass(frozen=True)
class Network:
    """The sizes of a group's network.

    height, width: of the pictures; group: how many pictures there are; embedding: channels of one; strides: by how much
    each stage enlarges (a last factor of 2 is the output's); widths: channels before the first stage and behind each.
    """

    architecture: str
    height: int
    width: int
    group: int
    embedding: int
    strides: tuple[int, ...]
    widths: tuple[int, ...]

    def check(self) -> None:
        """Raise CorruptError where a number is beyond what a decoder takes, before anything is taken for it."""
        fits = (
            self.architecture in ARCHITECTURES
            and 1 <= self.group <= MAX_GROUP
            and 1 <= self.embedding <= MAX_EMBEDDING
            and 1 <= len(self.strides) <= MAX_STAGES
            and len(self.widths) == len(self.strides) + 1
            and all(2 <= stride <= MAX_STRIDE for stride in self.strides)
            and all(1 <= width <= MAX_WIDTH for width in self.widths)
        )
        if not fits:
            raise CorruptError("the network of a group has sizes that no encoder writes")
        counted = self.counted
        if counted.parameters > MAX_PARAMETERS:
            raise CorruptError(f"a network of {counted.parameters} weights is larger than any encoder's")
        if counted.operations > MAX_OPERATIONS or counted.largest > MAX_FEATURES:
            raise CorruptError("a group's network takes more work or memory than any encoder's")

    def grid(self, stage: int) -> tuple[int, int]:
        """(rows, columns) of the features before stage `stage`; of the output behind the last."""
        step = 2 * math.prod(self.strides[stage:])
        return -(-self.height // step), -(-self.width // step)

    @property
    def embedding_shape(self) -> tuple[int, int, int]:
        return (self.embedding, *self.grid(0))

    @cached_property
    def counted(self) -> Shapes:
        """The network's weights and work, counted without any of it being there."""
        shapes = Shapes()
        synthesise(shapes, self, (self.embedding, *self.grid(0)), (2 * LEVELS, 1, 1))
        return shapes

    @property
    def timed(self) -> bool:
        """Whether the place in time is an input."""
        return self.architecture == "boost"

    def place(self, index: int) -> npt.NDArray[np.float32]:
        """The place in time of a picture, [1, 2 * LEVELS, 1, 1]: sines and cosines of it."""
        angles = np.pi * index / self.group * 1.25 ** np.arange(LEVELS)
        return np.concatenate([np.sin(angles), np.cos(angles)]).astype(np.float32)[None, :, None, None]


class Ops(Protocol[T]):
    """What networks are made of; features are [.., channels, rows, columns]."""

    def conv(self, name: str, x: T, channels: tuple[int, int], kernel: int, *, apart: bool = False) -> T:
        """Convolution of odd size that keeps rows and columns, with a bias; apart: each channel by itself."""
        ...

    def modulated(self, name: str, x: T, code: T, channels: tuple[int, int], kernel: int) -> T:
        """conv(x) * (1 + s) + b, where s and b, one a channel, are an affine function of the code."""
        ...

    def shuffle(self, x: T, factor: int) -> T:
        """Channels to places: [f * f * c, h, w] -> [c, h * f, w * f]; as ONNX's DepthToSpace, mode DCR."""
        ...

    def enlarge(self, x: T, factor: int) -> T:
        """Bilinear, as torch's interpolate with align_corners=False."""
        ...

    def crop(self, x: T, rows: int, columns: int) -> T:
        """The first rows and columns."""
        ...

    def sin(self, x: T) -> T: ...
    def gelu(self, x: T) -> T: ...
    def add(self, x: T, y: T) -> T: ...


def synthesise(ops: Ops[T], network: Network, embedding: T, place: T) -> T:
    """The picture as [OUTPUTS, rows / 2, columns / 2], black 0 and white 1, from its embedding and place in time."""
    widths = network.widths
    code = place
    if network.timed:
        code = ops.sin(ops.conv("time0", code, (2 * LEVELS, CODE), 1))
        code = ops.sin(ops.conv("time1", code, (CODE, CODE), 1))
    x = ops.conv("stem", embedding, (network.embedding, widths[0]), 1)
    for index, stride in enumerate(network.strides):
        stage: Callable[..., T] = _STAGES[network.architecture]
        x = stage(ops, f"stage{index}", x, code, widths[index : index + 2], stride, index)
        x = ops.crop(x, *network.grid(index + 1))
    return ops.conv("head", x, (widths[-1], OUTPUTS), 3)


def _hnerv(ops: Ops[T], name: str, x: T, _: T, widths: tuple[int, ...], stride: int, index: int) -> T:
    before, after = widths
    grown = ops.conv(f"{name}.up", x, (before, after * stride * stride), min(1 + 2 * index, 5))
    return ops.gelu(ops.shuffle(grown, stride))


def _boost(ops: Ops[T], name: str, x: T, code: T, widths: tuple[int, ...], stride: int, index: int) -> T:
    before, after = widths
    grown = ops.conv(f"{name}.up", x, (before, after * stride * stride), min(1 + 2 * index, 3))
    x = ops.sin(ops.shuffle(grown, stride))
    y = ops.gelu(ops.modulated(f"{name}.first", x, code, (after, after), 3))
    return ops.add(x, ops.modulated(f"{name}.second", y, code, (after, after), 3))


def _nervpp(ops: Ops[T], name: str, x: T, _: T, widths: tuple[int, ...], stride: int, index: int) -> T:
    before, after = widths
    x = _separable(ops, f"{name}.before", x, before)
    grown = ops.conv(f"{name}.up", x, (before, after * stride * stride), min(1 + 2 * index, 3))
    skip = ops.enlarge(ops.conv(f"{name}.skip", x, (before, after), 1), stride)
    return _separable(ops, f"{name}.after", ops.gelu(ops.add(ops.shuffle(grown, stride), skip)), after)


def _separable(ops: Ops[T], name: str, x: T, width: int) -> T:
    y = ops.conv(f"{name}.places", x, (width, width), 3, apart=True)
    y = ops.gelu(ops.conv(f"{name}.channels", y, (width, width), 1))
    return ops.add(x, y)


_STAGES: dict[str, Callable[..., Any]] = {"hnerv": _hnerv, "boost": _boost, "nerv++": _nervpp}

Shape = tuple[int, int, int]


class Shapes:
    """Follows the shapes [channels, rows, columns] through a network.

    Attributes:
        weights: shape of each weight by name, in the order of use; names end in `.weight` and `.bias`.
        operations: multiplications; largest: numbers in the largest layer.
    """

    def __init__(self) -> None:
        self.weights: dict[str, tuple[int, ...]] = {}
        self.operations = 0
        self.largest = 0

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.weights.values())

    def conv(self, name: str, x: Shape, channels: tuple[int, int], kernel: int, *, apart: bool = False) -> Shape:
        before, after = channels
        shape = (after, 1 if apart else before, kernel, kernel)
        self.weights[f"{name}.weight"], self.weights[f"{name}.bias"] = shape, (after,)
        self.operations += math.prod(shape) * x[1] * x[2]
        return self._noted((after, x[1], x[2]))

    def modulated(self, name: str, x: Shape, code: Shape, channels: tuple[int, int], kernel: int) -> Shape:
        self.conv(f"{name}.time", code, (code[0], 2 * channels[1]), 1)
        return self.conv(name, x, channels, kernel)

    def shuffle(self, x: Shape, factor: int) -> Shape:
        return self._noted((x[0] // factor**2, x[1] * factor, x[2] * factor))

    def enlarge(self, x: Shape, factor: int) -> Shape:
        return self._noted((x[0], x[1] * factor, x[2] * factor))

    def crop(self, x: Shape, rows: int, columns: int) -> Shape:
        return (x[0], rows, columns)

    def sin(self, x: Shape) -> Shape:
        return x

    def gelu(self, x: Shape) -> Shape:
        return x

    def add(self, x: Shape, _: Shape) -> Shape:
        return x

    def _noted(self, x: Shape) -> Shape:
        self.largest = max(self.largest, math.prod(x))
        return x
