"""mediacodec decode: .mcx -> wav, flac, ogg, mp3, m4a or raw samples"""

from __future__ import annotations

from typing import Any

import click

from mediacodec.cli import options
from mediacodec.cli.command import Verb
from mediacodec.cli.console import Console

EXAMPLE = """
mediacodec decode -i talk.mcx talk.wav
mediacodec decode -i talk.mcx -ss 1:00 -t 5 -f wav - | aplay
"""


@click.command(cls=Verb, usage="-i IN.mcx [options] OUT", example=EXAMPLE, short_help=".mcx to sound.")
@options.files
@options.sound
@options.time_range
@options.overwriting
@options.machine
@options.progress_url
@options.quietness
@click.pass_obj
def decode(console: Console, /, **given: Any) -> int:
    """Decode the sound of IN.mcx.

    The length is the original's, to the sample. From a damaged file what is good is written, the gaps are listed and
    the exit code is 4.
    """
    from mediacodec.cli.damage import complain
    from mediacodec.cli.jobs import decoded
    from mediacodec.cli.monitor import check_progress_url
    from mediacodec.cli.outputs import may_overwrite

    source, target = options.endpoints(given)
    check_progress_url(given["progress"], target)
    overwrite = may_overwrite(console, source, target, yes=given["yes"], no=given["no"])
    report, header = decoded(console, source, target, given, overwrite=overwrite)
    console.notes(report.notes)
    if not report.seconds:
        console.warning(f"there is no sound in that stretch of {source!r}: the output is empty")
    console.info(f"decoded {report.seconds:.2f} s in {report.wall_seconds:.2f} s ({report.speed:.1f}x real time)")
    rest = "; all that is whole was decoded"
    return complain(console, source, report.gaps, header, truncated=report.truncated, outcome=rest)
