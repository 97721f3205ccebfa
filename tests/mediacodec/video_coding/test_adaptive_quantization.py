"""Adaptive quantization: offsets chosen, inherited and coded."""

from __future__ import annotations

import numpy as np
import pytest

from mediacodec.entropy_coding.symbol_coder import SymbolDecoder, SymbolEncoder
from mediacodec.errors import CorruptError
from mediacodec.video_coding.adaptive_quantization import (
    TOLERANCE,
    inherit_offsets,
    inter_offsets,
    keyframe_offsets,
    perceptual_weight,
    step_factors,
    target_offsets,
)
from mediacodec.video_coding.aq_syntax import MAX_OFFSET, AqOffsets, code_offsets, default_offset_tables
from mediacodec_bitstream import open_decoder, open_encoder

TABLES = default_offset_tables()
SHAPES = [(1, 1), (2, 3), (23, 40), (17, 9)]


def drawn(shape: tuple[int, int], seed: int) -> AqOffsets:
    """Offsets that lean on their neighbours, with single blocks that stand out."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    smooth = 5 * np.sin(rows / 4 + seed) * np.cos(columns / 5) + rng.normal(0, 0.7, shape)
    smooth[rng.random(shape) < 0.03] = -MAX_OFFSET
    return np.clip(np.rint(smooth), -MAX_OFFSET, MAX_OFFSET).astype(np.int8)


def encode(offsets: AqOffsets, inherited: AqOffsets | None) -> bytes:
    encoder = open_encoder()
    code_offsets(SymbolEncoder(encoder), TABLES, offsets.shape, inherited, offsets)
    return encoder.finish()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["key", "changed", "same"])
def test_offsets_come_back(shape: tuple[int, int], kind: str) -> None:
    offsets = drawn(shape, 1)
    before = {"key": None, "changed": drawn(shape, 2), "same": offsets.copy()}[kind]
    data = encode(offsets, before)
    decoder = open_decoder(data)
    assert np.array_equal(code_offsets(SymbolDecoder(decoder, 0), TABLES, shape, before, None), offsets)
    decoder.finish()
    if kind == "same":
        assert len(data) <= 4


def test_offsets_beyond_the_range_are_corrupt() -> None:
    inherited = np.full((4, 4), MAX_OFFSET, np.int8)
    data = encode(np.zeros((4, 4), np.int8), -inherited)  # 8 more for every block
    with pytest.raises(CorruptError):
        code_offsets(SymbolDecoder(open_decoder(data), 0), TABLES, (4, 4), inherited, None)


def test_busy_blocks_get_larger_steps_than_flat_ones() -> None:
    rng = np.random.default_rng(0)
    luma = np.full((32, 48), 90, np.uint8)
    luma[:, 16:32] += rng.integers(0, 16, (32, 16)).astype(np.uint8)
    luma[:, 32:] += rng.integers(0, 120, (32, 16)).astype(np.uint8)
    offsets = target_offsets(perceptual_weight(luma))
    assert offsets.shape == (2, 3)
    assert (offsets[:, 0] < offsets[:, 1]).all()
    assert (offsets[:, 1] < 0).all()
    assert (offsets[:, 2] > 0).all()
    assert step_factors(np.array([[4, -4]], np.int8)).ravel().tolist() == [2.0, 0.5]


def test_a_keyframe_smooths_what_it_may() -> None:
    target = drawn((23, 40), 3)
    chosen = keyframe_offsets(target)
    assert np.abs(chosen.astype(int) - target).max() <= TOLERANCE
    assert len(encode(chosen, None)) < len(encode(target, None))


def test_offsets_move_with_their_blocks() -> None:
    offsets = drawn((4, 6), 4)
    motion = np.zeros((2, 8, 12), np.int16)
    assert inherit_offsets(offsets, motion) is offsets
    motion[0, 2:4, 2:4] = 64  # one block of 16 to the right
    motion[1, 2:4, 2:4] = -64
    motion[:, 6:, 10:] = 512  # beyond the corner
    moved = inherit_offsets(offsets, motion)
    expected = offsets.copy()
    expected[1, 1], expected[3, 5] = offsets[0, 2], offsets[3, 5]
    assert np.array_equal(moved, expected)


def test_inter_frames_keep_what_is_near_enough() -> None:
    inherited = drawn((6, 6), 5)
    coded = np.ones((6, 6), np.bool_)
    near = inherited.copy()
    near[0, 0] += 1 if near[0, 0] < MAX_OFFSET else -1
    assert inter_offsets(near, inherited, coded) is inherited
    far = np.clip(inherited.astype(int) + 3, -MAX_OFFSET, MAX_OFFSET).astype(np.int8)
    assert np.abs(inter_offsets(far, inherited, coded).astype(int) - far).max() <= TOLERANCE
    assert inter_offsets(far, inherited, ~coded) is inherited  # nothing is coded: nothing to send
