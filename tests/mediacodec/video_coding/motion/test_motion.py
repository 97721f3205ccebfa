"""Block motion: what the search finds on pictures whose motion is known, and that its fields survive coding exactly."""

from __future__ import annotations

import itertools

import av
import av.filter
import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.entropy_coding.scan_order import groups
from mediacodec.entropy_coding.symbol_coder import LARGEST
from mediacodec.errors import BitstreamError, CorruptError, ParameterError
from mediacodec.video_coding.motion import quadtree as trees
from mediacodec.video_coding.motion import skip_map as maps
from mediacodec.video_coding.motion import vector_coding as fields
from mediacodec.video_coding.motion.planes import Target, block_words, quarter_samples
from mediacodec.video_coding.motion.search import search
from mediacodec_bitstream import TableFamily
from mediacodec_bitstream.backends import open_decoder, open_encoder

Picture = NDArray[np.uint8]
HEIGHT, WIDTH = 112, 176
CHOICE, ACROSS, DOWN, TOP, STILL = 72, 84, 87, 96, 97  # the first contexts of some symbols of a field


def make_texture(height: int, width: int, seed: int = 1) -> NDArray[np.float64]:
    """Smooth shapes and fine detail, 20..235, with the spectrum of a photograph."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.standard_normal((height, width)))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    picture = np.fft.irfft2(spectrum / (np.hypot(y, x) + 0.02) ** 1.4 * (np.hypot(y, x) < 0.3), s=(height, width))
    picture -= picture.min()
    return 20 + 215 * picture / picture.max()


def cubic(position: float) -> list[float]:
    """Keys' four weights with a = -0.75 at a fraction of a sample."""
    a = -0.75
    near = [(a + 2) * d**3 - (a + 3) * d**2 + 1 for d in (position, 1 - position)]
    far = [a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a for d in (1 + position, 2 - position)]
    return [far[0], near[0], near[1], far[1]]


def warp(reference: Picture, motion: NDArray[np.int16]) -> NDArray[np.float64]:
    """The prediction, written down once more in the plainest way."""
    weights = np.array([cubic(quarter / 4) for quarter in range(4)])
    height, width = reference.shape
    x, y = (np.kron(axis.astype(int), np.ones((8, 8), int)) for axis in motion)
    rows, columns = np.mgrid[0:height, 0:width]
    result = np.zeros((height, width))
    for i in range(4):
        for j in range(4):
            at = reference[
                np.clip(rows + (y >> 2) + i - 1, 0, height - 1), np.clip(columns + (x >> 2) + j - 1, 0, width - 1)
            ]
            result += weights[y & 3, i] * weights[x & 3, j] * at
    return result.clip(0, 255)


