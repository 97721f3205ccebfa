"""Whether exported graphs do what torch does: to the bit where integers choose tables, closely elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mediacodec.manifest import Manifest
from mediacodec_models.video.coding import checkerboard, paste
from mediacodec_models.video.motion import compensate, follow
from mediacodec_models.video.network import ConditionalCodec
from mediacodec_models.video.prior import HYPER_LIMIT
from mediacodec_models.video.rate_distortion import quantise
from mediacodec_models.video.transform import Planes, pack

SIZES = ((368, 640), (352, 288), (16, 16), (16, 48), (256, 256))  # rows, columns
QUALITIES = (3, 30, 55)
EXACT = ("scale_index", "prior_hidden", "prior_input", "memory")
TOLERANCE = 2e-3  # of what is in steps, where it is not large itself; blocks' steps are down to a quarter of a frame's
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A graph, what it is given, and what it should give."""

    graph: str
    inputs: Values
    outputs: Values


@torch.no_grad()
def check(key: ConditionalCodec, inter: ConditionalCodec, model: Manifest, frames: list[Planes]) -> float:
    """Compare every graph with torch, on two successive frames at several sizes and on flat ones.

    Args:
        key, inter: the networks.
        model: exported from them.
        frames: two, planes of float32 in 0..255.

    Returns:
        The largest difference found in what is in steps, relative where it is larger than 1.

    Raises:
        ValueError: a graph gives something else.
    """
    sessions = {name: [open_graph(model, name)] for name in model.graphs}
    worst = 0.0
    for size, quality in [(size, quality) for size in SIZES for quality in QUALITIES]:
        for case in cases(key, inter, [fitted(p, size) for p in frames], quality):
            worst = max(worst, compare(case, sessions[case.graph]))
    for level in (0, 128, 255):
        for case in cases(key, inter, [flat(level, (48, 80))] * 2, 30):
            worst = max(worst, compare(case, sessions[case.graph]))
    for case in cases(key, inter, [fitted(p, (240, 176)) for p in frames], 24):
        others = [open_graph(model, case.graph, level=level, threads=n) for level in LEVELS for n in (1, 2)]
        worst = max(worst, compare(case, others))
    return worst


def open_graph(
    model: Manifest, name: str, *, level: str = "ORT_ENABLE_ALL", threads: int = 1
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model.graph_path(name)), options, providers=["CPUExecutionProvider"])


def compare(case: Case, sessions: list[onnxruntime.InferenceSession]) -> float:
    """Run a case in every session.

    Returns:
        The largest difference of real numbers.

    Raises:
        ValueError: a difference is too large.
    """
    feed = {name: value.numpy() for name, value in case.inputs.items()}
    worst = 0.0
    for session in sessions:
        found = dict(zip((o.name for o in session.get_outputs()), session.run(None, feed), strict=True))
        for name, expected in case.outputs.items():
            difference, allowed = distance(name, found[name], expected.numpy())
            if not difference <= allowed:  # also where it is not a number
                size = "x".join(str(n) for n in expected.shape)
                raise ValueError(f"{case.graph}: {name} ({size}) is {difference} away from torch's")
            worst = max(worst, difference if expected.dtype == torch.float32 else 0.0)
    return worst


