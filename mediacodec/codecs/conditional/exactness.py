"""Whether the graphs that choose tables compute exactly: in float32, on integers, with no sum that is rounded.

Weights and biases are multiples of a power of two, the inputs of every layer integers that the graph itself clamps.
While every partial sum stays below 2^24 of its last bit, float32 adds without rounding in any order, and every machine
finds the same tables. That is read off the graph by interval arithmetic, from inputs to outputs: once before a model is
shipped, and whenever one is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from mediacodec.entropy_coding.signed_golomb import LARGEST
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec.onnx_graph import Floats, Node, OnnxGraph, read_graph

EXACT = 1 << 24  # below it every integer is a float32
SHIFT = 6  # weights and biases are integers over 2^SHIFT
OUT_SHIFT = 4  # and those of scores over 2^(SHIFT + OUT_SHIFT)
FINEST = 24  # a shift that constants of exact sums stay below
TOP = 255  # activations and memory lie in 0..TOP
LARGEST_MAGNITUDE = 184  # of a compressed |symbol|
HYPER_GAIN = 8  # what a hyper-latent is multiplied by

ENTROPY_PARTS = ("prior_first", "prior_second", "memory_update")
"""The graphs of each kind of frame that choose tables."""


@dataclass(frozen=True)
class _Range:
    """What values can be: from low to high, multiples of 2^-shift; whole numbers where shift is 0."""

    low: float
    high: float
    shift: int = 0

    @property
    def magnitude(self) -> float:
        return max(abs(self.low), abs(self.high))

    @property
    def units(self) -> float:
        """The magnitude in units of the last bit."""
        return math.ldexp(self.magnitude, self.shift)


def check_graph(model: Manifest, name: str) -> None:
    """Check a graph of a model that chooses tables.

    Args:
        model: the model.
        name: `key_` or `inter_` and one of ENTROPY_PARTS.

    Raises:
        ModelError: its sums could be rounded.
    """
    _check_once(model.graph_path(name), model.graph(name).sha256, int(model.settings["hyper_limit"]))


def check_file(path: Path, hyper_limit: int) -> None:
    """Check the ONNX file of a graph that chooses tables.

    Args:
        path: of the file.
        hyper_limit: hyper-latents of the model lie within it.

    Raises:
        ModelError: its sums could be rounded.
    """
    try:
        largest = largest_sum(read_graph(path), hyper_limit)
    except ValueError as error:
        raise ModelError(f"{path}: {error}; export the model again") from error
    if largest >= EXACT:
        raise ModelError(f"{path}: a sum may reach {largest}, beyond 2^24, and tables would differ between machines")


@lru_cache(maxsize=64)
def _check_once(path: Path, _sha256: str, hyper_limit: int) -> None:
    check_file(path, hyper_limit)


def largest_sum(graph: OnnxGraph, hyper_limit: int) -> int:
    """A bound of every |accumulator| of a graph, in units of its last bit.

    Args:
        graph: one that chooses tables.
        hyper_limit: hyper-latents lie within it.

    Raises:
        ValueError: something goes into a sum that need not be a multiple of a power of two.
    """
    known = {
        "hyper": _Range(-hyper_limit, hyper_limit),
        "memory": _Range(0, TOP),
        "symbols": _Range(-LARGEST, LARGEST),
        "prior_hidden": _Range(0, TOP),
        "prior_input": _Range(-HYPER_GAIN * hyper_limit, max(TOP, HYPER_GAIN * hyper_limit)),
        **{name: _constant(value) for name, value in graph.constants.items()},
    }
    largest = 0.0
    for node in graph.nodes:
        if node.operator == "Conv":
            found: _Range | None = _convolution(node, known, graph.constants)
        else:
            found = _operation(node, [known.get(name) for name in node.inputs])
        if found is not None:
            known[node.outputs[0]] = found
            if node.operator in ("Conv", "Add", "Mul"):
                largest = max(largest, found.units)
    if not any(node.operator == "Conv" for node in graph.nodes):
        raise ValueError("it has no layers")
    return math.ceil(largest)


def _constant(values: Floats) -> _Range:
    if not values.size or not np.isfinite(values).all():
        raise ValueError("a constant is empty or not a number")
    exact = values.astype(np.float64)
    shift = next((s for s in range(FINEST) if np.array_equal(scaled := np.ldexp(exact, s), np.rint(scaled))), FINEST)
    return _Range(float(exact.min()), float(exact.max()), shift)


def _convolution(node: Node, known: Mapping[str, _Range], constants: Mapping[str, Floats]) -> _Range:
    """The sums of a layer, whose input must be whole numbers."""
    entering, name, *bias = node.inputs
    if entering not in known or known[entering].shift or name not in constants:
        raise ValueError(f"the layer of {name} is not one of constants times whole numbers")
    weights = constants[name].astype(np.float64)
    if known[name].shift >= FINEST:
        raise ValueError(f"{name} is no multiple of a power of two")
    total = known[entering].magnitude * float(np.abs(weights).reshape(len(weights), -1).sum(axis=1).max())
    shift = known[name].shift
    if bias:
        if bias[0] not in known:
            raise ValueError(f"the bias of {name} is not constant")
        total += known[bias[0]].magnitude
        shift = max(shift, known[bias[0]].shift)
    return _Range(-total, total, shift)


def _operation(node: Node, inputs: list[_Range | None]) -> _Range | None:
    """What any other operation makes of its inputs; None where nothing is known of it."""
    first = inputs[0] if inputs else None
    if first is not None and node.operator in ("Gather", "Reshape", "Identity"):
        return first
    given = [one for one in inputs if one is not None]
    if first is None or len(given) < len(inputs):
        return None
    shift = max(one.shift for one in given)
    match node.operator:
        case "Abs":
            return _Range(0, first.magnitude, shift)
        case "Floor":
            return _Range(math.floor(first.low), math.floor(first.high))
        case "Clip":
            _, low, high = given
            binding = [low.shift * (low.low > first.low), high.shift * (high.high < first.high)]
            return _Range(max(first.low, low.low), min(first.high, high.high), max(first.shift, *binding))
        case "Min":
            return _Range(min(one.low for one in given), min(one.high for one in given), shift)
        case "Concat":
            return _Range(min(one.low for one in given), max(one.high for one in given), shift)
        case "Add":
            return _Range(sum(one.low for one in given), sum(one.high for one in given), shift)
        case "Mul":
            products = [a * b for a in (given[0].low, given[0].high) for b in (given[1].low, given[1].high)]
            return _Range(min(products), max(products), given[0].shift + given[1].shift)
    return None
