"""Motion vectors survive coding exactly, cost what is counted, and forged ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.entropy_coding.symbol_coder import LARGEST_RESIDUAL, SymbolCounter, SymbolDecoder, SymbolEncoder
from mediacodec.errors import BitstreamError, CorruptError, ParameterError
from mediacodec.video_coding.motion import quadtree, vectors
from mediacodec.video_coding.motion.vector_coding import ALPHABET, NUM_CONTEXTS, code_motion, default_tables
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import Decoder, open_decoder, open_encoder

Motion = NDArray[np.int16]
CHOICE, ACROSS, DOWN, TOP, STATIC = 72, 84, 87, 96, 97  # the first contexts of some symbols


def make_motion(rows: int, columns: int, seed: int = 0) -> Motion:
    """A camera that turns, an object that runs across, and a few blocks that fit nowhere."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    motion = np.stack([7 + (x - y) // 4, -3 + (x + y) // 6])
    motion[:, rows // 3 : rows // 2, columns // 4 : columns // 2] = np.array([-140, 66])[:, None, None]
    strange = rng.random((rows, columns)) < 0.04
    motion[:, strange] = rng.integers(-512, 513, (2, int(strange.sum())))
    return motion.astype(np.int16)


def encode(motion: Motion, previous: Motion | None, tables: TableFamily) -> bytes:
    encoder = open_encoder()
    code_motion(SymbolEncoder(encoder), tables, motion.shape, previous, motion)
    return encoder.finish()


def decode(decoder: Decoder, shape: tuple[int, ...], previous: Motion | None, tables: TableFamily) -> Motion:
    return code_motion(SymbolDecoder(decoder, 0), tables, shape, previous, None)


def count(motion: Motion, previous: Motion | None, tables: TableFamily) -> SymbolCounter:
    counter = SymbolCounter()
    code_motion(counter, tables, motion.shape, previous, motion)
    return counter


def bits(motion: Motion, previous: Motion | None, tables: TableFamily) -> float:
    return count(motion, previous, tables).bits


class TestTree:
    @pytest.mark.parametrize("shape", [(46, 80), (1, 1), (5, 3), (1, 9)], ids=str)
    def test_the_top_is_one_node_and_uniform_nodes_have_one_vector(self, shape: tuple[int, int]) -> None:
        motion = make_motion(*shape)
        tree = quadtree.build(vectors.pack(*motion))
        assert tree.vectors[-1].shape == (1, 1)
        assert np.array_equal(vectors.motion_of(tree.vectors[0]), motion)
        for level, (packed, uniform) in enumerate(zip(tree.vectors, tree.uniform, strict=True)):
            for row, column in np.ndindex(packed.shape):
                size = 1 << level
                part = tree.vectors[0][row * size : (row + 1) * size, column * size : (column + 1) * size]
                assert packed[row, column] in part
                assert uniform[row, column] == (part == part[0, 0]).all()

    def test_a_node_has_the_vector_of_most_children(self) -> None:
        packed = vectors.pack(np.array([[1, 2], [2, 3]]), np.zeros((2, 2), np.int64))
        assert vectors.unpack(quadtree.build(packed).vectors[1])[0] == 2


class TestCoding:
    @pytest.mark.parametrize("shape", [(46, 80), (2, 2), (14, 22), (135, 240), (2, 90), (7, 1), (1, 9)], ids=str)
    def test_it_comes_back(self, shape: tuple[int, int]) -> None:
        tables = default_tables()
        motion, previous = make_motion(*shape), make_motion(*shape, seed=1)
        for before in (None, previous):
            data = encode(motion, before, tables)
            decoder = open_decoder(data)
            assert np.array_equal(decode(decoder, motion.shape, before, tables), motion)
            decoder.finish()
            assert -9 < len(data) * 8 - bits(motion, before, tables) < 40

    def test_what_does_not_move_costs_next_to_nothing(self) -> None:
        static = np.zeros((2, 46, 80), np.int16)
        assert bits(static, static, default_tables()) < 0.2
        assert len(encode(static, static, default_tables())) <= 1

    def test_the_worst_residuals_are_codable(self) -> None:
        y, x = np.mgrid[0:20, 0:30]
        motion = np.stack([np.where((x + y) % 2, 512, -512), np.where(x % 3, -512, 512)]).astype(np.int16)
        tables = default_tables()
        data = encode(motion, None, tables)
        assert np.array_equal(decode(open_decoder(data), motion.shape, None, tables), motion)

    def test_fitted_tables_spend_less(self) -> None:
        motions, tables = [make_motion(46, 80, seed=seed) for seed in range(4)], default_tables()
        counts = sum(count(motion, None, tables).counts(tables) for motion in motions[:3])
        assert counts.shape == (NUM_CONTEXTS, ALPHABET)
        assert counts[-1].sum() == 3  # one says that something moves
        fitted = TableFamily.from_counts(counts)
        spent = bits(motions[3], None, fitted)
        assert spent < bits(motions[3], None, default_tables())
        assert abs(len(encode(motions[3], None, fitted)) * 8 - spent) < 40

    def test_smooth_motion_is_cheaper_than_rough_motion(self) -> None:
        rough = np.random.default_rng(0).integers(-9, 10, (2, 46, 80)).astype(np.int16)
        smooth = np.sort(np.sort(rough, axis=1), axis=2)
        tables = default_tables()
        assert bits(smooth, None, tables) < 0.4 * bits(rough, None, tables)

    def test_forged_data_is_refused_or_gives_vectors_in_range(self) -> None:
        rng = np.random.default_rng(0)
        tables, previous = default_tables(), make_motion(46, 80)
        refused = 0
        for size in rng.integers(0, 3000, 60):
            data = rng.bytes(size)
            decoder = open_decoder(data)
            try:
                motion = decode(decoder, (2, 46, 80), previous, tables)
                assert np.abs(motion).max() <= 512
                decoder.finish()
                assert encode(motion, previous, tables) == data  # a few bytes may well be motion
            except BitstreamError:
                refused += 1
        assert refused >= 58

    @staticmethod
    def forge(*symbols: tuple[int, int]) -> bytes:
        """Symbols each with the context it is coded in."""
        encoder, tables = open_encoder(), default_tables()
        for symbol, context in symbols:
            encoder.encode_one(symbol, tables[context])
        return encoder.finish()

    def test_a_vector_beyond_the_limit_is_refused(self) -> None:
        previous = np.full((2, 1, 1), 512, np.int16)
        data = self.forge((0, STATIC), (2, TOP), (LARGEST_RESIDUAL + 1, ACROSS), (LARGEST_RESIDUAL, DOWN + 1))
        with pytest.raises(CorruptError, match="512"):
            decode(open_decoder(data), (2, 1, 1), previous, default_tables())

    def test_a_vector_outside_of_the_frame_is_refused(self) -> None:
        previous = np.full((2, 1, 2), 5, np.int16)
        data = self.forge((0, STATIC), (0, TOP), (4, 16))  # the third of four children, of which two exist
        with pytest.raises(CorruptError, match="outside"):
            decode(open_decoder(data), (2, 1, 2), previous, default_tables())

    def test_a_predictor_that_does_not_exist_is_refused(self) -> None:
        previous = np.full((2, 1, 2), 5, np.int16)
        data = self.forge((0, STATIC), (0, TOP), (1, 16), (1, CHOICE))  # nothing but the vector 0 differs
        with pytest.raises(CorruptError, match="not there"):
            decode(open_decoder(data), (2, 1, 2), previous, default_tables())

    def test_a_camera_that_pans_costs_a_few_bytes(self) -> None:
        tables = default_tables()
        panning = np.tile(np.array([9, -2], np.int16)[:, None, None], (1, 46, 80))
        assert bits(panning, None, tables) < 30
        assert bits(panning, panning, tables) < 2
        assert bits(panning + np.int16(1), panning, tables) < 12

    def test_a_border_costs_less_the_straighter_it_is(self) -> None:
        tables = default_tables()
        y, x = np.mgrid[0:46, 0:80]
        spent = []
        for inside in (x < 32, x < 32 + y // 2, x + 6 * (y * 7 % 5) < 37):
            motion = np.where(inside, np.array([9, -2])[:, None, None], 0).astype(np.int16)
            spent.append(bits(motion, None, tables))
        assert 3 * spent[0] < spent[1] < spent[2] / 3
        assert spent[0] < 60

    def test_what_does_not_fit_is_refused(self) -> None:
        motion = make_motion(4, 6)
        tables = default_tables()
        with pytest.raises(ParameterError, match="tables"):
            encode(motion, None, TableFamily.uniform(32))
        with pytest.raises(ParameterError, match="shape"):
            encode(motion, make_motion(4, 5), tables)
        motion[1, 2, 3] = 513
        with pytest.raises(ParameterError, match="512"):
            encode(motion, None, tables)
