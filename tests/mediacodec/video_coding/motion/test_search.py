"""Motion search: what it finds on frames whose motion is known, and how blocks are fetched and compared."""

from __future__ import annotations

import itertools

import av
import av.filter
import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.entropy_coding.symbol_coder import SymbolCounter
from mediacodec.errors import ParameterError
from mediacodec.video_coding.motion.block_matching import Blocks, LargeBlocks, block_words
from mediacodec.video_coding.motion.interpolation import quarter_samples
from mediacodec.video_coding.motion.search import search
from mediacodec.video_coding.motion.vector_coding import code_motion, default_tables

Plane = NDArray[np.uint8]
HEIGHT, WIDTH = 112, 176


def make_texture(height: int, width: int, seed: int = 1) -> NDArray[np.float64]:
    """Smooth shapes and fine detail, 20..235, with the spectrum of a photograph."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.standard_normal((height, width)))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    texture = np.fft.irfft2(spectrum / (np.hypot(y, x) + 0.02) ** 1.4 * (np.hypot(y, x) < 0.3), s=(height, width))
    texture -= texture.min()
    return 20 + 215 * texture / texture.max()


def cubic(position: float) -> list[float]:
    """Keys' four weights with a = -0.75 at a fraction of a sample."""
    a = -0.75
    near = [(a + 2) * d**3 - (a + 3) * d**2 + 1 for d in (position, 1 - position)]
    far = [a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a for d in (1 + position, 2 - position)]
    return [far[0], near[0], near[1], far[1]]


def warp(reference: Plane, motion: NDArray[np.int16]) -> NDArray[np.float64]:
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


def pan(x: float, y: float) -> tuple[Plane, Plane]:
    """A frame and the one before it, of which it has what lies x, y samples farther right and down."""
    scene = make_texture(256, 384)
    phase_y, phase_x = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(384)
    moved = np.fft.irfft2(np.fft.rfft2(scene) * np.exp(2j * np.pi * (phase_x * x + phase_y * y)), s=scene.shape)
    window = slice(72, 72 + HEIGHT), slice(104, 104 + WIDTH)
    return tuple(np.rint(s[window]).clip(0, 255).astype(np.uint8) for s in (moved, scene))  # type: ignore[return-value]


def zoom_frames(count: int) -> list[Plane]:
    """FFmpeg's moving test image (a zoom into a Mandelbrot set), as luma [112, 176]."""
    graph = av.filter.Graph()
    source = graph.add("mandelbrot", f"size={WIDTH}x{HEIGHT}:rate=25:start_scale=0.5:end_scale=0.05:end_pts=60")
    last = graph.add("format", "gray")
    sink = graph.add("buffersink")
    source.link_to(last)
    last.link_to(sink)
    graph.configure()
    return [np.ascontiguousarray(graph.pull().to_ndarray()) for _ in range(count)]  # type: ignore[union-attr]


def motion_bits(motion: NDArray[np.int16]) -> float:
    counter = SymbolCounter()
    code_motion(counter, default_tables(), motion.shape, None, motion)
    return counter.bits


