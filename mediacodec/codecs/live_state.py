"""What both ends of a `live` stream compute: one code, so that encoder and decoder cannot drift apart.

A `LiveState` is what one picture leaves to the next. A `Reconstructor` goes from integers to pictures: prediction, the
networks that choose tables, synthesis. Which integers, an encoder decides and a decoder reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.live_settings import Geometry, LiveSettings
from mediacodec.manifest import Manifest
from mediacodec.motion.compensate import Planes, compensate, source_cells
from mediacodec.session import shared_graph

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

NAMES = ("y", "u", "v")


@dataclass(frozen=True, eq=False)
class LiveState:
    """What a picture leaves to the next.

    planes: uint8, padded; features: float32 [1, features, H/8, W/8]; memory: integers in float32 [1, memory, h, w];
    motion: int16 [2, H/8, W/8]; skip: bool [h, w]; hyper: int8 [hyper, hh, ww]; position: pictures since the keyframe.
    """

    planes: Planes
    features: Floats
    memory: Floats
    motion: npt.NDArray[np.int16]
    skip: Mask
    hyper: npt.NDArray[np.int8]
    position: int


@dataclass(frozen=True, eq=False)
class Integers:
    """All that a packet says of a picture: what is coded, and what its symbol CRC is of.

    quality: level 0..63; inter: predicted or a keyframe; refresh: features count as zero. motion and skip are None in
    keyframes. hyper, symbols (int32 [1, coefficients, h, w]) and index (uint8 likewise, the scale index of each
    coefficient's own pass) are None where every block is skipped.
    """

    quality: int
    inter: bool
    refresh: bool = False
    motion: npt.NDArray[np.int16] | None = None
    skip: Mask | None = None
    hyper: npt.NDArray[np.int8] | None = None
    symbols: npt.NDArray[np.int32] | None = None
    index: Rows | None = None

    def crc_parts(self, settings: LiveSettings) -> list[tuple[Array, int]]:
        """Arrays and what is added to each, in the order of the symbol CRC."""
        parts: list[tuple[Array | None, int]] = [
            (self.motion, 512),
            (self.skip, 0),
            (self.hyper, settings.hyper_limit),
            (self.symbols, 1 << 15),
            (self.index, 0),
        ]
        return [(values, offset) for values, offset in parts if values is not None]


@dataclass(eq=False)
class Known:
    """What both ends know of a picture before its first coefficient; `context` and the rest once networks have run."""

    level: int
    inter: bool
    memory: Floats
    predicted: Planes | None = None
    cells: Array | None = None
    features: Floats | None = None
    seen: dict[str, Array] = field(default_factory=dict)

    @property
    def quality(self) -> Array:
        return np.array([self.level], np.int64)


@dataclass(frozen=True, eq=False)
class Prior:
    """The first pass' scale indices, uint8 [1, coefficients, h, w], and what second pass and memory go on from."""

    index: Rows
    hidden: Floats
    place: Floats


@dataclass(frozen=True, eq=False)
class Synthesis:
    """A decoded picture: planes uint8, features for the next (None after a keyframe) and the prior's memory."""

    planes: Planes
    features: Floats | None
    memory: Floats


class Reconstructor:
    """The networks of a model for pictures of one size."""

    def __init__(
        self, model: Manifest, settings: LiveSettings, geometry: Geometry, *, device: str, threads: int, analyse: bool
    ) -> None:
        self.settings, self.geometry = settings, geometry
        names = [f"{kind}_{part}" for kind in ("key", "inter") for part in ("prior", "second", "synthesis")]
        names.append("inter_context")
        if analyse:
            names += ["key_analysis", "inter_analysis"]
            names += [name for name in ("key_refine", "inter_refine") if name in model.graphs]
        self._graphs = {
            name: shared_graph(model.graph_path(name), model.graph(name), device=device, threads=threads)
            for name in names
        }
        # where the first pass codes, [coefficients, h, w]: a checkerboard in three dimensions
        self.first_pass: Mask = np.indices((settings.coefficients, *geometry.blocks), np.uint16).sum(axis=0) % 2 == 0
        self.device = self._graphs["inter_context"].device

    def has(self, name: str) -> bool:
        """Whether the model brings this optional graph."""
        return name in self._graphs

    def run(self, name: str, **inputs: Array) -> dict[str, Array]:
        """One run of a graph."""
        return self._graphs[name].step(inputs, ())[0]

    def key(self, level: int) -> Known:
        """A keyframe knows nothing."""
        return Known(level, False, np.zeros((1, self.settings.memory, *self.geometry.blocks), np.float32))

    def inter(self, level: int, state: LiveState, motion: npt.NDArray[np.int16], *, refresh: bool) -> Known:
        """The prediction; no network runs yet."""
        features = np.zeros_like(state.features) if refresh else state.features
        predicted = compensate(state.planes, motion)
        return Known(level, True, state.memory, predicted, source_cells(motion), features)

    def look(self, known: Known) -> None:
        """Run the network over the prediction, once."""
        if known.inter and not known.seen:
            assert known.predicted is not None
            assert known.cells is not None
            assert known.features is not None
            known.seen = self.run(
                "inter_context",
                **_batched("predicted_", known.predicted),
                features=known.features,
                cells=known.cells,
                quality=known.quality,
            )

    def first(self, known: Known, hyper: npt.NDArray[np.int8]) -> Prior:
        """Scale indices of the first pass (of the second too, but those are not to be used)."""
        name = "inter_prior" if known.inter else "key_prior"
        found = self.run(name, hyper=hyper[None].astype(np.float32), memory=known.memory, quality=known.quality)
        return Prior(found["index"], found["hidden"], found["place"])

    def second(self, known: Known, prior: Prior, symbols: Floats) -> tuple[Rows, Floats]:
        """Scale indices of the second pass, and what the first predicts of it: float32 [1, coefficients, h, w]."""
        inputs = {"symbols": symbols, "hidden": prior.hidden, "quality": known.quality}
        if known.inter:
            inputs["deep"] = known.seen["deep"]
        found = self.run("inter_second" if known.inter else "key_second", **inputs)
        return found["index"], found["shift"]

    def synthesise(self, known: Known, prior: Prior, symbols: Floats, shift: Floats, skip: Mask | None) -> Synthesis:
        """The picture that symbols of both passes stand for; skip: blocks that are to be as predicted, [h, w]."""
        inputs = {"symbols": symbols, "shift": shift, "place": prior.place, "quality": known.quality}
        if not known.inter:
            found = self.run("key_synthesis", **inputs)
            return Synthesis(_planes(found), None, found["memory"])
        assert known.predicted is not None
        assert skip is not None
        inputs |= _batched("predicted_", known.predicted)
        inputs |= {"mean": known.seen["mean"], "context": known.seen["context"]}
        found = self.run("inter_synthesis", **inputs, skip=skip[None, None].astype(np.float32))
        return Synthesis(_planes(found), found["features"], found["memory"])

    def after(self, integers: Integers, result: Synthesis, state: LiveState | None) -> LiveState:
        """What a coded picture leaves."""
        rows, columns = self.geometry.motion
        assert integers.hyper is not None
        if not integers.inter or state is None:
            return LiveState(
                result.planes,
                np.zeros((1, self.settings.features, rows, columns), np.float32),
                result.memory,
                np.zeros((2, rows, columns), np.int16),
                np.zeros(self.geometry.blocks, np.bool_),
                np.zeros_like(integers.hyper),
                0,
            )
        assert integers.motion is not None
        assert integers.skip is not None
        assert result.features is not None
        return LiveState(
            result.planes,
            result.features,
            result.memory,
            integers.motion,
            integers.skip,
            integers.hyper,
            state.position + 1,
        )

    def after_skipped(self, integers: Integers, known: Known, state: LiveState) -> LiveState:
        """What a picture leaves of which every block is skipped: the prediction, and features moved along."""
        assert integers.motion is not None
        assert integers.skip is not None
        assert known.predicted is not None
        assert known.features is not None
        assert known.cells is not None
        features = known.features
        if integers.motion.any():
            features = features.reshape(*features.shape[:2], -1)[:, :, known.cells[0]].reshape(features.shape)
        return replace(
            state,
            planes=known.predicted,
            features=features,
            motion=integers.motion,
            skip=integers.skip,
            hyper=np.zeros_like(state.hyper),
            position=state.position + 1,
        )

    def coded(self, skip: Mask | None, *, second: bool) -> Mask:
        """Places that a pass codes, [coefficients, h, w]."""
        places = ~self.first_pass if second else self.first_pass
        return places if skip is None else places & ~skip

    def coded_cells(self, skip: Mask | None) -> Mask:
        """Cells with a block that is not skipped, [hh, ww]."""
        rows, columns = self.geometry.cells
        if skip is None:
            return np.ones((rows, columns), np.bool_)
        padded = np.ones((2 * rows, 2 * columns), np.bool_)
        padded[: skip.shape[0], : skip.shape[1]] = skip
        return np.asarray(~padded.reshape(rows, 2, columns, 2).all((1, 3)))


def batched(planes: Planes) -> dict[str, Array]:
    """Planes as a graph's inputs y, u, v."""
    return _batched("", planes)


def _batched(prefix: str, planes: Planes) -> dict[str, Array]:
    return {prefix + name: plane[None, None] for name, plane in zip(NAMES, planes, strict=True)}


def _planes(found: dict[str, Array]) -> Planes:
    y, u, v = (found[name][0, 0] for name in NAMES)
    return y, u, v
