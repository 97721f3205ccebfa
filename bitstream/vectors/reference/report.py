"""What a reader and decoder make of a file, in terms of JSON (vectors/README.md)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .coder import FaultError, symbol_crc
from .made_up_codec import decode
from .reader import Reader


def first_error(data: bytes) -> str | None:
    """The class of the first fault that a strict reader and decoder meet; None where there is none."""
    try:
        for packet in Reader(data, strict=True).packets():
            decode(packet)
    except FaultError as fault:
        return fault.kind
    return None


def report(data: bytes, seek: tuple[int, int] | None = None) -> dict[str, Any]:
    """What a tolerant reader and decoder find in a whole file, or from a place sought (stream, pts) on."""
    reader = Reader(data)
    found = None if seek is None else reader.seek(*seek)
    entries: dict[int, dict[str, Any]] = {
        stream.id: {"packets": 0, "symbols": 0, "symbol_crc": 0, "last_pts": None, "cuts": 0}
        for stream in reader.header.streams
    }
    all_symbols: dict[int, list[int]] = {stream: [] for stream in entries}
    errors: Counter[str] = Counter()
    for packet in reader.packets():
        entry = entries[packet.stream.id]
        entry["packets"] += 1
        entry["last_pts"] = packet.pts
        entry["cuts"] += packet.discontinuous
        try:
            all_symbols[packet.stream.id] += decode(packet)
        except FaultError as fault:
            errors[fault.kind] += 1
    for stream, symbols in all_symbols.items():
        entries[stream]["symbols"] = len(symbols)
        entries[stream]["symbol_crc"] = symbol_crc(symbols)
    ends = reader.ends or {}
    result = {
        "streams": {str(stream): entry for stream, entry in entries.items()},
        "lengths": {str(stream): length for stream, (length, _) in ends.items()},
        "packet_errors": dict(sorted(errors.items())),
        "gaps": len(reader.faults),
        "recovered": reader.recovered,
        "truncated": reader.ends is None,
        "tags": {name: value for name, value in reader.tags.items() if isinstance(value, str)},
    }
    return result if found is None else {"found": found} | result
