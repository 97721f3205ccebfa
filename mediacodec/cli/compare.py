"""mediacodec compare: how far is a sound from its original"""

from __future__ import annotations

import json
from typing import Any

import click

from mediacodec.cli import options
from mediacodec.cli.command import Verb
from mediacodec.cli.console import Console, printable
from mediacodec.cli.values import THRESHOLD

EXAMPLE = """
mediacodec compare talk.wav decoded.wav
mediacodec compare talk.wav decoded.wav --fail-under pesq=2 --fail-over mel=2
"""
MISSED = 9  # exit code


@click.command(cls=Verb, usage="REF DIST [options]", example=EXAMPLE, short_help="Measure sound against its original.")
@click.argument("names", nargs=-1, metavar="REF DIST")
@options.time_range
@click.option("-metrics", metavar="LIST", help="Of pesq,stoi,visqol,mel,si_sdr,snr,lsd.")
@click.option(
    "--fail-under",
    "under",
    type=THRESHOLD,
    multiple=True,
    metavar="METRIC=VALUE",
    help="Exit with 9 where the score is lower.",
)
@click.option(
    "--fail-over",
    "over",
    type=THRESHOLD,
    multiple=True,
    metavar="METRIC=VALUE",
    help="The same for distances (mel, lsd).",
)
@options.json_or_text
@options.quietness
@click.pass_obj
def compare(console: Console, /, **given: Any) -> int:
    """Measure DIST against REF: PESQ, STOI, mel distance, SI-SDR.

    Both are read as mono at 16 kHz and lined up first; the shift is reported. PESQ and STOI need the extra `bench`.
    """
    from mediacodec.cli import scores

    if len(given["names"]) != 2:
        raise click.UsageError("name two files, REF and DIST", click.get_current_context())
    under, over = dict(given["under"]), dict(given["over"])
    asked = [name.strip().lower() for name in (given["metrics"] or "").split(",") if name.strip()]
    scores.check_names([*asked, *under, *over])
    scores.check_direction(under, over)
    wanted = list(dict.fromkeys([*(asked or scores.default_metrics(console)), *under, *over]))
    result = _measured(given, wanted)
    missed = scores.failures(result["metrics"], under, over)
    result["failed"] = missed
    if given["output_format"] == "json":
        click.echo(json.dumps(result, indent=2))
    else:
        _print(result)
    if missed:
        console.error("; ".join(missed))
    return MISSED if missed else 0


def _measured(given: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    from mediacodec.bench.quality import score
    from mediacodec.cli.outputs import refuse_coded
    from mediacodec.cli.scores import RATE, read_mono
    from mediacodec.metrics import align

    reference, distorted = given["names"]
    refuse_coded(reference)
    refuse_coded(distorted)
    start, duration = options.span(given)
    ref = read_mono(reference, start=start, duration=duration)
    dist = read_mono(distorted, start=start, duration=duration)
    lined_ref, lined_dist, shift = align(ref, dist, RATE)
    return {
        "reference": {"filename": reference, "duration": round(ref.size / RATE, 6)},
        "distorted": {"filename": distorted, "duration": round(dist.size / RATE, 6)},
        "sample_rate": RATE,
        "compared": round(lined_ref.size / RATE, 6),
        "shift_samples": shift,
        "shift_ms": round(1000 * shift / RATE, 3),
        "metrics": score(lined_ref, lined_dist, RATE, metrics=wanted),
    }


def _print(result: dict[str, Any]) -> None:
    from mediacodec.bench.report import TITLES
    from mediacodec.cli.scores import MEANINGS, written

    for name in ("reference", "distorted"):
        click.echo(f"{name:10} {printable(result[name]['filename'])} ({result[name]['duration']:.2f} s)")
    click.echo(f"{'compared':10} {result['compared']:.2f} s at {result['sample_rate']} Hz, mono")
    late = "distorted is late by" if result["shift_samples"] >= 0 else "distorted is early by"
    if result["shift_samples"]:
        click.echo(f"{'shift':10} {late} {abs(result['shift_ms']):g} ms ({abs(result['shift_samples'])} samples)")
    else:
        click.echo(f"{'shift':10} none")
    for name, value in result["metrics"].items():
        meaning = f" ({MEANINGS[name]})" if name in MEANINGS else ""
        click.echo(f"{TITLES[name]:10} {written(name, value):9}{meaning}".rstrip())
