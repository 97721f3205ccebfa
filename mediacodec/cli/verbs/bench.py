"""mediacodec bench: our codecs against the classic ones, on your own recordings"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import SETTINGS, Spelt, Verb, VerbGroup
from mediacodec.cli.parsing.values import RATES, Whole
from mediacodec.cli.ui.console import Console

EXAMPLE = """
mediacodec bench audio recordings -o results -rates 1.5k,3k -opus 6k,12k
"""

VIDEO_EXAMPLE = """
mediacodec bench video clips -o results -size 640x360 -anchors x264-ld,x265-ld
"""


class Size(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """WIDTHxHEIGHT in pixels."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """(width, height); fails on anything else."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no size; write WIDTHxHEIGHT, such as 640x360", param, ctx)
        return int(match[1]), int(match[2])


class CrfList(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """Several rate factors with commas between them; nothing for none."""

    name = "crfs"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """The factors; fails on what is no number from 0 to 63."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        for part in parts:
            if not re.fullmatch(r"\d{1,2}(\.\d+)?", part, re.ASCII) or not 0 <= float(part) <= 63:
                self.fail(f"{part!r} is no crf; write numbers from 0 to 63, such as 22,28,34", param, ctx)
        return tuple(map(float, parts))


class NameList(click.ParamType):  # type: ignore[type-arg]  # no parameter before click 8.5
    """Several names with commas between them; nothing for none."""

    name = "names"

    def convert(self, value: object, _: click.Parameter | None, __: click.Context | None) -> tuple[str, ...]:
        """The names."""
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


OUT = click.Path(path_type=Path, file_okay=False)
COUNT = Whole(1, 1_000_000)


@click.group(cls=VerbGroup, context_settings=SETTINGS, short_help="Measure codecs on a folder of clips.")
def bench() -> None:
    """Measure codecs on a folder of clips."""


@bench.command(cls=Verb, usage="DIR [options]", example=EXAMPLE, short_help="Speech codecs against Opus.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "out", metavar="OUTDIR", type=OUT, default=Path("bench"), help="Results. Default: bench.")
@click.option("-c:a", "-codec:a", "-acodec", "codec", cls=Spelt, metavar="NAME", default="speech",
              help="Codec or model. Default: speech.")  # fmt: skip
@click.option("-rates", type=RATES, metavar="LIST", help="Its rates. Default: 1.5k,3k,6k.")
@click.option("-opus", "opus_rates", type=RATES, metavar="LIST", help="Rates of Opus; '' leaves Opus out.")
@click.option("-metrics", metavar="LIST", help="Default: pesq,stoi,mel,si_sdr and visqol (slow).")
@options.quietness
@click.pass_obj
def audio(
    console: Console,
    /,
    *,
    folder: Path,
    out: Path,
    codec: str,
    rates: tuple[float, ...] | None,
    opus_rates: tuple[float, ...] | None,
    metrics: str | None,
) -> int:
    """Send every clip below DIR through each codec and rate, and score what comes back.

    Prints a table; writes clips.csv, summary.csv and quality.png (quality over rate). Needs the extra `bench`.
    """
    from mediacodec.bench.audio.opus import OPUS_RATES
    from mediacodec.bench.audio.ours import SPEECH_RATES
    from mediacodec.bench.audio.quality import DEFAULT_METRICS
    from mediacodec.bench.audio.run import default_entries, run_audio_bench

    names = [name.strip().lower() for name in (metrics or "").split(",") if name.strip()]
    entries = default_entries(
        codec=codec,
        rates=SPEECH_RATES if rates is None else [round(rate) for rate in rates],
        opus_rates=OPUS_RATES if opus_rates is None else [round(rate) for rate in opus_rates],
    )
    report = run_audio_bench(
        folder,
        out=out,
        entries=entries,
        progress=_Line(console),
        metrics=names or (*DEFAULT_METRICS, "visqol"),
    )
    _print(console, report.table, report.files)
    return 0


@bench.command(
    cls=Verb, usage="DIR [options]", example=VIDEO_EXAMPLE, short_help="Video codecs against x264, x265 and SVT-AV1."
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "out", metavar="OUTDIR", type=OUT, default=Path("bench"), help="Results. Default: bench.")
@click.option("-c:v", "-codec:v", "-vcodec", "codec", cls=Spelt, metavar="NAME", default="conditional",
              help="Codec or model. Default: conditional.")  # fmt: skip
@click.option("-crf", "crfs", type=CrfList(), metavar="LIST", help="Its points; '' leaves it out. Default: 16..46.")
@click.option("-preset", "presets", type=NameList(), metavar="LIST", help="Its presets. Default: fast.")
@click.option("-anchors", type=NameList(), metavar="LIST", help="Default: all six; '' leaves them out.")
@click.option("-against", metavar="NAME", help="Curve that BD-rates refer to. Default: x264-ld.")
@click.option("-frames", type=COUNT, default=96, metavar="N", help="Frames of each clip. Default: 96.")
@click.option("-size", type=Size(), metavar="WxH", help="Scale all clips to it first.")
@click.option("-g", "gop", type=COUNT, metavar="N", help="Frames from keyframe to keyframe. Default: one a clip.")
@options.quietness
@click.pass_obj
def video(
    console: Console,
    /,
    *,
    folder: Path,
    out: Path,
    codec: str,
    crfs: tuple[float, ...] | None,
    presets: tuple[str, ...] | None,
    anchors: tuple[str, ...] | None,
    against: str | None,
    frames: int,
    size: tuple[int, int] | None,
    gop: int | None,
) -> int:
    """Send every clip below DIR (or one file) through each codec, and score what comes back.

    Anchors: x264, x265, svtav1, and each for low delay as x264-ld, x265-ld, svtav1-ld. Prints a table; writes
    points.csv, bd_rates.csv and curves.png (quality over rate). Needs the extra `bench`.
    """
    from mediacodec.bench.video.anchors import USUAL_ANCHORS
    from mediacodec.bench.video.ours import VIDEO_CRFS
    from mediacodec.bench.video.run import DEFAULT_PRESETS, default_video_entries, run_video_bench

    entries = default_video_entries(
        codec=codec,
        crfs=VIDEO_CRFS if crfs is None else crfs,
        presets=DEFAULT_PRESETS if presets is None else presets,
        anchors=USUAL_ANCHORS if anchors is None else anchors,
        gop=gop,
    )
    report = run_video_bench(
        folder, out=out, entries=entries, against=against, frames=frames, size=size, progress=_Line(console)
    )
    _print(console, report.table, report.files)
    return 0


def _print(console: Console, table: str, files: Sequence[Path]) -> None:
    console.clear()
    click.echo(table, nl=False)
    for path in files:
        console.info(f"wrote {path}")


class _Line:
    """How far the bench is: a line that changes on a terminal, one line a minute elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._due = self._began + 60

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        left = (now - self._began) / done * (total - done)
        text = f"{done}/{total}  ETA {left // 60:.0f}:{left % 60:02.0f}  {what}"
        if self._console.shows_progress:
            self._console.progress(text)
        elif now >= self._due:
            self._due = now + 60
            self._console.info(text)
