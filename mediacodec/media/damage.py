"""Decoding a packet that may be damaged."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

import av
import av.error
import av.stream

Packet: TypeAlias = "av.Packet[av.stream.Stream]"
_DAMAGED = (av.error.InvalidDataError, av.error.PatchWelcomeError)


class Damage:
    """Packets that could not be decoded: counted and left out, as every player does.

    Attributes:
        count: how many.
        first: seconds at which the first one came.
    """

    def __init__(self) -> None:
        self.count, self.first = 0, 0.0

    def decode(self, packet: Packet, zero: Fraction) -> list[object]:
        """The frames of a packet; none if it is damaged.

        Args:
            packet: to decode.
            zero: second of the file's clock that counts as 0.
        """
        try:
            return list(packet.decode())
        except av.error.EOFError:  # told twice that the file ends
            return []
        except _DAMAGED:
            if not self.count:
                self.first = float((packet.pts or 0) * (packet.time_base or 0) - zero)
            self.count += 1
            return []
