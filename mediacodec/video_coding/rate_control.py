"""Rate control: keeping a stream at a bit rate by choosing quality levels.

Bits are modelled as 2^(complexity - SLOPE * level / 8), with a complexity of keyframes and one of inter frames that
follow what frames took. The base level is the one at which the frames from keyframe to keyframe would take their share,
plus what brings the buffer back in line: half of what a keyframe takes beyond its share is saved before it, half paid
back after.
"""

from __future__ import annotations

import math

from mediacodec.video_coding.gop import CASCADE, KEYFRAME_OFFSET, MAX_QUALITY, level_at

SLOPE = 1.15  # how bits fall with the quantization step, as a power
BUFFER_SECONDS = 1.0  # of the rate: what a stream may be ahead or behind
SPREAD_SECONDS = 2.0  # over which a keyframe is paid for at most
STEER_SECONDS = 0.5  # in which the buffer is brought back in line
FIRST_KEY_SECONDS = 0.45  # of the rate, for a keyframe of which nothing is known
GUESSED_BITS = 0.35  # a pixel, of a keyframe at level 30
FOLLOW = {True: 0.8, False: 0.35}  # how fast the complexity follows, of keyframes and inter frames
LEAST_SHARE = 0.25  # of the usual bits: no frame is starved further to pay back
MOST_SHARE = 2.5
MOST_CHANGE = 0.5  # of the complexity of inter frames: one odd frame says little
BETTER, WORSE = 1.5, 4.0  # levels by which the base may move a frame: much better would code all anew
TOLERATED = 1.5  # a keyframe that is off by more is coded again


class RateControl:
    """The quality levels of one stream.

    Args:
        bit_rate: bits a second.
        frame_rate: frames a second.
        gop: frames from keyframe to keyframe.
        pixels: of a frame.
    """

    def __init__(self, bit_rate: float, frame_rate: float, gop: int, pixels: int) -> None:
        self._rate, self._share = bit_rate, bit_rate / frame_rate
        self._buffer = BUFFER_SECONDS * bit_rate
        self._gop = gop
        self._spread = max(1, min(gop, round(SPREAD_SECONDS * frame_rate)))
        self._steer = max(1.0, STEER_SECONDS * frame_rate)
        self._complexity = {True: math.log2(GUESSED_BITS * pixels) + SLOPE * 30 / 8, False: math.nan}
        self._frames = {True: 0, False: 0}
        self._owed = 0.0  # bits spent beyond what was due by now
        self._planned = 0.0
        self._before: float | None = None  # the last base level

    def wait(self, seconds: float) -> None:
        """Time passes before the next frame.

        Args:
            seconds: since the one before.
        """
        self._owed = max(self._owed - self._rate * seconds, -self._buffer)

    def level(self, position: int) -> int:
        """The quality level of the next frame, 0..63.

        Args:
            position: frames since its keyframe; 0 is the keyframe.
        """
        key = position == 0
        if key and not self._frames[True]:
            room = FIRST_KEY_SECONDS * self._rate * min(1.0, self._gop / self._spread)
            level = self._level_for(room, key=True)
            self._before = level - KEYFRAME_OFFSET
        else:
            base = self._base(position)
            if not key and self._before is not None:
                base = min(max(base, self._before - BETTER), self._before + WORSE)
            self._before = base
            level = level_at(round(base), position)
        self._planned = self._expected(level, key=key)
        return level

    def is_off(self, bits: int) -> bool:
        """Whether a keyframe of so many bits is too far from what was planned to be sent."""
        return not self._planned / TOLERATED <= max(bits, 1) <= self._planned * TOLERATED

    def learn(self, bits: int, level: int, *, key: bool) -> None:
        """Take what a frame took into the model, whether it is sent or coded again.

        Args:
            bits: of its packet.
            level: quality level that it was coded at.
            key: whether it is a keyframe.
        """
        found = math.log2(max(bits, 64)) + SLOPE * level / 8
        if key and not self._frames[True]:
            self._complexity[True] = found
        change = FOLLOW[key] * (found - self._complexity[key])
        self._complexity[key] += change if key else min(max(change, -MOST_CHANGE), MOST_CHANGE)
        self._frames[key] += 1
        if key and not self._frames[False]:
            self._complexity[False] = self._complexity[True] - 2.5  # an inter frame takes a sixth, until there was one

    def spend(self, bits: int) -> None:
        """Count a frame that is sent."""
        self._owed += bits

    def _expected(self, level: float, *, key: bool) -> float:
        return float(2.0 ** (self._complexity[key] - SLOPE * level / 8))

    def _level_for(self, bits: float, *, key: bool) -> int:
        level = (self._complexity[key] - math.log2(max(bits, 1.0))) * 8 / SLOPE
        return min(max(round(level), 0), MAX_QUALITY)

    def _base(self, position: int) -> float:
        """The base level, a real number."""
        settled = self._settled_base(keyed=self._gop <= self._spread or position < self._spread // 2)
        key_extra = self._expected(settled + KEYFRAME_OFFSET, key=True) - self._share
        # where the buffer should stand before this frame; from half way to the next keyframe on, in credit
        place = 0.5 - (position - 1) / self._spread if position else -0.5
        if self._gop > self._spread:
            place = max(place, 0.0) if position else 0.0
        due = self._owed - key_extra * place
        usual = self._inter_bits(settled)
        wanted = usual - due / self._steer
        share = min(max(wanted / usual, LEAST_SHARE), MOST_SHARE)
        base = settled - 8 / SLOPE * math.log2(share)
        return min(max(base, 0.0), float(MAX_QUALITY))

    def _inter_bits(self, base: float) -> float:
        """What an inter frame takes on average."""
        return sum(self._expected(base + offset, key=False) for offset in CASCADE) / len(CASCADE)

    def _settled_base(self, *, keyed: bool) -> float:
        """The base level at which the frames of `_spread` take their share, with a keyframe among them or without."""
        low, high = 0.0, float(MAX_QUALITY)
        for _ in range(20):
            base = (low + high) / 2
            bits = (self._spread - keyed) * self._inter_bits(base)
            if keyed:
                bits += self._expected(base + KEYFRAME_OFFSET, key=True)
            low, high = (base, high) if bits > self._spread * self._share else (low, base)
        return (low + high) / 2