class TestSearch:
    @pytest.mark.parametrize("preset", ["fast", "medium", "slow"])
    @pytest.mark.parametrize("motion", [(8, -12), (75, 33), (-26, 2), (1, 1), (-3, 6)], ids=str)
    def test_it_finds_how_the_camera_moved(self, preset: str, motion: tuple[int, int]) -> None:
        current, reference = pan(motion[0] / 4, motion[1] / 4)
        found = search(current, reference, preset=preset, rate_weight=6)  # type: ignore[arg-type]
        assert found.shape == (2, HEIGHT // 8, WIDTH // 8)
        assert found.dtype == np.int16
        inner = found[:, 5:-5, 10:-10]
        right = (inner == np.array(motion)[:, None, None]).all(0).mean()
        near = (np.abs(inner - np.array(motion)[:, None, None]) <= 1).all(0).mean()
        assert near == 1
        assert right > 0.9

    @pytest.mark.parametrize("preset", ["fast", "slow"])
    def test_an_object_moves_on_its_own(self, preset: str) -> None:
        reference = np.rint(make_texture(HEIGHT, WIDTH)).astype(np.uint8)
        thing = np.rint(make_texture(HEIGHT, WIDTH, seed=5)).astype(np.uint8)[:48, :48]
        current = reference.copy()
        reference[32:80, 40:88] = thing
        current[32:80, 56:104] = thing
        found = search(current, reference, preset=preset, rate_weight=6)  # type: ignore[arg-type]
        assert (found[0, 4:10, 7:13] == -64).all()
        assert (found[1, 4:10, 7:13] == 0).all()
        assert not found[:, :3].any()
        assert not found[:, 11:].any()

    def test_nothing_moves_where_nothing_changes(self) -> None:
        static = np.rint(make_texture(HEIGHT, WIDTH)).astype(np.uint8)
        noisy = (static + np.random.default_rng(0).integers(-1, 2, static.shape)).astype(np.uint8)
        assert not search(noisy, static, rate_weight=6).any()

    def test_the_vectors_before_help_beyond_the_search_range(self) -> None:
        current, reference = pan(-60.0, 0.0)
        missed = search(current, reference, rate_weight=6)
        before = np.zeros_like(missed)
        before[0] = -240
        found = search(current, reference, previous=before, rate_weight=6)
        assert (found[0, :, 9:] == -240).mean() > 0.9
        assert psnr(warp(reference, found), current) > psnr(warp(reference, missed), current) + 3

    @pytest.mark.parametrize("preset", ["fast", "medium", "slow"])
    def test_a_dearer_bit_makes_cheaper_vectors(self, preset: str) -> None:
        frames = zoom_frames(3)
        spent = []
        for weight in (3, 12, 48, 200):
            found = search(frames[2], frames[1], rate_weight=weight, preset=preset)  # type: ignore[arg-type]
            spent.append(motion_bits(found))
        assert all(dear > 1.25 * cheap for dear, cheap in itertools.pairwise(spent))
        assert spent[-1] < 150

    def test_it_predicts_a_zoom_better_than_standing_still(self) -> None:
        frames = zoom_frames(4)
        gain = {}
        for preset in ("fast", "medium", "slow"):
            found = search(frames[3], frames[2], rate_weight=4, preset=preset)  # type: ignore[arg-type]
            assert np.abs(found).max() <= 512
            gain[preset] = psnr(warp(frames[2], found), frames[3]) - psnr(frames[2], frames[3])
        assert gain["fast"] > 2
        assert gain["slow"] > gain["fast"] - 0.1

    def test_frames_must_fit(self) -> None:
        plane = np.zeros((64, 72), np.uint8)
        with pytest.raises(ParameterError, match="multiples of 16"):
            search(plane, plane, rate_weight=1)
        with pytest.raises(ParameterError, match="one size"):
            search(plane[:, :64], plane[:48, :64], rate_weight=1)
        with pytest.raises(ParameterError, match="medium"):
            search(plane[:, :64], plane[:, :64], rate_weight=1, preset="quick")  # type: ignore[arg-type]


class TestBlocks:
    @pytest.mark.parametrize(("exact", "error"), [(True, 0.45), (False, 2.5)])
    def test_blocks_are_those_of_the_filter(self, exact: bool, error: float) -> None:
        plane = np.rint(make_texture(HEIGHT, WIDTH)).astype(np.uint8)
        rows, columns = HEIGHT // 8, WIDTH // 8
        motion = np.random.default_rng(3).integers(-300, 301, (2, rows, columns)).astype(np.int16)
        blocks = Blocks(block_words(plane), np.arange(rows * columns), WIDTH)
        reference = quarter_samples(plane, rows=(-99, 999), columns=(-99, 999), exact=exact)
        x, y = motion.reshape(2, -1).astype(np.int64)
        found = reference.fetch(blocks, x, y).view(np.uint8).reshape(8, rows, columns, 8)
        wanted = warp(plane, motion)
        difference = found.transpose(1, 0, 2, 3).reshape(HEIGHT, WIDTH) - wanted
        assert np.sqrt(np.mean(difference**2)) < error
        assert np.abs(difference).max() < 8 * error

    @pytest.mark.parametrize("step", [1, 2])
    def test_differences(self, step: int) -> None:
        first, second = (np.rint(make_texture(HEIGHT, WIDTH, seed)).astype(np.uint8) for seed in (1, 2))
        blocks = Blocks(block_words(first), np.arange(HEIGHT * WIDTH // 64), WIDTH)
        reference = quarter_samples(second, rows=(-9, 999), columns=(-9, 999), exact=True)
        zero = np.zeros(HEIGHT * WIDTH // 64, np.int64)
        difference = np.abs(first.astype(int) - second).clip(0, 63).reshape(HEIGHT // 8, 8, WIDTH // 8, 8)
        wanted = step * difference[:, ::step].sum((1, 3)).ravel()
        assert np.array_equal(reference.sad(blocks, zero, zero, step=step), wanted)

    @pytest.mark.parametrize("step", [1, 2])
    def test_differences_of_large_blocks(self, step: int) -> None:
        first, second = (np.rint(make_texture(HEIGHT, WIDTH, seed)).astype(np.uint8) for seed in (3, 4))
        chosen = np.random.default_rng(0).random((HEIGHT // 16, WIDTH // 16)) < 0.5
        blocks = LargeBlocks(first, chosen, step=step)
        reference = quarter_samples(second, rows=(-9, 999), columns=(-9, 999), exact=True)
        zero = np.zeros(len(blocks.x), np.int64)
        difference = np.abs(first.astype(int) - second).clip(0, 63).reshape(HEIGHT // 16, 16, WIDTH // 16, 16)
        wanted = step * difference[:, ::step].sum((1, 3))[chosen]
        assert np.array_equal(reference.large_sad(blocks, zero, zero), wanted)
