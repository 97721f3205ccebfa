"""The synthesis networks of the `inr` family, written down once for whoever computes, counts or exports them.

A network makes one frame of a small embedding and of the frame's time in its group. `synthesise` says how, in terms of
the few operations of `Ops`: torch fits with them, ONNX Runtime decodes with them, `ShapeOps` counts them. Features are
upsampled stage by stage and cropped to what the frame needs after each, so that any size of frame is exact.

Architectures: `hnerv` (HNeRV, Chen et al. 2023), `boost` (Zhang et al., "Boosting Neural Representations for Videos",
2024: sines, residual layers that the time modulates) and `nerv++` (Ghorbel et al. 2024: separable residual layers
around each upsampling, a bilinear skip).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from mediacodec.errors import CorruptError

T = TypeVar("T")

ARCHITECTURES = {"hnerv": 0, "boost": 1, "nerv++": 2}
"""Numbers as written into packets: constants."""

MODULATION_WIDTH = 16  # channels of the time code that modulates layers
FREQUENCIES = 24  # of the positional encoding of time, 1.25 apart
OUTPUT_CHANNELS = 6  # four phases of Y, then U and V, at half the frame's size each way
MAX_STAGES = 6
MAX_STRIDE = 8
MAX_WIDTH = 1024
MAX_EMBEDDING = 64
MAX_GROUP_FRAMES = 4096
MAX_PARAMETERS = 8 << 20
MAX_OPERATIONS = 1 << 39  # multiplications a frame
MAX_FEATURES = 1 << 28  # numbers in the largest layer


@dataclass(frozen=True)
class Network:
    """The sizes of a group's network.

    Attributes:
        architecture: one of ARCHITECTURES.
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        group: frames in the group.
        embedding: channels of a frame's embedding.
        strides: by how much each stage upsamples, each way; a last factor of 2 is the output's.
        widths: channels before the first stage and behind each.
    """

    architecture: str
    height: int
    width: int
    group: int
    embedding: int
    strides: tuple[int, ...]
    widths: tuple[int, ...]

    def check(self) -> None:
        """Check all sizes before memory is taken for any of them.

        Raises:
            CorruptError: a size is beyond what a decoder takes.
        """
        fits = (
            self.architecture in ARCHITECTURES
            and 1 <= self.group <= MAX_GROUP_FRAMES
            and 1 <= self.embedding <= MAX_EMBEDDING
            and 1 <= len(self.strides) <= MAX_STAGES
            and len(self.widths) == len(self.strides) + 1
            and all(2 <= stride <= MAX_STRIDE for stride in self.strides)
            and all(1 <= width <= MAX_WIDTH for width in self.widths)
        )
        if not fits:
            raise CorruptError("the network of a group has sizes that no encoder writes")
        summary = self.summary
        if summary.parameters > MAX_PARAMETERS:
            raise CorruptError(f"a network of {summary.parameters} weights is larger than any encoder's")
        if summary.operations > MAX_OPERATIONS or summary.largest > MAX_FEATURES:
            raise CorruptError("a group's network takes more work or memory than any encoder's")

    def feature_size(self, stage: int) -> tuple[int, int]:
        """(rows, columns) of the features before stage `stage`; behind the last stage, of the output."""
        step = 2 * math.prod(self.strides[stage:])
        return -(-self.height // step), -(-self.width // step)

    @property
    def embedding_shape(self) -> tuple[int, int, int]:
        """[channels, rows, columns] of a frame's embedding."""
        return (self.embedding, *self.feature_size(0))

    @cached_property
    def summary(self) -> ShapeOps:
        """The network's weights and work, counted without allocating any of it."""
        ops = ShapeOps()
        synthesise(ops, self, self.embedding_shape, (2 * FREQUENCIES, 1, 1))
        return ops

    @property
    def takes_time(self) -> bool:
        """Whether the time of the frame is an input."""
        return self.architecture == "boost"

    def time_encoding(self, index: int) -> npt.NDArray[np.float32]:
        """The positional encoding of a frame's time: sines and cosines, float32 [1, 2 * FREQUENCIES, 1, 1].

        Args:
            index: of the frame in its group.
        """
        angles = np.pi * index / self.group * 1.25 ** np.arange(FREQUENCIES)
        return np.concatenate([np.sin(angles), np.cos(angles)]).astype(np.float32)[None, :, None, None]


