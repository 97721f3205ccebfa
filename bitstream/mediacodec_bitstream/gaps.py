"""What a reader says of what is missing (SPEC section 8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gap:
    """Something that is missing or was repaired.

    stream_id: None where it is not known; pts_start, pts_end: ticks, None where not known; offset: bytes from
    the start of what was read; reason: one clause; recovered: nothing is lost, parity made it good.
    """

    stream_id: int | None
    pts_start: int | None
    pts_end: int | None
    offset: int
    reason: str
    recovered: bool = False
