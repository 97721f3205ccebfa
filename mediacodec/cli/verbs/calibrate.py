"""mediacodec models calibrate: entropy tables fitted to your own recordings"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.ui.console import Console, printable


@click.command("calibrate", cls=Verb, usage="NAME DIR [options]", short_help="Fit a model's tables to your audio.",
               example="mediacodec models calibrate mimi recordings -name mimi-calls")  # fmt: skip
@click.argument("name")
@click.argument("recordings", type=click.Path(path_type=Path), metavar="DIR")
@click.option("-name", "new_name", metavar="NEW", help="What the new model is to be called. Default: NAME-calibrated.")
@click.option("-models", "folder", type=options.FOLDER, metavar="DIR",
              help="Look for models here first, and put it here.")  # fmt: skip
@click.option("-y", "yes", is_flag=True, help="Replace a model of that name.")
@options.json_or_text
@options.quietness
@click.pass_obj
def calibrate(console: Console, /, name: str, recordings: Path, output_format: str, **given: Any) -> int:
    """Make a model that codes audio like yours in fewer bits: the same networks, other probabilities.

    DIR holds recordings, an hour or more at best. The new model lies beside the old one, which still decodes its files.
    """
    from mediacodec.codecs.fitting.training_extra import load
    from mediacodec.errors import OutputExistsError
    from mediacodec.manifest import find_by_name

    fit_tables = load("calibrate", "fitting tables")

    def progress(seconds: float) -> None:
        if console.shows_progress:
            console.progress(f"{seconds:.0f} s coded")

    where = {"name": given["new_name"], "folder": given["folder"], "overwrite": given["yes"]}
    try:
        done = fit_tables(find_by_name(name, given["folder"]), recordings, **where, progress=progress)
    except OutputExistsError as error:
        raise OutputExistsError(f"{error}; -y replaces it, -name gives another name") from error
    finally:
        console.clear()
    click.echo(as_json(done) if output_format == "json" else as_text(done))
    console.info(f"{done.model.name}: fitted to {done.seconds:.0f} s of audio ({done.model.folder})")
    return 0


def as_json(done: Any) -> str:
    """What was found, by codebook."""
    values = {"name": done.model.name, "folder": str(done.model.folder), "tables_sha256": done.model.tables_sha256}
    bits = {"seconds": done.seconds, "bits_before": done.before, "bits_after": done.after}
    return json.dumps(values | bits, indent=2)


def as_text(done: Any) -> str:
    """A line a codebook and one for all, bits a frame of held-out audio."""
    rate = done.model.settings["sample_rate"] / done.model.settings["frame_size"]
    lines = [f"{'codebook':>8}  {'before':>7}  {'after':>7}   bits a frame, on audio that was held out"]
    for k, (before, after) in enumerate(zip(done.before, done.after, strict=True), start=1):
        lines.append(f"{k:8}  {before:7.2f}  {after:7.2f}")
    before, after = sum(done.before), sum(done.after)
    kilobits = f"{before * rate / 1000:.3f} to {after * rate / 1000:.3f} kbit/s, {1 - after / before:.1%} less"
    return "\n".join(printable(line) for line in [*lines, f"{'all':>8}  {before:7.2f}  {after:7.2f}   {kilobits}"])
