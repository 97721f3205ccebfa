"""What both ends of a `live` stream compute: one code, so that encoder and decoder cannot drift apart.

A `LiveState` is what one picture leaves to the next, its integers apart from what is shown, so that packets can be read
ahead of their pictures. A `Reconstructor` goes from integers to pictures: prediction, the
networks that choose tables, synthesis. Which integers, an encoder decides and a decoder reads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.settings import Geometry, LiveSettings
from mediacodec.codecs.conditional.tiling import Beside, run_in_halves
from mediacodec.errors import ParameterError
from mediacodec.manifest import Manifest
from mediacodec.session import shared_graph
from mediacodec.video_coding.adaptive_quantization import FINEST, Levels, factors
from mediacodec.video_coding.motion.compensate import Planes, compensate, source_cells

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
T = TypeVar("T")

NAMES = ("y", "u", "v")


@dataclass(frozen=True, eq=False)
class Trail:
    """The integers that a picture leaves to the next: all that reading its packet needs.

    memory: integers in float32 [1, memory, h, w]; motion: int16 [2, H/8, W/8]; skip: bool [h, w]; hyper: int8 [hyper,
    hh, ww]; levels: local steps, int8 [h, w]; filter_id: of the luma filters; position: pictures since the keyframe.
    """

    memory: Floats
    motion: npt.NDArray[np.int16]
    skip: Mask
    hyper: npt.NDArray[np.int8]
    levels: Levels
    filter_id: int
    position: int


@dataclass(frozen=True, eq=False)
class Shown:
    """A decoded picture: planes, uint8, padded; features for the next one, float32 [1, features, H/8, W/8]."""

    planes: Planes
    features: Floats


@dataclass(frozen=True, eq=False)
class LiveState:
    """What a picture leaves to the next."""

    trail: Trail
    shown: Shown


@dataclass(frozen=True, eq=False)
class Integers:
    """All that a packet says of a picture: what is coded, and what its symbol CRC is of.

    quality: level 0..63; inter: predicted or a keyframe; levels: local steps, int8 [h, w]; refresh: features count as
    zero. motion and skip are None in keyframes. hyper, symbols (int32 [1, coefficients, h, w]) and index (uint8
    likewise, the scale index of each coefficient's own pass) are None where every block is skipped.
    """

    quality: int
    inter: bool
    levels: Levels
    refresh: bool = False
    filter_id: int = 0
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
            (self.levels, FINEST),
            (self.hyper, settings.hyper_limit),
            (self.symbols, 1 << 15),
            (self.index, 0),
        ]
        return [(values, offset) for values, offset in parts if values is not None]


@dataclass(eq=False)
class Known:
    """What both ends know of a picture before its first coefficient; `seen` once the network over the prediction ran.

    local: factors of the step, float32 [1, 1, h, w]; predicted: planes; cells: where features come from.
    """

    level: int
    inter: bool
    memory: Floats
    local: Floats
    predicted: Planes | None = None
    cells: Array | None = None
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


class Reconstructor:
    """The networks of a model for pictures of one size.

    threads: from two on, half of the work is done in a second thread; more have nothing to do. Raises ParameterError
    where it is no positive integer.
    """

    def __init__(
        self, model: Manifest, settings: LiveSettings, geometry: Geometry, *, device: str, threads: int, analyse: bool
    ) -> None:
        if not isinstance(threads, int) or threads < 1:
            raise ParameterError(f"threads must be a positive integer, not {threads!r}")
        self.settings, self.geometry = settings, geometry
        parts = ["prior", "second", "recall", "shift", "synthesis", *(["analysis"] if analyse else [])]
        names = [f"{kind}_{part}" for kind in ("key", "inter") for part in parts]
        names += ["inter_context", *(n for n in ("key_refine", "inter_refine") if analyse and n in model.graphs)]
        self._graphs = {
            # two threads of ours gain more than two of a graph's, which must find together at every layer
            name: shared_graph(model.graph_path(name), model.graph(name), device=device, threads=1)
            for name in names
        }
        # where the first pass codes, [coefficients, h, w]: a checkerboard in three dimensions
        self.first_pass: Mask = np.indices((settings.coefficients, *geometry.blocks), np.uint16).sum(axis=0) % 2 == 0
        self.device = self._graphs["inter_context"].device
        self._beside = Beside(threads > 1 and self.device == "cpu")

    @property
    def parallel(self) -> bool:
        """Whether there is a second thread."""
        return self._beside.parallel

    def has(self, name: str) -> bool:
        """Whether the model brings this optional graph."""
        return name in self._graphs

    def run(self, name: str, **inputs: Array) -> dict[str, Array]:
        """One run of a graph."""
        return self._graphs[name].step(inputs, ())[0]

    def run_wide(self, name: str, *, reach: int, **inputs: Array) -> dict[str, Array]:
        """One run of a graph of which a row of blocks sees `reach` rows around; in halves where that is faster."""
        return run_in_halves(
            lambda given: self.run(name, **given), inputs, self.geometry.blocks[0], reach=reach, beside=self._beside
        )

    def beside(self, work: Callable[[], T]) -> Future[T]:
        """Start something that the caller waits for later: at once in a second thread, or there and then."""
        return self._beside.start(work)

    def key(self, level: int, levels: Levels) -> Known:
        """A keyframe knows nothing."""
        memory = np.zeros((1, self.settings.memory, *self.geometry.blocks), np.float32)
        return Known(level, False, memory, factors(levels))

    def inter(self, level: int, trail: Trail, levels: Levels) -> Known:
        """A picture that is predicted from another; nothing is computed yet."""
        return Known(level, True, trail.memory, factors(levels))

    def predict(self, known: Known, planes: Planes, motion: npt.NDArray[np.int16], filter_id: int) -> None:
        """Move the picture before."""
        known.predicted = compensate(planes, motion, filter_id=filter_id)
        known.cells = source_cells(motion)

    def look(self, known: Known, features: Floats, *, refresh: bool) -> None:
        """Run the network over the prediction; features: those of the picture before, as it left them."""
        assert known.predicted is not None
        assert known.cells is not None
        kept = np.zeros_like(features) if refresh else features
        known.seen = self.run_wide(
            "inter_context",
            reach=2,
            **_batched("predicted_", known.predicted),
            features=kept.reshape(*kept.shape[:2], -1),
            cells=known.cells,
            quality=known.quality,
        )

    def first(self, known: Known, hyper: npt.NDArray[np.int8]) -> Prior:
        """Scale indices of the first pass (of the second too, but those are not to be used)."""
        name = "inter_prior" if known.inter else "key_prior"
        found = self.run(name, hyper=hyper[None].astype(np.float32), memory=known.memory, quality=known.quality)
        return Prior(found["index"], found["hidden"], found["place"])

    def second(self, known: Known, prior: Prior, symbols: Floats) -> Rows:
        """Scale indices of the second pass, given the symbols of the first."""
        name = "inter_second" if known.inter else "key_second"
        return self.run(name, symbols=symbols, hidden=prior.hidden, quality=known.quality)["index"]

    def shift(self, known: Known, symbols: Floats) -> Floats:
        """What the symbols of the first pass predict of the second's: float32 [1, coefficients, h, w]."""
        inputs = {"symbols": symbols, "local": known.local, "quality": known.quality}
        if known.inter:
            inputs["deep"] = known.seen["deep"]
        return self.run_wide("inter_shift" if known.inter else "key_shift", reach=1, **inputs)["shift"]

    def recall(self, known: Known, prior: Prior, symbols: Floats) -> Floats:
        """The prior's memory for the next picture."""
        name = "inter_recall" if known.inter else "key_recall"
        return self.run(name, symbols=symbols, place=prior.place, quality=known.quality)["memory"]

    def synthesise(self, known: Known, symbols: Floats, shift: Floats, skip: Mask | None) -> Shown:
        """The picture that symbols of both passes stand for; skip: blocks that are to be as predicted, [h, w]."""
        inputs = {"symbols": symbols, "shift": shift, "local": known.local, "quality": known.quality}
        if not known.inter:
            found = self.run_wide("key_synthesis", reach=3, **inputs)
            return Shown(_planes(found), np.zeros((1, self.settings.features, *self.geometry.motion), np.float32))
        assert known.predicted is not None
        assert skip is not None
        inputs |= _batched("predicted_", known.predicted)
        inputs |= {"mean": known.seen["mean"], "context": known.seen["context"]}
        found = self.run_wide("inter_synthesis", reach=2, **inputs, skip=skip[None, None].astype(np.float32))
        return Shown(_planes(found), found["features"])

    def moved(self, known: Known, features: Floats, *, refresh: bool) -> Shown:
        """A picture of which every block is skipped: the prediction, and features moved along."""
        assert known.predicted is not None
        assert known.cells is not None
        kept = np.zeros_like(features) if refresh else features
        return Shown(known.predicted, kept.reshape(*kept.shape[:2], -1)[:, :, known.cells[0, 0]].reshape(kept.shape))

    def after(self, integers: Integers, memory: Floats, trail: Trail | None) -> Trail:
        """The integers that a picture leaves; memory: as `recall` has it, of one that is skipped whole the last one's.

        trail: what the picture before left, None in keyframes.
        """
        hyper = integers.hyper
        if hyper is None:
            hyper = np.zeros((self.settings.hyper, *self.geometry.cells), np.int8)
        if not integers.inter or trail is None:
            motion = np.zeros((2, *self.geometry.motion), np.int16)
            skip = np.zeros(self.geometry.blocks, np.bool_)
            return Trail(memory, motion, skip, np.zeros_like(hyper), integers.levels, 0, 0)
        assert integers.motion is not None
        assert integers.skip is not None
        levels, filter_id = integers.levels, integers.filter_id
        return Trail(memory, integers.motion, integers.skip, hyper, levels, filter_id, trail.position + 1)

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
