"""What the networks code of training clips: counts to fit the integer tables with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mediacodec.entropy_coding.symbol_coder import SymbolCounter
from mediacodec.video_coding.adaptive_quantization import (
    inherit_offsets,
    inter_offsets,
    keyframe_offsets,
    perceptual_weight,
    step_factors,
    target_offsets,
)
from mediacodec.video_coding.aq_syntax import AqOffsets, code_offsets
from mediacodec.video_coding.gop import level_at
from mediacodec.video_coding.motion.skip_map import code_skip_map
from mediacodec.video_coding.motion.vector_coding import code_motion
from mediacodec_models.video.clips import Clip, Crops, motion_at
from mediacodec_models.video.coding import CodedFrame, code, early_skip
from mediacodec_models.video.network import ConditionalCodec
from mediacodec_models.video.pack import read_pack
from mediacodec_models.video.prediction import predict
from mediacodec_models.video.tables import MOTION, OFFSETS, SKIP, Counts
from mediacodec_models.video.transform import Planes

LEVELS = (12, 20, 28, 36, 44, 52)  # quality levels of streams
CHAIN = 6  # frames, the keyframe among them
CROPS = 32
SIZE = 256


@torch.no_grad()
def count_clips(key: ConditionalCodec, inter: ConditionalCodec, data: Path) -> Counts:
    """Counts over random crops of the training clips in the folder `data`, each at every one of LEVELS."""
    clips = read_pack(data, dev=False)
    size = min(SIZE, *(min(clip.y.shape[1:]) for clip in clips if len(clip) >= CHAIN))
    source = Crops(clips, size=size, seed=0)
    counts = Counts(key.config.hyper)
    for _ in range(CROPS):
        frames, motion = source.batch(1, CHAIN)
        for level in LEVELS:
            count_chain(key, inter, frames, motion, level, counts)
    count_motion(clips, counts)
    return counts


def count_chain(
    key: ConditionalCodec,
    inter: ConditionalCodec,
    frames: list[Planes],
    motion: list[Tensor],
    level: int,
    counts: Counts,
) -> None:
    """Code a keyframe and the frames behind it, as the encoder does, and count."""
    coder = SymbolCounter()
    quality = torch.tensor([level_at(level, 0)])
    offsets = keyframe_offsets(wanted_offsets(frames[0]))
    code_offsets(coder, OFFSETS, (offsets.shape[0], offsets.shape[1]), None, offsets)
    coded = code(key, frames[0], None, None, quality, factors(offsets))
    counts.add_symbols(coded.symbols, coded.scale_index)
    counts.add_hyper(coded.hyper, None, int(quality), np.ones(coded.hyper.shape[2:], np.bool_))
    before, skipped = torch.zeros_like(coded.hyper), None
    for position in range(1, len(frames)):
        quality = torch.tensor([level_at(level, position)])
        vectors = motion_at(motion[position], quality)
        current = frames[position]
        predicted, moved = predict(current, coded.reference, vectors)
        inherited = inherit_offsets(offsets, vectors[0].numpy().astype(np.int16))
        to_code = early_skip(current, predicted, factors(inherited), quality)[0, 0].numpy() == 0
        offsets = inter_offsets(wanted_offsets(current), inherited, to_code)
        code_offsets(coder, OFFSETS, (offsets.shape[0], offsets.shape[1]), inherited, offsets)
        coded = code(inter, current, predicted, moved, quality, factors(offsets))
        last, skipped = skipped, skipped_blocks(coded, predicted)
        code_skip_map(coder, SKIP, skipped.shape, last, skipped)
        kept = cells(~skipped)
        counts.add_symbols(coded.symbols, coded.scale_index)
        counts.add_hyper(coded.hyper, before, int(quality), kept)
        before = coded.hyper * torch.from_numpy(kept)
    counts.offsets += coder.counts(OFFSETS)
    counts.skips += coder.counts(SKIP)


def wanted_offsets(frame: Planes) -> AqOffsets:
    """The AQ offsets that an encoder would like, int8 [h, w]."""
    return target_offsets(perceptual_weight(frame[0][0, 0].numpy().astype(np.uint8)))


def factors(offsets: AqOffsets) -> Tensor:
    return torch.from_numpy(step_factors(offsets))


def skipped_blocks(coded: CodedFrame, predicted: Planes) -> np.ndarray:
    """Blocks of 16x16 that are their prediction to the last bit, bool [h/16, w/16]."""
    other = (coded.planes[0] != predicted[0])[0, 0].numpy()
    rows, columns = other.shape
    return np.logical_not(other.reshape(rows // 16, 16, columns // 16, 16).any(axis=(1, 3)))


def cells(blocks: np.ndarray) -> np.ndarray:
    """Which cells of 2x2 blocks have one that is set."""
    rows, columns = blocks.shape
    even = np.pad(blocks, ((0, rows % 2), (0, columns % 2)))
    return np.asarray(even.reshape(-(-rows // 2), 2, -(-columns // 2), 2).any(axis=(1, 3)))


def count_motion(clips: list[Clip], counts: Counts, *, frames: int = 12) -> None:
    """Count the motion vectors of the first frames of every clip."""
    coder = SymbolCounter()
    for clip in clips:
        last = None
        for vectors in clip.motion[1:frames]:
            middle = np.asarray(vectors[len(vectors) // 2])
            code_motion(coder, MOTION, middle.shape, last, middle)
            last = middle
    counts.motion += coder.counts(MOTION)
