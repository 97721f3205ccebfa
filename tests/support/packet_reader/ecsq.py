"""`ecsq`: codecs/ecsq.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .base import HALF, Arrays, Decoder, check_crc, corrupt, family, flat, unsealed

QUALITIES, LARGEST, MOST_ZEROS = 64, 1 << 14, 16


@dataclass
class Stream:
    """What a header and a model say."""

    settings: Arrays
    tables: Arrays
    extradata: bytes
    crc_size: int

    def __post_init__(self) -> None:
        if self.extradata != b"\0\0":
            raise corrupt("extradata that are not two zeros")
        self.rows = family(self.tables["frequencies"])

    @property
    def most_frames(self) -> int:
        return int(10 * self.settings["sample_rate"] // self.settings["frame_size"])


def packet(stream: Stream, data: bytes, duration: int) -> Arrays:
    frames, rest = divmod(duration, stream.settings["frame_size"])
    if rest or not 1 <= frames <= stream.most_frames:
        raise corrupt("no whole number of frames, or too many")
    coded, crc = unsealed(data, stream.crc_size)
    decoder = Decoder(coded)
    quality = decoder.symbol(flat(QUALITIES))
    symbols = payload(decoder, stream, quality, frames, 8 * len(coded))
    decoder.end()
    check_crc([quality, *(int(y) + (1 << 15) for y in symbols.ravel())], crc, stream.crc_size)
    return {"quality": quality, "symbols": symbols}


def payload(decoder: Any, stream: Stream, quality: int, frames: int, bits: int) -> Any:
    """Symbols [T, n]; gives up once they say more than the payload's bits and 512."""
    network = Network(stream.tables, stream.settings, quality)
    active, rows = stream.tables["active"][quality], stream.rows
    y = np.zeros((frames, sum(stream.settings["groups"])), np.int64)
    spent = 0.0
    for t in range(frames):
        network.begin(y[t - 1] if t else np.zeros_like(y[0]))
        for group, channels in enumerate(network.groups):
            mean, scale = network.distribution(group, y[t])
            coded = [j for j, i in enumerate(channels) if active[i]]
            places = {}
            for j in coded:
                table = rows[4 * scale[j] + mean[j] % 4]
                places[j] = decoder.symbol(table)
                spent += 24 - float(np.log2(table[places[j]]))
            for j in coded:
                reach = (len(rows[4 * scale[j] + mean[j] % 4]) - 3) // 2
                d = places[j] - reach - 1
                if abs(d) > reach:
                    beyond, cost = exp_golomb(decoder)
                    d += beyond if d > 0 else -beyond
                    spent += cost
                y[t, channels[j]] = mean[j] // 4 + d
                if abs(y[t, channels[j]]) > LARGEST:
                    raise corrupt("a symbol beyond 2^14")
            if spent > bits + 512:
                raise corrupt("more than the payload can say")
    return y


def exp_golomb(decoder: Any) -> tuple[int, int]:
    """A number of order 0, and its bits."""
    zeros = 0
    while not decoder.symbol(HALF):
        zeros += 1
        if zeros > MOST_ZEROS:
            raise corrupt("an Exp-Golomb number of more than 16 zeros")
    number = 1
    for _ in range(zeros):
        number = 2 * number + decoder.symbol(HALF)
    return number - 1, 2 * zeros + 1


class Network:
    """The context network at a quality, from the first frame of a packet on."""

    def __init__(self, tables: Arrays, settings: Arrays, quality: int) -> None:
        whole = {name: array.astype(np.int64) for name, array in tables.items() if name != "gains"}
        per_quality = ("steps", "mean_gains", "scale_base")
        self.a = {
            name: array[quality] if name in per_quality or name.endswith("_bias") else array
            for name, array in whole.items()
        }
        self.dilations = settings["dilations"]
        ends = np.cumsum(settings["groups"])
        self.groups = [range(int(end) - size, int(end)) for end, size in zip(ends, settings["groups"], strict=True)]
        self.past: list[list[Any]] = [[] for _ in self.dilations]

    def _input(self, y: Any) -> Any:
        return lim((y * self.a["steps"] + (1 << 7)) >> 8, 127)

    def begin(self, before: Any) -> None:
        """The trunk of a frame, behind the symbols of the one before."""
        a = self.a
        x = lim((a["join"] @ self._input(before) + a["join_bias"]) >> 6, 255)
        for layer, (dilation, past) in enumerate(zip(self.dilations, self.past, strict=True)):
            past.append(x)
            earlier = past[-1 - dilation] if len(past) > dilation else np.zeros_like(x)
            sums = a[f"expand{layer}"] @ np.concatenate([x, earlier]) + a[f"expand{layer}_bias"]
            x = lim((a[f"contract{layer}"] @ act(sums) + (x << 6)) >> 6, 255)
        self.x = x

    def distribution(self, group: int, y: Any) -> tuple[list[int], list[int]]:
        """Means, in quarters, and scales of a group's channels; y: the frame's symbols as far as they are known."""
        a, channels = self.a, self.groups[group]
        b, size = channels.start, len(channels)
        inputs = np.concatenate([self.x, self._input(y)[:b]])
        hidden = act(a[f"hidden{group}"] @ inputs + a[f"hidden{group}_bias"])
        o = a[f"head{group}"] @ hidden + a[f"head{group}_bias"]
        mean = ((o[:size] + (1 << 6)) >> 7) * a["mean_gains"][b : b + size]
        mean = lim((mean + (1 << 11)) >> 12, 1 << 16)
        scale = (o[size:] + a["scale_base"][b : b + size] + (1 << 9)) >> 10
        scales = len(a["frequencies"]) // 4
        return mean.tolist(), np.clip(scale, 0, scales - 1).tolist()


def lim(values: Any, most: int) -> Any:
    return np.clip(values, -most, most)


def act(sums: Any) -> Any:
    return np.clip(sums >> 6, 0, 255)
