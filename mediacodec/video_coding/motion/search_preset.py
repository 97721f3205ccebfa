"""Search presets: how far the motion search looks and what it tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SearchPreset = Literal["fast", "medium", "slow"]

AROUND = [(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y]
CROSS = [(-1, 0), (1, 0), (0, -1), (0, 1)]
_FARTHER = [(2 * x, 2 * y) for x, y in AROUND]


@dataclass(frozen=True)
class SearchSettings:
    """What a preset stands for.

    Attributes:
        search_range: of the full search, in samples of a quarter of the size.
        row_step: every how manieth row is compared.
        exact: whether sub-samples come from a filter like the codec's.
        smoothing_passes: in which each block tries the vectors around it.
        merge_passes: in which the quadtree is merged.
        neighbour_levels: levels of the quadtree whose nodes try their neighbours' vectors in these.
        refinement_levels: levels whose nodes try small steps.
        static_threshold: clipped difference a sample up to which a block of 16x16 counts as not moving.
        steps: quarter samples that 8x8 blocks try.
    """

    search_range: int
    row_step: int
    exact: bool
    smoothing_passes: int
    merge_passes: int
    neighbour_levels: Sequence[int]
    refinement_levels: Sequence[int]
    static_threshold: float
    steps: Sequence[tuple[int, int]]


SEARCH_PRESETS: dict[str, SearchSettings] = {
    "fast": SearchSettings(
        search_range=8,
        row_step=2,
        exact=False,
        smoothing_passes=1,
        merge_passes=1,
        neighbour_levels=(1, 2),
        refinement_levels=(1,),
        static_threshold=1.0,
        steps=CROSS,
    ),
    "medium": SearchSettings(
        search_range=12,
        row_step=1,
        exact=True,
        smoothing_passes=1,
        merge_passes=2,
        neighbour_levels=(1, 2),
        refinement_levels=(1,),
        static_threshold=0.75,
        steps=CROSS,
    ),
    "slow": SearchSettings(
        search_range=20,
        row_step=1,
        exact=True,
        smoothing_passes=2,
        merge_passes=5,
        neighbour_levels=(0, 1, 2),
        refinement_levels=(0, 1, 2, 3),
        static_threshold=0.7,
        steps=[*AROUND, *_FARTHER],
    ),
}
