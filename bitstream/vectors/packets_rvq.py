"""Packets of `rvq1` and `sgmt` under small tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import product
from arrays import Array, jsonable, peaked, skewed, to_json, uniform
from small_models import model_of

from mediacodec_bitstream import TableFamily, canonical_hash

BOOKS, SIZE, CLASSES, FRAME = 3, 8, 2, 160
SETTINGS = {
    "sample_rate": 8000, "channels": 1, "pre_skip": 80, "frame_size": FRAME,
    "num_codebooks": BOOKS, "codebook_size": SIZE, "least_codebooks": 1,
}  # fmt: skip


def tables() -> dict[str, Array]:
    """Contexts of each kind: the frame before, a lower codebook of this frame."""
    counts = skewed(BOOKS * (1 + CLASSES), SIZE, 1)
    for row in range(1, len(counts), 2):
        counts[row] = np.roll(counts[row], 3)
    return {
        "frequencies": TableFamily.from_counts(counts).to_array(),
        "classes": uniform((BOOKS, SIZE), 2, 0, CLASSES - 1).astype(np.uint8),
        "source": np.array([0, 0, 1], np.uint8),
        "lag": np.array([1, 0, 1], np.uint8),
    }


def entry(data: bytes, pts: int, frames: int, **integers: Any) -> dict[str, Any]:
    return {"data": data.hex(), "pts": pts, "duration": frames * FRAME} | jsonable(integers)


def static(place: Path) -> dict[str, Any]:
    """Packets of 1, 2 and 5 frames, all codebooks."""
    vector = head("static tables; each packet has all three codebooks", 4, "0300")
    model = model_of(vector, tables(), place)
    pts, packets = 0, []
    for frames in (1, 2, 5):
        codes = np.minimum(np.abs(peaked((BOOKS, frames), 10 + frames)), SIZE - 1)
        data = product.rvq_packed(model, codes, crc_size=4)
        packets.append(entry(data, pts, frames, codes=codes.astype(np.uint16)))
        pts += frames * FRAME
    one, two = bytes.fromhex(packets[0]["data"]), bytes.fromhex(packets[1]["data"])
    faulty = [
        fault(one[:3], FRAME, "shorter than its symbol CRC", "TruncatedError"),
        fault(one[:-4] + b"\1" + one[-4:], FRAME, "a byte too many in the payload", "CorruptError"),
        fault(one[:-1] + bytes([one[-1] ^ 1]), FRAME, "another symbol CRC", "DesyncError"),
        fault(two, 2 * FRAME - 1, "a duration that is no whole number of frames", "CorruptError"),
        fault(one, 0, "a duration that is not known", "CorruptError"),
        fault(b"\xff" * 8 + two[-4:], 2 * FRAME, "a number that no encoder writes", "CorruptError"),
        fault(one, 501 * FRAME, "more than ten seconds", "CorruptError"),
    ]
    streams = [
        {"about": about, "extradata": extradata, "error": "CorruptError"}
        for about, extradata in (
            ("no codebook", "0000"), ("more codebooks than the model has", "0400"), ("an unknown flag", "0304"),
            ("a byte too many", "030000"), ("no flags", "03"), ("flags of a context model, without its hash", "0302"),
        )
    ]  # fmt: skip
    return vector | {"packets": packets, "faulty": faulty, "faulty_streams": streams}


def counted(place: Path) -> dict[str, Any]:
    """Each packet begins with its own number of codebooks; the stream has two of three, and a live packet's CRC."""
    vector = head("static tables; each packet says how many codebooks it has, of two at most", 1, "0201")
    model = model_of(vector, tables(), place)
    packets = []
    for i, (books, frames) in enumerate(((2, 3), (1, 1), (1, 4))):
        codes = np.minimum(np.abs(peaked((books, frames), 20 + i)), SIZE - 1)
        data = product.rvq_packed(model, codes, crc_size=1, most=2)
        packets.append(entry(data, 640 * i, frames, codes=codes.astype(np.uint16)))
    return vector | {"packets": packets, "faulty": [], "faulty_streams": []}


def head(about: str, crc_size: int, extradata: str, **model: Any) -> dict[str, Any]:
    described = {"settings": SETTINGS, "tables": jsonable(tables())} | model
    stream = {"symbol_crc_size": crc_size, "extradata": extradata}
    return {"about": about, "codec": "rvq1", "family": "rvq", "stream": stream, "model": described}


def fault(data: bytes, duration: int, about: str, error: str, *, after: int = 0, **more: Any) -> dict[str, Any]:
    """after: how many of the packets a decoder has had before."""
    return {"after": after, "data": data.hex(), "pts": 0, "duration": duration, "about": about, "error": error} | more


