"""mediacodec compare: how far is a sound or a film from its original"""

from __future__ import annotations

import json
from typing import Any

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.parsing.values import THRESHOLD
from mediacodec.cli.ui.console import Console, printable

EXAMPLE = """
mediacodec compare talk.wav decoded.wav
mediacodec compare clip.mp4 decoded.mp4 -metrics psnr
mediacodec compare talk.wav decoded.wav --fail-under pesq=2 --fail-over mel=2
"""
MISSED = 9  # exit code


@click.command(
    cls=Verb,
    usage="REF DIST [options]",
    example=EXAMPLE,
    short_help="Measure sound and pictures against their original.",
)
@click.argument("names", nargs=-1, metavar="REF DIST")
@options.time_range
@click.option("-metrics", metavar="LIST", help="Of pesq,stoi,visqol,mel,si_sdr,psnr,ms_ssim ...")
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
    """Measure DIST against REF: PESQ, STOI, mel distance, SI-SDR; PSNR where both hold pictures.

    Sound is read as mono at 16 kHz and lined up first; the shift is reported. Pictures are compared one by one. PESQ,
    STOI and MS-SSIM need the extra `bench`.
    """
    from mediacodec.cli.ui import audio_scores as scores

    if len(given["names"]) != 2:
        raise click.UsageError("name two files, REF and DIST", click.get_current_context())
    under, over = dict(given["under"]), dict(given["over"])
    asked = [name.strip().lower() for name in (given["metrics"] or "").split(",") if name.strip()]
    scores.check_names([*asked, *under, *over])
    scores.check_direction(under, over)
    result = _measured(console, given, [*asked], [*under, *over])
    missed = scores.failures(result["metrics"], under, over)
    result["failed"] = missed
    if given["output_format"] == "json":
        click.echo(json.dumps(result, indent=2))
    else:
        _print(result)
    if missed:
        console.error("; ".join(missed))
    return MISSED if missed else 0


def _measured(console: Console, given: dict[str, Any], asked: list[str], more: list[str]) -> dict[str, Any]:
    """What is to be measured, as asked for or as the files allow, and `more`."""
    from mediacodec.cli.parsing.outputs import refuse_coded
    from mediacodec.cli.ui.frame_scores import PICTURE_METRICS
    from mediacodec.errors import UsageError

    names = given["names"]
    for name in names:
        refuse_coded(name)
    films = all(_holds(name, "video") for name in names)
    sound = not films or all(_holds(name, "audio") for name in names)
    wanted = [name for name in (*asked, *more) if name in PICTURE_METRICS]
    if wanted and not films:
        raise UsageError(f"{wanted[0]} needs pictures in both files")
    if films and not asked:
        wanted = ["psnr", "psnr_y", *wanted]
    heard = [name for name in (*asked, *more) if name not in PICTURE_METRICS]
    if heard and not sound:
        raise UsageError(f"{heard[0]} needs sound in both files")
    result: dict[str, Any] = {"reference": {"filename": names[0]}, "distorted": {"filename": names[1]}, "metrics": {}}
    if wanted:
        _add_pictures(result, given, list(dict.fromkeys(wanted)))
    if heard or (sound and not asked):
        _add_sound(console, result, given, asked, heard)
    return result


def _holds(name: str, kind: str) -> bool:
    """Whether a file holds sound or pictures; a pipe, which can be read only once, counts as sound."""
    from mediacodec.errors import InputError
    from mediacodec.media.media_source import MediaSource

    if name == "-":
        return kind == "audio"
    try:
        with MediaSource(name, audio=kind == "audio", video=kind == "video"):
            return True
    except InputError:
        return False


def _add_pictures(result: dict[str, Any], given: dict[str, Any], wanted: list[str]) -> None:
    from mediacodec.cli.ui.frame_scores import score_pictures
    from mediacodec.media.media_source import MediaSource

    start, duration = options.span(given)
    span: dict[str, Any] = {"start": start, "duration": duration, "audio": False}
    with MediaSource(given["names"][0], **span) as ref, MediaSource(given["names"][1], **span) as dist:
        scores = score_pictures(ref.items(), dist.items(), wanted)  # type: ignore[arg-type]  # only pictures come
    result["pictures"] = {
        "compared": scores.frames,
        "reference": scores.reference,
        "distorted": scores.distorted,
        "late_ms": round(1000 * scores.late, 3),
    }
    result["metrics"] |= scores.metrics


def _add_sound(
    console: Console, result: dict[str, Any], given: dict[str, Any], asked: list[str], heard: list[str]
) -> None:
    from mediacodec.bench.audio.quality import score
    from mediacodec.cli.ui.audio_scores import RATE, default_metrics, read_mono
    from mediacodec.metrics.audio import align

    wanted = list(dict.fromkeys([*([] if asked else default_metrics(console)), *heard]))
    start, duration = options.span(given)
    ref, dist = (read_mono(name, start=start, duration=duration) for name in given["names"])
    lined_ref, lined_dist, shift = align(ref, dist, RATE)
    result["reference"]["duration"] = round(ref.size / RATE, 6)
    result["distorted"]["duration"] = round(dist.size / RATE, 6)
    result |= {
        "sample_rate": RATE,
        "compared": round(lined_ref.size / RATE, 6),
        "shift_samples": shift,
        "shift_ms": round(1000 * shift / RATE, 3),
    }
    result["metrics"] |= score(lined_ref, lined_dist, RATE, metrics=wanted)


def _print(result: dict[str, Any]) -> None:
    from mediacodec.cli.ui.audio_scores import MEANINGS, written
    from mediacodec.cli.ui.frame_scores import TITLES

    for name in ("reference", "distorted"):
        length = f" ({result[name]['duration']:.2f} s)" if "duration" in result[name] else ""
        click.echo(f"{name:10} {printable(result[name]['filename'])}{length}")
    if pictures := result.get("pictures"):
        counts = f"{pictures['compared']} of {pictures['reference']} and {pictures['distorted']}"
        click.echo(f"{'pictures':10} {counts}, at most {pictures['late_ms']:g} ms apart")
    if "compared" in result:
        click.echo(f"{'compared':10} {result['compared']:.2f} s at {result['sample_rate']} Hz, mono")
        late = "distorted is late by" if result["shift_samples"] >= 0 else "distorted is early by"
        if result["shift_samples"]:
            click.echo(f"{'shift':10} {late} {abs(result['shift_ms']):g} ms ({abs(result['shift_samples'])} samples)")
        else:
            click.echo(f"{'shift':10} none")
    for name, value in result["metrics"].items():
        meaning = f" ({MEANINGS[name]})" if name in MEANINGS else ""
        click.echo(f"{TITLES[name]:10} {written(name, value):9}{meaning}".rstrip())
