"""`cond`: codecs/conditional.md, up to the integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Arrays, Decoder, by_row, check_crc, check_keyframe, coder, corrupt, family, truncated, u16, unsealed
from .integers import signed
from .motion import field, groups, skip_map

FILTER = [coder.from_counts(counts) for counts in ([799, 99, 99], [99, 799, 99], [99, 99, 799])]
STALE = coder.from_counts([9, 1])
Networks = Callable[[str, Arrays], Arrays]


class Stream:
    """Packets one after the other. networks(name, inputs) runs a graph, by the names of the document."""

    def __init__(self, settings: Arrays, tables: Arrays, width: int, height: int, networks: Networks) -> None:
        self.s, self.networks = settings, networks
        self.tables = {name: family(array) for name, array in tables.items()}
        self.h, self.w = -(-height // 16), -(-width // 16)
        self.left: Arrays | None = None  # what the frame before left

    def packet(self, data: bytes, keyframe: bool) -> Arrays:
        """The integers of the next frame; `left` changes only where all of it is right."""
        coded, crc = unsealed(data, 2)
        if not coded:
            raise truncated("no head")
        check_keyframe(bool(coded[0] & 0x40), keyframe)
        quality, inter, refresh = coded[0] & 63, bool(coded[0] & 0x40), bool(coded[0] & 0x80)
        if refresh and not inter:
            raise corrupt("a keyframe that is a refresh")
        decoder, h, w, g = Decoder(coded[1:]), self.h, self.w, self.s["hyper"]
        frame: Arrays = {"quality": quality, "inter": inter, "refresh": refresh, "filter": 0}
        before = self.left or {}
        inherited, skip = None, np.zeros((h, w), np.uint8)
        crc_of: list[Any] = []
        if inter:
            frame["filter"] = decoder.symbol(FILTER[before["filter"]])
            frame["motion"] = field(decoder, self.tables["motion"], before["motion"])
            frame["skip"] = skip = skip_map(decoder, self.tables["skip"], before["skip"])
            inherited = inherit(before["levels"], frame["motion"])
            crc_of = [frame["motion"].astype(np.int64) + 512, skip]
        memory = before["memory"] if inter else np.zeros((self.s["memory"], h, w), np.int64)
        hyper = np.zeros((g, -(-h // 2), -(-w // 2)), np.int64)
        if skip.all():
            frame["levels"] = inherited
            crc_of.append(inherited + 8)
        else:
            frame["levels"] = levels(decoder, self.tables["levels"], (h, w), inherited)
            self._hyper(decoder, quality, skip, hyper, before["hyper"] if inter else None)
            symbols, index, memory = self._coefficients(decoder, frame, skip, hyper, memory, 8 * len(coded))
            frame |= {"hyper": hyper, "symbols": symbols, "index": index}
            crc_of += [frame["levels"] + 8, hyper + self.s["hyper_limit"], symbols + 32768, index]
        decoder.end()
        check_crc(u16(*crc_of), crc, 2)
        frame["memory"] = memory
        self.left = {"memory": memory, "levels": frame["levels"], "filter": frame["filter"], "skip": skip}
        self.left["motion"] = frame.get("motion", np.zeros((2, 2 * h, 2 * w), np.int16))
        self.left["hyper"] = hyper if inter else np.zeros_like(hyper)
        return frame

    def _hyper(self, decoder: Any, quality: int, skip: Any, hyper: Any, before: Any) -> None:
        """5: fills hyper."""
        b = 0 if quality < 20 else 1 if quality < 36 else 2
        places = [
            (c, y, x)
            for c, y, x in np.ndindex(hyper.shape)
            if not skip[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].all()
        ]  # fmt: skip
        if before is None:
            rows = [3 * c + b for c, _, _ in places]
        else:
            rows = [3 * (3 * place[0] + b) + min(abs(int(before[place])), 2) for place in places]
        tables = self.tables["hyper_key" if before is None else "hyper_inter"]
        for place, symbol in zip(places, by_row(decoder, tables, rows), strict=True):
            hyper[place] = symbol - self.s["hyper_limit"]

    def _coefficients(
        self, decoder: Any, frame: Arrays, skip: Any, hyper: Any, memory: Any, room: int
    ) -> tuple[Any, Any, Any]:
        """6, 7: coefficients, scale indices of each one's own pass, and the memory that is left."""
        kind = "inter" if frame["inter"] else "key"
        quality = np.array([frame["quality"]])
        prior = self.networks(f"{kind}_prior_first", {"hyper": hyper[None], "memory": memory[None], "quality": quality})
        shape = self.s["coefficients"], self.h, self.w
        symbols, parity = np.zeros(shape, np.int64), np.indices(shape).sum(axis=0) % 2
        index = prior["scale_index"][0].astype(np.int64)
        self._pass(decoder, symbols, index, (parity == 0) & (skip == 0), room)
        more = {"symbols": symbols[None].copy(), "prior_hidden": prior["prior_hidden"], "quality": quality}
        second = self.networks(f"{kind}_prior_second", more)["scale_index"][0].astype(np.int64)
        self._pass(decoder, symbols, second, (parity == 1) & (skip == 0), room)
        updated = self.networks(
            f"{kind}_memory_update", {"symbols": symbols[None], "prior_input": prior["prior_input"], "quality": quality}
        )
        return symbols, np.where(parity == 0, index, second), updated["memory"][0].astype(np.int64)

    def _pass(self, decoder: Any, symbols: Any, index: Any, coded: Any, room: int) -> None:
        places = np.nonzero(coded & (index != 0))
        rows = index[places] + np.where(places[0] < self.s["luma"], 0, self.s["scales"])
        symbols[places], _ = signed(decoder, self.tables["coefficients"], rows, room)


def inherit(levels_before: Any, motion: Any) -> Any:
    h, w = levels_before.shape
    result = np.zeros_like(levels_before)
    for y, x in np.ndindex(h, w):
        across, down = (int(axis[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].astype(np.int64).sum()) for axis in motion)
        row, column = y + ((down + 128) >> 8), x + ((across + 128) >> 8)
        result[y, x] = levels_before[min(max(row, 0), h - 1), min(max(column, 0), w - 1)]
    return result


def levels(decoder: Any, tables: Any, shape: tuple[int, int], inherited: Any) -> Any:
    """AQ offsets; inherited: None in keyframes."""
    if inherited is not None and not decoder.symbol(STALE):
        return inherited
    result, changed = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for group in groups(*shape):
        expected, rows = [], []
        for place, around in group:
            near = [int(result[n]) for n in around]
            if inherited is not None:
                expected.append(int(inherited[place]))
                rows.append(5 + sum(int(changed[n]) for n in around) if around else 10)
            elif around:
                expected.append((sum(near) + 2) >> 2)
                rows.append(min(max(near) - min(near), 3))
            else:
                expected.append(0)
                rows.append(4)
        for (place, _), e, symbol in zip(group, expected, by_row(decoder, tables, rows), strict=True):
            result[place], changed[place] = e + symbol - 16, symbol != 16
    if (np.abs(result) > 8).any():
        raise corrupt("a level beyond 8")
    return result