def context_arrays() -> dict[str, Array]:
    """A context network of 3 codebooks of 2 coarse symbols of 3 fine ones, 2 dimensions, 3 trunk and 4 hidden units."""
    b, c, m, d, t, h = BOOKS, 2, 3, 2, 3, 4
    shapes = {
        "entries": (b, c * m, d), "first": (t, 5 * d), "second": (t, t), "frame": (b, h, t), "before": (b, h, 2 * d),
        "partial": (b, h, d), "coarse": (b, c, h), "fine": (b, c, m, h), "count_bias": (b, t), "age_bias": (4, t),
        "second_bias": (t,), "bias": (b, h), "coarse_bias": (b, c), "fine_bias": (b, c, m),
    }  # fmt: skip
    result: dict[str, Array] = {}
    for seed, (name, shape) in enumerate(shapes.items()):
        if name.endswith("bias"):
            result[name] = uniform(shape, 40 + seed, -9000, 15_000).astype(np.int32)
        else:
            result[name] = uniform(shape, 40 + seed, -120, 127).astype(np.int8)
    order = np.argsort(uniform((b, c * m), 60, 0, 1 << 20), axis=1, kind="stable")
    powers = (1 << 24) * 7 ** np.arange(12, dtype=np.int64) // 8 ** np.arange(12, dtype=np.int64)
    bits = np.cumsum(np.full((2, b), 2500), axis=1)
    return result | {
        "order": order.astype(np.uint16), "gain": np.array([0, 1, 3], np.uint8),
        "powers": powers.astype(np.uint32), "bits": bits.astype(np.uint32),
    }  # fmt: skip


def context(place: Path) -> dict[str, Any]:
    """The context model; packets say how many codebooks they have."""
    arrays = context_arrays()
    digest = canonical_hash(arrays)
    settings = SETTINGS | {"codebook_size": 6}
    plain = tables()
    plain["frequencies"] = TableFamily.from_counts(skewed(9, 6, 1)).to_array()
    plain["classes"] = plain["classes"][:, :6]
    model_json = {"settings": settings, "tables": jsonable(plain), "context": jsonable(arrays)}
    vector = head("the context model; each packet says how many codebooks it has", 2, "0303" + digest[:8].hex())
    vector["model"] = model_json
    model = model_of(vector, plain, place)
    packets = []
    for i, (books, frames) in enumerate(((3, 9), (1, 2), (2, 6), (3, 1))):
        codes = uniform((books, frames), 70 + i, 0, 5)
        data = product.rvq_packed(model, codes, crc_size=2, context=True, most=3)
        packets.append(entry(data, 2000 * i, frames, codes=codes.astype(np.uint16)))
    one = bytes.fromhex(packets[0]["data"])
    faulty = [
        fault(one[:-1] + bytes([one[-1] ^ 1]), 9 * FRAME, "another symbol CRC", "DesyncError"),
        fault(one[:8] + one[-2:], 500 * FRAME, "ten bytes for 500 frames", "CorruptError"),
    ]
    return vector | {"packets": packets, "faulty": faulty, "faulty_streams": []}


SEGMENTS = SETTINGS | {
    "channels": 2, "pre_skip": 0, "frame_size": 8, "segment": 32, "segment_stride": 24, "num_codebooks": 2,
}  # fmt: skip


def segments(place: Path) -> dict[str, Any]:
    """Whole segments, and the last ones of a stream: 56 samples after a packet of two."""
    arrays = tables()
    arrays = {
        "frequencies": arrays["frequencies"][:6],
        **{name: arrays[name][:2] for name in ("classes", "source", "lag")},
    }
    vector: dict[str, Any] = {
        "about": "segments of 32 samples every 24; the last ones of the stream are shorter",
        "codec": "sgmt", "family": "segment", "stream": {"symbol_crc_size": 4, "extradata": "0200"},
        "model": {"settings": SEGMENTS, "tables": jsonable(arrays)},
    }  # fmt: skip
    model = model_of(vector, arrays, place)
    packets, pts = [], 0
    for i, (duration, frames) in enumerate(((48, (4, 4)), (24, (4,)), (32, (4, 1)))):
        pieces = [np.minimum(np.abs(peaked((2, n), 90 + 3 * i + j)), SIZE - 1) for j, n in enumerate(frames)]
        loudness = [0.125 + i + j / 2 for j in range(len(frames))]
        data = product.segment_packed(model, list(zip(pieces, loudness, strict=True)), crc_size=4)
        codes = [to_json(piece.astype(np.uint16)) for piece in pieces]
        packets.append({"data": data.hex(), "pts": pts, "duration": duration, "codes": codes, "loudness": loudness})
        pts += duration
    one = bytes.fromhex(packets[1]["data"])
    faulty = [
        fault(one[:6], 24, "too short for its segment", "TruncatedError"),
        fault(b"\4" + one[1:], 24, "a segment that lacks all its frames", "CorruptError"),
        fault(one[:1] + bytes.fromhex("0000a040") + one[5:], 24, "a loudness of 5", "CorruptError"),
        fault(one[:1] + bytes.fromhex("0000c07f") + one[5:], 24, "a loudness that is no number", "CorruptError"),
        fault(one[:1] + bytes.fromhex("0000003f") + one[5:], 24, "another loudness", "DesyncError"),
        fault(one, 25, "a duration that is not whole frames", "CorruptError"),
    ]
    return vector | {"packets": packets, "faulty": faulty, "faulty_streams": []}


def vectors(place: Path) -> dict[str, dict[str, Any]]:
    """By family and name; models are made in folders of `place`."""
    makers = {"rvq/static": static, "rvq/counted": counted, "rvq/context": context, "segment/segments": segments}
    return {name: make(place / name) for name, make in makers.items()}
