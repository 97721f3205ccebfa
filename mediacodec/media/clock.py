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
_APART = 2  # seconds by which streams may end apart before a jump
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
        tick, place = stream.time_base, self._places.get(stream.index)
        if not tick:
            return
        if packet.dts is not None:  # else nothing tells a jump from another order of presentation
            place = self._placed(packet.dts * tick, (packet.duration or 0) * tick, place)
            self._places[stream.index] = place
        ticks = round(self._offsets[-1 if place is None else place.epoch] / tick)
        if ticks:
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def _placed(self, raw: Fraction, lasts: Fraction, place: _Place | None) -> _Place:
        """Where a stream is with its next packet, decoded at `raw`, which lasts so many seconds; 0 if unknown."""
        if place is None:
            place = _Place(len(self._offsets) - 1, raw, Fraction(0), raw + self._offsets[-1])
        elif not -_BACK <= raw - place.raw <= LONGEST_GAP_SECONDS:
            self._enter(place, raw)
        place.step = lasts or max(Fraction(0), min(raw - place.raw, _LEAD))
        place.raw = raw
        place.end = max(place.end, raw + self._offsets[place.epoch]) + place.step
        return place

    def _enter(self, place: _Place, raw: Fraction) -> None:
        """Have a stream enter the next epoch: one that another stream entered before, if it fits, or a new one."""
        due = place.raw + self._offsets[place.epoch] + place.step
        while place.epoch + 1 < len(self._offsets):
            place.epoch += 1
            if -_APART <= raw + self._offsets[place.epoch] - due <= LONGEST_GAP_SECONDS:
                return
        place.epoch += 1
        longest = max(each.end for each in self._places.values())
        self._offsets.append((longest if longest - due > _LEAD else due) - raw)
        self.jumps += 1
        if self.jumps == 1:
            self.first = due
