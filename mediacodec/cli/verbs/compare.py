"""mediacodec compare: how far is audio or video from its original"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.parsing.groups import TimeRange
from mediacodec.cli.parsing.values import THRESHOLD
from mediacodec.cli.ui.console import Console, printable

if TYPE_CHECKING:
    from mediacodec.cli.ui.frame_scores import FrameScores

EXAMPLE = """
mediacodec compare talk.wav decoded.wav
mediacodec compare clip.mp4 decoded.mp4 -metrics psnr
mediacodec compare talk.wav decoded.wav --fail-under pesq=2 --fail-over mel=2
"""
MISSED = 9  # exit code

Scores = dict[str, float | None]


class AudioScores(NamedTuple):
    """How audio compares: seconds of each file and of what was compared, by how much one is late, and scores."""

    reference: float
    distorted: float
    compared: float
    sample_rate: int
    shift: int
    metrics: Scores


class Comparison(NamedTuple):
    """How two files compare."""

    names: tuple[str, str]
    video: FrameScores | None
    audio: AudioScores | None

    @property
    def metrics(self) -> Scores:
        """All scores, by name."""
        return {**(self.video.metrics if self.video else {}), **(self.audio.metrics if self.audio else {})}


@click.command(
    cls=Verb,
    usage="REF DIST [options]",
    example=EXAMPLE,
    short_help="Measure audio and video against their original.",
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
def compare(
    console: Console,
    /,
    *,
    names: tuple[str, ...],
    stretch: TimeRange,
    metrics: str | None,
    under: tuple[tuple[str, float], ...],
    over: tuple[tuple[str, float], ...],
    output_format: str,
) -> int:
    """Measure DIST against REF: PESQ, STOI, mel distance, SI-SDR; PSNR where both hold video.

    Audio is read as mono at 16 kHz and lined up first; the shift is reported. Frames are compared one by one. PESQ,
    STOI and MS-SSIM need the extra `bench`.
    """
    from mediacodec.cli.ui import audio_scores as scores

    if len(names) != 2:
        raise click.UsageError("name two files, REF and DIST", click.get_current_context())
    least, most = dict(under), dict(over)
    asked = [name.strip().lower() for name in (metrics or "").split(",") if name.strip()]
    scores.check_names([*asked, *least, *most])
    scores.check_direction(least, most)
    result = _measured(console, (names[0], names[1]), stretch, asked, [*least, *most])
    missed = scores.failures(result.metrics, least, most)
    if output_format == "json":
        click.echo(json.dumps({**_as_json(result), "failed": missed}, indent=2))
    else:
        _print(result)
    if missed:
        console.error("; ".join(missed))
    return MISSED if missed else 0


def _measured(
    console: Console, names: tuple[str, str], stretch: TimeRange, asked: list[str], more: list[str]
) -> Comparison:
    """What is to be measured, as asked for or as the files allow, and `more`."""
    from mediacodec.cli.parsing.outputs import refuse_coded
    from mediacodec.cli.ui.frame_scores import FRAME_METRICS
    from mediacodec.errors import UsageError

    for name in names:
        refuse_coded(name)
    has_video = all(_holds(name, "video") for name in names)
    has_audio = not has_video or all(_holds(name, "audio") for name in names)
    of_frames = [name for name in (*asked, *more) if name in FRAME_METRICS]
    if of_frames and not has_video:
        raise UsageError(f"{of_frames[0]} needs video in both files")
    if has_video and not asked:
        of_frames = ["psnr", "psnr_y", *of_frames]
    of_audio = [name for name in (*asked, *more) if name not in FRAME_METRICS]
    if of_audio and not has_audio:
        raise UsageError(f"{of_audio[0]} needs audio in both files")
    video = _video(names, stretch, list(dict.fromkeys(of_frames))) if of_frames else None
    audio = None
    if of_audio or (has_audio and not asked):
        audio = _audio(console, names, stretch, of_audio, add_defaults=not asked)
    return Comparison(names, video, audio)


def _holds(name: str, kind: str) -> bool:
    """Whether a file holds audio or video; a pipe, which can be read only once, counts as audio."""
    from mediacodec.errors import InputError
    from mediacodec.media.media_source import MediaSource

    if name == "-":
        return kind == "audio"
    try:
        with MediaSource(name, audio=kind == "audio", video=kind == "video"):
            return True
    except InputError:
        return False


def _video(names: tuple[str, str], stretch: TimeRange, metrics: Sequence[str]) -> FrameScores:
    from mediacodec.cli.ui.frame_scores import frames_of, score_frames

    start, duration = stretch.span()
    with (
        frames_of(names[0], start=start, duration=duration) as reference,
        frames_of(names[1], start=start, duration=duration) as distorted,
    ):
        return score_frames(reference, distorted, metrics)


def _audio(
    console: Console, names: tuple[str, str], stretch: TimeRange, metrics: Sequence[str], *, add_defaults: bool
) -> AudioScores:
    from mediacodec.bench.audio.quality import score
    from mediacodec.cli.ui.audio_scores import RATE, default_metrics, read_mono
    from mediacodec.metrics.audio import align

    wanted = list(dict.fromkeys([*(default_metrics(console) if add_defaults else []), *metrics]))
    start, duration = stretch.span()
    reference, distorted = (read_mono(name, start=start, duration=duration) for name in names)
    a, b, shift = align(reference, distorted, RATE)
    scores = score(a, b, RATE, metrics=wanted)
    return AudioScores(reference.size / RATE, distorted.size / RATE, a.size / RATE, RATE, shift, scores)


def _as_json(result: Comparison) -> dict[str, object]:
    reference: dict[str, object] = {"filename": result.names[0]}
    distorted: dict[str, object] = {"filename": result.names[1]}
    values: dict[str, object] = {"reference": reference, "distorted": distorted, "metrics": result.metrics}
    if result.video is not None:
        values["frames"] = {
            "compared": result.video.frames,
            "reference": result.video.reference,
            "distorted": result.video.distorted,
            "late_ms": round(1000 * result.video.late, 3),
        }
    if result.audio is not None:
        reference["duration"] = round(result.audio.reference, 6)
        distorted["duration"] = round(result.audio.distorted, 6)
        values |= {
            "sample_rate": result.audio.sample_rate,
            "compared": round(result.audio.compared, 6),
            "shift_samples": result.audio.shift,
            "shift_ms": round(1000 * result.audio.shift / result.audio.sample_rate, 3),
        }
    return values


def _print(result: Comparison) -> None:
    from mediacodec.cli.ui.audio_scores import MEANINGS, written
    from mediacodec.cli.ui.frame_scores import TITLES

    audio, video = result.audio, result.video
    lengths = ("", "") if audio is None else (f" ({audio.reference:.2f} s)", f" ({audio.distorted:.2f} s)")
    for title, name, length in zip(("reference", "distorted"), result.names, lengths, strict=True):
        click.echo(f"{title:10} {printable(name)}{length}")
    if video is not None:
        counts = f"{video.frames} of {video.reference} and {video.distorted}"
        click.echo(f"{'frames':10} {counts}, at most {round(1000 * video.late, 3):g} ms apart")
    if audio is not None:
        click.echo(f"{'compared':10} {audio.compared:.2f} s at {audio.sample_rate} Hz, mono")
        late = "distorted is late by" if audio.shift >= 0 else "distorted is early by"
        milliseconds = abs(round(1000 * audio.shift / audio.sample_rate, 3))
        shift = f"{late} {milliseconds:g} ms ({abs(audio.shift)} samples)" if audio.shift else "none"
        click.echo(f"{'shift':10} {shift}")
    for name, value in result.metrics.items():
        meaning = f" ({MEANINGS[name]})" if name in MEANINGS else ""
        click.echo(f"{TITLES[name]:10} {written(name, value):9}{meaning}".rstrip())
