"""mediacodec roundtrip: what a codec does to a sound or a film, in one go"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.ui.console import Console, printable

if TYPE_CHECKING:
    from mediacodec.mcx.reader import FileReader
    from mediacodec.transcode.reports import DecodeReport, EncodeReport

EXAMPLE = """
mediacodec roundtrip -b:a 3k talk.wav talk-3k.wav
mediacodec roundtrip -crf 34 clip.mp4 clip-34.mp4
"""
SCORED_SECONDS = 60.0  # PESQ takes its time; pictures are all read twice more


@click.command(cls=Verb, usage="[options] IN OUT", example=EXAMPLE, short_help="Encode, decode and measure.")
@options.files
@options.pictures
@options.coding
@options.sound
@options.kinds
@options.time_range
@options.overwriting
@options.json_or_text
@options.machine
@options.progress_url
@options.quietness
@click.pass_obj
def roundtrip(console: Console, /, **given: Any) -> int:
    """Encode IN, decode it again into OUT, and print rates, speed and quality.

    Quality is that of the first minute: PSNR of pictures; of sound SI-SDR and mel distance, with the extra `bench`
    PESQ and STOI too.
    """
    from mediacodec.cli.jobs import check_coding
    from mediacodec.cli.parsing.outputs import may_overwrite, refuse_coded
    from mediacodec.cli.ui.monitor import STDOUT, check_progress_url
    from mediacodec.errors import UsageError
    from mediacodec.transcode.formats import output_format

    source, target = options.endpoints(given)
    refuse_coded(source)
    _leave_out(given, output_format(target, given["format"]))
    check_coding(given)
    check_progress_url(given["progress"], target)
    taken = target == "-" or given["progress"] in STDOUT
    if taken and given["output_format"] == "json":
        raise UsageError("JSON cannot share standard output with media or -progress; send those to a file")
    overwrite = may_overwrite(console, source, target, yes=given["yes"], no=given["no"])
    with tempfile.TemporaryDirectory(prefix="mediacodec-") as folder:
        if source == "-":  # it is read twice
            source = _spooled(Path(folder) / "in")
        result = _run(console, source, target, given, Path(folder) / "coded.mcx", overwrite=overwrite)
    if given["output_format"] == "json":
        click.echo(json.dumps(result, indent=2))
    else:
        for line in _lines(result):
            click.echo(printable(line), err=taken)
    return 0


def _leave_out(given: dict[str, Any], kind: str) -> None:
    """What the output cannot hold need not be encoded. Raises UsageError where nothing is left."""
    from mediacodec.errors import UsageError
    from mediacodec.media.audio_sink import FORMATS
    from mediacodec.transcode.formats import VIDEO_ONLY

    for kinds, other, mine, option in (
        (FORMATS, "no_video", "no_audio", "-an"),
        (VIDEO_ONLY, "no_audio", "no_video", "-vn"),
    ):
        if kind in kinds:
            if given[mine]:
                raise UsageError(f"{option} leaves nothing for {kind}")
            given[other] = True


def _spooled(path: Path) -> str:
    from mediacodec.errors import UsageError

    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe media in or name a file")
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return str(path)


def _run(
    console: Console, source: str, target: str, given: dict[str, Any], coded: Path, *, overwrite: bool
) -> dict[str, Any]:
    from mediacodec.cli.jobs import decoded, encoded

    there = encoded(console, source, str(coded), {**given, "progress": None}, overwrite=True)
    console.notes(there.notes)
    # the stretch was chosen on the way in
    whole = {**given, "ss": 0.0, "t": None, "to": None, "output_codec": None, "skip_frame": "default"}
    back, _ = decoded(console, str(coded), target, whole, overwrite=overwrite)
    console.notes(back.notes)
    return {**_measured(there, back), "quality": _quality(console, source, given, coded)}


def _measured(there: EncodeReport, back: DecodeReport) -> dict[str, Any]:
    pictures = {
        "frames": there.frames,
        "video_kbps": round(there.video_kbps, 4),
        "encode_fps": round(there.fps, 2),
        "decode_fps": round(back.fps, 2),
    }
    return {
        "duration": round(there.seconds, 6),
        **(pictures if there.frames is not None else {}),
        "payload_kbps": round(there.payload_kbps, 4),
        "file_kbps": round(there.file_kbps, 4),
        "file_bytes": there.file_bytes,
        "encode_speed": round(there.speed, 2),
        "decode_speed": round(back.speed, 2),
    }


def _quality(console: Console, source: str, given: dict[str, Any], coded: Path) -> dict[str, float | None]:
    from mediacodec.mcx.reader import FileReader

    start, duration = options.span(given)
    stretch: dict[str, Any] = {"start": start, "duration": min(SCORED_SECONDS, duration or SCORED_SECONDS)}
    machine = {name: given[name] for name in ("device", "threads", "models")}
    scores: dict[str, float | None] = {}
    with FileReader(coded, **machine) as reader:
        if reader.has_video:
            scores |= _picture_quality(source, stretch, reader)
        if reader.has_audio:
            scores |= _sound_quality(console, source, stretch, reader)
    return scores


def _picture_quality(source: str, stretch: dict[str, Any], reader: FileReader) -> dict[str, float | None]:
    from mediacodec.cli.ui.frame_scores import score_pictures
    from mediacodec.media.media_source import MediaSource

    with MediaSource(source, audio=False, **stretch) as media:
        shown = reader.video.frames(stop=SCORED_SECONDS)
        return dict(score_pictures(media.items(), shown, ["psnr", "psnr_y"]).metrics)  # type: ignore[arg-type]


def _sound_quality(
    console: Console, source: str, stretch: dict[str, Any], reader: FileReader
) -> dict[str, float | None]:
    from mediacodec.bench.audio.quality import score
    from mediacodec.cli.ui.audio_scores import RATE, default_metrics, read_mono
    from mediacodec.media import resample_audio
    from mediacodec.metrics.audio import align

    reference = read_mono(source, **stretch)
    chunk = reader.audio.get_samples_played_in_range(0.0, SCORED_SECONDS)
    distorted = resample_audio(chunk.samples.mean(axis=0), chunk.sample_rate, RATE)
    if reader.has_video:  # sound that begins later than the pictures has silence in front
        lined, found, _ = align(reference, distorted, RATE)
        return score(lined, found, RATE, metrics=default_metrics(console))
    return score(reference, distorted, RATE, metrics=default_metrics(console))


def _lines(result: dict[str, Any]) -> list[str]:
    from mediacodec.cli.ui.audio_scores import written
    from mediacodec.cli.ui.frame_scores import TITLES
    from mediacodec.cli.ui.monitor import amount

    quality = ", ".join(f"{TITLES[name]} {written(name, value)}" for name, value in result["quality"].items())
    cut = f" (first {SCORED_SECONDS:.0f} s)" if result["duration"] > SCORED_SECONDS else ""
    video = fps = ""
    if "frames" in result:
        video = f"{result['video_kbps']:.2f} kbps video ({result['frames']} pictures), "
        fps = f"encode {result['encode_fps']:.1f} fps, decode {result['decode_fps']:.1f} fps; "
    return [
        f"rate     {video}{result['payload_kbps']:.2f} kbps payload, {result['file_kbps']:.2f} kbps file "
        f"({amount(result['file_bytes'])} for {result['duration']:.2f} s)",
        f"speed    {fps}encode {result['encode_speed']:.1f}x, decode {result['decode_speed']:.1f}x real time, "
        "with start-up",
        f"quality  {quality}{cut}",
    ]
