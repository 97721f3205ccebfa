"""What an `overfit` model ships, and the sizes that follow from a picture's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.overfit.exactness import check_exact
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec.video_coding.motion.vector_coding import ALPHABET, NUM_CONTEXTS
from mediacodec.video_coding.stream import padding
from mediacodec_bitstream import TableFamily

FOURCC = "ovft"
LEVELS = 6  # of luma's grids; chroma's finest has the size of luma's second
UNIT = 1 << LEVELS  # what padded pictures are multiples of
CHROMA_STEP = 0.77  # of luma's: what weighs errors about as PSNR 6:1:1 does
SCALES = 64  # integer tables for latents
CLASSES = 3  # of levels, which have context weights of their own: the finest, the next one and all others
FEATURES = 256  # magnitudes that a context network tells apart
NEUTRAL = 120  # the quality index at which `quality` weights count nothing
MAX_QUALITY = 255
SYNTHESIS_SHIFT = 12  # synthesis weights are integers over 2^SYNTHESIS_SHIFT

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

CONTEXTS = {
    "key": {"luma": (3, 12, LEVELS), "chroma": (18, 24, LEVELS - 1)},
    "inter": {"luma": (15, 12, LEVELS), "chroma": (18, 24, LEVELS - 1)},
}
"""Of each context network: grids known before the first part, parts, levels. Luma knows its coarser level and, in inter
pictures, its parts in the pictures before; chroma its coarser level and the parts of luma."""

TUNABLE = ("first_bias", "second_bias", "third", "third_bias")  # of a context network, in a packet


def step_of(quality: int) -> float:
    """The quantization step of luma in 8-bit levels: doubles every 24 quality indices, as every 6 of a crf."""
    return float(2.0 ** ((quality / 4 - 4) / 6))


def quality_of(crf: float) -> int:
    return min(max(round(4 * crf), 0), MAX_QUALITY)


@dataclass(frozen=True)
class Geometry:
    """Sizes of a stream's pictures: shown, and padded to whole units at the right and bottom."""

    width: int
    height: int

    @property
    def padded(self) -> tuple[int, int]:
        """(rows, columns) of padded luma."""
        right, bottom = padding(self.width, self.height, UNIT)
        return self.height + bottom, self.width + right

    def grid(self, level: int) -> tuple[int, int]:
        """(rows, columns) of luma's grids at a level, 0 the finest; chroma's level k is luma's k + 1."""
        rows, columns = self.padded
        return rows >> level + 1, columns >> level + 1

    def part(self, level: int) -> tuple[int, int]:
        """(rows, columns) of the parts of a grid."""
        rows, columns = self.grid(level)
        return (rows + 1) // 2, (columns + 1) // 2


class OverfitModel:
    """The shipped integers of a model, checked. Raises ModelError where they are not for an `overfit` codec.

    weights: of all networks, by `KIND.NETWORK.TENSOR`, KIND being `key` or `inter`; features: what a context network
    sees of a magnitude, by magnitude; latents, motion: tables.
    """

    def __init__(self, model: Manifest) -> None:
        try:
            arrays = dict(model.arrays)
            self.latents = TableFamily.from_array(arrays.pop("latents"))
            self.motion = TableFamily.from_array(arrays.pop("motion"))
            self.features = arrays.pop("features").astype(np.float64)
            self.weights: Arrays = {name: array.astype(np.int64) for name, array in arrays.items()}
            self._check()
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise ModelError(f"model {model.name}: its tables are not for an `overfit` codec: {error!r}") from error

    def _check(self) -> None:
        if len(self.latents) != SCALES or not all(row.size >= 4 and row.size % 2 == 0 for row in self.latents):
            raise ValueError("the latents' tables are of another family")
        if (len(self.motion), self.motion.alphabet) != (NUM_CONTEXTS, ALPHABET):
            raise ValueError("the motion's tables are of another family")
        if self.features.shape != (FEATURES,) or self.features.min() < 0 or self.features.max() > 1 << 10:
            raise ValueError("features are out of range")
        for kind in ("key", "inter"):
            for name, (outside, parts, levels) in CONTEXTS[kind].items():
                hidden = self.weights[f"{kind}.{name}.third"].shape[2]
                shapes = {
                    "first": (CLASSES, parts, hidden, outside + parts, 9),
                    "second": (CLASSES, parts, hidden, hidden),
                    "third": (CLASSES, parts, hidden),
                    "first_bias": (levels, parts, hidden),
                    "quality": (levels, parts, hidden),
                    "second_bias": (levels, parts, hidden),
                    "third_bias": (levels, parts),
                }
                for tensor, shape in shapes.items():
                    array = self.weights[f"{kind}.{name}.{tensor}"]
                    if array.shape != shape or np.abs(array).max() >= 1 << 24:
                        raise ValueError(f"{kind}.{name}.{tensor} is {array.shape}, expected {shape}")
                check_exact(
                    {tensor: self.weights[f"{kind}.{name}.{tensor}"] for tensor in shapes},
                    f"{kind}.{name}",
                    largest_feature=int(self.features.max()),
                    quality_span=max(NEUTRAL, MAX_QUALITY - NEUTRAL),
                )

    def tunable(self, kind: str) -> list[str]:
        """Tensors of which a packet of a kind may carry differences, in its order."""
        context = [f"{kind}.{network}.{name}" for network in CONTEXTS[kind] for name in TUNABLE]
        return context + sorted(name for name in self.weights if name.startswith(f"{kind}.synthesis."))
