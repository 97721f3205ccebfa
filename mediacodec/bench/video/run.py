"""The video bench: every clip of a folder through every codec at every crf, scored on one path.

It leaves three files: `points.csv` (one line for each clip, codec and crf), `bd_rates.csv` (each codec against
the anchor, on each clip and in the mean) and `curves.png` (quality over rate).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mediacodec.bench.video.anchors import USUAL_ANCHORS, AnchorEntry
from mediacodec.bench.video.clips import MAX_FRAMES, find_videos, read_video
from mediacodec.bench.video.entries import VideoClip, VideoEntry
from mediacodec.bench.video.ours import VIDEO_CRFS, OurVideoEntry
from mediacodec.bench.video.report import BdRow, PointRow, bd_csv, bd_rows, points_csv, table
from mediacodec.errors import MissingExtraError, OutputError, ParameterError
from mediacodec.media import open_output
from mediacodec.metrics.video import MS_SSIM_MIN_SIDE, ms_ssim, psnr, psnr_611

__all__ = ["DEFAULT_ANCHOR", "DEFAULT_PRESETS", "VideoBenchReport", "default_video_entries", "run_video_bench"]

DEFAULT_ANCHOR = "x264-ld"
_PACKAGES = {
    "pytorch_msssim": "MS-SSIM",
    "bjontegaard": "the BD-rate",
    "matplotlib": "the plot of quality over rate",
}
DEFAULT_PRESETS = ("fast",)
_START_UP_FRAMES = 2

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class VideoBenchReport:
    """What a run found.

    Attributes:
        points: the rows behind points.csv, in the order of clips, entries and their points.
        bd_rates: the rows behind bd_rates.csv, by clip, codec and metric, without the codec `against` itself.
        against: the codec compared with.
        table: the text for a terminal.
        files: that were written.
    """

    points: tuple[PointRow, ...]
    bd_rates: tuple[BdRow, ...]
    against: str
    table: str
    files: tuple[Path, ...]


def default_video_entries(
    *,
    codec: str = "conditional",
    crfs: Sequence[float] = VIDEO_CRFS,
    presets: Sequence[str] = DEFAULT_PRESETS,
    anchors: Sequence[str] = USUAL_ANCHORS,
    gop: int | None = None,
) -> list[VideoEntry]:
    """One of our codecs and the anchors; any of the three lists may be empty.

    Args:
        codec: name of a model.
        crfs: its points.
        presets: with each of which it runs.
        anchors: keys of ANCHORS.
        gop: frames from keyframe to keyframe of ours and of the low-delay anchors, None for one keyframe a clip; the
            other anchors keep their encoder's default.
    """
    ours = [OurVideoEntry(codec, tuple(crfs), preset, gop) for preset in presets if crfs]
    return [*ours, *(AnchorEntry(name, gop=gop) for name in anchors)]


def run_video_bench(
    folder: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    entries: Sequence[VideoEntry],
    against: str | None = None,
    frames: int = MAX_FRAMES,
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> VideoBenchReport:
    """Run the clips of a folder through every entry, and write CSVs and a plot.

    The reference is the first `frames` frames of a clip as 8-bit 4:2:0, the same for every entry. PSNR 6:1:1 is the
    mean over frames of (6 Y + U + V) / 8 of the planes' PSNRs, MS-SSIM the mean of luma's, undefined for clips under
    161 samples a side. Bytes are those of packets. Speeds are frames over wall time, after one run of each entry that
    counts for nothing.

    Args:
        folder: of clips, or one clip.
        out: a folder for the results; files in it are replaced.
        entries: what the clips go through.
        against: name of the entry that BD-rates refer to; None for "x264-ld" where it is among the entries, else the
            first.
        frames: of each clip, at most.
        size: (width, height) to scale all clips to first; None to keep theirs.
        progress: called as progress(done, total, what) after each point.

    Raises:
        ParameterError: there are no entries, two share a name, `against` is none of them, or a number is out of range.
        MissingExtraError: a package is absent; said before any work.
        InputError: a clip cannot be read.
        OutputError: the results cannot be written.
    """
    against = _checked(entries, against)
    clips = find_videos(Path(folder))
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{out}': {error.strerror}") from error
    points: list[PointRow] = []
    total = len(clips) * sum(len(entry.points) for entry in entries)
    for path, name in clips:
        clip = read_video(path, name=name, frames=frames, size=size)
        if not points:
            _start_up(entries, clip)
        for entry in entries:
            for point in entry.points:
                points.append(_measure(clip, entry, point))
                if progress is not None:
                    progress(len(points), total, f"{clip.name} {entry.name} crf {point:g}")
    return _report(points, against, out)


def _checked(entries: Sequence[VideoEntry], against: str | None) -> str:
    names = [entry.name for entry in entries]
    if not names or len(set(names)) != len(names):
        raise ParameterError(f"entries must be at least one and have different names, got {names}")
    if against is not None and against not in names:
        raise ParameterError(f"no entry {against!r} to compare with; there are: {', '.join(names)}")
    absent = [what for package, what in _PACKAGES.items() if not _installed(package)]
    if absent:
        raise MissingExtraError(" and ".join(absent), "bench")
    return against or (DEFAULT_ANCHOR if DEFAULT_ANCHOR in names else names[0])


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _start_up(entries: Sequence[VideoEntry], clip: VideoClip) -> None:
    """Loading a library or a model belongs to no clip's time; and what cannot run says so at once."""
    short = VideoClip(clip.name, clip.frames[:_START_UP_FRAMES], clip.frame_rate)
    for entry in entries:
        entry.run(short, entry.points[0])


def _measure(clip: VideoClip, entry: VideoEntry, point: float) -> PointRow:
    result = entry.run(clip, point)
    pairs = list(zip(clip.frames, result.frames, strict=True))
    large = min(clip.width, clip.height) >= MS_SSIM_MIN_SIDE
    return PointRow(
        clip=clip.name,
        codec=entry.name,
        crf=point,
        width=clip.width,
        height=clip.height,
        frames=len(pairs),
        fps=float(clip.frame_rate),
        packet_bytes=result.packet_bytes,
        kbps=8 * result.packet_bytes / clip.seconds / 1000,
        psnr_y=float(np.mean([psnr(a[0], b[0]) for a, b in pairs])),
        psnr_611=float(np.mean([psnr_611(a, b) for a, b in pairs])),
        ms_ssim=float(np.mean([ms_ssim(a[0], b[0]) for a, b in pairs])) if large else None,
        encode_fps=len(pairs) / result.encode_seconds,
        decode_fps=len(pairs) / result.decode_seconds,
    )


def _report(points: Sequence[PointRow], against: str, out: Path) -> VideoBenchReport:
    from mediacodec.bench.video.plot import curves_png

    rows = bd_rows(points, against)
    contents = {
        "points.csv": points_csv(points).encode(),
        "bd_rates.csv": bd_csv(rows, against).encode(),
        "curves.png": curves_png(points),
    }
    for name, content in contents.items():
        with open_output(out / name, overwrite=True) as file:
            file.write(content)
    files = tuple(out / name for name in contents)
    return VideoBenchReport(tuple(points), tuple(rows), against, table(points, rows, against), files)
