"""PSNR against figures worked out by hand, MS-SSIM against a second way to compute it."""

import math
import subprocess
import sys

import numpy as np
import pytest

from mediacodec.errors import MissingExtraError, ParameterError, ParameterTypeError
from mediacodec.metrics.video import ms_ssim, ms_ssim_db, psnr, psnr_611


def scene(height, width, phase=0.0):
    """Soft shapes, edges and a texture: uint8 [h, w]."""
    y, x = np.mgrid[:height, :width]
    frame = 110 + 60 * np.sin(x / 17 + phase) * np.cos(y / 23) + 40 * (x + y > width) + 12 * np.sin(x * y / 90)
    return np.clip(frame, 0, 255).astype(np.uint8)


def test_psnr_by_hand():
    plane = np.full((16, 20), 100, np.uint8)
    assert psnr(plane, plane + np.uint8(5)) == pytest.approx(34.1514, abs=1e-4)  # 20 log10(255 / 5)
    assert psnr(plane, plane - np.uint8(5)) == pytest.approx(34.1514, abs=1e-4)  # no wrap below zero
    half = plane.copy()
    half[:8] += 10
    assert psnr(plane, half) == pytest.approx(31.1411, abs=1e-4)  # mean square 50
    assert psnr(plane * 0, plane * 0 + np.uint8(255)) == 0.0


def test_psnr_is_capped():
    plane = scene(400, 400)
    assert psnr(plane, plane) == 100.0
    other = plane.copy()
    other[0, 0] ^= 1
    assert psnr(plane, other) == 100.0  # 100.17 uncapped


def test_psnr_611_weighs_the_planes():
    y, u, v = np.full((9, 7), 50, np.uint8), np.full((5, 4), 60, np.uint8), np.full((5, 4), 70, np.uint8)
    distorted = (y + np.uint8(5), u + np.uint8(10), v)
    by_hand = (6 * 20 * math.log10(255 / 5) + 20 * math.log10(255 / 10) + 100) / 8
    assert psnr_611((y, u, v), distorted) == pytest.approx(by_hand, abs=1e-9)
    with pytest.raises(ParameterError, match="three planes"):
        psnr_611((y, u), distorted)


def test_planes_are_checked():
    plane = scene(20, 20)
    for other in (plane[:, :10], plane[None], plane[:0]):
        with pytest.raises(ParameterError, match="equally large"):
            psnr(plane, other)
    with pytest.raises(ParameterTypeError, match="uint8"):
        psnr(plane, plane.astype(np.float32))
    with pytest.raises(ParameterError, match="equally large"):
        psnr(plane[:0], plane[:0])


def _blur(x):
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    for axis in (0, 1):
        x = np.apply_along_axis(np.convolve, axis, x, taps / taps.sum(), "valid")
    return x


def _ms_ssim(a, b):
    """Wang, Simoncelli and Bovik 2003, written out; sides that divide by 16."""
    result = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean_a, mean_b = _blur(a), _blur(b)
        var_a, var_b, both = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2, _blur(a * b) - mean_a * mean_b
        structure = (2 * both + (0.03 * 255) ** 2) / (var_a + var_b + (0.03 * 255) ** 2)
        light = (2 * mean_a * mean_b + (0.01 * 255) ** 2) / (mean_a**2 + mean_b**2 + (0.01 * 255) ** 2)
        result *= np.mean(structure * light if scale == 4 else structure) ** weight
        a, b = (x.reshape(x.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3)) if scale < 4 else x for x in (a, b))
    return result


def test_ms_ssim_agrees_with_the_paper():
    pytest.importorskip("pytorch_msssim", reason="needs the extra bench")
    reference = scene(176, 192)
    noise = np.random.default_rng(1).normal(scale=12, size=reference.shape)
    noisy = np.clip(reference + noise, 0, 255).astype(np.uint8)
    for distorted in (noisy, scene(176, 192, phase=0.2), (reference // 24) * 24):
        expected = _ms_ssim(reference.astype(float), distorted.astype(float))
        assert expected < 0.995
        assert ms_ssim(reference, distorted) == pytest.approx(expected, abs=2e-4)
    assert ms_ssim(reference, reference) == pytest.approx(1.0, abs=1e-6)


def test_ms_ssim_refuses_small_planes():
    pytest.importorskip("pytorch_msssim", reason="needs the extra bench")
    with pytest.raises(ParameterError, match="161 samples a side, not 200x160"):
        ms_ssim(scene(160, 200), scene(160, 200))
    assert ms_ssim(scene(161, 161), scene(161, 161)) == pytest.approx(1.0, abs=1e-6)


def test_ms_ssim_in_decibels():
    assert ms_ssim_db(0.99) == pytest.approx(20.0)
    assert ms_ssim_db(0.0) == 0.0
    assert ms_ssim_db(1.0) == ms_ssim_db(1.0000002) == 100.0  # float32 may overshoot


def test_ms_ssim_names_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(MissingExtraError, match=r"mediacodec\[bench\]"):
        ms_ssim(scene(176, 176), scene(176, 176))


def test_psnr_needs_no_torch():
    program = (
        "import sys, numpy as np; from mediacodec.metrics.video import psnr; x = np.zeros((4, 4), np.uint8);"
        "print(psnr(x, x)); assert not {'torch', 'av', 'pytorch_msssim'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "100.0\n", done.stderr
