"""The audio bench: every clip of a folder through every codec, scored on one path.

It leaves three files: `clips.csv` (one line for each clip and codec), `summary.csv` (each codec over all
clips, and over English and other clips apart where the languages are known) and `quality.png` (quality over
rate).
"""

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mediacodec.bench.audio.clips import Clip, find_clips, read_mono
from mediacodec.bench.audio.entries import Entry
from mediacodec.bench.audio.opus import OPUS_RATES, OpusEntry
from mediacodec.bench.audio.ours import SPEECH_RATES, OurEntry
from mediacodec.bench.audio.quality import DEFAULT_METRICS, METRICS, available_metrics, score
from mediacodec.bench.audio.report import ClipRow, SummaryRow, clips_csv, summarise, summary_csv, table
from mediacodec.errors import MissingExtraError, OutputError, ParameterError
from mediacodec.media import open_output

__all__ = ["BenchReport", "default_entries", "run_audio_bench"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class BenchReport:
    """What a run found.

    Attributes:
        clips: the rows behind clips.csv, sorted by codec rate, then clip.
        summary: the rows behind summary.csv, by group, then rate.
        table: the text for a terminal.
        files: that were written.
    """

    clips: tuple[ClipRow, ...]
    summary: tuple[SummaryRow, ...]
    table: str
    files: tuple[Path, ...]


def default_entries(
    *,
    codec: str = "speech",
    rates: Sequence[int] = SPEECH_RATES,
    opus_rates: Sequence[int] = OPUS_RATES,
) -> list[Entry]:
    """Our codec and Opus, at some rates each.

    Args:
        codec: name of a model.
        rates, opus_rates: nominal, bit/s; either may be empty.
    """
    return [*(OurEntry(rate, codec) for rate in rates), *(OpusEntry(rate) for rate in opus_rates)]


def run_audio_bench(
    folder: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    entries: Sequence[Entry],
    metrics: Sequence[str] = (*DEFAULT_METRICS, "visqol"),
    sample_rate: int = 16_000,
    progress: Progress | None = None,
) -> BenchReport:
    """Run every clip under a folder through every entry, score it, and write CSVs and a plot.

    Clips of any format and rate are read as mono, which is the reference; each decoded clip is lined up with it before
    scoring. Speeds are medians over clips of clip length over wall time, of whole clips, after one run that counts for
    nothing. ViSQOL takes over ten times as long as all other metrics together, or about as long where numba is
    installed, which its package then uses, with equal scores; leave it out of `metrics` for quick results.

    Args:
        folder: of clips.
        out: a folder for the results; files in it are replaced.
        entries: what the clips go through.
        metrics: keys of METRICS.
        sample_rate: that everything is compared at, Hz.
        progress: called as progress(done, total, what) after each pair.

    Raises:
        ParameterError: there are no entries, or two share a name.
        MissingExtraError: a package is absent; said before any work.
        InputError: a clip cannot be read.
        OutputError: the results cannot be written.
    """
    _check(entries, metrics)
    clips = find_clips(Path(folder))
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{out}': {error.strerror}") from error
    rows: list[ClipRow] = []
    for clip in clips:
        samples = read_mono(clip.path, sample_rate)
        if not rows:
            _start_up(entries, samples[:sample_rate], sample_rate)
        for entry in entries:
            rows.append(_measure(clip, samples, sample_rate, entry, metrics))
            if progress is not None:
                progress(len(rows), len(clips) * len(entries), f"{clip.name} {entry.name}")
    return _report(rows, metrics, out)


def _check(entries: Sequence[Entry], metrics: Sequence[str]) -> None:
    names = [entry.name for entry in entries]
    if not names or len(set(names)) != len(names):
        raise ParameterError(f"entries must be at least one and have different names, got {names}")
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise ParameterError(f"metrics must name at least one of {', '.join(METRICS)}; got {list(metrics)}")
    absent = [name for name in metrics if name not in available_metrics()]
    if importlib.util.find_spec("matplotlib") is None:
        absent.append("the plot of quality over rate")
    if absent:
        raise MissingExtraError(" and ".join(absent), "bench")


def _start_up(entries: Sequence[Entry], samples: NDArray[np.float32], sample_rate: int) -> None:
    """Loading a library or a model belongs to no clip's time."""
    for entry in entries:
        entry.run(samples, sample_rate)


def _measure(
    clip: Clip, samples: NDArray[np.float32], sample_rate: int, entry: Entry, metrics: Sequence[str]
) -> ClipRow:
    result = entry.run(samples, sample_rate)
    seconds = samples.size / sample_rate
    return ClipRow(
        clip=clip.name,
        language=clip.language,
        codec=entry.name,
        seconds=seconds,
        payload_kbps=result.payload_bits / seconds / 1000,
        file_kbps=8 * result.file_bytes / seconds / 1000,
        scores=score(samples, result.decoded, sample_rate, metrics=metrics),
        encode_speed=seconds / result.encode_seconds,
        decode_speed=seconds / result.decode_seconds,
    )


def _report(rows: list[ClipRow], metrics: Sequence[str], out: Path) -> BenchReport:
    from mediacodec.bench.audio.plot import quality_png

    summary = summarise(rows, metrics)
    order = {row.codec: row.payload_kbps for row in summary if row.group == "all"}
    rows = sorted(rows, key=lambda row: (order[row.codec], row.codec, row.clip))
    contents = {
        "clips.csv": clips_csv(rows, metrics).encode(),
        "summary.csv": summary_csv(summary, metrics).encode(),
        "quality.png": quality_png(summary, metrics),
    }
    for name, content in contents.items():
        with open_output(out / name, overwrite=True) as file:
            file.write(content)
    files = tuple(out / name for name in contents)
    return BenchReport(tuple(rows), tuple(summary), table(summary, metrics), files)
