"""Packets of fitted networks made of random integers: nothing of this needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from mediacodec import manifest
from mediacodec.codecs.fitting.encoder import FitOptions
from mediacodec.codecs.inr import encoder as inr
from mediacodec.codecs.inr.decoder import InrDecoder
from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import CodedGroup, pack_group, pack_picture
from mediacodec.codecs.inr.tensors import InrTables, best_coding, parts_of
from mediacodec.codecs.registry import Decoder
from mediacodec.entropy_coding.signed_golomb import Int32s
from mediacodec.video_coding.stream import make_header
from mediacodec_bitstream import Packet, StreamHeader

HEIGHT, WIDTH, COUNT = 48, 64, 5
STEP = 136  # 2^-3


def network(architecture: str = "boost", *, height: int = HEIGHT, width: int = WIDTH, **changes: Any) -> Network:
    sizes: dict[str, Any] = {"group": COUNT, "embedding": 3, "strides": (4, 2), "widths": (9, 8, 7)} | changes
    return Network(architecture, height, width, **sizes)


@dataclass
class Made:
    """A group of random integers and its packets."""

    coded: CodedGroup
    embeddings: list[Int32s]
    packets: list[Packet]


def make(
    tables: InrTables,
    shape: Network,
    number: int = 0,
    *,
    key: bool = True,
    seed: int = 0,
    spread: float = 1.5,
    back: int = 0,
) -> Made:
    rng = np.random.default_rng(seed)
    parts = [np.rint(rng.laplace(0, spread, part.size)).astype(np.int32) for part in parts_of(shape)]
    embeddings = [np.rint(rng.normal(1, 3, shape.embedding_shape)).astype(np.int32) for _ in range(shape.group)]
    codings = [best_coding(values, STEP, tables) for values in parts]
    channels = [best_coding(values, STEP, tables) for values in np.stack(embeddings, 1)]
    coded = CodedGroup(shape, parts, codings, channels)
    data = [pack_group(coded, number, embeddings[0], tables, key=key, back=back)]
    data += [pack_picture(coded, number, place, e, tables) for place, e in enumerate(embeddings) if place]
    first = number * shape.group
    packets = [Packet(0, first + i, d, 1, is_keyframe=key and not i) for i, d in enumerate(data)]
    return Made(coded, embeddings, packets)


def header_for(shape: Network) -> StreamHeader:
    options = FitOptions(width=shape.width, height=shape.height, frame_rate=Fraction(25), time_base=Fraction(1, 25))
    return make_header(manifest.find_by_name("inr"), inr.FOURCC, options, colour=(1, 1, 1, 0), stream_id=0)


def decoder_for(shape: Network, **options: Any) -> InrDecoder:
    found = Decoder(header_for(shape), **options)
    assert isinstance(found, InrDecoder)
    return found
