"""How much may stand in for what is missing: a few forged bytes must not become hours of silence or frames."""

from __future__ import annotations

FILL_SECONDS = 60  # that may be concealed in a pass over a stream, however little was decoded
MOST_PIXELS = 1 << 34  # of concealed frames, however little was decoded: at 4K about 60 s


class FillBudget:
    """What a pass over a stream may still conceal: so much at first, and as much again as was decoded.

    Args:
        least: samples or frames that may be concealed in any case.
    """

    __slots__ = ("_left",)

    def __init__(self, least: int) -> None:
        self._left = least

    def earn(self, amount: int) -> None:
        """Samples or frames were decoded."""
        self._left += amount

    def spend(self, amount: int) -> bool:
        """Whether so many more may be concealed; they count as concealed then."""
        if amount > self._left:
            return False
        self._left -= max(0, amount)
        return True
