"""mediacodec decode: .mcx -> audio (wav, flac, ogg, mp3, m4a, raw) or video (mp4, mov, mkv, y4m, yuv, png)"""

from __future__ import annotations

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Spelt, Verb
from mediacodec.cli.parsing.groups import Files, Kinds, Machine, Output, Overwriting, Said, TimeRange
from mediacodec.cli.ui.console import Console

EXAMPLE = """
mediacodec decode -i talk.mcx talk.wav
mediacodec decode -i clip.mcx clip.mp4
mediacodec decode -i talk.mcx -ss 1:00 -t 5 -f wav - | aplay
"""


@click.command(cls=Verb, usage="-i IN.mcx [options] OUT", example=EXAMPLE, short_help=".mcx to audio and video.")
@options.files
@options.audio_output
@click.option("-c:v", "-codec:v", "-vcodec", "output_codec", cls=Spelt, metavar="NAME",
              help="h264 (default), or ffv1 in mkv.")  # fmt: skip
@click.option("-skip_frame", type=click.Choice(("default", "nokey")), metavar="KIND", default="default",
              help="nokey: keyframes only.")  # fmt: skip
@options.kinds
@options.said
@options.time_range
@options.overwriting
@options.machine
@options.progress_url
@options.quietness
@click.pass_obj
def decode(
    console: Console,
    /,
    *,
    files: Files,
    output: Output,
    output_codec: str | None,
    skip_frame: str,
    kinds: Kinds,
    said: Said,
    stretch: TimeRange,
    overwriting: Overwriting,
    machine: Machine,
    progress: str | None,
) -> int:
    """Decode what OUT can hold of IN.mcx: audio (wav ...), video (y4m, yuv, frame%04d.png) or both (mp4, mkv).

    Lengths and times are the original's. From a damaged file what is good is written, the gaps are listed and the
    exit code is 4.
    """
    from mediacodec.cli.jobs import DecodeJob, decoded
    from mediacodec.cli.parsing.outputs import may_overwrite
    from mediacodec.cli.ui.damage import complain
    from mediacodec.cli.ui.monitor import check_progress_url, summary

    source, target = files.endpoints()
    kinds.check()
    check_progress_url(progress, target)
    overwrite = may_overwrite(console, source, target, overwriting)
    job = DecodeJob(output, kinds, stretch, machine, progress, output_codec, skip_frame == "nokey", said)
    report, header = decoded(console, source, target, job, overwrite=overwrite)
    console.notes(report.notes)
    if not report.seconds:
        what = "no audio" if report.frames is None else "nothing"
        console.warning(f"there is {what} in that stretch of {source!r}: the output is empty")
    console.info(summary("decoded", report))
    rest = "; all that is whole was decoded"
    return complain(console, source, report.gaps, header, truncated=report.truncated, outcome=rest)
