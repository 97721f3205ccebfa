"""From a media file to .mcx: demultiplexed and decoded by FFmpeg, encoded and multiplexed by us."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, BinaryIO

from mediacodec import memory_errors
from mediacodec.arguments import as_instance, as_optional, check_callback, check_file
from mediacodec.codecs.base import LIVE_BELOW
from mediacodec.codecs.options import as_monitor
from mediacodec.mcx.output import OpenOutput
from mediacodec.mcx.writer import FileWriter
from mediacodec.media.media_source import MediaSource
from mediacodec.progress import FitMonitor, Progress, ProgressCallback
from mediacodec.transcode.metadata import FittedMetadata
from mediacodec.transcode.mux import COPY, MuxSession, check_options
from mediacodec.transcode.options import EncodeOptions
from mediacodec.transcode.reports import EncodeReport

if TYPE_CHECKING:
    from mediacodec.mcx.append import AppendTarget
    from mediacodec.mcx.appender import FileAppender
    from mediacodec.mcx.resume import Checkpoint


@memory_errors.named
def encode_file(
    source: str | os.PathLike[str] | BinaryIO,
    target: BinaryIO,
    options: EncodeOptions | None = None,
    *,
    progress: ProgressCallback | None = None,
    monitor: FitMonitor | None = None,
    checkpoint: Checkpoint | None = None,
    append: AppendTarget | None = None,
) -> EncodeReport:
    """Encode audio and video of anything FFmpeg reads into an open binary file, which is not closed.

    Both keep their times: audio that begins after the video gets silence in front, frames keep their time stamps.

    Args:
        source: a path, "-" for standard input, or an open file.
        target: gets the .mcx file.
        options: what to encode, and how; None for the defaults.
        progress: called after every block and frame; may raise to stop.
        monitor: watches a codec whose encoding is fitting, and may stop it: then the file ends with what is fitted.
        checkpoint: where whole groups of such a codec are kept meanwhile, and whether it goes on from there.
        append: the file that the frames are appended to; the target, open for reading too, becomes a copy of it with
            them behind, and whoever puts it in that file's place asks `AppendTarget.check_unchanged` before.

    Raises:
        InputError: the source cannot be read.
        UsageError: an option is for what the source does not hold.
        ModelNotFoundError, ParameterError, ParameterTypeError, DeviceError, MissingExtraError: see
            `FileWriter.add_video_stream`; an argument of the wrong kind is a ParameterTypeError too.
        OutputError: the file cannot be written.
    """
    options = as_optional("options", options, EncodeOptions) or EncodeOptions()
    _check(target, progress, monitor, checkpoint, append)
    began, seconds = time.perf_counter(), 0.0
    with MediaSource(
        source,
        audio="copy" if options.audio is not None and options.audio_codec == COPY else options.audio is not None,
        video=options.video is not None,
        start=options.start,
        duration=options.duration,
    ) as media:
        if append is not None and (media.has_audio or media.audio_copy is not None):
            append.refuse_audio()
        check_options(options, media)
        about = FittedMetadata(options.metadata.of(media.metadata))
        with _file(target, options, about, monitor, checkpoint, append) as file:
            session = MuxSession(file, media, options, about)
            for item in media.items():
                seconds = max(seconds, session.take(item))
                if progress:
                    wall, done = time.perf_counter() - began, (session.num_frames, session.video_bytes)
                    progress(Progress(seconds, media.duration, file.bytes_written, wall, *done))
                if monitor and monitor.stopped:
                    break
        missed = [text for kind, text in media.left_out if kind not in options.metadata.unneeded]
        notes = [*media.notes(), *session.notes, *about.notes(missed, appends=append is not None)]
    return EncodeReport(
        seconds=max(seconds, session.video_seconds),
        wall_seconds=time.perf_counter() - began,
        payload_bytes=session.payload_bytes,
        file_bytes=file.bytes_written,
        notes=notes,
        frames=session.num_frames,
        begin=session.begin,
        video_payload_bytes=session.video_bytes,
        stopped=monitor is not None and monitor.stopped,
    )


def _check(target: object, progress: object, monitor: object, checkpoint: object, append: object) -> None:
    """Raise ParameterTypeError for an argument of the wrong kind."""
    check_file("target", target, "write")
    check_callback("progress", progress)
    if monitor is not None:
        as_monitor("monitor", monitor)
    if checkpoint is not None:
        from mediacodec.mcx.resume import Checkpoint

        as_instance("checkpoint", checkpoint, Checkpoint)
    if append is not None:
        from mediacodec.mcx.append import AppendTarget

        as_instance("append", append, AppendTarget)


def _file(
    target: BinaryIO,
    options: EncodeOptions,
    about: FittedMetadata,
    monitor: FitMonitor | None,
    checkpoint: Checkpoint | None,
    append: AppendTarget | None,
) -> FileWriter | FileAppender:
    """What is written: a new file, or one that is appended to."""
    models, device, threads = options.models, options.device, options.threads
    if append is not None:
        from mediacodec.mcx.appender import FileAppender

        output = OpenOutput(target)
        return FileAppender(append, output, models=models, device=device, threads=threads, monitor=monitor)
    return FileWriter(
        target,
        models=models,
        device=device,
        threads=threads,
        # short packets are for someone who listens now, and may come in late
        live=options.audio is not None and options.audio.packet_duration < LIVE_BELOW,
        monitor=monitor,
        checkpoint=checkpoint,
        metadata=about.tags,
        chapters=about.chapters,
    )
