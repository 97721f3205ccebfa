"""mediacodec roundtrip: what a codec does to audio and video, in one go"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.parsing.groups import (
    AudioCoding,
    Files,
    Kinds,
    Machine,
    Output,
    Overwriting,
    Said,
    TimeRange,
    VideoCoding,
)
from mediacodec.cli.ui.console import Console, printable

if TYPE_CHECKING:
    from mediacodec.cli.jobs import EncodeJob
    from mediacodec.mcx.reader import FileReader
    from mediacodec.transcode.reports import DecodeReport, EncodeReport

EXAMPLE = """
mediacodec roundtrip -b:a 3k talk.wav talk-3k.wav
mediacodec roundtrip -crf 34 clip.mp4 clip-34.mp4
"""
SCORED_SECONDS = 60.0  # PESQ takes its time; video is read twice more

Scores = dict[str, float | None]


class Result(NamedTuple):
    """What a round trip gave."""

    encoding: EncodeReport
    decoding: DecodeReport
    quality: Scores


@click.command(cls=Verb, usage="[options] IN OUT", example=EXAMPLE, short_help="Encode, decode and measure.")
@options.files
@options.video_coding
@options.audio_coding
@options.audio_output
@options.kinds
@options.said
@options.time_range
@options.overwriting
@options.json_or_text
@options.machine
@options.progress_url
@options.quietness
@click.pass_obj
def roundtrip(
    console: Console,
    /,
    *,
    files: Files,
    video: VideoCoding,
    audio: AudioCoding,
    output: Output,
    kinds: Kinds,
    said: Said,
    stretch: TimeRange,
    overwriting: Overwriting,
    output_format: str,
    machine: Machine,
    progress: str | None,
) -> int:
    """Encode IN, decode it again into OUT, and print rates, speed and quality.

    Quality of the first minute: PSNR, or SI-SDR, mel distance, PESQ and STOI.
    """
    from mediacodec.cli.jobs import EncodeJob
    from mediacodec.cli.parsing.outputs import may_overwrite, refuse_coded
    from mediacodec.cli.ui.monitor import STDOUT, check_progress_url
    from mediacodec.errors import UsageError
    from mediacodec.transcode import formats

    source, target = files.endpoints()
    refuse_coded(source)
    kinds = _left_out(kinds, formats.output_format(target, output.format))
    job = EncodeJob(audio, video, kinds, stretch, machine, said=said)
    job.check()
    check_progress_url(progress, target)
    taken = target == "-" or progress in STDOUT
    if taken and output_format == "json":
        raise UsageError("JSON cannot share standard output with media or -progress; send those to a file")
    overwrite = may_overwrite(console, source, target, overwriting)
    with tempfile.TemporaryDirectory(prefix="mediacodec-") as folder:
        if source == "-":  # it is read twice
            source = _spooled(Path(folder) / "in")
        coded = Path(folder) / "coded.mcx"
        result = _run(console, source, target, job, output, progress, coded, overwrite=overwrite)
    if output_format == "json":
        click.echo(json.dumps(_as_json(result), indent=2))
    else:
        for line in _lines(result):
            click.echo(printable(line), err=taken)
    return 0


def _left_out(kinds: Kinds, kind: str) -> Kinds:
    """What is left out: what the output cannot hold need not be encoded. Raises UsageError where nothing is left."""
    from mediacodec.errors import UsageError
    from mediacodec.transcode.formats import AUDIO_ONLY, VIDEO_ONLY

    if (kind in AUDIO_ONLY and kinds.no_audio) or (kind in VIDEO_ONLY and kinds.no_video):
        raise UsageError(f"{'-an' if kinds.no_audio else '-vn'} leaves nothing for {kind}")
    return Kinds(no_audio=kinds.no_audio or kind in VIDEO_ONLY, no_video=kinds.no_video or kind in AUDIO_ONLY)


def _spooled(path: Path) -> str:
    from mediacodec.errors import UsageError

    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe media in or name a file")
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return str(path)


def _run(
    console: Console,
    source: str,
    target: str,
    job: EncodeJob,
    output: Output,
    progress: str | None,
    coded: Path,
    *,
    overwrite: bool,
) -> Result:
    from mediacodec.cli.jobs import DecodeJob, decoded, encoded

    there = encoded(console, source, str(coded), job, overwrite=True)
    console.notes(there.notes)
    # the stretch was chosen on the way in
    back, _ = decoded(
        console,
        str(coded),
        target,
        DecodeJob(output, job.kinds, TimeRange(), job.machine, progress),
        overwrite=overwrite,
    )
    console.notes(back.notes)
    return Result(there, back, _quality(console, source, job.stretch, job.machine, coded))


def _quality(console: Console, source: str, stretch: TimeRange, machine: Machine, coded: Path) -> Scores:
    from mediacodec.mcx.reader import FileReader

    start, duration = stretch.span()
    duration = min(SCORED_SECONDS, duration or SCORED_SECONDS)
    scores: Scores = {}
    with FileReader(coded, device=machine.device, threads=machine.threads, models=machine.models) as reader:
        if reader.has_video:
            scores |= _video_quality(source, start, duration, reader)
        if reader.has_audio:
            scores |= _audio_quality(console, source, start, duration, reader)
    return scores


def _video_quality(source: str, start: float, duration: float, reader: FileReader) -> Scores:
    from mediacodec.cli.ui.frame_scores import frames_of, score_frames

    with frames_of(source, start=start, duration=duration) as reference:
        return dict(score_frames(reference, reader.video.frames(stop=SCORED_SECONDS), ["psnr", "psnr_y"]).metrics)


def _audio_quality(console: Console, source: str, start: float, duration: float, reader: FileReader) -> Scores:
    from mediacodec.bench.audio.quality import score
    from mediacodec.cli.ui.audio_scores import RATE, default_metrics, read_mono
    from mediacodec.media import resample_audio
    from mediacodec.metrics.audio import align

    reference = read_mono(source, start=start, duration=duration)
    chunk = reader.audio.get_samples_played_in_range(0.0, SCORED_SECONDS)
    distorted = resample_audio(chunk.samples.mean(axis=0), chunk.sample_rate, RATE)
    if reader.has_video:  # audio that begins later than the video has silence in front
        aligned, found, _ = align(reference, distorted, RATE)
        return score(aligned, found, RATE, metrics=default_metrics(console))
    return score(reference, distorted, RATE, metrics=default_metrics(console))


def _as_json(result: Result) -> dict[str, object]:
    there, back, quality = result
    video = {
        "frames": there.frames,
        "video_kbps": round(there.video_kbps, 4),
        "encode_fps": round(there.fps, 2),
        "decode_fps": round(back.fps, 2),
    }
    return {
        "duration": round(there.seconds, 6),
        **(video if there.frames is not None else {}),
        "payload_kbps": round(there.payload_kbps, 4),
        "file_kbps": round(there.file_kbps, 4),
        "file_bytes": there.file_bytes,
        "encode_speed": round(there.speed, 2),
        "decode_speed": round(back.speed, 2),
        "quality": quality,
    }


def _lines(result: Result) -> list[str]:
    from mediacodec.cli.ui.audio_scores import written
    from mediacodec.cli.ui.frame_scores import TITLES
    from mediacodec.cli.ui.monitor import amount, rates

    there, back, scores = result
    quality = ", ".join(f"{TITLES[name]} {written(name, value)}" for name, value in scores.items())
    cut = f" (first {SCORED_SECONDS:.0f} s)" if there.seconds > SCORED_SECONDS else ""
    frames = fps = ""
    if there.frames is not None:
        frames = f"{there.frames} frames, "
        fps = f"encode {there.fps:.1f} fps, decode {back.fps:.1f} fps; "
    return [
        f"rate     {rates(there)} ({frames}{amount(there.file_bytes)} for {there.seconds:.2f} s)",
        f"speed    {fps}encode {there.speed:.1f}x, decode {back.speed:.1f}x real time, with start-up",
        f"quality  {quality}{cut}",
    ]