class Ops(Protocol[T]):
    """The operations that networks are made of; features are [.., channels, rows, columns]."""

    def conv(self, name: str, x: T, channels: tuple[int, int], kernel: int, *, depthwise: bool = False) -> T:
        """Convolve, keeping rows and columns, and add a bias.

        Args:
            name: of the layer; its weights are NAME.weight and NAME.bias.
            x: features.
            channels: before and after.
            kernel: rows and columns of the kernel, odd.
            depthwise: whether each channel is convolved by itself.
        """
        ...

    def modulated_conv(self, name: str, x: T, time_code: T, channels: tuple[int, int], kernel: int) -> T:
        """Convolve, then scale and shift each channel: conv(x) * (1 + s) + b.

        Args:
            name: of the layer; that of s and b, which are an affine function of the time code, is NAME.time.
            x: features.
            time_code: [.., width, 1, 1].
            channels: before and after.
            kernel: rows and columns of the kernel, odd.
        """
        ...

    def pixel_shuffle(self, x: T, factor: int) -> T:
        """Channels to places: [f * f * c, h, w] -> [c, h * f, w * f]; as ONNX's DepthToSpace, mode DCR."""
        ...

    def upsample(self, x: T, factor: int) -> T:
        """Upsample bilinearly, as torch's interpolate with align_corners=False."""
        ...

    def crop(self, x: T, rows: int, columns: int) -> T:
        """Keep the first rows and columns."""
        ...

    def sin(self, x: T) -> T:
        """The sine of each number."""
        ...

    def gelu(self, x: T) -> T:
        """x * Phi(x), Phi the normal distribution: the exact one."""
        ...

    def add(self, x: T, y: T) -> T:
        """The sum of two features of one shape."""
        ...


def synthesise(ops: Ops[T], network: Network, embedding: T, time_encoding: T) -> T:
    """Compute a frame from its embedding and its time.

    Args:
        ops: what computes, counts or exports.
        network: its sizes.
        embedding: [.., *network.embedding_shape].
        time_encoding: [.., 2 * FREQUENCIES, 1, 1]; ignored unless `network.takes_time`.

    Returns:
        The frame as [.., OUTPUT_CHANNELS, rows / 2, columns / 2], black 0 and white 1.
    """
    widths = network.widths
    time_code = time_encoding
    if network.takes_time:
        time_code = ops.sin(ops.conv("time0", time_code, (2 * FREQUENCIES, MODULATION_WIDTH), 1))
        time_code = ops.sin(ops.conv("time1", time_code, (MODULATION_WIDTH, MODULATION_WIDTH), 1))
    x = ops.conv("stem", embedding, (network.embedding, widths[0]), 1)
    for index, stride in enumerate(network.strides):
        x = _STAGES[network.architecture](ops, f"stage{index}", x, time_code, widths[index : index + 2], stride, index)
        x = ops.crop(x, *network.feature_size(index + 1))
    return ops.conv("head", x, (widths[-1], OUTPUT_CHANNELS), 3)


def _hnerv(ops: Ops[T], name: str, x: T, _: T, widths: tuple[int, ...], stride: int, index: int) -> T:
    before, after = widths
    expanded = ops.conv(f"{name}.up", x, (before, after * stride * stride), min(1 + 2 * index, 5))
    return ops.gelu(ops.pixel_shuffle(expanded, stride))


