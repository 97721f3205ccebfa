"""Packets of fitted networks made of random integers: nothing of this needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mediacodec import manifest
from mediacodec.codecs.inr.decoder import InrDecoder
from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import CodedGroup, pack_frame, pack_group
from mediacodec.codecs.inr.settings import FOURCC, InrTables
from mediacodec.codecs.inr.tensors import best_coding, weight_blocks
from mediacodec.codecs.options import VideoFormat
from mediacodec.entropy_coding.signed_golomb import Integers
from mediacodec.video_coding.stream import make_header
from mediacodec_bitstream import Packet, StreamHeader
from support.coding import video_decoder

HEIGHT, WIDTH, COUNT = 48, 64, 5
STEP = 136  # 2^-3


def network(architecture: str = "boost", *, height: int = HEIGHT, width: int = WIDTH, **changes: Any) -> Network:
    sizes: dict[str, Any] = {"group": COUNT, "embedding": 3, "strides": (4, 2), "widths": (9, 8, 7)} | changes
    return Network(architecture, height, width, **sizes)


@dataclass
class Made:
    """A group of random integers and its packets."""

    coded: CodedGroup
    embeddings: list[Integers]
    packets: list[Packet]


def make(
    tables: InrTables,
    shape: Network,
    number: int = 0,
    *,
    key: bool = True,
    seed: int = 0,
    spread: float = 1.5,
    distance: int = 0,
) -> Made:
    rng = np.random.default_rng(seed)
    values = [np.rint(rng.laplace(0, spread, block.size)).astype(np.int32) for block in weight_blocks(shape)]
    embeddings = [np.rint(rng.normal(1, 3, shape.embedding_shape)).astype(np.int32) for _ in range(shape.group)]
    codings = [best_coding(block, STEP, tables) for block in values]
    channels = [best_coding(channel, STEP, tables) for channel in np.stack(embeddings, 1)]
    coded = CodedGroup(shape, values, codings, channels)
    data = [pack_group(coded, number, embeddings[0], tables, key=key, distance=distance)]
    data += [pack_frame(coded, number, position, e, tables) for position, e in enumerate(embeddings) if position]
    first = number * shape.group
    packets = [Packet(0, first + i, d, 1, is_keyframe=key and not i) for i, d in enumerate(data)]
    return Made(coded, embeddings, packets)


def header_for(shape: Network) -> StreamHeader:
    video = VideoFormat(width=shape.width, height=shape.height, frame_rate=Fraction(25), colour=(1, 1, 1, 0))
    return make_header(manifest.find_by_name("inr"), FOURCC, video)


def decoder_for(shape: Network, **options: Any) -> InrDecoder:
    found = video_decoder(header_for(shape), **options)
    assert isinstance(found, InrDecoder)
    return found
