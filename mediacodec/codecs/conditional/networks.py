"""The networks of a conditional model, as both ends run them.

The names of graphs and of their inputs and outputs stand here alone. Three graphs of each kind of frame choose tables:
what they compute must be the same everywhere, so they compute in integers (see `exactness`) and always on the CPU,
whatever device the others run on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.conditioning import Conditioning, Context, Floats, Reconstruction
from mediacodec.codecs.conditional.entropy_state import Memory
from mediacodec.codecs.conditional.exactness import ENTROPY_PARTS, check_graph
from mediacodec.codecs.conditional.frame_syntax import HyperLatent, ScaleIndex
from mediacodec.codecs.conditional.settings import MOST_THREADS, ConditionalSettings, FrameGeometry
from mediacodec.codecs.conditional.tiling import Array, Worker, run_tiled
from mediacodec.codecs.options import Runtime
from mediacodec.manifest import Manifest
from mediacodec.npz import Array as AnyArray
from mediacodec.session import shared_graph
from mediacodec.video_coding.motion.compensate import Planes
from mediacodec.video_coding.motion.skip_map import SkipMap

Kind = Literal["key", "inter"]
PLANES = ("y", "u", "v")

# rows of blocks around a row that a graph sees of it
HALO = {
    "key_analysis": 4,
    "inter_analysis": 4,
    "inter_context": 2,
    "key_conditional_mean": 1,
    "inter_conditional_mean": 1,
    "key_synthesis": 3,
    "inter_synthesis": 2,
}


@dataclass(frozen=True, eq=False)
class PriorOutput:
    """What the prior makes of a hyper-latent and its memory.

    Attributes:
        scale_index: of the first pass (of the second too, but those are not to be used).
        hidden: what the second pass goes on from, integers in float32.
        inputs: hyper-latent and memory at 1/16, which updating the memory goes on from, likewise.
    """

    scale_index: ScaleIndex
    hidden: Floats
    inputs: Floats


class Networks:
    """The graphs of a model for frames of one size.

    Args:
        model: the model.
        settings: of the model.
        geometry: of the frames.
        runtime: what to run on, but for the graphs that choose tables; from two threads on, half of the work is done in
            a second one, and more have nothing to do.
        analyse: whether an encoder's graphs are needed.

    Attributes:
        worker: the second thread.

    Raises:
        ModelError: a graph is missing, or its sums could be rounded.
    """

    def __init__(
        self,
        model: Manifest,
        settings: ConditionalSettings,
        geometry: FrameGeometry,
        runtime: Runtime,
        *,
        analyse: bool,
    ) -> None:
        self._settings, self._geometry = settings, geometry
        names = [f"{kind}_{part}" for kind in ("key", "inter") for part in ("conditional_mean", "synthesis")]
        names.append("inter_context")
        if analyse:
            names += ["key_analysis", "inter_analysis"]
            names += [name for name in ("key_refinement", "inter_refinement") if name in model.graphs]
        exact = [f"{kind}_{part}" for kind in ("key", "inter") for part in ENTROPY_PARTS]
        # two threads of ours gain more than two of a graph's, which must find together at every layer
        self._graphs = {
            name: shared_graph(
                model.graph_path(name), model.graph(name), device="cpu" if name in exact else runtime.device, threads=1
            )
            for name in [*names, *exact]
        }
        for name in exact:
            check_graph(model, name)
        parallel = runtime.threads_for(MOST_THREADS) > 1
        self.worker = Worker(parallel and self._graphs["inter_context"].device == "cpu")

    def analyse(self, planes: Planes, conditioning: Conditioning) -> tuple[Floats, Floats]:
        """The latent of a frame minus its mean, in the blocks' steps, and its hyper-latent, not rounded.

        Args:
            planes: of the source, padded, uint8.
            conditioning: of an inter frame, after `extract_context`.

        Returns:
            float32 [1, coefficients, h, w] and [1, hyper, hh, ww].
        """
        inputs = _named("", planes) | _steps(conditioning)
        if conditioning.inter:
            assert conditioning.predicted is not None
            assert conditioning.context is not None
            inputs |= _named("predicted_", conditioning.predicted)
            inputs |= {"context": conditioning.context.fine, "context_mean": conditioning.context.mean}
            inputs["memory"] = conditioning.memory
        found = self._run_tiled("analysis", conditioning, inputs)
        return found["latent"], found["hyper"]

    def extract_context(self, conditioning: Conditioning, features: Floats, *, refresh: bool) -> None:
        """Run the network over the prediction.

        Args:
            conditioning: after `predict`; its context is set.
            features: of the frame before, as it left them.
            refresh: they count as zero.
        """
        assert conditioning.predicted is not None
        assert conditioning.source_cells is not None
        kept = np.zeros_like(features) if refresh else features
        inputs = _named("predicted_", conditioning.predicted)
        inputs |= {"features": kept.reshape(*kept.shape[:2], -1), "source_cells": conditioning.source_cells}
        found = self._run_tiled("context", conditioning, inputs | {"quality": conditioning.quality})
        conditioning.context = Context(found["context"], found["context_deep"], found["context_mean"])

    def prior(self, kind: Kind, hyper: HyperLatent, memory: Memory, quality: npt.NDArray[np.int64]) -> PriorOutput:
        """The first pass of the prior: scale indices from the hyper-latent and the memory.

        Args:
            kind: of the frame.
            hyper: int8 [hyper, hh, ww].
            memory: of the frame before, zeros for a keyframe.
            quality: level, int64 [1].

        Returns:
            Scale indices, uint8 [1, coefficients, h, w], and what the second pass and the memory go on from.
        """
        inputs: dict[str, Array] = {"hyper": hyper[None].astype(np.float32), "memory": memory, "quality": quality}
        found = self._run(f"{kind}_prior_first", inputs)
        return PriorOutput(found["scale_index"], found["prior_hidden"], found["prior_input"])

    def prior_second(
        self, kind: Kind, prior: PriorOutput, symbols: Floats, quality: npt.NDArray[np.int64]
    ) -> ScaleIndex:
        """The second pass of the prior.

        Args:
            kind: of the frame.
            prior: what the first pass gave.
            symbols: of the first pass, 0 elsewhere, float32 [1, coefficients, h, w].
            quality: level, int64 [1].

        Returns:
            Scale indices, uint8 [1, coefficients, h, w].
        """
        inputs: dict[str, Array] = {"symbols": symbols, "prior_hidden": prior.hidden, "quality": quality}
        return self._run(f"{kind}_prior_second", inputs)["scale_index"]

    def update_memory(self, kind: Kind, prior: PriorOutput, symbols: Floats, quality: npt.NDArray[np.int64]) -> Memory:
        """The prior's memory for the next frame.

        Args:
            kind: of the frame.
            prior: what the first pass gave.
            symbols: of both passes, float32 [1, coefficients, h, w].
            quality: level, int64 [1].

        Returns:
            Integers in float32, [1, memory, h, w].
        """
        inputs: dict[str, Array] = {"symbols": symbols, "prior_input": prior.inputs, "quality": quality}
        return self._run(f"{kind}_memory_update", inputs)["memory"]

    def conditional_mean(self, conditioning: Conditioning, symbols: Floats) -> Floats:
        """What the symbols of the first pass predict of the second's: float32 [1, coefficients, h, w]."""
        inputs = {"symbols": symbols} | _steps(conditioning)
        if conditioning.inter:
            assert conditioning.context is not None
            inputs["context_deep"] = conditioning.context.deep
        return self._run_tiled("conditional_mean", conditioning, inputs)["conditional_mean"]

    def synthesise(
        self, conditioning: Conditioning, symbols: Floats, conditional_mean: Floats, skip: SkipMap | None
    ) -> Reconstruction:
        """The frame that symbols of both passes stand for.

        Args:
            conditioning: of the frame.
            symbols: float32 [1, coefficients, h, w].
            conditional_mean: of the second pass.
            skip: blocks that are to be as predicted, [h, w]; None in keyframes.
        """
        inputs = {"symbols": symbols, "conditional_mean": conditional_mean} | _steps(conditioning)
        if not conditioning.inter:
            found = self._run_tiled("synthesis", conditioning, inputs)
            shape = (1, self._settings.features, *self._geometry.motion)
            return Reconstruction(_planes(found), np.zeros(shape, np.float32))
        assert conditioning.predicted is not None
        assert conditioning.context is not None
        assert skip is not None
        inputs |= _named("predicted_", conditioning.predicted)
        inputs |= {"context": conditioning.context.fine, "context_mean": conditioning.context.mean}
        inputs["skip"] = skip[None, None].astype(np.float32)
        found = self._run_tiled("synthesis", conditioning, inputs)
        return Reconstruction(_planes(found), found["features"])

    def can_refine(self, conditioning: Conditioning) -> bool:
        """Whether the model brings the optional graph for such a frame."""
        return f"{_kind(conditioning)}_refinement" in self._graphs

    def refine(self, conditioning: Conditioning, source: Planes, decoded: Planes) -> Floats:
        """What a latent lacks for its frame to be decoded to the source.

        Args:
            conditioning: of the frame.
            source: padded, uint8.
            decoded: likewise, from that latent.

        Returns:
            float32 [1, coefficients, h, w].
        """
        pairs = zip(PLANES, source, decoded, strict=True)
        inputs: dict[str, Array] = {name: np.subtract(a, b, dtype=np.float32)[None, None] for name, a, b in pairs}
        return self._run(f"{_kind(conditioning)}_refinement", inputs | _steps(conditioning))["latent"]

    def _run(self, name: str, inputs: Mapping[str, Array]) -> dict[str, AnyArray]:
        return self._graphs[name].step(inputs, ())[0]

    def _run_tiled(self, part: str, conditioning: Conditioning, inputs: Mapping[str, Array]) -> dict[str, AnyArray]:
        name = f"{_kind(conditioning)}_{part}"
        return run_tiled(
            lambda given: self._run(name, given),
            inputs,
            self._geometry.blocks[0],
            halo=HALO[name],
            worker=self.worker,
        )


def _kind(conditioning: Conditioning) -> Kind:
    return "inter" if conditioning.inter else "key"


def _steps(conditioning: Conditioning) -> dict[str, Array]:
    return {"step_factors": conditioning.step_factors, "quality": conditioning.quality}


def _named(prefix: str, planes: Planes) -> dict[str, Array]:
    return {prefix + name: plane[None, None] for name, plane in zip(PLANES, planes, strict=True)}


def _planes(found: Mapping[str, AnyArray]) -> Planes:
    y, u, v = (found[name][0, 0] for name in PLANES)
    return y, u, v
