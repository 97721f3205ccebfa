"""Local quantization steps: chosen, inherited and coded."""

from __future__ import annotations

import numpy as np
import pytest

from mediacodec.errors import CorruptError
from mediacodec.video_coding import adaptive_quantization as local
from mediacodec_bitstream import open_decoder, open_encoder

TABLES = local.default_tables()
SHAPES = [(1, 1), (2, 3), (23, 40), (17, 9)]


def drawn(shape: tuple[int, int], seed: int) -> local.Levels:
    """Levels that lean on their neighbours, with single blocks that stand out."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    smooth = 5 * np.sin(rows / 4 + seed) * np.cos(columns / 5) + rng.normal(0, 0.7, shape)
    smooth[rng.random(shape) < 0.03] = -local.FINEST
    return np.clip(np.rint(smooth), -local.FINEST, local.FINEST).astype(np.int8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["key", "changed", "same"])
def test_levels_come_back(shape: tuple[int, int], kind: str) -> None:
    levels = drawn(shape, 1)
    before = {"key": None, "changed": drawn(shape, 2), "same": levels.copy()}[kind]
    encoder = open_encoder()
    local.encode_levels(encoder, levels, before, TABLES)
    data = encoder.finish()
    decoder = open_decoder(data)
    assert np.array_equal(local.decode_levels(decoder, shape, before, TABLES), levels)
    decoder.finish()
    if kind == "same":
        assert len(data) <= 4


def test_levels_beyond_the_range_are_corrupt() -> None:
    inherited = np.full((4, 4), local.FINEST, np.int8)
    encoder = open_encoder()
    local.encode_levels(encoder, np.zeros((4, 4), np.int8), -inherited, TABLES)  # 8 more for every block
    with pytest.raises(CorruptError):
        local.decode_levels(open_decoder(encoder.finish()), (4, 4), inherited, TABLES)


def test_busy_blocks_get_larger_steps_than_flat_ones() -> None:
    rng = np.random.default_rng(0)
    luma = np.full((32, 48), 90, np.uint8)
    luma[:, 16:32] += rng.integers(0, 16, (32, 16)).astype(np.uint8)
    luma[:, 32:] += rng.integers(0, 120, (32, 16)).astype(np.uint8)
    levels = local.wanted(local.masking(luma))
    assert levels.shape == (2, 3)
    assert (levels[:, 0] < levels[:, 1]).all()
    assert (levels[:, 1] < 0).all()
    assert (levels[:, 2] > 0).all()
    assert local.factors(np.array([[4, -4]], np.int8)).ravel().tolist() == [2.0, 0.5]


def test_a_keyframe_smooths_what_it_may() -> None:
    wish = drawn((23, 40), 3)
    chosen = local.for_key(wish)
    assert np.abs(chosen.astype(int) - wish).max() <= local.NEAR
    sizes = []
    for levels in (wish, chosen):
        encoder = open_encoder()
        local.encode_levels(encoder, levels, None, TABLES)
        sizes.append(len(encoder.finish()))
    assert sizes[1] < sizes[0]


def test_levels_move_with_their_blocks() -> None:
    levels = drawn((4, 6), 4)
    motion = np.zeros((2, 8, 12), np.int16)
    assert local.inherit(levels, motion) is levels
    motion[0, 2:4, 2:4] = 64  # one block of 16 to the right
    motion[1, 2:4, 2:4] = -64
    motion[:, 6:, 10:] = 512  # beyond the corner
    moved = local.inherit(levels, motion)
    expected = levels.copy()
    expected[1, 1], expected[3, 5] = levels[0, 2], levels[3, 5]
    assert np.array_equal(moved, expected)


def test_predicted_pictures_keep_what_is_near_enough() -> None:
    inherited = drawn((6, 6), 5)
    coded = np.ones((6, 6), np.bool_)
    near = inherited.copy()
    near[0, 0] += 1 if near[0, 0] < local.FINEST else -1
    assert local.for_inter(near, inherited, coded) is inherited
    far = np.clip(inherited.astype(int) + 3, -local.FINEST, local.FINEST).astype(np.int8)
    assert np.abs(local.for_inter(far, inherited, coded).astype(int) - far).max() <= local.NEAR
    assert local.for_inter(far, inherited, ~coded) is inherited  # nothing is coded: nothing to send
