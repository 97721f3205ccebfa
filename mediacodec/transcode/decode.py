"""From .mcx to a media file: demultiplexed and decoded by us, encoded and multiplexed by FFmpeg."""

from __future__ import annotations

import os
import time
from typing import BinaryIO

from mediacodec import memory_errors
from mediacodec.arguments import as_optional, check_callback
from mediacodec.mcx.probe import Source, opened
from mediacodec.mcx.reader import FileReader
from mediacodec.progress import Progress, ProgressCallback
from mediacodec.transcode.demux import DemuxSession
from mediacodec.transcode.options import DecodeOptions
from mediacodec.transcode.reports import DecodeReport


@memory_errors.named
def decode_file(
    source: Source,
    target: str | os.PathLike[str] | BinaryIO,
    options: DecodeOptions | None = None,
    *,
    progress: ProgressCallback | None = None,
) -> DecodeReport:
    """Decode the first streams of an .mcx file into a classic one.

    What the output's format holds is decoded: audio (wav ...), video (y4m ...) or both (mp4, mkv). Damage is concealed
    and reported, not raised.

    Args:
        source: a path, bytes, or an open file.
        target: a path, "-" for standard output, or an open file.
        options: what to decode, and into what; None for the defaults.
        progress: called after every chunk and frame; may raise to stop.

    Raises:
        BitstreamError: nothing can be read, in one of its kinds.
        InputError: the file holds nothing that the output could.
        ModelNotFoundError, ModelMismatchError, DeviceError: it cannot be decoded here.
        OutputError, OutputExistsError: the output cannot be written.
        UsageError: the options make no sense for this output.
        ParameterTypeError: an argument is of the wrong kind.
    """
    options = as_optional("options", options, DecodeOptions) or DecodeOptions()
    check_callback("progress", progress)
    began, seconds = time.perf_counter(), 0.0
    with (
        opened(source, "source") as file,
        FileReader(file, models=options.models, device=options.device, threads=options.threads) as reader,
    ):
        session = DemuxSession(reader, target, options)
        with session:
            for item in session.items():
                session.write(item)
                seconds = max(seconds, session.seconds)
                if progress:
                    wall = time.perf_counter() - began
                    progress(Progress(seconds, session.total, 0, wall, session.num_frames))
        return DecodeReport(
            seconds=seconds,
            wall_seconds=time.perf_counter() - began,
            gaps=list(reader.gaps),
            truncated=reader.truncated,
            notes=session.notes,
            frames=session.num_frames,
        )
