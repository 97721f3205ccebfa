"""The video bench from a folder to CSV, plot and table, with x264 and entries of the test's own."""

import csv
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mediacodec.bench.video.anchors import AnchorEntry
from mediacodec.bench.video.entries import VideoResult
from mediacodec.bench.video.run import default_video_entries, run_video_bench
from mediacodec.cli import main
from mediacodec.errors import InputError, MissingExtraError, OutputError, ParameterError

PACKAGES = ("pytorch_msssim", "bjontegaard", "matplotlib")


@dataclass(frozen=True)
class StepEntry:
    """Rounds luma to steps; pretends to cost bytes by the step, times a factor."""

    name: str = "step"
    factor: float = 1.0
    points: tuple = (2, 4, 8, 12, 16, 24)
    runs: list = None

    def run(self, clip, point):
        if self.runs is not None:
            self.runs.append((clip.name, len(clip.frames), point))
        frames = tuple((y // point * point + point // 2, u, v) for y, u, v in clip.frames)
        size = round(self.factor * len(clip.frames) * 24_000 / point)
        return VideoResult(size, frames, 0.5, 0.25)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, moving, write_video):
    """Two clips, one of them too small for MS-SSIM and in a subfolder."""
    top = tmp_path_factory.mktemp("videos")
    (top / "more").mkdir()
    write_video(top / "a.mkv", moving(6))
    write_video(top / "more" / "small.mkv", moving(4, 128, 96))
    return top


@pytest.fixture(autouse=True)
def extra():
    for package in PACKAGES:
        pytest.importorskip(package, reason="needs the extra bench")


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """One whole run: the report, its folder and what progress was told."""
    seen = []
    out = tmp_path_factory.mktemp("bench") / "new"
    entries = [StepEntry("cheap", 0.8), StepEntry("dear", 1.0), AnchorEntry("x264-ld", (28.0, 36.0))]
    report = run_video_bench(folder, out=out, entries=entries, against="dear", progress=lambda *a: seen.append(a))
    return report, out, seen


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_clip_codec_and_crf_has_its_line(run):
    rows = read_csv(run[1] / "points.csv")
    assert ",".join(rows[0]) == (
        "clip,codec,crf,width,height,frames,fps,packet_bytes,kbps,psnr_y,psnr_611,ms_ssim,encode_fps,decode_fps"
    )
    assert len(rows) == 2 * 14
    first = rows[0]
    assert (first["clip"], first["codec"], first["crf"]) == ("a.mkv", "cheap", "2")
    assert (first["width"], first["height"], first["frames"], first["fps"]) == ("192", "176", "6", "25")
    assert float(first["kbps"]) == 8 * 57_600 / (6 / 25) / 1000
    assert (float(first["encode_fps"]), float(first["decode_fps"])) == (12.0, 24.0)
    luma = float(first["psnr_y"])
    assert 48 < luma < 55  # off by one at half of the samples
    assert float(first["psnr_611"]) == pytest.approx((6 * luma + 200) / 8, abs=1e-3)  # chroma untouched
    assert 0.99 < float(first["ms_ssim"]) <= 1
    assert {row["ms_ssim"] for row in rows if row["clip"] == "more/small.mkv"} == {""}


def test_the_bd_rate_is_the_factor_between_the_two(run):
    rows = read_csv(run[1] / "bd_rates.csv")
    found = {(row["clip"], row["codec"], row["metric"]): row for row in rows}
    for metric in ("psnr_611", "psnr_y", "ms_ssim"):
        assert float(found["a.mkv", "cheap", metric]["bd_rate_percent"]) == pytest.approx(-20, abs=0.01)
        assert float(found["(mean)", "cheap", metric]["bd_rate_percent"]) == pytest.approx(-20, abs=0.01)
    assert float(found["a.mkv", "cheap", "psnr_y"]["overlap"]) == 1
    small = found["more/small.mkv", "cheap", "ms_ssim"]
    assert (small["bd_rate_percent"], small["remark"]) == ("", "a quality is undefined")
    assert found["(mean)", "cheap", "ms_ssim"]["remark"] == "mean of 1, undefined for 1"
    assert found["a.mkv", "x264-ld", "psnr_y"]["remark"] == "fewer than 5 points"
    assert {row["against"] for row in rows} == {"dear"}
    assert not [row for row in rows if row["codec"] == "dear"]


def test_the_table_says_it_all(run):
    report, out, seen = run
    lines = report.table.splitlines()
    assert lines[0].startswith("2 clips: mean BD-rate against dear")
    assert lines[2].split() == ["cheap", "-20.0", "-20.0", "-20.0", "100", "10", "20", "0.5"]
    assert "BD-rate in MS-SSIM against dear, % (overlap, %)" in report.table
    assert "x264-ld, BD-rate in PSNR Y: fewer than 5 points (a.mkv, more/small.mkv)" in report.table
    assert "MS-SSIM needs 161 samples a side: undefined for more/small.mkv" in report.table
    assert report.files == tuple(out / name for name in ("points.csv", "bd_rates.csv", "curves.png"))
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert seen[0] == (1, 28, "a.mkv cheap crf 2")
    assert seen[-1][:2] == (28, 28)


def test_the_table_states_how_long_a_slow_codec_takes(folder, tmp_path):
    """As openly as its rate: half a frame a minute is not 0 frames a second."""

    class Slow(StepEntry):
        def run(self, clip, point):
            return replace(super().run(clip, point), encode_seconds=120.0 * len(clip.frames))

    report = run_video_bench(folder / "a.mkv", out=tmp_path, entries=[StepEntry("dear"), Slow("slow")], against="dear")
    title, head, _, row = report.table.splitlines()[:4]
    assert title.endswith("median fps and seconds to encode a clip once")
    assert head.split()[-3:] == ["encode", "decode", "seconds"]
    assert [row.split()[0], row.split()[-3], row.split()[-1]] == ["slow", "0.00833", "720"]


def test_x264_is_measured_as_it_is(run, moving):
    """The same through the entry alone: bytes to the byte."""
    rows = [row for row in run[0].points if (row.clip, row.codec) == ("a.mkv", "x264-ld")]
    alone = [AnchorEntry("x264-ld").run(moving(6), crf) for crf in (28, 36)]
    assert [row.packet_bytes for row in rows] == [result.packet_bytes for result in alone]
    assert rows[0].psnr_611 > rows[1].psnr_611 > 25
    assert rows[0].ms_ssim > rows[1].ms_ssim > 0.8


def test_frames_and_size_hold_for_every_entry(folder, tmp_path):
    runs = []
    entries = [StepEntry(runs=runs), AnchorEntry("x264-ld", (40.0,))]
    report = run_video_bench(folder / "a.mkv", out=tmp_path, entries=entries, frames=3, size=(170, 162))
    assert runs == [("a.mkv", 2, 2), *(("a.mkv", 3, step) for step in StepEntry.points)]  # one start-up
    assert {(row.clip, row.width, row.height, row.frames) for row in report.points} == {("a.mkv", 170, 162, 3)}
    assert all(row.ms_ssim is not None for row in report.points)
    assert report.against == "x264-ld"  # by default


def test_without_the_default_anchor_the_first_is_it(folder, tmp_path):
    report = run_video_bench(folder / "a.mkv", out=tmp_path, entries=[StepEntry()], frames=1)
    assert (report.against, report.bd_rates) == ("step", ())
    assert "step" in report.table


def test_entries_are_checked_before_any_work(folder, tmp_path):
    for entries, given, message in (
        ([], {}, "at least one"),
        ([StepEntry(), StepEntry()], {}, "different names"),
        ([StepEntry()], {"against": "x264"}, "no entry 'x264'"),
    ):
        with pytest.raises(ParameterError, match=message):
            run_video_bench(folder, out=tmp_path / "out", entries=entries, **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", PACKAGES)
def test_an_absent_package_is_named_before_any_work(folder, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    runs = []
    with pytest.raises(MissingExtraError, match=r"mediacodec\[bench\]"):
        run_video_bench(folder, out=tmp_path, entries=[StepEntry(runs=runs)])
    assert runs == []


def test_inputs_and_outputs_that_fail_are_named(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        run_video_bench(folder, out=tmp_path / "file" / "out", entries=[StepEntry()])
    with pytest.raises(InputError, match="absent"):
        run_video_bench(tmp_path / "absent", out=tmp_path, entries=[StepEntry()])


def test_the_default_entries():
    entries = default_video_entries()
    assert [entry.name for entry in entries] == [
        *("conditional-fast", "x264-ld", "x264", "x265-ld", "x265", "svtav1-ld", "svtav1")
    ]
    chosen = default_video_entries(
        codec="conditional-1", crfs=(20, 30), presets=("fast", "slow"), anchors=("x264",), gop=48
    )
    assert [entry.name for entry in chosen] == ["conditional-1-fast", "conditional-1-slow", "x264"]
    assert chosen[0].points == (20, 30)
    assert {entry.gop for entry in chosen} == {48}
    assert [entry.name for entry in default_video_entries(crfs=(), anchors=("x264",))] == ["x264"]


@pytest.fixture
def command(capfd, monkeypatch):
    """Run the program in this process, without a terminal: (exit code, stdout, stderr)."""

    def run_here(*arguments):
        capfd.readouterr()
        code = main(["bench", "video", *map(str, arguments)])
        return code, *capfd.readouterr()

    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield run_here


def test_the_command(folder, tmp_path, command):
    out = tmp_path / "results"
    code, text, told = command(
        *(folder / "a.mkv", "-o", out, "-crf", "", "-anchors", "x264-ld,x264", "-frames", "4", "-size", "176x162"),
        *("-against", "x264"),
    )
    assert code == 0, told
    assert text.startswith("1 clip: mean BD-rate against x264 in %")
    rows = read_csv(out / "points.csv")
    assert [row["codec"] for row in rows] == ["x264-ld"] * 6 + ["x264"] * 6
    assert {(row["frames"], row["width"], row["height"]) for row in rows} == {("4", "176", "162")}
    rates = [float(row["bd_rate_percent"]) for row in read_csv(out / "bd_rates.csv")]
    assert np.isfinite(rates).all()
    assert f"wrote {out / 'curves.png'}" in told


def test_the_command_refuses(folder, tmp_path, command):
    for arguments, words in (
        (("-size", "640"), "WIDTHxHEIGHT"),
        (("-crf", "20,x"), "'x' is no crf"),
        (("-crf", "64"), "'64' is no crf"),
        (("-crf", "", "-anchors", "x266"), "x264-ld"),
        (("-crf", "", "-anchors", ""), "at least one"),
        (("-frames", "0"), "0 is not in"),
        (("-g", "0"), "0 is not in"),
    ):
        code, _, told = command(folder, "-o", tmp_path / "out", *arguments)
        assert code == 2, told
        assert words in told
    assert not (tmp_path / "out").exists()
