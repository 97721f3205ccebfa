"""mediacodec bench: our codecs against the classic ones, on your own recordings"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from mediacodec.cli import options
from mediacodec.cli.command import SETTINGS, Verb, VerbGroup
from mediacodec.cli.console import Console
from mediacodec.cli.values import RATES

EXAMPLE = """
mediacodec bench audio recordings -o results -rates 1.5k,3k -opus 6k,12k
"""

OUT = click.Path(path_type=Path, file_okay=False)


@click.group(cls=VerbGroup, context_settings=SETTINGS, short_help="Measure codecs on a folder of clips.")
def bench() -> None:
    """Measure codecs on a folder of clips."""


@bench.command(cls=Verb, usage="DIR [options]", example=EXAMPLE, short_help="Speech codecs against Opus.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "out", metavar="OUTDIR", type=OUT, default=Path("bench"), help="Results. Default: bench.")
@click.option("-c:a", "codec", metavar="NAME", default="speech", help="Codec or model. Default: speech.")
@click.option("-rates", type=RATES, metavar="LIST", help="Its rates. Default: 1.5k,3k,6k.")
@click.option("-opus", "opus_rates", type=RATES, metavar="LIST", help="Rates of Opus; '' leaves Opus out.")
@click.option("-metrics", metavar="LIST", help="Default: pesq,stoi,mel,si_sdr and visqol (slow).")
@options.quietness
@click.pass_obj
def audio(console: Console, /, folder: Path, out: Path, **given: Any) -> int:
    """Send every clip below DIR through each codec and rate, and score what comes back.

    Prints a table; writes clips.csv, summary.csv and quality.png (quality over rate). Needs the extra `bench`.
    """
    from mediacodec.bench.audio import default_entries, run_audio_bench
    from mediacodec.bench.quality import DEFAULT_METRICS

    rates: dict[str, Any] = {name: given[name] for name in ("rates", "opus_rates") if given[name] is not None}
    chosen = {name: [round(rate) for rate in values] for name, values in rates.items()}
    metrics = [name.strip().lower() for name in (given["metrics"] or "").split(",") if name.strip()]
    report = run_audio_bench(
        folder,
        out=out,
        entries=default_entries(codec=given["codec"], **chosen),
        progress=_Line(console),
        metrics=metrics or (*DEFAULT_METRICS, "visqol"),
    )
    console.clear()
    click.echo(report.table, nl=False)
    for path in report.files:
        console.info(f"wrote {path}")
    return 0


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
