"""The integer tables of the video codec, fitted to what it codes of training clips.

Every table begins as a parametric model (Laplace) worth a few symbols, so that what was seldom counted stays sane;
counts are folded over the sign, which carries nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediacodec.codecs.conditional.tables import BUCKETS
from mediacodec.video_coding.aq_syntax import default_offset_tables
from mediacodec.video_coding.motion.skip_map import default_skip_tables
from mediacodec.video_coding.motion.vector_coding import default_tables
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.tables import PRECISION, TOTAL
from mediacodec_models.video.prior import HYPER_LIMIT, SCALES
from mediacodec_models.video.rate_distortion import laplace_bits, laplace_scale
from mediacodec_models.video.transform import LUMA_KEPT

MOST = 127  # largest magnitude with a symbol of its own in any row
PRIOR = 50.0  # symbols that the Laplace model is worth, in a row of coefficients
HYPER_PRIOR = 8.0  # the same for the hyper-latent
MOTION_PRIOR = 100.0  # symbols that the default tables of motion and skips are worth, in each context
MOTION, SKIP, OFFSETS = default_tables(), default_skip_tables(), default_offset_tables()
RESOLUTION = 1 << 30  # what the counts of a row are scaled to before they become integers

Floats = NDArray[np.float64]


def largest(index: int) -> int:
    """The largest magnitude with a symbol of its own under a scale index; one more symbol is the escape."""
    scale = float(laplace_scale(torch.tensor(float(max(index, 1)), dtype=torch.float64)))
    return min(max(int(np.ceil(8 * scale)) + 3, 4), MOST)


def laplace_masses(scale: float, count: int) -> Floats:
    """Probabilities of the magnitudes 0..count-1 and of all beyond, [count + 1]."""
    sizes = torch.arange(count + 1, dtype=torch.float64)
    first = 2.0 ** -laplace_bits(sizes, torch.tensor(scale, dtype=torch.float64)).numpy()
    first[1:] *= 2  # both signs
    first[count] = np.exp(-(count - 0.5) / scale)
    return first / first.sum()


@dataclass
class Counts:
    """How often what was coded.

    Attributes:
        sizes: magnitudes, [2 * SCALES, MOST + 2] (all beyond MOST in the last).
        hyper_key: [channels, 3, 17].
        hyper_inter: [channels, 3, 3, 17].
        motion, skips, offsets: of motion vectors, skip maps and AQ offsets, [contexts, symbols].
    """

    channels: int
    sizes: Floats = field(init=False)
    hyper_key: Floats = field(init=False)
    hyper_inter: Floats = field(init=False)
    motion: Floats = field(init=False)
    skips: Floats = field(init=False)
    offsets: Floats = field(init=False)

    def __post_init__(self) -> None:
        alphabet = 2 * HYPER_LIMIT + 1
        self.sizes = np.zeros((2 * SCALES, MOST + 2))
        self.hyper_key = np.zeros((self.channels, len(BUCKETS) + 1, alphabet))
        self.hyper_inter = np.zeros((self.channels, len(BUCKETS) + 1, 3, alphabet))
        self.motion = np.zeros(MOTION.frequencies.shape)
        self.skips = np.zeros(SKIP.frequencies.shape)
        self.offsets = np.zeros(OFFSETS.frequencies.shape)

    def add_symbols(self, symbols: Tensor, scale_index: Tensor) -> None:
        """Count coefficients.

        Args:
            symbols: [1, coefficients, h, w].
            scale_index: likewise; what has index 0 is not coded.
        """
        row = scale_index[0].long().numpy()
        coded = row > 0
        row[LUMA_KEPT:] += SCALES
        size = np.minimum(np.abs(symbols[0].numpy()), MOST + 1).astype(np.int64)
        np.add.at(self.sizes, (row[coded], size[coded]), 1)

    def add_hyper(self, hyper: Tensor, before: Tensor | None, quality: int, kept: NDArray[np.bool_]) -> None:
        """Count hyper-latents.

        Args:
            hyper: [1, channels, h, w].
            before: the last frame's, None in a keyframe.
            quality: level.
            kept: what is coded, [h, w].
        """
        values: NDArray[Any] = hyper[0].long().numpy()[:, kept] + HYPER_LIMIT
        channel = np.broadcast_to(np.arange(self.channels)[:, None], values.shape)
        bucket = np.searchsorted(BUCKETS, quality, side="right")
        if before is None:
            np.add.at(self.hyper_key, (channel, bucket, values), 1)
        else:
            context = np.minimum(np.abs(before[0].long().numpy()[:, kept]), 2)
            np.add.at(self.hyper_inter, (channel, bucket, context, values), 1)


def coefficient_tables(sizes: Floats) -> NDArray[np.uint32]:
    """[2 * SCALES, K]: symbols 0, +1, -1, .. and the escape, from counts of magnitudes."""
    rows = np.zeros((2 * SCALES, 2 * MOST + 2), dtype=np.int64)
    widths = []
    for row, counted in enumerate(sizes):
        top = largest(row % SCALES)
        scale = float(laplace_scale(torch.tensor(float(max(row % SCALES, 1)), dtype=torch.float64)))
        model = laplace_masses(scale, top + 1)
        share = PRIOR * model + np.append(counted[: top + 1], counted[top + 1 :].sum())
        share /= share.sum()
        both = np.repeat(share[1:-1] / 2, 2)
        rows[row, : 2 * top + 2] = np.rint(np.concatenate([share[:1], both, share[-1:]]) * RESOLUTION)
        widths.append(2 * top + 2)
    return TableFamily.from_counts(rows, sizes=widths).to_array()


def hyper_tables(counts: Floats, log_scale: NDArray[np.float32]) -> NDArray[np.uint32]:
    """[channels * contexts, 17] from counts [channels, ..contexts.., 17].

    Every context is drawn towards its channel over all contexts, which is drawn towards a Laplace model of the scale
    that training has learned.
    """
    channels, alphabet = counts.shape[0], counts.shape[-1]
    flat = counts.reshape(channels, -1, alphabet)
    half = alphabet // 2
    scale = np.clip(np.exp(log_scale.astype(np.float64)), 0.05, 8.0)
    model = np.stack([laplace_masses(float(s), half) for s in scale])  # magnitudes
    mirrored = np.concatenate([model[:, :0:-1] / 2, model[:, :1], model[:, 1:] / 2], axis=1)
    plain = flat.sum(axis=1) + HYPER_PRIOR * mirrored
    plain /= plain.sum(axis=1, keepdims=True)
    share = flat + HYPER_PRIOR * plain[:, None]
    share /= share.sum(axis=2, keepdims=True)
    return TableFamily.from_counts(np.rint(share * RESOLUTION).astype(np.int64).reshape(-1, alphabet)).to_array()


def drawn_to(default: TableFamily, counts: Floats) -> NDArray[np.uint32]:
    """Tables of counts [contexts, symbols], drawn towards default ones."""
    share = counts + MOTION_PRIOR * default.frequencies / TOTAL
    share /= share.sum(axis=1, keepdims=True)
    sizes = [row.size for row in default]
    return TableFamily.from_counts(np.rint(share * RESOLUTION).astype(np.int64), sizes=sizes).to_array()


def fit_tables(
    counts: Counts, key_scale: NDArray[np.float32], inter_scale: NDArray[np.float32]
) -> dict[str, NDArray[np.uint32]]:
    """All tables by the names that the runtime reads.

    Args:
        counts: of training clips.
        key_scale, inter_scale: logarithms of the hyper-latents' Laplace scales, [channels].
    """
    return {
        "coefficients": coefficient_tables(counts.sizes),
        "hyper_key": hyper_tables(counts.hyper_key, key_scale),
        "hyper_inter": hyper_tables(counts.hyper_inter, inter_scale),
        "motion": drawn_to(MOTION, counts.motion),
        "skip": drawn_to(SKIP, counts.skips),
        "levels": drawn_to(OFFSETS, counts.offsets),
    }


def table_bits(tables: dict[str, NDArray[np.uint32]], counts: Counts) -> dict[str, float]:
    """Bits of what was counted, by table; of coefficients without what follows an escape."""
    sizes = np.zeros(tables["coefficients"].shape)
    for row, counted in enumerate(counts.sizes):
        top = largest(row % SCALES)
        sizes[row, : 2 * top + 2] = [counted[0], *np.repeat(counted[1 : top + 1] / 2, 2), counted[top + 1 :].sum()]
    counted = {
        "coefficients": sizes,
        "hyper_key": counts.hyper_key,
        "hyper_inter": counts.hyper_inter,
        "motion": counts.motion,
        "skip": counts.skips,
        "levels": counts.offsets,
    }
    return {name: float((counted[name].reshape(t.shape) * costs(t)).sum()) for name, t in tables.items()}


def costs(table: NDArray[np.uint32]) -> Floats:
    return PRECISION - np.log2(np.maximum(table, 1).astype(np.float64))
