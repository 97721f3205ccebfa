"""Keeping a stream at or under a bit rate."""

from __future__ import annotations

SAVED_SECONDS = 2.0  # of the rate: what easy packets leave over for hard ones; more would only help the end of a file


class RateCap:
    """A leaky bucket: at every moment a stream has spent at most bit_rate times its duration so far.

    Only where a packet cannot be made small enough is more spent, and later packets pay it back.

    Args:
        bit_rate: bit/s.
    """

    def __init__(self, bit_rate: float) -> None:
        self.bit_rate = bit_rate
        self._saved = 0.0  # bits

    def room(self, seconds: float) -> float:
        """Bits that the next packet, of so many seconds, may take."""
        return self._saved + self.bit_rate * seconds

    def spend(self, bits: float, seconds: float) -> None:
        """Count a packet in.

        Args:
            bits: that it took.
            seconds: that it stands for.
        """
        self._saved = min(self.room(seconds) - bits, self.bit_rate * SAVED_SECONDS)
