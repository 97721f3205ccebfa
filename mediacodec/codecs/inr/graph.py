"""A group's network as a session of ONNX Runtime. Its weights are inputs, so that all groups of a shape share one.

It is also the quicker way: layers of so few channels gain nothing from weights that ONNX Runtime may arrange anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.inr import onnx_bytes
from mediacodec.codecs.inr.network import LEVELS, OUTPUTS, Network, Shape, Shapes, synthesise
from mediacodec.session import open_session
from mediacodec.video_coding.motion.compensate import Planes

Floats = npt.NDArray[np.float32]

KEPT = 1 << 24  # numbers in the largest layer of a network whose session outlives its group


class OnnxOps:
    """The operations of `inr_network.Ops` as nodes of a graph; a value is its name, weights go by those of `Shapes`."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]] = {}
        self._shapes = Shapes()
        self._known: dict[str, Shape] = {}

    def input(self, name: str, shape: Shape) -> str:
        self._known[name] = shape
        return name

    def shape(self, x: str) -> Shape:
        return self._known[x]

    def conv(self, name: str, x: str, channels: tuple[int, int], kernel: int, *, apart: bool = False) -> str:
        weight, bias = f"{name}.weight", f"{name}.bias"
        pads = (kernel // 2,) * 4
        group = channels[0] if apart else 1
        settings: dict[str, onnx_bytes.Attribute] = {"kernel_shape": (kernel, kernel), "pads": pads, "group": group}
        shape = self._shapes.conv(name, self._known[x], channels, kernel, apart=apart)
        return self._node("Conv", [x, weight, bias], shape, settings)

    def modulated(self, name: str, x: str, code: str, channels: tuple[int, int], kernel: int) -> str:
        after = channels[1]
        both = self.conv(f"{name}.time", code, (self._known[code][0], 2 * after), 1)
        scale, shift = (self._slice(both, (first,), (first + after,), (1,)) for first in (0, after))
        one = self._given("one", np.ones((1, 1, 1, 1), np.float32))
        scale = self._node("Add", [scale, one], (after, 1, 1))
        x = self.conv(name, x, channels, kernel)
        return self._node("Add", [self._node("Mul", [x, scale], self._known[x]), shift], self._known[x])

    def shuffle(self, x: str, factor: int) -> str:
        shape = self._shapes.shuffle(self._known[x], factor)
        return self._node("DepthToSpace", [x], shape, {"blocksize": factor, "mode": "DCR"})

    def enlarge(self, x: str, factor: int) -> str:
        shape = self._shapes.enlarge(self._known[x], factor)
        scales = self._given(f"enlarge{factor}", np.array([1, 1, factor, factor], np.float32))
        settings = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self._node("Resize", [x, "", scales], shape, settings)

    def crop(self, x: str, rows: int, columns: int) -> str:
        if self._known[x][1:] == (rows, columns):
            return x
        return self._slice(x, (0, 0), (rows, columns), (2, 3))

    def sin(self, x: str) -> str:
        return self._node("Sin", [x], self._known[x])

    def gelu(self, x: str) -> str:
        return self._node("Gelu", [x], self._known[x])

    def add(self, x: str, y: str) -> str:
        return self._node("Add", [x, y], self._known[x])

    def _slice(self, x: str, starts: Sequence[int], stops: Sequence[int], axes: Sequence[int]) -> str:
        shape = [1, *self._known[x]]
        for start, stop, axis in zip(starts, stops, axes, strict=True):
            shape[axis] = stop - start
        given = [self._integers(numbers) for numbers in (starts, stops, axes)]
        return self._node("Slice", [x, *given], (shape[1], shape[2], shape[3]))

    def _integers(self, numbers: Sequence[int]) -> str:
        return self._given(f"i{'_'.join(map(str, numbers))}", np.array(numbers, np.int64))

    def _given(self, name: str, values: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> str:
        self.constants[name] = values
        return name

    def _node(
        self, kind: str, inputs: list[str], shape: Shape, attributes: Mapping[str, onnx_bytes.Attribute] | None = None
    ) -> str:
        name = f"x{len(self.nodes)}"
        self.nodes.append(onnx_bytes.node(kind, inputs, name, attributes or {}))
        self._known[name] = shape
        return name


def network_model(network: Network) -> bytes:
    """The network as an ONNX model: `embedding`, `place` where it is timed, and all weights to `picture`."""
    ops = OnnxOps()
    inputs = {"embedding": network.embedding_shape}
    if network.timed:
        inputs["place"] = (2 * LEVELS, 1, 1)
    names = {name: ops.input(name, shape) for name, shape in inputs.items()}
    out = synthesise(ops, network, names["embedding"], names.get("place", "embedding"))
    shapes: dict[str, Sequence[int]] = {name: (1, *shape) for name, shape in inputs.items()}
    return onnx_bytes.model(ops.nodes, ops.constants, shapes | network.counted.weights, {out: (1, *ops.shape(out))})


def _open(network: Network, device: str, threads: int) -> Any:
    return open_session(network_model(network), device=device, threads=threads)


_shared = lru_cache(maxsize=2)(_open)


class Synthesis:
    """A group's network, ready to make pictures. Raises DeviceError, ParameterError on impossible threads."""

    def __init__(self, network: Network, weights: Mapping[str, Floats], *, device: str, threads: int) -> None:
        self._network = network
        self._weights = dict(weights)
        of_any_group = replace(network, group=1)
        kept = network.counted.largest <= KEPT  # what forged packets ask for goes with its group
        self._session = (_shared if kept else _open)(of_any_group, device, threads)

    def picture(self, embedding: Floats, index: int) -> Planes:
        """Planes Y, U and V of the picture at a place in the group; embedding: [c, h, w]."""
        feed = {"embedding": embedding[None], **self._weights}
        if self._network.timed:
            feed["place"] = self._network.place(index)
        (out,) = self._session.run(None, feed)
        assert out.shape[1] == OUTPUTS
        finite = np.nan_to_num(out[0], nan=0.0, posinf=1.0, neginf=0.0)  # forged weights may overflow
        levels = np.rint(np.clip(finite, 0, 1) * 255).astype(np.uint8)
        rows, columns = levels.shape[1:]
        luma = levels[:4].reshape(2, 2, rows, columns).transpose(2, 0, 3, 1).reshape(2 * rows, 2 * columns)
        height, width = self._network.height, self._network.width
        return np.ascontiguousarray(luma[:height, :width]), levels[4].copy(), levels[5].copy()
