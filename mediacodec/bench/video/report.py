"""From points of single clips to the table: rows, BD-rates, CSV and text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from mediacodec.bench.text_table import columns
from mediacodec.bench.video.bd_rate import BdRate, bd_rate
from mediacodec.metrics.video import MS_SSIM_MIN_SIDE, ms_ssim_db

QUALITIES = {"psnr_611": "PSNR 6:1:1", "psnr_y": "PSNR Y", "ms_ssim": "MS-SSIM"}
"""Column of a PointRow and its title. MS-SSIM is compared as -10 log10(1 - x)."""


@dataclass(frozen=True)
class PointRow:
    """One clip through one codec at one crf: means over its frames.

    Attributes:
        clip, codec, crf: which.
        width, height, frames, fps: of the clip; its frame rate.
        packet_bytes: all packets.
        kbps: of packets alone, at that frame rate.
        psnr_y, psnr_611: dB.
        ms_ssim: 0 to 1; None where the clip is too small for it.
        encode_fps, decode_fps: frames a second of waiting.
    """

    clip: str
    codec: str
    crf: float
    width: int
    height: int
    frames: int
    fps: float
    packet_bytes: int
    kbps: float
    psnr_y: float
    psnr_611: float
    ms_ssim: float | None
    encode_fps: float
    decode_fps: float

    def quality(self, metric: str) -> float | None:
        """The value of `metric` of QUALITIES in dB; None where it is undefined."""
        value: float | None = getattr(self, metric)
        return ms_ssim_db(value) if metric == "ms_ssim" and value is not None else value


@dataclass(frozen=True)
class BdRow:
    """The BD-rate of one codec on one clip in one metric.

    Attributes:
        clip, codec: which.
        metric: a key of QUALITIES.
        bd: the rate.
    """

    clip: str
    codec: str
    metric: str
    bd: BdRate


@dataclass(frozen=True)
class MeanRow:
    """One codec in one metric over all clips.

    Attributes:
        codec, metric: which.
        percent: mean of the BD-rates that are defined; None where there are none.
        clips: how many those are.
        missing: how many the others are.
        overlap: the smallest of those clips.
    """

    codec: str
    metric: str
    percent: float | None
    clips: int
    missing: int
    overlap: float


def bd_rows(points: Sequence[PointRow], against: str) -> list[BdRow]:
    """Each other codec, on each clip and in each metric, against one.

    Args:
        points: of all clips and codecs.
        against: the codec to compare with.
    """
    curves: dict[tuple[str, str], list[PointRow]] = {}
    for point in points:
        curves.setdefault((point.clip, point.codec), []).append(point)
    rows = []
    for (clip, codec), test in curves.items():
        for metric in QUALITIES if codec != against else ():
            pair = ([(row.kbps, row.quality(metric)) for row in curve] for curve in (curves[clip, against], test))
            rows.append(BdRow(clip, codec, metric, bd_rate(*pair)))
    return rows


def mean_rows(rows: Sequence[BdRow]) -> list[MeanRow]:
    """The means over clips, in the order in which codecs and metrics first come."""
    means = []
    for codec, metric in dict.fromkeys((row.codec, row.metric) for row in rows):
        group = [row.bd for row in rows if (row.codec, row.metric) == (codec, metric)]
        known = [(bd.percent, bd.overlap) for bd in group if bd.percent is not None]
        percent = float(np.mean([value for value, _ in known])) if known else None
        overlap = min((overlap for _, overlap in known), default=0.0)
        means.append(MeanRow(codec, metric, percent, len(known), len(group) - len(known), overlap))
    return means


def points_csv(points: Sequence[PointRow]) -> str:
    """One line for each clip, codec and crf; an undefined MS-SSIM is an empty cell."""
    return _csv([field.name for field in fields(PointRow)], (list(asdict(row).values()) for row in points))


def bd_csv(rows: Sequence[BdRow], against: str) -> str:
    """One line for each clip, codec and metric, then the means over clips; overlap 0 to 1, of a mean the smallest.

    Args:
        rows: from `bd_rows`.
        against: the codec compared with.
    """
    lines: list[list[object]] = [
        [row.clip, row.codec, against, row.metric, row.bd.percent, row.bd.overlap, row.bd.remark] for row in rows
    ]
    for mean in mean_rows(rows):
        remark = f"mean of {mean.clips}, undefined for {mean.missing}"
        lines.append(["(mean)", mean.codec, against, mean.metric, mean.percent, mean.overlap, remark])
    return _csv(["clip", "codec", "against", "metric", "bd_rate_percent", "overlap", "remark"], lines)


def table(points: Sequence[PointRow], rows: Sequence[BdRow], against: str) -> str:
    """The whole as text: means and speeds of each codec, BD-rates of each clip, and what is undefined or doubtful.

    Args:
        points: of all clips and codecs.
        rows: from `bd_rows`.
        against: the codec compared with.
    """
    parts = [_means(points, mean_rows(rows), against)]
    parts += [_clips(rows, metric, against) for metric in QUALITIES if rows]
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        if row.bd.remark:
            reasons.setdefault((row.codec, row.metric, row.bd.remark), []).append(row.clip)
    notes = [
        f"{codec}, BD-rate in {QUALITIES[metric]}: {remark} ({', '.join(clips)})"
        for (codec, metric, remark), clips in reasons.items()
    ]
    small = list(dict.fromkeys(row.clip for row in points if row.ms_ssim is None))
    if small:
        notes.append(f"MS-SSIM needs {MS_SSIM_MIN_SIDE} samples a side: undefined for {', '.join(small)}")
    return "\n\n".join(parts + ["\n".join(notes)] * bool(notes)) + "\n"


def _means(points: Sequence[PointRow], means: Sequence[MeanRow], against: str) -> str:
    body = []
    for codec in dict.fromkeys(row.codec for row in points):
        of = {mean.metric: mean for mean in means if mean.codec == codec}
        cells = [_signed(of[metric].percent) if metric in of else "-" for metric in QUALITIES]
        overlap = f"{100 * min(mean.overlap for mean in of.values()):.0f}" if of else "-"
        rows = [row for row in points if row.codec == codec]
        speeds = [[row.encode_fps for row in rows], [row.decode_fps for row in rows]]
        seconds = float(np.median([row.frames / row.encode_fps for row in rows]))
        body.append([codec, *cells, overlap, *(_speed(float(np.median(speed))) for speed in speeds), _speed(seconds)])
    clips = len({row.clip for row in points})
    title = f"{clips} clip{'s' * (clips != 1)}: mean BD-rate against {against} in %, least overlap in %, median fps"
    title += " and seconds to encode a clip once"
    return columns(title, ["codec", *QUALITIES.values(), "overlap", "encode", "decode", "seconds"], body)


def _speed(value: float) -> str:
    """Whole numbers, or three digits: codecs that fit make a few frames a minute."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _clips(rows: Sequence[BdRow], metric: str, against: str) -> str:
    of = {(row.clip, row.codec): row.bd for row in rows if row.metric == metric}
    codecs = list(dict.fromkeys(row.codec for row in rows))
    body = [
        [clip, *(f"{_signed(of[clip, c].percent)} ({100 * of[clip, c].overlap:.0f})" for c in codecs)]
        for clip in dict.fromkeys(row.clip for row in rows)
    ]
    return columns(f"BD-rate in {QUALITIES[metric]} against {against}, % (overlap, %)", ["clip", *codecs], body)


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"


def _csv(names: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in line] for line in lines)
    return buffer.getvalue()