def _boost(ops: Ops[T], name: str, x: T, time_code: T, widths: tuple[int, ...], stride: int, index: int) -> T:
    before, after = widths
    expanded = ops.conv(f"{name}.up", x, (before, after * stride * stride), min(1 + 2 * index, 3))
    x = ops.sin(ops.pixel_shuffle(expanded, stride))
    y = ops.gelu(ops.modulated_conv(f"{name}.first", x, time_code, (after, after), 3))
    return ops.add(x, ops.modulated_conv(f"{name}.second", y, time_code, (after, after), 3))


def _nervpp(ops: Ops[T], name: str, x: T, _: T, widths: tuple[int, ...], stride: int, index: int) -> T:
    before, after = widths
    x = _separable(ops, f"{name}.before", x, before)
    expanded = ops.conv(f"{name}.up", x, (before, after * stride * stride), min(1 + 2 * index, 3))
    skip = ops.upsample(ops.conv(f"{name}.skip", x, (before, after), 1), stride)
    return _separable(ops, f"{name}.after", ops.gelu(ops.add(ops.pixel_shuffle(expanded, stride), skip)), after)


def _separable(ops: Ops[T], name: str, x: T, width: int) -> T:
    y = ops.conv(f"{name}.places", x, (width, width), 3, depthwise=True)
    y = ops.gelu(ops.conv(f"{name}.channels", y, (width, width), 1))
    return ops.add(x, y)


class _Stage(Protocol):
    def __call__(
        self, ops: Ops[T], name: str, x: T, time_code: T, widths: tuple[int, ...], stride: int, index: int, /
    ) -> T: ...


_STAGES: dict[str, _Stage] = {"hnerv": _hnerv, "boost": _boost, "nerv++": _nervpp}

Shape = tuple[int, int, int]


class ShapeOps:
    """The `Ops` that infer shapes [channels, rows, columns] and count.

    Attributes:
        weights: shape of each weight by name, in the order of use; names end in `.weight` and `.bias`.
        operations: multiplications.
        largest: numbers in the largest layer.
    """

    def __init__(self) -> None:
        self.weights: dict[str, tuple[int, ...]] = {}
        self.operations = 0
        self.largest = 0

    @property
    def parameters(self) -> int:
        """Numbers in all weights together."""
        return sum(math.prod(shape) for shape in self.weights.values())

    def conv(self, name: str, x: Shape, channels: tuple[int, int], kernel: int, *, depthwise: bool = False) -> Shape:
        """See `Ops.conv`."""
        before, after = channels
        shape = (after, 1 if depthwise else before, kernel, kernel)
        self.weights[f"{name}.weight"], self.weights[f"{name}.bias"] = shape, (after,)
        self.operations += math.prod(shape) * x[1] * x[2]
        return self._tracked((after, x[1], x[2]))

    def modulated_conv(self, name: str, x: Shape, time_code: Shape, channels: tuple[int, int], kernel: int) -> Shape:
        """See `Ops.modulated_conv`."""
        self.conv(f"{name}.time", time_code, (time_code[0], 2 * channels[1]), 1)
        return self.conv(name, x, channels, kernel)

    def pixel_shuffle(self, x: Shape, factor: int) -> Shape:
        """See `Ops.pixel_shuffle`."""
        return self._tracked((x[0] // factor**2, x[1] * factor, x[2] * factor))

    def upsample(self, x: Shape, factor: int) -> Shape:
        """See `Ops.upsample`."""
        return self._tracked((x[0], x[1] * factor, x[2] * factor))

    def crop(self, x: Shape, rows: int, columns: int) -> Shape:
        """See `Ops.crop`."""
        return (x[0], rows, columns)

    def sin(self, x: Shape) -> Shape:
        """See `Ops.sin`."""
        return x

    def gelu(self, x: Shape) -> Shape:
        """See `Ops.gelu`."""
        return x

    def add(self, x: Shape, _: Shape) -> Shape:
        """See `Ops.add`."""
        return x

    def _tracked(self, x: Shape) -> Shape:
        self.largest = max(self.largest, math.prod(x))
        return x
