"""`rvq1` and `sgmt`: codecs/rvq.md, codecs/segment.md."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from .base import Arrays, Decoder, by_row, check_crc, corrupt, family, flat, truncated, u16, unsealed


@dataclass
class Stream:
    """What a header and a model say. context: the context model's arrays."""

    settings: Arrays
    tables: Arrays
    extradata: bytes
    crc_size: int
    context: Arrays

    def __post_init__(self) -> None:
        data, settings = self.extradata, self.settings
        self.counted, self.with_context = (bool(data[1:2]) and bool(data[1] & bit) for bit in (1, 2))
        if len(data) != (10 if self.with_context else 2) or data[1] > 3:
            raise corrupt("extradata of another length, or unknown flags")
        self.books = data[0]
        if not settings["least_codebooks"] <= self.books <= settings["num_codebooks"]:
            raise corrupt("another number of codebooks than the model can have")
        self.rows = family(self.tables["frequencies"])

    @property
    def most_frames(self) -> int:
        return int(10 * self.settings["sample_rate"] // self.settings["frame_size"])


def packet(stream: Stream, data: bytes, duration: int) -> Arrays:
    frames, rest = divmod(duration, stream.settings["frame_size"])
    if rest or not 1 <= frames <= stream.most_frames:
        raise corrupt("no whole number of frames, or too many")
    coded, crc = unsealed(data, stream.crc_size)
    codes = payload(stream, coded, frames)
    check_crc(u16(codes), crc, stream.crc_size)
    return {"codes": codes}


def payload(stream: Stream, coded: bytes, frames: int) -> Any:
    """Codes [n, T]."""
    decoder, n = Decoder(coded), stream.books
    if stream.counted:
        n = decoder.symbol(flat(n)) + 1
    if n < stream.settings["least_codebooks"]:
        raise corrupt("fewer codebooks than the model needs")
    codes = np.zeros((n, frames), np.int64)
    if stream.with_context:
        with_context(decoder, stream.context, codes, 8 * len(coded))
    else:
        tables = stream.tables
        step = len(stream.rows) // stream.settings["num_codebooks"]
        for t in range(frames):
            for q in range(n):
                source, lag = int(tables["source"][q]), int(tables["lag"][q])
                row = q * step
                if t or not lag:
                    row += 1 + int(tables["classes"][q][codes[source, t - lag]])
                codes[q, t] = by_row(decoder, stream.rows, [row])[0]
    decoder.end()
    return codes


def act(sums: Any) -> Any:
    return np.clip(sums >> 8, 0, 255)


def lim(values: Any) -> Any:
    return np.clip(values, -255, 255)


def with_context(decoder: Any, given: Arrays, codes: Any, bits: int) -> None:
    """Fills codes; gives up once they say more than the payload's bits and 512."""
    a = {name: array.astype(np.int64) for name, array in given.items()}
    (n, frames), (_, _, d), m = codes.shape, a["entries"].shape, a["fine"].shape[2]
    l1, l2, l3, a1, a2 = (np.zeros(d, np.int64) for _ in range(5))
    past = np.zeros((n, d), np.int64)
    spent = 0.0
    for t in range(frames):
        x = np.concatenate([l1, l2, l3, a1 >> 4, a2 >> 4])
        u = act(a["first"] @ x + a["count_bias"][n - 1] + a["age_bias"][min(t, 3)])
        v = act(a["second"] @ u + a["second_bias"])
        now = np.zeros((n, d), np.int64)
        for q in range(n):
            earlier = np.concatenate([past[q] << a["gain"][q], past[:q].sum(axis=0)])
            sums = a["frame"][q] @ v + a["before"][q] @ lim(earlier) + a["partial"][q] @ lim(now[:q].sum(axis=0))
            z = act(sums + a["bias"][q])
            coarse, cost = by_logits(decoder, a["coarse"][q] @ z + a["coarse_bias"][q], a["powers"])
            fine, more = by_logits(decoder, a["fine"][q, coarse] @ z + a["fine_bias"][q, coarse], a["powers"])
            codes[q, t] = a["order"][q, coarse * m + fine]
            now[q] = a["entries"][q, codes[q, t]]
            spent += cost + more
        if spent > bits + 512:
            raise corrupt("more than the payload can say")
        total = lim(now.sum(axis=0))
        l1, l2, l3 = total, l1, l2
        a1, a2 = a1 + ((16 * total - a1) >> 2), a2 + ((16 * total - a2) >> 4)
        past = now


def by_logits(decoder: Any, sums: Any, powers: Any) -> tuple[int, float]:
    """A symbol under the table of logits, and its bits."""
    g = [int(value) >> 8 for value in sums]
    w = [int(powers[min(max(g) - value, len(powers) - 1)]) for value in g]
    table = [1 + value * ((1 << 24) - len(g)) // sum(w) for value in w]
    table[g.index(max(g))] += (1 << 24) - sum(table)
    symbol = decoder.symbol(table)
    return symbol, 24 - float(np.log2(table[symbol]))


def segment_packet(stream: Stream, data: bytes, duration: int) -> Arrays:
    s = stream.settings
    size, stride, frame = s["segment"], s["segment_stride"], s["frame_size"]
    whole, rest = divmod(duration, stride)
    if rest % frame or not 1 <= duration <= 10 * s["sample_rate"]:
        raise corrupt("no whole segments and frames, or too many")
    added = [stride] * whole + [rest] * (rest > 0)
    coded, crc = unsealed(data, stream.crc_size)
    heads = coded[: 5 * len(added)]
    if len(heads) < 5 * len(added):
        raise truncated("no room for the heads of segments")
    frames, loudness = [], []
    for a, (lacks, loud) in zip(added, struct.iter_unpack("<Bf", heads), strict=True):
        frames.append(size // frame - lacks)
        loudness.append(loud)
        if not -(-a // frame) <= frames[-1] <= -(-(a + size - stride) // frame) or not 0 < loud <= 4:
            raise corrupt("a segment of impossible length or loudness")
    codes = payload(stream, coded[len(heads) :], sum(frames))
    check_crc(u16(list(heads), codes), crc, stream.crc_size)
    return {"codes": np.split(codes, np.cumsum(frames)[:-1], axis=1), "loudness": loudness}
