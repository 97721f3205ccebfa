"""From scores of single clips to the table: rows, statistics, CSV and text."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mediacodec.bench.text_table import columns

LOWER_IS_BETTER = frozenset({"mel", "lsd"})
TITLES = {
    "pesq": "PESQ",
    "stoi": "STOI",
    "visqol": "ViSQOL",
    "mel": "mel",
    "si_sdr": "SI-SDR",
    "snr": "SNR",
    "lsd": "LSD",
}
TAIL_PERCENT = 10


@dataclass(frozen=True)
class ClipRow:
    """One clip through one codec.

    Attributes:
        clip, language, codec: which.
        seconds: its length.
        payload_kbps, file_kbps: rates in kbit/s.
        scores: by metric; None for an undefined one.
        encode_speed, decode_speed: times real time.
    """

    clip: str
    language: str | None
    codec: str
    seconds: float
    payload_kbps: float
    file_kbps: float
    scores: Mapping[str, float | None]
    encode_speed: float
    decode_speed: float


@dataclass(frozen=True)
class Statistic:
    """One metric over a group of clips; all but `missing` are None where no clip is left.

    Attributes:
        mean, median: over the clips for which it is defined.
        tail: the 10th percentile counted from the bad side (the 90th of a distance).
        worst_clip: its name.
        missing: clips for which the metric is undefined, which the other fields leave out.
    """

    mean: float | None
    median: float | None
    tail: float | None
    worst_clip: str | None
    missing: int


@dataclass(frozen=True)
class SummaryRow:
    """One codec over one group of clips.

    Attributes:
        group, codec, clips: which, and how many clips.
        payload_kbps, file_kbps: means, kbit/s.
        statistics: by metric.
        encode_speed, decode_speed: medians over clips, times real time.
    """

    group: str
    codec: str
    clips: int
    payload_kbps: float
    file_kbps: float
    statistics: Mapping[str, Statistic]
    encode_speed: float
    decode_speed: float


def summarise(rows: Sequence[ClipRow], metrics: Sequence[str]) -> list[SummaryRow]:
    """Each codec over all clips, then over English and over other clips where languages are known.

    Args:
        rows: of single clips.
        metrics: that were measured.

    Returns:
        Rows sorted by group, then by payload rate.
    """
    groups = {
        "all": list(rows),
        "English": [row for row in rows if row.language and _english(row.language)],
        "not English": [row for row in rows if row.language and not _english(row.language)],
    }
    summary: list[SummaryRow] = []
    for group, members in groups.items():
        codecs = dict.fromkeys(row.codec for row in members)
        lines = [_summary(group, codec, [r for r in members if r.codec == codec], metrics) for codec in codecs]
        summary += sorted(lines, key=lambda line: (line.payload_kbps, line.codec))
    return summary


def statistic(values: Mapping[str, float | None], metric: str) -> Statistic:
    """What one metric comes to.

    Args:
        values: by clip; None where undefined.
        metric: its name.
    """
    known = {clip: value for clip, value in values.items() if value is not None}
    missing = len(values) - len(known)
    if not known:
        return Statistic(None, None, None, None, missing)
    lower = metric in LOWER_IS_BETTER
    numbers = np.array(list(known.values()))
    worst = (max if lower else min)(known, key=lambda clip: known[clip])
    tail = np.percentile(numbers, 100 - TAIL_PERCENT if lower else TAIL_PERCENT)
    return Statistic(float(numbers.mean()), float(np.median(numbers)), float(tail), worst, missing)


def clips_csv(rows: Sequence[ClipRow], metrics: Sequence[str]) -> str:
    """One line for each clip and codec; an undefined score is an empty cell.

    Args:
        rows: of single clips.
        metrics: that were measured.
    """
    names = ("clip", "language", "codec", "seconds", "payload_kbps", "file_kbps", *metrics)
    lines = [
        [row.clip, row.language, row.codec, row.seconds, row.payload_kbps, row.file_kbps]
        + [row.scores[metric] for metric in metrics]
        + [row.encode_speed, row.decode_speed]
        for row in rows
    ]
    return _csv((*names, "encode_speed", "decode_speed"), lines)


def summary_csv(summary: Sequence[SummaryRow], metrics: Sequence[str]) -> str:
    """One line for each group and codec, five columns for each metric (see Statistic; tail is named p10).

    Args:
        summary: from `summarise`.
        metrics: that were measured.
    """
    names = ["group", "codec", "clips", "payload_kbps", "file_kbps"]
    for metric in metrics:
        names += [f"{metric}_{part}" for part in ("mean", "median", "p10", "worst_clip", "missing")]
    lines = []
    for row in summary:
        cells: list[object] = [row.group, row.codec, row.clips, row.payload_kbps, row.file_kbps]
        for metric in metrics:
            s = row.statistics[metric]
            cells += [s.mean, s.median, s.tail, s.worst_clip, s.missing]
        lines.append((*cells, row.encode_speed, row.decode_speed))
    return _csv((*names, "encode_speed", "decode_speed"), lines)


def table(summary: Sequence[SummaryRow], metrics: Sequence[str]) -> str:
    """The summary as text: for each group the means, then for all clips the spread and the worst clip.

    Args:
        summary: from `summarise`.
        metrics: that were measured.
    """
    parts = []
    for group in dict.fromkeys(row.group for row in summary):
        rows = [row for row in summary if row.group == group]
        parts.append(columns(f"{_clips(rows[0].clips)}, {group}: means", *_means(rows, metrics)))
    everything = [row for row in summary if row.group == "all"]
    parts.append(columns("median / 10th percentile / worst clip", *_spread(everything, metrics)))
    missing = [
        f"{row.codec}: {TITLES[metric]} is undefined for {_clips(row.statistics[metric].missing)}"
        for row in everything
        for metric in metrics
        if row.statistics[metric].missing
    ]
    return "\n\n".join(parts + ["\n".join(missing)] * bool(missing)) + "\n"


def _means(rows: Sequence[SummaryRow], metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    head = ["codec", "kbps", "file kbps", *(TITLES[m] for m in metrics), "encode", "decode"]
    body = [
        [row.codec, f"{row.payload_kbps:.2f}", f"{row.file_kbps:.2f}"]
        + [_number(row.statistics[m].mean, m) for m in metrics]
        + [f"{row.encode_speed:.0f}x", f"{row.decode_speed:.0f}x"]
        for row in rows
    ]
    return head, body


def _spread(rows: Sequence[SummaryRow], metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    head = ["codec", *(TITLES[m] for m in metrics), f"worst clip by {TITLES[metrics[0]]}"]
    body = []
    for row in rows:
        cells = [row.codec]
        for m in metrics:
            s = row.statistics[m]
            cells.append(f"{_number(s.median, m)} / {_number(s.tail, m)}")
        body.append([*cells, row.statistics[metrics[0]].worst_clip or "-"])
    return head, body


def _summary(group: str, codec: str, rows: Sequence[ClipRow], metrics: Sequence[str]) -> SummaryRow:
    return SummaryRow(
        group=group,
        codec=codec,
        clips=len(rows),
        payload_kbps=float(np.mean([row.payload_kbps for row in rows])),
        file_kbps=float(np.mean([row.file_kbps for row in rows])),
        statistics={m: statistic({row.clip: row.scores[m] for row in rows}, m) for m in metrics},
        encode_speed=float(np.median([row.encode_speed for row in rows])),
        decode_speed=float(np.median([row.decode_speed for row in rows])),
    )


def _english(language: str) -> bool:
    return language.lower().replace("_", "-").split("-")[0] in ("en", "eng", "english")


def _number(value: float | None, metric: str) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if metric == "stoi" else f"{value:.2f}"


def _clips(count: int) -> str:
    return f"{count} clip{'s' * (count != 1)}"


def _csv(names: Iterable[str], lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([f"{c:.5g}" if isinstance(c, float) else c for c in line] for line in lines)
    return buffer.getvalue()
