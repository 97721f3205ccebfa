"""A frame's integers in the order in which they are coded: coarse to fine, luma before chroma, part by part.

Grids of a level are cut into the four parities of their rows and columns. A part is coded as a whole: its tables follow
from the coarser level and the parts before it, never from itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mediacodec.codecs.overfit.context import ExactIntegers, IntegerContext
from mediacodec.codecs.overfit.settings import CHROMA_STEP, LEVELS, SCALES, OverfitGeometry
from mediacodec.codecs.overfit.symbols import SymbolCoder
from mediacodec.codecs.overfit.synthesis import FloatPlanes, Floats
from mediacodec.codecs.overfit.transform import synthesise
from mediacodec.entropy_coding.signed_golomb import Integers

PARITIES = ((0, 0), (1, 1), (0, 1), (1, 0))  # in the order of coding
LUMA_GRIDS, CHROMA_GRIDS = 3, 6  # of a level: Y's; U's and V's


@dataclass
class LatentGrids:
    """The latents of a frame.

    Attributes:
        luma: int32 [3, rows, columns] a level, finest first.
        chroma: int32 [6, rows, columns] a level, finest first, U's before V's.
        lowpass: int32 [rows, columns] of Y, U and V: the coarsest planes.
    """

    luma: list[Integers] = field(default_factory=list)
    chroma: list[Integers] = field(default_factory=list)
    lowpass: list[Integers] = field(default_factory=list)

    @classmethod
    def zeros(cls, geometry: OverfitGeometry) -> LatentGrids:
        """Grids of zeros."""
        shapes = [geometry.grid(level) for level in range(LEVELS)]
        return cls(
            [np.zeros((LUMA_GRIDS, *shape), np.int32) for shape in shapes],
            [np.zeros((CHROMA_GRIDS, *shape), np.int32) for shape in shapes[1:]],
            [np.zeros(shapes[-1], np.int32) for _ in range(3)],
        )

    def planes(self, step: float) -> FloatPlanes:
        """The planes that the grids stand for, before synthesis; step: of luma, in 8-bit levels."""
        chroma_step = step * CHROMA_STEP
        return (
            _plane(self.luma, self.lowpass[0], step),
            _plane([grids[:3] for grids in self.chroma], self.lowpass[1], chroma_step),
            _plane([grids[3:] for grids in self.chroma], self.lowpass[2], chroma_step),
        )


def _plane(bands: list[Integers], lowpass: Integers, step: float) -> Floats:
    size = np.float32(step)
    return synthesise([band.astype(np.float32) * size for band in bands], lowpass.astype(np.float32) * size)


def code_lowpass(coder: SymbolCoder, grids: LatentGrids, *, encode: bool) -> None:
    """Code the coarsest planes, each as differences along rows from the left and, at the border, from above.

    Args:
        coder: either end of the payload.
        grids: whose planes are encoded, or filled.
        encode: whether they are encoded.
    """
    for plane in grids.lowpass:
        values, table = None, None
        if encode:
            values = np.diff(plane, axis=1, prepend=0)
            values[1:, 0] = np.diff(plane[:, 0])
            values = values.reshape(-1).astype(np.int32)
            table = _best_table(values)
        table = coder.uniform(SCALES, table)
        values = coder.integers(np.full(plane.size, table, np.uint8), values).reshape(plane.shape)
        first = np.cumsum(values[:, :1], axis=0)
        plane[:] = np.cumsum(np.concatenate([first, values[:, 1:]], axis=1), axis=1)


def _best_table(values: Integers) -> int:
    """The table whose Laplace scale is nearest to the mean magnitude."""
    mean = max(float(np.abs(values).mean()), 0.06)
    place = float(np.log(mean / 0.06)) * (SCALES - 1) / float(np.log(1000))
    return min(max(round(place), 0), SCALES - 1)


@dataclass
class TemporalContext:
    """What luma's latents of earlier frames say of the next one's.

    Attributes:
        luma: features, integers [3, rows, columns] a level, finest first.
    """

    luma: list[ExactIntegers]

    @classmethod
    def after(cls, grids: LatentGrids, features: ExactIntegers, before: TemporalContext | None) -> TemporalContext:
        """The context behind a frame: its own features, or the context before it less an eighth, where that is more.

        Args:
            grids: of the frame.
            features: by magnitude, as a model has them.
            before: the context before the frame; None for a keyframe.
        """
        luma = [features_of(grid, features) for grid in grids.luma]
        if before is not None:
            luma = [np.maximum(new, old - np.floor(old / 8)) for new, old in zip(luma, before.luma, strict=True)]
        return cls(luma)


def features_of(latents: Integers, features: ExactIntegers) -> ExactIntegers:
    """What a context network is given for latents of any shape; features: by magnitude."""
    return np.asarray(features[np.minimum(np.abs(latents), len(features) - 1)])


def code_grids(
    coder: SymbolCoder,
    grids: LatentGrids,
    contexts: tuple[IntegerContext, IntegerContext],
    features: ExactIntegers,
    temporal: TemporalContext | None,
    *,
    encode: bool,
) -> None:
    """Code all grids.

    Args:
        coder: either end of the payload.
        grids: that are encoded, or filled.
        contexts: networks of luma and of chroma.
        features: by magnitude, as a model has them.
        temporal: context of an inter frame.
        encode: whether the grids are encoded.
    """
    luma, chroma = contexts
    coarser_luma: ExactIntegers | None = None
    coarser_chroma: ExactIntegers | None = None
    for level in reversed(range(LEVELS)):
        conditioning = [(LUMA_GRIDS, coarser_luma)]
        if temporal is not None:
            conditioning.append((4 * LUMA_GRIDS, _parts(temporal.luma[level])))
        parts = _code_level(coder, grids.luma[level], luma, level, conditioning, features, encode=encode)
        coarser_luma = features_of(grids.luma[level], features)
        if level:
            conditioning = [(CHROMA_GRIDS, coarser_chroma), (4 * LUMA_GRIDS, parts)]
            _code_level(coder, grids.chroma[level - 1], chroma, level - 1, conditioning, features, encode=encode)
            coarser_chroma = features_of(grids.chroma[level - 1], features)


def _parts(grids: ExactIntegers) -> ExactIntegers:
    """[n, rows, columns] -> [4 n, ceil(rows / 2), ceil(columns / 2)], by parities; what lies outside is 0."""
    count, rows, columns = grids.shape
    result = np.zeros((count, 4, (rows + 1) // 2, (columns + 1) // 2))
    for k, (down, right) in enumerate(PARITIES):
        cut = grids[:, down::2, right::2]
        result[:, k, : cut.shape[1], : cut.shape[2]] = cut
    return result.reshape(4 * count, *result.shape[2:])


def _code_level(
    coder: SymbolCoder,
    grids: Integers,
    context: IntegerContext,
    level: int,
    conditioning: list[tuple[int, ExactIntegers | None]],
    features: ExactIntegers,
    *,
    encode: bool,
) -> ExactIntegers:
    """Code one level of luma or chroma; returns the features of its parts.

    conditioning: how many grids, and their features; None for zeros.
    """
    _, rows, columns = grids.shape
    height, width = (rows + 1) // 2, (columns + 1) // 2
    known = np.zeros((context.conditioning + context.parts, height + 2, width + 2))
    inner = known[:, 1:-1, 1:-1]
    first_part = 0
    for size, found in conditioning:
        if found is not None:
            inner[first_part : first_part + size] = found
        first_part += size
    assert first_part == context.conditioning
    if coder.uniform(2, int(grids.any()) if encode else None):
        for part in range(context.parts):
            down, right = PARITIES[part % 4]
            cut = grids[part // 4, down::2, right::2]
            tables = context.table_indices(known, part, level)[: cut.shape[0], : cut.shape[1]].reshape(-1)
            values = coder.integers(tables, cut.reshape(-1) if encode else None).reshape(cut.shape)
            cut[:] = values
            inner[first_part + part, : cut.shape[0], : cut.shape[1]] = features_of(values, features)
    return inner[first_part:]
