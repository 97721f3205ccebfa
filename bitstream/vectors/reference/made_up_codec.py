"""The packets of the codec `test`, from `codec-test.json`."""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

from .chunks import Packet
from .coder import Bytes, check, corrupt, grouped, packed, unsealed
from .header import Stream


@cache
def definition() -> Any:
    """What `codec-test.json` holds."""
    return json.loads((Path(__file__).parents[1] / "v1" / "codec-test.json").read_text())


def decode(packet: Packet) -> list[int]:
    """The symbols of a packet of the codec `test`."""
    stream = packet.stream
    if stream.coder == 2:
        return list(packet.data)
    books = definition()["codebooks"]
    frames = definition()["symbols_of_other_kinds"] // books
    if stream.kind == 0:
        frames = -(-packet.duration // stream.frame_size)
        if frames > definition()["max_frames"]:
            raise corrupt("too many frames")
    if not stream.layers:
        return decode_part(stream, packet.data, [(2 * q + t) % 4 for t in range(frames) for q in range(books)])
    if stream.layers != books:
        raise corrupt("another number of layers than codebooks")
    rest = Bytes(packet.data)
    sizes = [rest.varint() for _ in range(books)]
    if sum(sizes) != rest.left or any(after and not before for before, after in itertools.pairwise(sizes)):
        raise corrupt("layers that do not fit")
    parts = [decode_part(stream, rest.take(n), [(2 * q + t) % 4 for t in range(frames)]) if n else []
             for q, n in enumerate(sizes)]  # fmt: skip
    return [symbol for part in parts for symbol in part]


def decode_part(stream: Stream, data: bytes, indices: list[int]) -> list[int]:
    coded, crc = unsealed(data, stream.crc_size)
    if stream.coder:
        symbols = grouped(coded, definition()["tables"], indices)
    else:
        symbols = packed(coded, definition()["bit_alphabet"], len(indices))
    check(symbols, crc, stream.crc_size)
    return symbols
