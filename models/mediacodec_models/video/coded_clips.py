"""What the networks code of training clips: counts to fit the integer tables with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mediacodec.codecs.conditional.settings import level_at
from mediacodec.video_coding import adaptive_quantization as live_local
from mediacodec.video_coding.motion import skip_map as skip
from mediacodec.video_coding.motion import vector_coding as field
from mediacodec_models.video.clips import Clip, Crops, motion_at
from mediacodec_models.video.conditional import Coded, ConditionalCodec, Planes, code, still
from mediacodec_models.video.pack import read_pack
from mediacodec_models.video.prediction import predict
from mediacodec_models.video.tables import Counts

LEVELS = (12, 20, 28, 36, 44, 52)  # quality levels of streams
CHAIN = 6  # pictures, the keyframe among them
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
        pictures, motion = source.batch(1, CHAIN)
        for level in LEVELS:
            count_chain(key, inter, pictures, motion, level, counts)
    count_motion(clips, counts)
    return counts


def count_chain(
    key: ConditionalCodec,
    inter: ConditionalCodec,
    pictures: list[Planes],
    motion: list[Tensor],
    level: int,
    counts: Counts,
) -> None:
    """Code a keyframe and the pictures behind it, as the encoder does, and count."""
    quality = torch.tensor([level_at(level, 0)])
    levels = live_local.for_key(wish(pictures[0]))
    counts.levels += live_local.count_levels(levels, None)
    coded = code(key, pictures[0], None, None, quality, factors(levels))
    counts.add_symbols(coded.symbols, coded.index)
    counts.add_hyper(coded.hyper, None, int(quality), np.ones(coded.hyper.shape[2:], np.bool_))
    before, skipped = torch.zeros_like(coded.hyper), None
    for position in range(1, len(pictures)):
        quality = torch.tensor([level_at(level, position)])
        field_now = motion_at(motion[position], quality)
        current = pictures[position]
        predicted, moved = predict(current, coded.reference, field_now)
        inherited = live_local.inherit(levels, field_now[0].numpy().astype(np.int16))
        alive = still(current, predicted, factors(inherited), quality)[0, 0].numpy() == 0
        levels = live_local.for_inter(wish(current), inherited, alive)
        counts.levels += live_local.count_levels(levels, inherited)
        coded = code(inter, current, predicted, moved, quality, factors(levels))
        last, skipped = skipped, skipped_blocks(coded, predicted)
        counts.skips += skip.count_map(skipped, last)
        kept = cells(~skipped)
        counts.add_symbols(coded.symbols, coded.index)
        counts.add_hyper(coded.hyper, before, int(quality), kept)
        before = coded.hyper * torch.from_numpy(kept)


def wish(picture: Planes) -> live_local.Levels:
    """The local steps that an encoder would like, int8 [h, w]."""
    return live_local.wanted(live_local.masking(picture[0][0, 0].numpy().astype(np.uint8)))


def factors(levels: live_local.Levels) -> Tensor:
    return torch.from_numpy(live_local.factors(levels))


def skipped_blocks(coded: Coded, predicted: Planes) -> np.ndarray:
    """Blocks of 16x16 that are their prediction to the last bit, bool [h/16, w/16]."""
    other = (coded.planes[0] != predicted[0])[0, 0].numpy()
    rows, columns = other.shape
    return ~other.reshape(rows // 16, 16, columns // 16, 16).any(axis=(1, 3))


def cells(blocks: np.ndarray) -> np.ndarray:
    """Which cells of 2x2 blocks have one that is set."""
    rows, columns = blocks.shape
    even = np.pad(blocks, ((0, rows % 2), (0, columns % 2)))
    return even.reshape(-(-rows // 2), 2, -(-columns // 2), 2).any(axis=(1, 3))


def count_motion(clips: list[Clip], counts: Counts, *, pictures: int = 12) -> None:
    """Motion fields of the first pictures of every clip."""
    for clip in clips:
        last = None
        for fields in clip.motion[1:pictures]:
            middle = np.asarray(fields[len(fields) // 2])
            counts.motion += field.count_symbols(middle, last)
            last = middle
