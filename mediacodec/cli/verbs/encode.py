"""mediacodec encode: anything with audio or video -> .mcx"""

from __future__ import annotations

import math
from pathlib import Path

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.parsing.groups import AudioCoding, Files, Kinds, Machine, Overwriting, Said, TimeRange, VideoCoding
from mediacodec.cli.ui.console import Console

EXAMPLE = """
mediacodec encode -i talk.mp3 -b:a 3k talk.mcx
mediacodec encode -i clip.mp4 -crf 30 -b:a 6k clip.mcx
arecord -fdat | mediacodec encode -i - -packet_duration 0.1 - > live.mcx
"""
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac")
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".y4m", ".yuv", ".png")


@click.command(cls=Verb, usage="-i IN [options] OUT.mcx", example=EXAMPLE, short_help="Audio and video to .mcx.")
@options.files
@options.video_coding
@options.audio_coding
@options.kinds
@options.said
@options.time_range
@options.overwriting
@click.option("-resume", "resume", is_flag=True, help="Go on from OUT.mcx.partial after an interrupt.")
@click.option("-append", "append", is_flag=True, help="Add the clip to OUT.mcx, a file of -c:v inr.")
@options.machine
@options.progress_url
@options.quietness
@click.pass_obj
def encode(
    console: Console,
    /,
    *,
    files: Files,
    video: VideoCoding,
    audio: AudioCoding,
    kinds: Kinds,
    said: Said,
    stretch: TimeRange,
    overwriting: Overwriting,
    resume: bool,
    append: bool,
    machine: Machine,
    progress: str | None,
) -> int:
    """Encode audio and video of IN (wav, mp3, mp4, mkv, y4m, frame%04d.png ...) into an .mcx file.

    Any sample rate, size and frame rate goes in; what is lost is said.
    """
    from mediacodec.cli.jobs import EncodeJob, encoded
    from mediacodec.cli.parsing.outputs import check_ends, may_overwrite, refuse_coded
    from mediacodec.cli.ui.monitor import check_progress_url, rates, summary
    from mediacodec.errors import UsageError

    source, target = files.endpoints()
    for kind, suffixes in (("audio", AUDIO_SUFFIXES), ("video", VIDEO_SUFFIXES)):
        if Path(target).suffix.lower() in suffixes:
            raise UsageError(f"encode writes .mcx, and {target!r} names {kind}; for {kind} again use roundtrip")
    job = EncodeJob(audio, video, kinds, stretch, machine, progress, resume, append, said)
    job.check()
    refuse_coded(source)
    check_progress_url(progress, target)
    if append:
        check_ends(source, target, overwriting)
        job.check_append(target, no=overwriting.no)
    overwrite = append or may_overwrite(console, source, target, overwriting)
    report = encoded(console, source, target, job, overwrite=overwrite)
    console.notes(report.notes)
    if not report.seconds and not append:
        what = "no audio" if report.frames is None else "nothing"
        console.warning(f"there is {what} in that stretch of {source!r}: the output is empty")
    console.info(summary("encoded", report) + f": {rates(report)}")
    if append and report.frames:
        micros = math.floor(report.begin * 10**6)  # rounded up, it would name the second frame
        begin = f"{micros // 10**6}.{micros % 10**6:06}".rstrip("0").rstrip(".")
        console.info(f"they begin at {begin} s of {target!r}: -ss {begin} reaches them")
    return 0
