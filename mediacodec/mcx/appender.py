"""Appending a clip to a file: `mediacodec.open` with mode "a"."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from mediacodec import memory_errors
from mediacodec.arguments import as_folder, sealed
from mediacodec.codecs.options import UNKNOWN_COLOUR, Runtime, VideoOptions, with_changes
from mediacodec.codecs.streaming.encoders import video_format
from mediacodec.errors import ParameterError
from mediacodec.frames import Colour
from mediacodec.mcx.append import DEFAULT_CODEC, AppendTarget, ClipWriter
from mediacodec.mcx.muxer import Muxer
from mediacodec.mcx.output import Closing, NamedOutput, Output
from mediacodec.mcx.streams import storable
from mediacodec.progress import FitMonitor
from mediacodec_bitstream import FileHeader, Packet, Writer


@sealed
class FileAppender:
    """A file of video to which a clip is being appended: its stream goes on behind what is there.

    Use it in a `with` block: the file gets the clip when the block ends, and stays as it was when it raises, or where
    nothing was added.

    Args:
        target: the file; closed with this.
        output: takes a copy of the file and what is appended, open for reading too.
        models: a folder to look for models in first.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help.
        monitor: watches the fit, and may stop it: file and clip then appear as NAME.partial.

    Raises:
        InputError: the file cannot be read.
        OutputError: the copy cannot be written.

    Example:
        >>> with mediacodec.open("clips.mcx", "a") as file:
        ...     stream = file.add_video_stream("inr", width=640, height=360, frame_rate=25, preset="faster")
        ...     for frame in clip:
        ...         file.mux(stream.encode(frame))
    """

    __slots__ = ("_closing", "_models", "_monitor", "_muxer", "_output", "_runtime", "_start_size", "_target")

    @memory_errors.named
    def __init__(
        self,
        target: AppendTarget,
        output: Output,
        *,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        monitor: FitMonitor | None = None,
    ) -> None:
        self._closing = Closing()
        self._target, self._output, self._monitor = target, output, monitor
        self._models = as_folder("models", models)
        self._runtime = Runtime(device=device, threads=threads, monitor=monitor)
        self._muxer = Muxer(self._open_writer, live=target.header.live)
        target.copy_to(output.file)
        self._start_size = output.file.count  # bytes that the file had

    def _open_writer(self, _: FileHeader, packets_per_chunk: int) -> Writer:
        return Writer.append(cast("BinaryIO", self._output.file), packets_per_chunk=packets_per_chunk)

    @property
    def bytes_written(self) -> int:
        """Bytes appended so far."""
        return self._output.file.count - self._start_size

    @memory_errors.named
    def add_video_stream(
        self,
        codec: str = DEFAULT_CODEC,
        options: VideoOptions | None = None,
        *,
        width: int,
        height: int,
        frame_rate: Fraction | int,
        time_base: Fraction | None = None,
        colour: Colour = UNKNOWN_COLOUR,
        variable_frame_rate: bool = False,  # noqa: ARG002 - as for FileWriter
        **changes: object,
    ) -> ClipWriter:
        """Continue the file's one stream by a clip, whose times count from 0.

        Args:
            codec: name of the file's model, or the default, which stands for it.
            options, width, height, frame_rate, time_base, colour, changes: as for `FileWriter.add_video_stream`.
            variable_frame_rate: changes nothing: the file has said before how long its frames may be.

        Raises:
            ParameterError: the clip does not fit the file, or was added already; there is no option of a name, or a
                value is out of range.
            ParameterTypeError: a value is of the wrong kind.
            CorruptError: the file is damaged.
            ModelNotFoundError, ModelMismatchError: its model is not here.
            DeviceError: the device cannot be used.
            MissingExtraError: the extra `train` is not installed.
        """
        if self._closing.done:
            raise ParameterError("the file is closed: open it again")
        if self._muxer.streams:
            raise ParameterError(f"'{self._target.path}' has one stream, which is being continued")
        wanted = with_changes(VideoOptions, options, changes)
        video = storable(video_format(width, height, frame_rate, time_base, colour))
        return self._muxer.add(self._target.add_clip(codec, video, wanted, self._runtime, models=self._models))

    @memory_errors.named
    def mux(self, packets: Iterable[Packet]) -> None:
        """Write packets that the stream's `encode` returned; see `FileWriter.mux`."""
        if self._closing.done:
            raise ParameterError("the file is closed: nothing can be muxed any more")
        self._muxer.mux(packets)

    @memory_errors.named
    def close(self) -> None:
        """Flush the stream and write the end; once closed this does nothing, or raises again what it raised.

        Raises:
            ParameterError: no stream was added.
            OutputError: the file was changed by somebody else meanwhile, or cannot be written.
        """
        self._closing.run(self._finish, self.abort)

    def _finish(self) -> None:
        self._muxer.flush_streams()
        if not any(stream.payload_bytes for stream in self._muxer.streams):
            self.abort()  # nothing was added: the file stays as it is
            return
        stopped = self._monitor is not None and self._monitor.stopped
        self._muxer.finish()
        self._output.finish(partial=stopped)
        self._target.close()

    def abort(self) -> None:
        """Leave the file as it was."""
        self._closing.done = True
        self._target.close()
        self._output.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            return
        self.close()


def open_appender(
    path: str | os.PathLike[str],
    *,
    models: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    monitor: FitMonitor | None = None,
) -> FileAppender:
    """A file to append to, by its name; it takes the new contents only where nobody changed it meanwhile.

    Args:
        path: of the file.
        models: a folder to look for models in first.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help.
        monitor: watches the fit, and may stop it.

    Raises:
        InputError, BitstreamError: it cannot be read, or is no .mcx file.
        UsageError: nothing can be appended to files of its kind.
        OutputError: it cannot be written.
        ParameterError, ParameterTypeError: an argument makes no sense.
    """
    target = AppendTarget(path)
    try:
        output = NamedOutput(path, overwrite=True)
        try:
            output.guard(target.check_unchanged)
            return FileAppender(target, output, models=models, device=device, threads=threads, monitor=monitor)
        except BaseException:
            output.abort()
            raise
    except BaseException:
        target.close()
        raise
