"""mediacodec encode: anything with sound or pictures -> .mcx"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.ui.console import Console

EXAMPLE = """
mediacodec encode -i talk.mp3 -b:a 3k talk.mcx
mediacodec encode -i clip.mp4 -crf 30 -b:a 6k clip.mcx
arecord -fdat | mediacodec encode -i - -packet_duration 0.1 - > live.mcx
"""
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac")
FILM_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".y4m", ".yuv", ".png")


@click.command(cls=Verb, usage="-i IN [options] OUT.mcx", example=EXAMPLE, short_help="Sound and pictures to .mcx.")
@options.files
@options.pictures
@options.coding
@options.kinds
@options.time_range
@options.overwriting
@click.option("-resume", "resume", is_flag=True, help="Go on from OUT.mcx.partial after an interrupt.")
@click.option("-append", "append", is_flag=True, help="Add the clip to OUT.mcx, a file of -c:v inr.")
@options.machine
@options.progress_url
@options.quietness
@click.pass_obj
def encode(console: Console, /, **given: Any) -> int:
    """Encode sound and pictures of IN (wav, mp3, mp4, mkv, y4m, frame%04d.png ...) into an .mcx file.

    Any sample rate, size and frame rate goes in; what the codec cannot keep is said.
    """
    from mediacodec.cli.jobs import check_append, check_coding, encoded
    from mediacodec.cli.parsing.outputs import check_ends, may_overwrite, refuse_coded
    from mediacodec.cli.ui.monitor import check_progress_url, rates, summary
    from mediacodec.errors import UsageError

    source, target = options.endpoints(given)
    for kind, suffixes in (("sound", SOUND_SUFFIXES), ("a film", FILM_SUFFIXES)):
        if Path(target).suffix.lower() in suffixes:
            raise UsageError(f"encode writes .mcx, and {target!r} names {kind}; for {kind} again use roundtrip")
    check_coding(given)
    refuse_coded(source)
    check_progress_url(given["progress"], target)
    agreed = {"yes": given["yes"], "no": given["no"]}
    if given["append"]:
        check_ends(source, target, **agreed)
        check_append(given, target)
    overwrite = given["append"] or may_overwrite(console, source, target, **agreed)
    report = encoded(console, source, target, given, overwrite=overwrite)
    console.notes(report.notes)
    if not report.seconds and not given["append"]:
        what = "no sound" if report.frames is None else "nothing"
        console.warning(f"there is {what} in that stretch of {source!r}: the output is empty")
    console.info(summary("encoded", report) + f": {rates(report)}")
    if given["append"] and report.frames:
        micros = math.floor(report.begin * 10**6)  # rounded up, it would name the second picture
        begin = f"{micros // 10**6}.{micros % 10**6:06}".rstrip("0").rstrip(".")
        console.info(f"they begin at {begin} s of {target!r}: -ss {begin} reaches them")
    return 0
