"""BD-rates of curves whose difference is known."""

import sys

import numpy as np
import pytest

from mediacodec.bench.video.bd_rate import bd_rate
from mediacodec.errors import MissingExtraError

ANCHOR = [(100.0 * 1.6**i, 30 + 2.2 * i - 0.1 * i * i) for i in range(6)]


@pytest.fixture(autouse=True)
def package():
    pytest.importorskip("bjontegaard", reason="needs the extra bench")


def scaled(factor, curve=ANCHOR):
    return [(rate * factor, quality) for rate, quality in curve]


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.25])
def test_a_known_factor_of_rate(factor):
    result = bd_rate(ANCHOR, scaled(factor))
    assert result.percent == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert result.overlap == 1.0
    assert result.remark == ""


def test_curves_need_neither_the_same_points_nor_an_order():
    qualities = np.linspace(30, 40, 9)
    line = [(10 ** (q / 20), q) for q in qualities]
    other = [(1.1 * 10 ** (q / 20), q) for q in np.linspace(32, 38, 5)]
    result = bd_rate(line, other[::-1])
    assert result.percent == pytest.approx(10.0, abs=1e-6)
    assert bd_rate(other, line).percent == pytest.approx(100 / 1.1 - 100, abs=1e-6)
    assert result.overlap == pytest.approx(0.6)  # 6 dB shared of 10


def test_too_few_points_are_no_figure():
    assert bd_rate(ANCHOR, ANCHOR[:5]).percent == pytest.approx(0.0, abs=0.05)
    for pair in ((ANCHOR, ANCHOR[:4]), (ANCHOR[:4], ANCHOR)):
        result = bd_rate(*pair)
        assert result.percent is None
        assert "fewer than 5" in result.remark


def test_what_cannot_be_compared_says_why():
    apart = [(rate, quality + 20) for rate, quality in ANCHOR]
    assert bd_rate(ANCHOR, apart).remark == "no shared quality"
    assert bd_rate(ANCHOR, apart).overlap == 0.0
    assert bd_rate(ANCHOR, [*ANCHOR, (5e3, ANCHOR[0][1])]).remark == "two points of equal quality"
    undefined = bd_rate(ANCHOR, [*ANCHOR, (5e3, None)])
    assert (undefined.percent, undefined.remark) == (None, "a quality is undefined")


def test_a_curve_that_bends_back_is_computed_and_marked():
    bent = [*ANCHOR[:-1], (ANCHOR[-2][0] * 0.9, ANCHOR[-1][1])]
    result = bd_rate(ANCHOR, bent)
    assert result.percent < 0
    assert result.remark == "quality falls with rate"


def test_the_absent_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    with pytest.raises(MissingExtraError, match=r"mediacodec\[bench\]"):
        bd_rate(ANCHOR, ANCHOR)