def psnr(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


def pan(x: float, y: float) -> tuple[Picture, Picture]:
    """A picture and the one before it, of which it shows what lies x, y samples farther right and down."""
    scene = make_texture(256, 384)
    phase_y, phase_x = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(384)
    moved = np.fft.irfft2(np.fft.rfft2(scene) * np.exp(2j * np.pi * (phase_x * x + phase_y * y)), s=scene.shape)
    window = slice(72, 72 + HEIGHT), slice(104, 104 + WIDTH)
    return tuple(np.rint(s[window]).clip(0, 255).astype(np.uint8) for s in (moved, scene))  # type: ignore[return-value]


def zoom_pictures(count: int) -> list[Picture]:
    """FFmpeg's moving test picture (a zoom into a Mandelbrot set), as luma [112, 176]."""
    graph = av.filter.Graph()
    source = graph.add("mandelbrot", f"size={WIDTH}x{HEIGHT}:rate=25:start_scale=0.5:end_scale=0.05:end_pts=60")
    last = graph.add("format", "gray")
    sink = graph.add("buffersink")
    source.link_to(last)
    last.link_to(sink)
    graph.configure()
    return [np.ascontiguousarray(graph.pull().to_ndarray()) for _ in range(count)]  # type: ignore[union-attr]


def make_field(rows: int, columns: int, seed: int = 0) -> NDArray[np.int16]:
    """A camera that turns, an object that runs across, and a few blocks that fit nowhere."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    motion = np.stack([7 + (x - y) // 4, -3 + (x + y) // 6])
    motion[:, rows // 3 : rows // 2, columns // 4 : columns // 2] = np.array([-140, 66])[:, None, None]
    strange = rng.random((rows, columns)) < 0.04
    motion[:, strange] = rng.integers(-512, 513, (2, int(strange.sum())))
    return motion.astype(np.int16)


def code(motion: NDArray[np.int16], previous: NDArray[np.int16] | None, tables: TableFamily) -> bytes:
    encoder = open_encoder()
    fields.encode_field(encoder, motion, previous, tables)
    return encoder.finish()


class TestSearch:
    @pytest.mark.parametrize("effort", ["fast", "medium", "slow"])
    @pytest.mark.parametrize("motion", [(8, -12), (75, 33), (-26, 2), (1, 1), (-3, 6)], ids=str)
    def test_it_finds_how_the_camera_moved(self, effort: str, motion: tuple[int, int]) -> None:
        current, reference = pan(motion[0] / 4, motion[1] / 4)
        found = search(current, reference, effort=effort, rate_weight=6)  # type: ignore[arg-type]
        assert found.shape == (2, HEIGHT // 8, WIDTH // 8)
        assert found.dtype == np.int16
        inner = found[:, 5:-5, 10:-10]
        right = (inner == np.array(motion)[:, None, None]).all(0).mean()
        near = (np.abs(inner - np.array(motion)[:, None, None]) <= 1).all(0).mean()
        assert near == 1
        assert right > 0.9

    @pytest.mark.parametrize("effort", ["fast", "slow"])
    def test_an_object_moves_on_its_own(self, effort: str) -> None:
        reference = np.rint(make_texture(HEIGHT, WIDTH)).astype(np.uint8)
        thing = np.rint(make_texture(HEIGHT, WIDTH, seed=5)).astype(np.uint8)[:48, :48]
        current = reference.copy()
        reference[32:80, 40:88] = thing
        current[32:80, 56:104] = thing
        found = search(current, reference, effort=effort, rate_weight=6)  # type: ignore[arg-type]
        assert (found[0, 4:10, 7:13] == -64).all()
        assert (found[1, 4:10, 7:13] == 0).all()
        assert not found[:, :3].any()
        assert not found[:, 11:].any()

    def test_nothing_moves_where_nothing_changes(self) -> None:
        still = np.rint(make_texture(HEIGHT, WIDTH)).astype(np.uint8)
        noisy = (still + np.random.default_rng(0).integers(-1, 2, still.shape)).astype(np.uint8)
        assert not search(noisy, still, rate_weight=6).any()

    def test_the_field_before_helps_beyond_the_reach(self) -> None:
        current, reference = pan(-60.0, 0.0)
        missed = search(current, reference, rate_weight=6)
        before = np.zeros_like(missed)
        before[0] = -240
        found = search(current, reference, previous=before, rate_weight=6)
        assert (found[0, :, 9:] == -240).mean() > 0.9
        assert psnr(warp(reference, found), current) > psnr(warp(reference, missed), current) + 3

    @pytest.mark.parametrize("effort", ["fast", "medium", "slow"])
    def test_a_dearer_bit_makes_a_cheaper_field(self, effort: str) -> None:
        pictures = zoom_pictures(3)
        tables = fields.default_tables()
        spent = []
        for weight in (3, 12, 48, 200):
            found = search(pictures[2], pictures[1], rate_weight=weight, effort=effort)  # type: ignore[arg-type]
            spent.append(fields.bits(found, None, tables))
        assert all(dear > 1.25 * cheap for dear, cheap in itertools.pairwise(spent))
        assert spent[-1] < 150

    def test_it_predicts_a_zoom_better_than_standing_still(self) -> None:
        pictures = zoom_pictures(4)
        gain = {}
        for effort in ("fast", "medium", "slow"):
            found = search(pictures[3], pictures[2], rate_weight=4, effort=effort)  # type: ignore[arg-type]
            assert np.abs(found).max() <= 512
            gain[effort] = psnr(warp(pictures[2], found), pictures[3]) - psnr(pictures[2], pictures[3])
        assert gain["fast"] > 2
        assert gain["slow"] > gain["fast"] - 0.1

    def test_pictures_must_fit(self) -> None:
        picture = np.zeros((64, 72), np.uint8)
        with pytest.raises(ParameterError, match="multiples of 16"):
            search(picture, picture, rate_weight=1)
        with pytest.raises(ParameterError, match="one size"):
            search(picture[:, :64], picture[:48, :64], rate_weight=1)
        with pytest.raises(ParameterError, match="medium"):
            search(picture[:, :64], picture[:, :64], rate_weight=1, effort="quick")  # type: ignore[arg-type]


class TestPlanes:
    @pytest.mark.parametrize(("exact", "error"), [(True, 0.45), (False, 2.5)])
    def test_blocks_are_those_of_the_filter(self, exact: bool, error: float) -> None:
        picture = np.rint(make_texture(HEIGHT, WIDTH)).astype(np.uint8)
        rows, columns = HEIGHT // 8, WIDTH // 8
        motion = np.random.default_rng(3).integers(-300, 301, (2, rows, columns)).astype(np.int16)
        target = Target(block_words(picture), np.arange(rows * columns), WIDTH)
        reference = quarter_samples(picture, rows=(-99, 999), columns=(-99, 999), exact=exact)
        x, y = motion.reshape(2, -1).astype(np.int64)
        found = reference.fetch(target, x, y).view(np.uint8).reshape(8, rows, columns, 8)
        wanted = warp(picture, motion)
        difference = found.transpose(1, 0, 2, 3).reshape(HEIGHT, WIDTH) - wanted
        assert np.sqrt(np.mean(difference**2)) < error
        assert np.abs(difference).max() < 8 * error

    @pytest.mark.parametrize("step", [1, 2])
    def test_differences(self, step: int) -> None:
        first, second = (np.rint(make_texture(HEIGHT, WIDTH, seed)).astype(np.uint8) for seed in (1, 2))
        target = Target(block_words(first), np.arange(HEIGHT * WIDTH // 64), WIDTH)
        reference = quarter_samples(second, rows=(-9, 999), columns=(-9, 999), exact=True)
        zero = np.zeros(HEIGHT * WIDTH // 64, np.int64)
        difference = np.abs(first.astype(int) - second).clip(0, 63).reshape(HEIGHT // 8, 8, WIDTH // 8, 8)
        wanted = step * difference[:, ::step].sum((1, 3)).ravel()
        assert np.array_equal(reference.sad(target, zero, zero, step=step), wanted)


class TestTree:
    @pytest.mark.parametrize("shape", [(46, 80), (1, 1), (5, 3), (1, 9)], ids=str)
    def test_the_top_is_one_node_and_uniform_nodes_have_one_vector(self, shape: tuple[int, int]) -> None:
        motion = make_field(*shape)
        tree = trees.build(trees.pack(*motion))
        assert tree.keys[-1].shape == (1, 1)
        assert np.array_equal(trees.field_of(tree.keys[0]), motion)
        for level, (keys, uniform) in enumerate(zip(tree.keys, tree.uniform, strict=True)):
            for row, column in np.ndindex(keys.shape):
                size = 1 << level
                part = tree.keys[0][row * size : (row + 1) * size, column * size : (column + 1) * size]
                assert keys[row, column] in part
                assert uniform[row, column] == (part == part[0, 0]).all()

    def test_a_node_has_the_vector_of_most_children(self) -> None:
        keys = trees.pack(np.array([[1, 2], [2, 3]]), np.zeros((2, 2), np.int64))
        assert trees.unpack(trees.build(keys).keys[1])[0] == 2


class TestField:
    @pytest.mark.parametrize("shape", [(46, 80), (2, 2), (14, 22), (135, 240), (2, 90), (7, 1), (1, 9)], ids=str)
    def test_it_comes_back(self, shape: tuple[int, int]) -> None:
        tables = fields.default_tables()
        motion, previous = make_field(*shape), make_field(*shape, seed=1)
        for before in (None, previous):
            data = code(motion, before, tables)
            decoder = open_decoder(data)
            assert np.array_equal(fields.decode_field(decoder, motion.shape, before, tables), motion)
            decoder.finish()
            assert -9 < len(data) * 8 - fields.bits(motion, before, tables) < 40

    def test_every_block_is_coded_once_after_its_neighbours(self) -> None:
        for shape in ((46, 80), (3, 5), (1, 1), (9, 1), (23, 40)):
            known = np.zeros(shape[0] * shape[1], bool)
            for group in groups(*shape):
                assert group.around is None or known[group.around].all()
                assert not known[group.ids].any()
                known[group.ids] = True
            assert known.all()

    def test_what_does_not_move_costs_next_to_nothing(self) -> None:
        still = np.zeros((2, 46, 80), np.int16)
        assert fields.bits(still, still, fields.default_tables()) < 0.2
        assert len(code(still, still, fields.default_tables())) <= 1

    def test_the_worst_residuals_are_codable(self) -> None:
        y, x = np.mgrid[0:20, 0:30]
        motion = np.stack([np.where((x + y) % 2, 512, -512), np.where(x % 3, -512, 512)]).astype(np.int16)
        tables = fields.default_tables()
        data = code(motion, None, tables)
        assert np.array_equal(fields.decode_field(open_decoder(data), motion.shape, None, tables), motion)

    def test_fitted_tables_spend_less(self) -> None:
        motions = [make_field(46, 80, seed=seed) for seed in range(4)]
        counts = sum(fields.count_symbols(motion, None) for motion in motions[:3])
        assert counts.shape == (fields.NUM_CONTEXTS, fields.ALPHABET)
        assert counts[-1].sum() == 3  # one says that something moves
        fitted = TableFamily.from_counts(counts)
        spent = fields.bits(motions[3], None, fitted)
        assert spent < fields.bits(motions[3], None, fields.default_tables())
        assert abs(len(code(motions[3], None, fitted)) * 8 - spent) < 40

    def test_a_smooth_field_is_cheaper_than_a_rough_one(self) -> None:
        rough = np.random.default_rng(0).integers(-9, 10, (2, 46, 80)).astype(np.int16)
        smooth = np.sort(np.sort(rough, axis=1), axis=2)
        tables = fields.default_tables()
        assert fields.bits(smooth, None, tables) < 0.4 * fields.bits(rough, None, tables)

    def test_forged_data_is_refused_or_gives_vectors_in_range(self) -> None:
        rng = np.random.default_rng(0)
        tables, previous = fields.default_tables(), make_field(46, 80)
        refused = 0
        for size in rng.integers(0, 3000, 60):
            data = rng.bytes(size)
            decoder = open_decoder(data)
            try:
                motion = fields.decode_field(decoder, (2, 46, 80), previous, tables)
                assert np.abs(motion).max() <= 512
                decoder.finish()
                assert code(motion, previous, tables) == data  # a few bytes may well be a field
            except BitstreamError:
                refused += 1
        assert refused >= 58

    @staticmethod
    def forge(*symbols: tuple[int, int]) -> bytes:
        """Symbols each with the context it is coded in."""
        encoder, tables = open_encoder(), fields.default_tables()
        for symbol, context in symbols:
            encoder.encode_one(symbol, tables[context])
        return encoder.finish()

    def test_a_vector_beyond_the_limit_is_refused(self) -> None:
        previous = np.full((2, 1, 1), 512, np.int16)
        data = self.forge((0, STILL), (2, TOP), (LARGEST + 1, ACROSS), (LARGEST, DOWN + 1))
        with pytest.raises(CorruptError, match="512"):
            fields.decode_field(open_decoder(data), (2, 1, 1), previous, fields.default_tables())

    def test_a_vector_outside_of_the_field_is_refused(self) -> None:
        previous = np.full((2, 1, 2), 5, np.int16)
        data = self.forge((0, STILL), (0, TOP), (4, 16))  # the third of four children, of which two exist
        with pytest.raises(CorruptError, match="outside"):
            fields.decode_field(open_decoder(data), (2, 1, 2), previous, fields.default_tables())

    def test_a_candidate_that_does_not_exist_is_refused(self) -> None:
        previous = np.full((2, 1, 2), 5, np.int16)
        data = self.forge((0, STILL), (0, TOP), (1, 16), (1, CHOICE))  # nothing but the vector 0 differs
        with pytest.raises(CorruptError, match="not there"):
            fields.decode_field(open_decoder(data), (2, 1, 2), previous, fields.default_tables())

    def test_a_camera_that_pans_costs_a_few_bytes(self) -> None:
        tables = fields.default_tables()
        panning = np.tile(np.array([9, -2], np.int16)[:, None, None], (1, 46, 80))
        assert fields.bits(panning, None, tables) < 30
        assert fields.bits(panning, panning, tables) < 2
        assert fields.bits(panning + np.int16(1), panning, tables) < 12

    def test_a_border_costs_less_the_straighter_it_is(self) -> None:
        tables = fields.default_tables()
        y, x = np.mgrid[0:46, 0:80]
        spent = []
        for inside in (x < 32, x < 32 + y // 2, x + 6 * (y * 7 % 5) < 37):
            motion = np.where(inside, np.array([9, -2])[:, None, None], 0).astype(np.int16)
            spent.append(fields.bits(motion, None, tables))
        assert 3 * spent[0] < spent[1] < spent[2] / 3
        assert spent[0] < 60

    def test_what_does_not_fit_is_refused(self) -> None:
        motion = make_field(4, 6)
        tables = fields.default_tables()
        with pytest.raises(ParameterError, match="tables"):
            code(motion, None, TableFamily.uniform(32))
        with pytest.raises(ParameterError, match="shape"):
            code(motion, make_field(4, 5), tables)
        motion[1, 2, 3] = 513
        with pytest.raises(ParameterError, match="512"):
            code(motion, None, tables)


class TestMap:
    @staticmethod
    def make(rows: int, columns: int, centre: float) -> NDArray[np.bool_]:
        """Everything is skipped but what moves about the centre."""
        y, x = np.mgrid[0:rows, 0:columns]
        return np.hypot(y - rows / 2, x - columns * centre) > min(rows, columns) / 4

    @pytest.mark.parametrize("shape", [(23, 40), (1, 1), (1, 7), (68, 120)], ids=str)
    def test_it_comes_back(self, shape: tuple[int, int]) -> None:
        tables = maps.default_map_tables()
        moving, before = self.make(*shape, 0.5), self.make(*shape, 0.47)
        for skipped in (moving, ~moving, np.ones(shape, bool), np.zeros(shape, bool)):
            for previous in (None, before, np.ones(shape, bool)):
                encoder = open_encoder()
                maps.encode_map(encoder, skipped, previous, tables)
                data = encoder.finish()
                decoder = open_decoder(data)
                assert np.array_equal(maps.decode_map(decoder, shape, previous, tables), skipped)
                decoder.finish()
                assert len(data) * 8 - maps.map_bits(skipped, previous, tables) < 40

    def test_a_full_map_costs_next_to_nothing(self) -> None:
        full, tables = np.ones((23, 40), bool), maps.default_map_tables()
        assert maps.map_bits(full, full, tables) < 0.1
        assert maps.count_map(full, full).sum() == 1

    def test_the_map_before_and_the_neighbours_save_bits(self) -> None:
        skipped, tables = self.make(23, 40, 0.5), maps.default_map_tables()
        alone = maps.map_bits(skipped, None, tables)
        after = maps.map_bits(skipped, self.make(23, 40, 0.48), tables)
        assert after < alone < 0.5 * skipped.size
        fitted = TableFamily.from_counts(100 * maps.count_map(skipped, None))
        assert maps.map_bits(skipped, None, fitted) < alone

    def test_a_full_map_that_says_it_is_not_is_refused(self) -> None:
        tables = maps.default_map_tables()
        encoder = open_encoder()
        encoder.encode_one(0, tables[maps.NUM_CONTEXTS - 2])
        encoder.encode_one(1, tables[5])
        with pytest.raises(CorruptError, match="full"):
            maps.decode_map(open_decoder(encoder.finish()), (1, 1), None, tables)

    def test_what_does_not_fit_is_refused(self) -> None:
        tables = maps.default_map_tables()
        with pytest.raises(ParameterError, match="bool"):
            maps.map_bits(np.ones((2, 3), bool), np.ones((3, 2), bool), tables)
        with pytest.raises(ParameterError, match="tables"):
            maps.encode_map(open_encoder(), np.ones((2, 3), bool), None, TableFamily.uniform(2))
