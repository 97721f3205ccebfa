"""What an effort does: how far the search looks and what it tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Effort = Literal["fast", "medium", "slow"]

AROUND = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y]
CROSS = [(-1, 0), (1, 0), (0, -1), (0, 1)]
_FARTHER = [(2 * x, 2 * y) for x, y in AROUND]


@dataclass(frozen=True)
class Plan:
    """What an effort does.

    reach: of the coarse search, in samples of a quarter of the size; step: every how manieth row is compared; exact:
    sub-samples by a filter like the codec's; passes: of trying what lies around each block; turns: of merging; shifts:
    levels of the tree whose nodes try their neighbours' vectors in these; nudges: levels that try small steps; still:
    clipped difference per sample up to which a block of 16x16 counts as not moving; steps: quarter samples that 8x8
    blocks try.
    """

    reach: int
    step: int
    exact: bool
    passes: int
    turns: int
    shifts: Sequence[int]
    nudges: Sequence[int]
    still: float
    steps: Sequence[tuple[int, int]]


PLANS: dict[str, Plan] = {
    "fast": Plan(reach=8, step=2, exact=False, passes=1, turns=1, shifts=(1, 2), nudges=(1,), still=1.0, steps=CROSS),
    "medium": Plan(
        reach=12, step=1, exact=True, passes=1, turns=2, shifts=(1, 2), nudges=(1,), still=0.75, steps=CROSS
    ),
    "slow": Plan(
        reach=20,
        step=1,
        exact=True,
        passes=2,
        turns=5,
        shifts=(0, 1, 2),
        nudges=(0, 1, 2, 3),
        still=0.7,
        steps=[*AROUND, *_FARTHER],
    ),
}
