"""How many frames, or segments, a packet of so many seconds holds."""

from __future__ import annotations

from mediacodec.codecs.options import AudioOptions
from mediacodec.errors import ParameterError

TOLERANCE = 0.02  # of a duration: what nobody would call another one
_DEFAULT = AudioOptions().packet_duration  # means about so much: every codec has a number of frames near it


def whole_number(packet_duration: float, unit: float, longest: float, what: str = "frames") -> int:
    """The number of frames that last as long as was asked for.

    Args:
        packet_duration: seconds asked for; the default stands for the number nearest to it.
        unit: seconds of a frame.
        longest: seconds of the longest packet there may be.
        what: the packets hold.

    Raises:
        ParameterError: the duration is out of range, or lies between two numbers of frames.
    """
    is_default = packet_duration == _DEFAULT
    if not (is_default or unit * (1 - TOLERANCE) <= packet_duration <= longest):  # also refuses NaN
        raise ParameterError(f"packet_duration {packet_duration} s is not in {unit:.6g}..{longest} s")
    count = max(1, round(packet_duration / unit))
    if is_default or abs(count * unit - packet_duration) <= TOLERANCE * packet_duration:
        return count
    below = int(packet_duration / unit)
    near = " or ".join(f"{number * unit:.6g}" for number in (below, below + 1) if 0 < number * unit <= longest)
    raise ParameterError(
        f"packet_duration {packet_duration} s is no whole number of {what}, which last {unit:.6g} s; take {near} s"
    )
