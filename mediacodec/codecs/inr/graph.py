"""A group's network as a session of ONNX Runtime.

Weights are inputs of the graph, so that all groups of a shape share one session. That costs nothing measurable: with
weights as constants, which ONNX Runtime may arrange anew, a frame of 640x360 and 0.3 M weights took 5 % less (`hnerv`)
to 9 % more time (`boost`) on one core, and each group 1 to 2 ms more for a session of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.inr import onnx_bytes
from mediacodec.codecs.inr.network import FREQUENCIES, OUTPUT_CHANNELS, Network, Shape, ShapeOps, synthesise
from mediacodec.session import open_session
from mediacodec.video_coding.motion.compensate import Planes

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = npt.NDArray[np.float32]

MAX_SHARED_FEATURES = 1 << 24  # numbers in the largest layer of a network whose session outlives its group


class OnnxOps:
    """The `mediacodec.codecs.inr.network.Ops` that add nodes to a graph; a value is its name.

    Attributes:
        nodes: serialized, in the order of execution.
        constants: by name.
    """

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]] = {}
        self._shape_ops = ShapeOps()
        self._shapes: dict[str, Shape] = {}

    def input(self, name: str, shape: Shape) -> str:
        """Declare an input of the graph, [1, *shape]; returns its name."""
        self._shapes[name] = shape
        return name

    def shape(self, x: str) -> Shape:
        """[channels, rows, columns] of a value."""
        return self._shapes[x]

    def conv(self, name: str, x: str, channels: tuple[int, int], kernel: int, *, depthwise: bool = False) -> str:
        """See `Ops.conv`."""
        weight, bias = f"{name}.weight", f"{name}.bias"
        pads = (kernel // 2,) * 4
        group = channels[0] if depthwise else 1
        settings: dict[str, onnx_bytes.Attribute] = {"kernel_shape": (kernel, kernel), "pads": pads, "group": group}
        shape = self._shape_ops.conv(name, self._shapes[x], channels, kernel, depthwise=depthwise)
        return self._node("Conv", [x, weight, bias], shape, settings)

    def modulated_conv(self, name: str, x: str, time_code: str, channels: tuple[int, int], kernel: int) -> str:
        """See `Ops.modulated_conv`."""
        after = channels[1]
        both = self.conv(f"{name}.time", time_code, (self._shapes[time_code][0], 2 * after), 1)
        scale, shift = (self._slice(both, (first,), (first + after,), (1,)) for first in (0, after))
        one = self._constant("one", np.ones((1, 1, 1, 1), np.float32))
        scale = self._node("Add", [scale, one], (after, 1, 1))
        x = self.conv(name, x, channels, kernel)
        return self._node("Add", [self._node("Mul", [x, scale], self._shapes[x]), shift], self._shapes[x])

    def pixel_shuffle(self, x: str, factor: int) -> str:
        """See `Ops.pixel_shuffle`."""
        shape = self._shape_ops.pixel_shuffle(self._shapes[x], factor)
        return self._node("DepthToSpace", [x], shape, {"blocksize": factor, "mode": "DCR"})

    def upsample(self, x: str, factor: int) -> str:
        """See `Ops.upsample`."""
        shape = self._shape_ops.upsample(self._shapes[x], factor)
        scales = self._constant(f"upsample{factor}", np.array([1, 1, factor, factor], np.float32))
        settings = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self._node("Resize", [x, "", scales], shape, settings)

    def crop(self, x: str, rows: int, columns: int) -> str:
        """See `Ops.crop`."""
        if self._shapes[x][1:] == (rows, columns):
            return x
        return self._slice(x, (0, 0), (rows, columns), (2, 3))

    def sin(self, x: str) -> str:
        """See `Ops.sin`."""
        return self._node("Sin", [x], self._shapes[x])

    def gelu(self, x: str) -> str:
        """See `Ops.gelu`."""
        return self._node("Gelu", [x], self._shapes[x])

    def add(self, x: str, y: str) -> str:
        """See `Ops.add`."""
        return self._node("Add", [x, y], self._shapes[x])

    def _slice(self, x: str, starts: Sequence[int], stops: Sequence[int], axes: Sequence[int]) -> str:
        shape = [1, *self._shapes[x]]
        for start, stop, axis in zip(starts, stops, axes, strict=True):
            shape[axis] = stop - start
        given = [self._integers(numbers) for numbers in (starts, stops, axes)]
        return self._node("Slice", [x, *given], (shape[1], shape[2], shape[3]))

    def _integers(self, numbers: Sequence[int]) -> str:
        return self._constant(f"i{'_'.join(map(str, numbers))}", np.array(numbers, np.int64))

    def _constant(self, name: str, values: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> str:
        self.constants[name] = values
        return name

    def _node(
        self, kind: str, inputs: list[str], shape: Shape, attributes: Mapping[str, onnx_bytes.Attribute] | None = None
    ) -> str:
        name = f"x{len(self.nodes)}"
        self.nodes.append(onnx_bytes.node(kind, inputs, name, attributes or {}))
        self._shapes[name] = shape
        return name


def network_model(network: Network) -> bytes:
    """Write a network as an ONNX model.

    Args:
        network: checked.

    Returns:
        A model from `embedding`, `time_encoding` (where the network takes it) and all weights, by the names and shapes
        of `network.summary.weights`, to one frame, float32 [1, OUTPUT_CHANNELS, rows / 2, columns / 2].
    """
    ops = OnnxOps()
    inputs = {"embedding": network.embedding_shape}
    if network.takes_time:
        inputs["time_encoding"] = (2 * FREQUENCIES, 1, 1)
    names = {name: ops.input(name, shape) for name, shape in inputs.items()}
    out = synthesise(ops, network, names["embedding"], names.get("time_encoding", "embedding"))
    shapes: dict[str, Sequence[int]] = {name: (1, *shape) for name, shape in inputs.items()}
    return onnx_bytes.model(ops.nodes, ops.constants, shapes | network.summary.weights, {out: (1, *ops.shape(out))})


def _open(network: Network, device: str, threads: int) -> InferenceSession:
    session: InferenceSession = open_session(network_model(network), device=device, threads=threads)
    return session


open_shared = lru_cache(maxsize=2)(_open)
"""The session of a network, kept for the groups that follow."""


class FrameSynthesis:
    """A group's network, ready to make frames.

    Args:
        network: checked.
        weights: by name, float32.
        device: "auto", "cpu" or "cuda".
        threads: of ONNX Runtime.

    Raises:
        DeviceError: the device is not there.
        ParameterError: threads is no positive integer.
    """

    def __init__(self, network: Network, weights: Mapping[str, Floats], *, device: str, threads: int) -> None:
        self._network = network
        self._weights = dict(weights)
        of_any_group = replace(network, group=1)
        shared = network.summary.largest <= MAX_SHARED_FEATURES  # what forged packets ask for goes with its group
        self._session = (open_shared if shared else _open)(of_any_group, device, threads)

    def frame(self, embedding: Floats, index: int) -> Planes:
        """Make a frame.

        Args:
            embedding: of the frame, float32 [channels, rows, columns].
            index: of the frame in its group.

        Returns:
            Planes Y, U and V, uint8, of the frame's size.
        """
        feed = {"embedding": embedding[None], **self._weights}
        if self._network.takes_time:
            feed["time_encoding"] = self._network.time_encoding(index)
        (out,) = self._session.run(None, feed)
        assert out.shape[1] == OUTPUT_CHANNELS
        finite = np.nan_to_num(out[0], nan=0.0, posinf=1.0, neginf=0.0)  # forged weights may overflow
        levels = np.rint(np.clip(finite, 0, 1) * 255).astype(np.uint8)
        rows, columns = levels.shape[1:]
        luma = levels[:4].reshape(2, 2, rows, columns).transpose(2, 0, 3, 1).reshape(2 * rows, 2 * columns)
        height, width = self._network.height, self._network.width
        return np.ascontiguousarray(luma[:height, :width]), levels[4].copy(), levels[5].copy()