def distance(name: str, found: NDArray[np.generic], expected: NDArray[np.generic]) -> tuple[float, float]:
    """The largest difference and how large it may be."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return float("inf"), 0.0
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    if name in EXACT:
        return float(difference.max()), 0.0
    if expected.dtype == np.uint8:
        return float(difference.max()), 1.0
    return float((difference / np.maximum(1, np.abs(expected))).max()), TOLERANCE


def fitted(planes: Planes, size: tuple[int, int]) -> Planes:
    """Cut or extended at the right and bottom by repetition."""
    result = []
    for plane, divisor in zip(planes, (1, 2, 2), strict=True):
        rows, columns = size[0] // divisor, size[1] // divisor
        missing = max(0, rows - plane.shape[2]), max(0, columns - plane.shape[3])
        result.append(F.pad(plane, (0, missing[1], 0, missing[0]), mode="replicate")[:, :, :rows, :columns])
    return result[0], result[1], result[2]


def flat(level: int, size: tuple[int, int]) -> Planes:
    y, u, v = (torch.full((1, 1, size[0] // d, size[1] // d), float(level)) for d in (1, 2, 2))
    return y, u, v


def cases(key: ConditionalCodec, inter: ConditionalCodec, frames: list[Planes], level: int) -> Iterator[Case]:
    """Every graph with its inputs and torch's outputs, on a keyframe and the frame behind it."""
    quality = torch.tensor([level])
    rows, columns = (n // 16 for n in frames[0][0].shape[2:])
    memory, factors = torch.zeros(1, key.config.memory, rows, columns), uneven(rows, columns)
    latent = key.analyse(frames[0], None, None, None, quality) / factors
    hyper = key.analyse_hyper(latent, memory, quality)
    step = {"step_factors": factors, "quality": quality}
    yield Case("key_analysis", named("", frames[0]) | step, {"latent": latent, "hyper": hyper})
    coded = Coding(key, "key", latent, hyper, memory, None, factors, quality)
    yield from coded.cases
    decoded, _ = key.synthesise((coded.symbols + coded.conditional_mean) * factors, factors, None, None, quality)
    reference = whole(decoded)
    inputs = step | {"symbols": coded.symbols, "conditional_mean": coded.conditional_mean}
    yield Case("key_synthesis", inputs, named("", reference))
    yield refinement(key, "key", frames[0], reference, factors, quality)
    yield from inter_cases(inter, frames[1], reference, coded.memory, quality)


def uneven(rows: int, columns: int) -> Tensor:
    """Factors of the step, none like its neighbours."""
    return torch.exp2((torch.arange(rows * columns) % 17 - 8.0) / 4).reshape(1, 1, rows, columns)


def inter_cases(
    inter: ConditionalCodec, current: Planes, reference: Planes, memory: Tensor, quality: Tensor
) -> Iterator[Case]:
    rows, columns = (n // 8 for n in current[0].shape[2:])
    motion = torch.stack([torch.arange(rows * columns) % 67 - 30.0, torch.arange(rows * columns) % 41 - 20.0])
    motion = motion.reshape(1, 2, rows, columns)
    before = torch.arange(rows * columns, dtype=torch.float32).reshape(1, 1, rows, columns)
    last = torch.sin(torch.arange(inter.config.features)[None, :, None, None] + before / 7)
    predicted, factors = compensate(reference, motion), uneven(rows // 2, columns // 2)
    given = {"source_cells": follow(before, motion).long(), "features": last.flatten(2), "quality": quality}
    context, deep = inter.extract_context(predicted, follow(last, motion), quality)
    mean = inter.context_mean(predicted, deep, quality)
    outputs = {"context": context, "context_deep": deep, "context_mean": mean}
    yield Case("inter_context", named("predicted_", predicted) | given, outputs)
    latent = inter.analyse(current, predicted, context, mean, quality) / factors
    hyper = inter.analyse_hyper(latent, memory, quality)
    shared = {"context": context, "context_mean": mean, "step_factors": factors, "quality": quality}
    shared |= named("predicted_", predicted)
    yield Case("inter_analysis", named("", current) | shared | {"memory": memory}, {"latent": latent, "hyper": hyper})
    coded = Coding(inter, "inter", latent, hyper, memory, deep, factors, quality)
    yield from coded.cases
    skip = (torch.arange(rows * columns // 4) % 3 == 0).float().reshape(1, 1, rows // 2, columns // 2)
    sent = (coded.symbols + coded.conditional_mean) * factors + mean
    decoded, features = inter.synthesise(sent, factors, predicted, context, quality)
    pasted = whole(paste(decoded, predicted, skip))
    inputs = shared | {"symbols": coded.symbols, "conditional_mean": coded.conditional_mean, "skip": skip}
    assert features is not None
    yield Case("inter_synthesis", inputs, named("", pasted) | {"features": features})
    yield refinement(inter, "inter", current, pasted, factors, quality)


class Coding:
    """A latent through both passes of the prior, as torch does it."""

    def __init__(
        self,
        codec: ConditionalCodec,
        kind: str,
        latent: Tensor,
        hyper: Tensor,
        memory: Tensor,
        deep: Tensor | None,
        factors: Tensor,
        quality: Tensor,
    ) -> None:
        first = checkerboard(latent)
        hyper = hyper.clamp(-HYPER_LIMIT, HYPER_LIMIT).round()
        index, hidden, prior_input = codec.prior.first(hyper, memory, quality)
        symbols = quantise(latent, index) * first
        second = codec.prior.second(symbols, hidden, quality)
        self.conditional_mean = codec.conditional_mean(symbols, factors, deep, quality) * (1 - first)
        self.symbols = symbols + quantise(latent - self.conditional_mean, second) * (1 - first)
        self.memory = codec.prior.update_memory(self.symbols, prior_input, quality)
        given = {"symbols": symbols, "step_factors": factors, "quality": quality}
        given |= {} if deep is None else {"context_deep": deep}
        self.cases = [
            Case(
                f"{kind}_prior_first",
                {"hyper": hyper, "memory": memory, "quality": quality},
                {"scale_index": index.to(torch.uint8), "prior_hidden": hidden, "prior_input": prior_input},
            ),
            Case(
                f"{kind}_prior_second",
                {"symbols": symbols, "prior_hidden": hidden, "quality": quality},
                {"scale_index": second.to(torch.uint8)},
            ),
            Case(
                f"{kind}_memory_update",
                {"symbols": self.symbols, "prior_input": prior_input, "quality": quality},
                {"memory": self.memory},
            ),
            Case(f"{kind}_conditional_mean", given, {"conditional_mean": self.conditional_mean}),
        ]


def refinement(
    codec: ConditionalCodec, kind: str, current: Planes, decoded: Planes, factors: Tensor, quality: Tensor
) -> Case:
    y, u, v = (one - other for one, other in zip(current, decoded, strict=True))
    packed = pack(y + 128, u + 128, v + 128)
    latent = codec._transformed(packed) / codec.step(quality) / factors
    inputs = {"y": y, "u": u, "v": v, "step_factors": factors, "quality": quality}
    return Case(f"{kind}_refinement", inputs, {"latent": latent})


def whole(planes: Planes) -> Planes:
    y, u, v = (plane.clamp(0, 255).round() for plane in planes)
    return y, u, v


def named(prefix: str, planes: Planes) -> Values:
    """Planes by the names of graphs' inputs and outputs, uint8."""
    return {f"{prefix}{name}": plane.to(torch.uint8) for name, plane in zip("yuv", planes, strict=True)}
