"""Vectors learned from codes alone, and which audio is held out while tables are fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mediacodec.entropy_coding.code_tables import CodeTables
from mediacodec.errors import InputError
from mediacodec.manifest import find_by_name, read_manifest
from mediacodec_models.entropy.calibrate import HELD_OUT, _write, split
from mediacodec_models.entropy.code_tables import fit_tables, mean_bits
from mediacodec_models.entropy.code_vectors import DIM, code_vectors

SIZE, KINDS = 64, 8


def clips(count: int, frames: int = 2000) -> list[np.ndarray]:
    """Two codebooks: the first at random, the second of the same kind, a shuffled eighth of the codes, as the first."""
    random = np.random.default_rng(3)
    kinds = random.permutation(SIZE).reshape(KINDS, -1)
    kind_of = np.argsort(kinds.ravel()) // (SIZE // KINDS)
    first = random.integers(0, SIZE, (count, frames))
    second = kinds[kind_of[first], random.integers(0, SIZE // KINDS, (count, frames))]
    return [np.stack(pair).astype(np.uint16) for pair in zip(first, second, strict=True)]


def test_codes_that_foretell_alike_lie_together() -> None:
    codes = clips(40)
    train, held = codes[:30], codes[30:]
    vectors = code_vectors(train, SIZE)
    assert vectors.shape == (2, SIZE, DIM)
    assert np.isfinite(vectors).all()
    tables = fit_tables(train, held, vectors)
    first, second = np.diff(mean_bits(held, tables)[1], prepend=0.0)
    assert (tables.source[1], tables.lag[1]) == (0, 0)
    assert first == pytest.approx(6.0, abs=0.1)
    assert second < 3.7, "three bits are left where the kind is known"
    assert np.array_equal(code_vectors(train, SIZE), vectors), "repeatable"


def test_codes_that_are_never_used_do_no_harm() -> None:
    codes = [np.full((3, 50), 7, dtype=np.uint16)]
    assert np.isfinite(code_vectors(codes, SIZE)).all()
    tables = fit_tables(codes, codes, code_vectors(codes, SIZE))
    assert mean_bits(codes, tables)[1][-1] < 3


def test_recordings_are_held_out_whole_where_there_are_enough() -> None:
    many = [np.full((2, 50), i, dtype=np.uint16) for i in range(12)]
    train, held = split(many)
    assert [int(clip[0, 0]) for clip in held] == [4, 9]
    assert len(train) == 10
    few = [np.arange(2 * n, dtype=np.uint16).reshape(2, n) for n in (330, 71)]
    train, held = split(few)
    assert 0 < sum(clip.shape[1] for clip in held) < 2 * 401 / HELD_OUT
    seen = {int(code) for clip in (*train, *held) for code in clip[0]}
    assert len(seen) == 330, "of the two, the longer one's codes cover the other's"
    assert not {int(c) for c in train[0][0]} & {int(c) for c in train[1][0]}


def test_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="at least"):
        split([np.zeros((2, 199), dtype=np.uint16)])
    with pytest.raises(InputError, match="at least"):
        split([])


def test_a_context_model_comes_along(tmp_path: Path) -> None:
    model = find_by_name("speech-1")
    made = tmp_path / "speech-mine"
    made.mkdir()
    bits = [[float(n + 1) for n in range(model.settings["num_codebooks"])]] * 2
    _write(model, made, CodeTables.of(model), (bits[0], bits[1]))
    ours = read_manifest(made)
    assert ours.verify() == []
    assert ours.context_arrays.keys() == model.context_arrays.keys()
