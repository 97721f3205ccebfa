"""The help of every verb, and what options accept."""

import click
import pytest

import mediacodec
from mediacodec.cli.app import VERBS
from mediacodec.cli.parsing.values import BIT_RATE, RATES, THRESHOLD, TIME
from mediacodec.cli.ui.monitor import amount, clock

SCREENS = [
    [],
    *([verb] for verb in VERBS),
    *(["models", verb] for verb in ("list", "show", "verify", "import")),
    ["bench", "audio"],
]


@pytest.mark.parametrize("words", SCREENS, ids=" ".join)
def test_help_fits_the_screen(run, words):
    screen = run(*words, "--help").works().out
    assert screen == run(*words, "-h").out
    assert screen.startswith("Usage: mediacodec")
    assert max(map(len, screen.splitlines())) <= 80
    assert len(screen.splitlines()) <= 40
    if words not in (["models"], ["bench"]):
        assert "Example" in screen


def test_every_verb_is_listed(run):
    screen = run("--help").out
    assert all(f"\n  {verb} " in screen for verb in VERBS)


@pytest.mark.parametrize("option", ["--version", "-version"])
def test_version(run, option):
    assert run(option).works().out == f"mediacodec {mediacodec.__version__}, format 1.0\n"


@pytest.mark.parametrize(("text", "seconds"), [
    ("0", 0), ("12.5", 12.5), (".5", 0.5), ("90", 90), ("1:30", 90), ("01:02:03.5", 3723.5), ("100:00:00", 360_000),
])  # fmt: skip
def test_times(text, seconds):
    assert TIME.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:", "1:60", "1:2:3:4", "nan", "inf", "1e3", "1s", "٣"])
def test_no_times(text):
    with pytest.raises(click.BadParameter, match=r"time|minute"):
        TIME.convert(text, None, None)


@pytest.mark.parametrize(("text", "rate"), [("3k", 3000), ("3000", 3000), ("3.2k", 3200), ("6K", 6000), ("1M", 1e6)])
def test_rates(text, rate):
    assert BIT_RATE.convert(text, None, None) == rate


@pytest.mark.parametrize("text", ["0", "0k", "-3k", "k", "3kb", "6", "", "nan"])
def test_no_rates(text):
    with pytest.raises(click.BadParameter):
        BIT_RATE.convert(text, None, None)


def test_lists_and_thresholds():
    assert RATES.convert("1.5k, 3k,", None, None) == (1500, 3000)
    assert RATES.convert("", None, None) == ()
    assert THRESHOLD.convert("SI-SDR=-3.5", None, None) == ("si_sdr", -3.5)


def test_numbers_for_people():
    assert [clock(s) for s in (0, 59.999, 3723.456)] == ["00:00:00.00", "00:01:00.00", "01:02:03.46"]
    sizes = (12, 2048, 300_000, 5 << 20, 3 << 30)
    assert [amount(n) for n in sizes] == ["12 bytes", "2.0 KiB", "293 KiB", "5.0 MiB", "3.0 GiB"]
