"""Motion compensation against the filter written out sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.video_coding.motion.compensate import FILTERS, compensate, source_cells

Plane = NDArray[np.uint8]


def make_planes(seed: int = 0, height: int = 48, width: int = 80) -> tuple[Plane, Plane, Plane]:
    rng = np.random.default_rng(seed)

    def plane(rows: int, columns: int) -> Plane:
        wave = 128 + 70 * np.sin(np.arange(rows)[:, None] / 3) + 60 * np.cos(np.arange(columns) / 2.3)
        return np.clip(wave + rng.normal(0, 40, (rows, columns)), 0, 255).astype(np.uint8)

    return plane(height, width), plane(height // 2, width // 2), plane(height // 2, width // 2)


def sample(plane: Plane, y: int, x: int) -> int:
    return int(plane[min(max(y, 0), plane.shape[0] - 1), min(max(x, 0), plane.shape[1] - 1)])


def luma_at(plane: Plane, y: int, x: int, mv: tuple[int, int], filter_id: int) -> int:
    taps = FILTERS[filter_id]
    left, top = x + (mv[0] >> 2) - 3, y + (mv[1] >> 2) - 3
    across = [
        (sum(taps[mv[0] & 3][k] * sample(plane, top + row, left + k) for k in range(8)) + 2) >> 2 for row in range(8)
    ]
    value = sum(taps[mv[1] & 3][row] * across[row] for row in range(8))
    return min(max((value + (1 << 13)) >> 14, 0), 255)


def chroma_at(plane: Plane, y: int, x: int, mv: tuple[int, int]) -> int:
    left, top, right, down = x + (mv[0] >> 3), y + (mv[1] >> 3), mv[0] & 7, mv[1] & 7
    rows = [
        (8 - right) * sample(plane, top + row, left) + right * sample(plane, top + row, left + 1) for row in range(2)
    ]
    return ((8 - down) * rows[0] + down * rows[1] + 32) >> 6


@pytest.mark.parametrize("filter_id", range(len(FILTERS)))
@pytest.mark.parametrize("reach", [7, 60, 512])
def test_every_sample_is_what_the_filter_says(reach: int, filter_id: int) -> None:
    planes = make_planes()
    rng = np.random.default_rng(reach)
    motion = rng.integers(-reach, reach + 1, (2, 6, 10)).astype(np.int16)
    motion[:, 0, :3] = 0
    found = compensate(planes, motion, filter_id=filter_id)
    for y, x in np.ndindex(48, 80):
        mv = int(motion[0, y // 8, x // 8]), int(motion[1, y // 8, x // 8])
        assert found[0][y, x] == luma_at(planes[0], y, x, mv, filter_id), (y, x, mv)
    for plane, out in zip(planes[1:], found[1:], strict=True):
        for y, x in np.ndindex(24, 40):
            mv = int(motion[0, y // 4, x // 4]), int(motion[1, y // 4, x // 4])
            assert out[y, x] == chroma_at(plane, y, x, mv), (y, x, mv)


@pytest.mark.parametrize("filter_id", range(len(FILTERS)))
def test_extremes_do_not_overflow(filter_id: int) -> None:
    checks = (np.indices((32, 32)).sum(axis=0) % 2 * 255).astype(np.uint8)
    planes = checks, checks[:16, :16].copy(), checks[:16, :16].copy()
    motion = np.full((2, 4, 4), 2, np.int16)
    found = compensate(planes, motion, filter_id=filter_id)
    for y, x in np.ndindex(32, 32):
        assert found[0][y, x] == luma_at(checks, y, x, (2, 2), filter_id)


def test_without_motion_nothing_is_copied_and_with_it_nothing_is_overwritten() -> None:
    planes = make_planes()
    kept = [plane.copy() for plane in planes]
    same = compensate(planes, np.zeros((2, 6, 10), np.int16))
    assert all(a is b for a, b in zip(same, planes, strict=True))
    motion = np.zeros((2, 6, 10), np.int16)
    motion[0, 2, 3] = 5
    moved = compensate(planes, motion)
    assert all(np.array_equal(a, b) for a, b in zip(planes, kept, strict=True))
    changed = np.argwhere(moved[0] != planes[0])
    assert len(changed)
    assert changed.min(axis=0).tolist() >= [16, 24]
    assert (changed < [24, 32]).all()


def test_features_follow_their_block_to_the_nearest_cell() -> None:
    motion = np.zeros((2, 3, 4), np.int16)
    motion[:, 1, 1] = 15, -17  # just under half a block to the right, over half a block up
    motion[:, 0, 3] = 512, 512  # to the corner and no further
    cells = source_cells(motion)
    expected = np.arange(12).reshape(3, 4)
    expected[1, 1] = 0 * 4 + 1
    expected[0, 3] = 11
    assert cells.shape == (1, 1, 3, 4)
    assert cells[0, 0].tolist() == expected.tolist()
