"""mediacodec encode: anything with sound -> .mcx"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mediacodec.cli import options
from mediacodec.cli.command import Verb
from mediacodec.cli.console import Console

EXAMPLE = """
mediacodec encode -i talk.mp3 -b:a 3k talk.mcx
arecord -fdat | mediacodec encode -i - -packet_duration 0.1 - > live.mcx
"""
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".mp4", ".mkv", ".webm")


@click.command(cls=Verb, usage="-i IN [options] OUT.mcx", example=EXAMPLE, short_help="Sound to .mcx.")
@options.files
@options.coding
@options.time_range
@options.overwriting
@options.machine
@options.progress_url
@options.quietness
@click.pass_obj
def encode(console: Console, /, **given: Any) -> int:
    """Encode the sound of IN (wav, flac, mp3, ogg, m4a, mp4 ...) into an .mcx file.

    Any sample rate and number of channels goes in; what the codec cannot keep is said.
    """
    from mediacodec.cli.jobs import encoded
    from mediacodec.cli.monitor import check_progress_url
    from mediacodec.cli.outputs import may_overwrite, refuse_coded
    from mediacodec.errors import UsageError

    source, target = options.endpoints(given)
    if Path(target).suffix.lower() in SOUND_SUFFIXES:
        raise UsageError(f"encode writes .mcx, and {target!r} names sound; for sound again use roundtrip")
    refuse_coded(source)
    check_progress_url(given["progress"], target)
    overwrite = may_overwrite(console, source, target, yes=given["yes"], no=given["no"])
    report = encoded(console, source, target, given, overwrite=overwrite)
    console.notes(report.notes)
    if not report.seconds:
        console.warning(f"there is no sound in that stretch of {source!r}: the output is empty")
    console.info(
        f"encoded {report.seconds:.2f} s in {report.wall_seconds:.2f} s ({report.speed:.1f}x real time): "
        f"{report.payload_kbps:.2f} kbps payload, {report.file_kbps:.2f} kbps file"
    )
    return 0
