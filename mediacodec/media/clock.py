"""The clock of a file that was joined or recorded over an interruption: where it jumps, time goes on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av.stream

from mediacodec.media.damage import Packet

LONGEST_GAP_SECONDS: Final = 3600
"""A jump ahead up to here is a gap, in which nothing was recorded; beyond, the clock was set."""
_BACK = Fraction(1, 10)  # seconds; packets that go back less are only imprecise
_LEAD = Fraction(1, 10)  # seconds by which a stream may be pushed back at a jump


@dataclass(slots=True)
class _Place:
    """Where a stream is.

    Attributes:
        epoch: which of the clock's offsets holds for it.
        raw: decoding time of its last packet, seconds of the file's clock.
        step: seconds that this packet lasts.
        end: seconds of the continued clock at which its packets end, none of them on top of another.
    """

    epoch: int
    raw: Fraction
    step: Fraction
    end: Fraction


class Clock:
    """Moves the time stamps of packets so that they go on where the clock of the file jumps.

    A jump back by more than 0.1 s, or ahead by more than the longest gap, begins another epoch. All streams jump at
    the same place but their packets do not come in the order of time there, so each enters the epoch by itself, and
    the first one that does sets the offset for all: they stay together.

    Attributes:
        jumps: how many there were.
        first: seconds of the continued clock at the first one.
    """

    def __init__(self) -> None:
        self.jumps, self.first = 0, Fraction(0)
        self._offsets = [Fraction(0)]
        self._places: dict[int, _Place] = {}

    def seek(self) -> None:
        """After a jump in the file: only the time stamps tell where it led."""
        self._offsets, self._places = [Fraction(0)], {}

    def follow(self, packet: Packet, stream: av.stream.Stream) -> None:
        """Move the time stamps of the next packet of the file.

        Args:
            packet: of any stream.
            stream: that it is of.
        """
        stamp, tick = packet.pts if packet.dts is None else packet.dts, stream.time_base
        if stamp is None or not tick:
            return
        raw = stamp * tick
        place = self._places.get(stream.index)
        if place is None:
            place = self._places[stream.index] = _Place(len(self._offsets) - 1, raw, Fraction(0), Fraction(0))
            place.end = raw + self._offsets[-1]
        elif packet.dts is not None and not -_BACK <= raw - place.raw <= LONGEST_GAP_SECONDS:
            self._enter(place, raw)
        offset = self._offsets[place.epoch]
        place.step = (packet.duration or 0) * tick or max(Fraction(0), min(raw - place.raw, _LEAD))
        place.raw = raw
        place.end = max(place.end, raw + offset) + place.step
        if offset:
            ticks = round(offset / tick)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def _enter(self, place: _Place, raw: Fraction) -> None:
        """Have a stream enter the next epoch."""
        due = place.raw + self._offsets[place.epoch] + place.step
        place.epoch += 1
        if place.epoch < len(self._offsets):
            return  # another stream did before
        longest = max(each.end for each in self._places.values())
        self._offsets.append((longest if longest - due > _LEAD else due) - raw)
        self.jumps += 1
        if self.jumps == 1:
            self.first = due
