"""What an `overfit` model ships, and the sizes that follow from a frame's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec.video_coding.motion.vector_coding import ALPHABET, NUM_CONTEXTS
from mediacodec.video_coding.stream import padding
from mediacodec_bitstream import TableFamily

FOURCC = "ovft"
LEVELS = 6  # of luma's grids; chroma's finest has the size of luma's second
UNIT = 1 << LEVELS  # what padded frames are multiples of, in pixels
CHROMA_STEP = 0.77  # of luma's: what weighs errors about as PSNR 6:1:1 does
SCALES = 64  # integer tables for latents
LEVEL_CLASSES = 3  # of levels, which have context weights of their own: the finest, the next one and all others
FEATURES = 256  # magnitudes that a context network tells apart
NEUTRAL_QUALITY = 120  # the quality index at which `quality` weights count nothing
MAX_QUALITY = 255
SYNTHESIS_SHIFT = 12  # synthesis weights are integers over 2^SYNTHESIS_SHIFT

Arrays = dict[str, npt.NDArray[np.int64]]
"""Tensors by name."""

CONTEXTS = {
    "key": {"luma": (3, 12, LEVELS), "chroma": (18, 24, LEVELS - 1)},
    "inter": {"luma": (15, 12, LEVELS), "chroma": (18, 24, LEVELS - 1)},
}
"""Of each context network: conditioning grids, parts, levels. Luma is conditioned on its coarser level and, in inter
frames, on its parts in the frames before; chroma on its coarser level and the parts of luma."""

UPDATABLE = ("first_bias", "second_bias", "third", "third_bias")  # of a context network, in a packet


def step_of(quality: int) -> float:
    """The quantization step of luma in 8-bit levels: doubles every 24 quality indices, as every 6 of a crf."""
    return float(2.0 ** ((quality / 4 - 4) / 6))


def quality_of(crf: float) -> int:
    """The quality index of a crf: four of them are one crf."""
    return min(max(round(4 * crf), 0), MAX_QUALITY)


@dataclass(frozen=True)
class OverfitGeometry:
    """Sizes of a stream's frames: presented, and padded to whole units at the right and bottom.

    Attributes:
        width: presented, in pixels.
        height: presented, in pixels.
    """

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


class OverfitModel:
    """The shipped integers of a model, checked.

    Args:
        model: of the family `overfit`.

    Attributes:
        weights: of all networks, by `KIND.NETWORK.TENSOR`, KIND being `key` or `inter`; int64.
        features: what a context network is given for a latent, by magnitude, [FEATURES].
        latents: tables.
        motion: tables.

    Raises:
        ModelError: the model is none of this family.
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
            for name, (conditioning, parts, levels) in CONTEXTS[kind].items():
                hidden = self.weights[f"{kind}.{name}.third"].shape[2]
                shapes = {
                    "first": (LEVEL_CLASSES, parts, hidden, conditioning + parts, 9),
                    "second": (LEVEL_CLASSES, parts, hidden, hidden),
                    "third": (LEVEL_CLASSES, parts, hidden),
                    "first_bias": (levels, parts, hidden),
                    "quality": (levels, parts, hidden),
                    "second_bias": (levels, parts, hidden),
                    "third_bias": (levels, parts),
                }
                for tensor, shape in shapes.items():
                    array = self.weights[f"{kind}.{name}.{tensor}"]
                    if array.shape != shape or np.abs(array).max() >= 1 << 24:
                        raise ValueError(f"{kind}.{name}.{tensor} is {array.shape}, expected {shape}")

    def updatable(self, kind: str) -> list[str]:
        """Names of the tensors of which a packet of a kind (`key`, `inter`) may carry updates, in its order."""
        context = [f"{kind}.{network}.{name}" for network in CONTEXTS[kind] for name in UPDATABLE]
        return context + sorted(name for name in self.weights if name.startswith(f"{kind}.synthesis."))
