"""The audio bench from a folder to CSV, plot and table, with Opus and an entry of the test's own."""

import csv
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import soundfile

from mediacodec.bench.audio.clips import find_clips, read_mono
from mediacodec.bench.audio.entries import Result
from mediacodec.bench.audio.opus import OpusEntry
from mediacodec.bench.audio.report import ClipRow, statistic, summarise, summary_csv, table
from mediacodec.bench.audio.run import default_entries, run_audio_bench
from mediacodec.errors import InputError, MissingExtraError, OutputError, ParameterError

RATE = 16_000
BENCH_PACKAGES = ("pesq", "pystoi", "visqol", "matplotlib")


@dataclass(frozen=True)
class CoarseEntry:
    """Rounds samples to a few steps; silent on demand."""

    steps: int = 16
    name: str = "coarse@4"
    runs: list = None

    def run(self, samples, _):
        if self.runs is not None:
            self.runs.append(samples.size)
        decoded = np.round(samples * self.steps) / np.float32(self.steps)
        return Result(decoded, samples.size * 4, samples.size // 2 + 20, 0.5, 0.25)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, babble):
    """Two clips, one of them stereo at 24 kHz in a subfolder, with a manifest above."""
    top = tmp_path_factory.mktemp("corpus")
    clips = top / "speech"
    (clips / "more").mkdir(parents=True)
    soundfile.write(clips / "a.wav", babble(2.0, seed=1), RATE)
    quiet = np.repeat(babble(1.5, seed=2), 3)[::2] * 0.2  # 24 kHz, crudely: what it is like does not matter
    soundfile.write(clips / "more" / "b.flac", np.stack([quiet, quiet], axis=1), 24_000)
    (clips / "notes.txt").write_text("no clip")
    soundfile.write(clips / ".hidden.wav", babble(1.0, seed=3), RATE)
    (top / "MANIFEST.csv").write_text("file,language,note\nspeech/a.wav,en,x\nspeech/more/b.flac,is,y\n")
    return clips


@pytest.fixture
def bench_extra():
    for package in BENCH_PACKAGES:
        pytest.importorskip(package, reason="needs the extra bench")


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """One whole run with every metric: the report, its folder and what progress was told."""
    for package in BENCH_PACKAGES:
        pytest.importorskip(package, reason="needs the extra bench")
    seen = []
    out = tmp_path_factory.mktemp("bench") / "new"
    entries = [OpusEntry(12_000), OpusEntry(6_000), CoarseEntry()]
    report = run_audio_bench(folder, out=out, entries=entries, progress=lambda *a: seen.append(a))
    return report, out, seen


def test_every_clip_and_codec_has_its_line_sorted_by_rate(run):
    rows = read_csv(run[1] / "clips.csv")
    assert ",".join(rows[0]) == (
        "clip,language,codec,seconds,payload_kbps,file_kbps,pesq,stoi,mel,si_sdr,visqol,encode_speed,decode_speed"
    )
    assert [(r["codec"], r["clip"], r["language"]) for r in rows] == [
        (codec, clip, language)
        for codec in ("opus@6k", "opus@12k", "coarse@4")
        for clip, language in (("a.wav", "en"), ("more/b.flac", "is"))
    ]
    assert float(rows[0]["seconds"]) == 2.0
    assert float(rows[-1]["payload_kbps"]) == 64.0
    assert float(rows[-2]["encode_speed"]) == 4.0  # two seconds in half a second
    for row in rows:
        assert 1 <= float(row["pesq"]) <= 4.65
        assert 1 <= float(row["visqol"]) <= 5
        assert 0 <= float(row["stoi"]) <= 1


def test_the_summary_says_what_the_lines_say(run):
    report, out, _ = run
    rows, summary = read_csv(out / "clips.csv"), read_csv(out / "summary.csv")
    assert [r["group"] for r in summary] == ["all"] * 3 + ["English"] * 3 + ["not English"] * 3
    rates = [float(r["payload_kbps"]) for r in summary[:3]]
    assert rates == sorted(rates)
    pesq = [float(r["pesq"]) for r in rows[:2]]
    assert float(summary[0]["pesq_mean"]) == pytest.approx(np.mean(pesq), rel=1e-3)
    worst = min(rows[:2], key=lambda r: float(r["pesq"]))["clip"]
    assert summary[0]["pesq_worst_clip"] == worst
    assert worst in report.table
    assert [row.codec for row in report.summary[:3]] == ["opus@6k", "opus@12k", "coarse@4"]


def test_the_report_holds_the_table_and_names_the_files(run):
    report, out, seen = run
    assert "worst clip by PESQ" in report.table
    assert "2 clips, all: means" in report.table
    assert "1 clip, not English: means" in report.table
    assert report.files == tuple(out / name for name in ("clips.csv", "summary.csv", "quality.png"))
    assert (out / "quality.png").read_bytes().startswith(b"\x89PNG")
    assert seen[-1] == (6, 6, "more/b.flac coarse@4")
    assert len(report.clips) == 6


def test_start_up_is_run_once_and_kept_out_of_the_clips(folder, tmp_path, bench_extra):
    runs = []
    run_audio_bench(folder, out=tmp_path, entries=[CoarseEntry(runs=runs)], metrics=("mel",))
    assert runs == [RATE, 2 * RATE, 1.5 * RATE]


def test_a_codec_that_delays_is_lined_up(folder, tmp_path, bench_extra):
    class Late(CoarseEntry):
        def run(self, samples, _):
            late = np.concatenate([np.zeros(400, np.float32), samples])
            return Result(late, 1, 1, 1.0, 1.0)

    report = run_audio_bench(folder, out=tmp_path, entries=[Late()], metrics=("si_sdr",))
    assert all(row.scores["si_sdr"] == 100.0 for row in report.clips)


def test_existing_files_are_replaced(folder, tmp_path, bench_extra):
    (tmp_path / "clips.csv").write_text("old")
    run_audio_bench(folder, out=tmp_path, entries=[CoarseEntry()], metrics=("mel",))
    assert (tmp_path / "clips.csv").read_text().startswith("clip,")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips.csv", "quality.png", "summary.csv"]


def test_without_a_manifest_there_are_no_language_groups(tmp_path, babble, bench_extra):
    soundfile.write(tmp_path / "a.wav", babble(1.0, seed=1), RATE)
    report = run_audio_bench(tmp_path, out=tmp_path / "out", entries=[CoarseEntry()], metrics=("mel",))
    assert {row.group for row in report.summary} == {"all"}
    assert report.clips[0].language is None


def test_clips_are_read_as_mono_at_the_asked_rate(folder):
    names = [clip.name for clip in find_clips(folder)]
    assert names == ["a.wav", "more/b.flac"]
    samples = read_mono(folder / "more" / "b.flac", RATE)
    assert samples.dtype == np.float32
    assert samples.shape == (1.5 * RATE,)


def test_folders_without_clips_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no audio file"):
        find_clips(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        find_clips(tmp_path / "absent")


def test_entries_and_metrics_are_checked_before_any_work(folder, tmp_path):
    for entries, metrics, message in (
        ([], ("mel",), "at least one"),
        ([CoarseEntry(), CoarseEntry()], ("mel",), "different names"),
        ([CoarseEntry()], ("peaq",), "peaq"),
        ([CoarseEntry()], (), "at least one of"),
    ):
        with pytest.raises(ParameterError, match=message):
            run_audio_bench(folder, out=tmp_path, entries=entries, metrics=metrics)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["pesq", "matplotlib"])
def test_an_absent_package_is_named_before_any_work(folder, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    runs = []
    with pytest.raises(MissingExtraError, match=r"mediacodec\[bench\]"):
        run_audio_bench(folder, out=tmp_path, entries=[CoarseEntry(runs=runs)], metrics=("pesq",))
    assert runs == []


def test_an_output_that_cannot_be_made_is_named(folder, tmp_path, bench_extra):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        run_audio_bench(folder, out=tmp_path / "file" / "out", entries=[CoarseEntry()], metrics=("mel",))


def test_the_default_entries_are_ours_and_opus():
    names = [entry.name for entry in default_entries(rates=(3000,), opus_rates=(6000, 9000))]
    assert names == ["speech@3k", "opus@6k", "opus@9k"]


def clip_row(clip, pesq, language=None, codec="x@1"):
    return ClipRow(clip, language, codec, 1.0, 3.0, 4.0, {"pesq": pesq, "mel": 1.0}, 10.0, 20.0)


def test_an_undefined_score_is_counted_and_left_out_of_the_mean():
    rows = [clip_row("a", 2.0), clip_row("b", None), clip_row("c", 3.0)]
    summary = summarise(rows, ("pesq", "mel"))
    assert summary[0].statistics["pesq"].mean == 2.5
    assert summary[0].statistics["pesq"].missing == 1
    assert summary[0].statistics["mel"].missing == 0
    text = table(summary, ("pesq", "mel"))
    assert "x@1: PESQ is undefined for 1 clip" in text
    assert summary_csv(summary, ("pesq",)).splitlines()[1].startswith("all,x@1,3,3,4,2.5,2.5,2.1,a,1")


def test_a_score_undefined_everywhere_leaves_blanks():
    summary = summarise([clip_row("a", None)], ("pesq",))
    assert summary_csv(summary, ("pesq",)).splitlines()[1] == "all,x@1,1,3,4,,,,,1,10,20"
    assert " - " in table(summary, ("pesq",))


def test_the_tail_is_the_bad_one():
    values = {str(i): float(i) for i in range(11)}
    assert statistic(values, "pesq").tail == 1.0
    assert statistic(values, "pesq").worst_clip == "0"
    assert statistic(values, "mel").tail == 9.0
    assert statistic(values, "mel").worst_clip == "10"


def test_english_comes_in_many_spellings():
    rows = [clip_row(x, 2.0, language=x) for x in ("en", "en-GB", "EN_us", "is", "enm", "de")]
    groups = {row.group: row.clips for row in summarise(rows, ("pesq",))}
    assert groups == {"all": 6, "English": 3, "not English": 3}
