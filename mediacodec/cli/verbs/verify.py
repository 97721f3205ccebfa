"""mediacodec verify: is every byte of an .mcx as it was written"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.parsing.groups import Files, Machine
from mediacodec.cli.ui.console import Console, printable

if TYPE_CHECKING:
    from mediacodec.errors import MediaCodecError
    from mediacodec.mcx.reader import FileReader

EXAMPLE = """
mediacodec verify talk.mcx && rm talk.wav
"""


@click.command(cls=Verb, usage="FILE [options]", example=EXAMPLE, short_help="Check every CRC and decode all.")
@options.one_file
@options.machine
@options.quietness
@click.pass_obj
def verify(console: Console, /, *, files: Files, machine: Machine) -> int:
    """Check every CRC of FILE and decode all of it.

    Exit code 0: whole. 4: damaged or cut, with the gaps listed. 5: the model is missing, so that only the bytes could
    be checked.
    """
    from mediacodec.cli.parsing.inputs import opened_mcx
    from mediacodec.cli.ui.damage import complain
    from mediacodec.mcx.reader import FileReader

    source = files.only()
    with opened_mcx(source) as (file, _):
        reader = FileReader(file, device=machine.device, threads=machine.threads, models=machine.models)
        done, missing = _checked(console, reader)
    gaps = reader.gaps
    code = complain(console, source, gaps, reader.header, truncated=reader.truncated)
    if code == 0 and missing is not None:
        console.info(f"{printable(source)}: the bytes are whole, but nothing could be decoded")
        raise missing
    if code == 0:
        click.echo(f"{printable(source)}: whole, {done} decoded, every check passed")
    return code


def _checked(console: Console, reader: FileReader) -> tuple[str, MediaCodecError | None]:
    """Decode every stream; how much that was, and why not all: without model or codec only CRCs were checked."""
    from mediacodec.cli.ui.monitor import Monitor
    from mediacodec.errors import ModelError, UnsupportedFeatureError
    from mediacodec.frames import AudioChunk, VideoFrame
    from mediacodec.progress import Progress

    seconds, audio, began = 0.0, 0.0, time.perf_counter()
    frames = 0 if reader.has_video else None
    missing: MediaCodecError | None = None
    lengths = [stream.duration for stream in reader.streams]
    total = None if None in lengths else max((each for each in lengths if each is not None), default=None)
    with Monitor(console) as monitor:
        try:
            for item in reader.everything():
                if isinstance(item, AudioChunk):
                    audio += item.duration_seconds
                    seconds = max(seconds, item.pts_seconds + item.duration_seconds)
                elif isinstance(item, VideoFrame):
                    frames = (frames or 0) + 1
                    seconds = max(seconds, item.pts_seconds)
                monitor(Progress(seconds, total, 0, time.perf_counter() - began, frames))
        except (ModelError, UnsupportedFeatureError) as error:
            missing = error
        if missing or not reader.streams:
            for _ in reader.remaining_packets():
                monitor(Progress(seconds, None, 0, time.perf_counter() - began))
    parts = [f"{audio:.2f} s"] if audio or frames is None else []
    parts += [] if frames is None else [f"{frames} frame{'s' * (frames != 1)}"]
    return " and ".join(parts), missing
