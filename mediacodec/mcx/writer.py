"""Writing a file: streams are added, audio and video encoded, packets muxed; `mediacodec.open` with mode "w"."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from mediacodec import memory_errors
from mediacodec.arguments import as_flag, as_folder, as_instance, sealed
from mediacodec.codecs.options import UNKNOWN_COLOUR, AudioOptions, Runtime, VideoOptions, with_changes
from mediacodec.codecs.streaming.encoders import find_video_model, open_audio_backend, video_format
from mediacodec.errors import ParameterError
from mediacodec.frames import Colour
from mediacodec.mcx.muxer import Muxer
from mediacodec.mcx.output import Closing, NamedOutput, OpenOutput, Output, Target
from mediacodec.mcx.streams import AudioWriter, CopyWriter, VideoWriter, storable
from mediacodec.mcx.tags import file_fields, with_tags
from mediacodec.metadata import Chapter, Tags
from mediacodec.progress import FitMonitor
from mediacodec_bitstream import FileHeader, Packet, Writer

if TYPE_CHECKING:
    from mediacodec.codecs.fitting.encoder import FittingEncoder
    from mediacodec.mcx.resume import Checkpoint, Resumption
    from mediacodec.media.stream_copy import AudioCopy


@sealed
class FileWriter:
    """An .mcx file being written; streams are added before the first `mux`.

    Use it in a `with` block: a named file appears when the block ends, and not at all when it raises.

    Args:
        file: a path, "-" for standard output, or an open binary file, which is not closed.
        overwrite: whether a file of that name may be replaced.
        live: whether somebody listens meanwhile: every packet goes out at once.
        models: a folder to look for models in first.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; None for as many as help.
        monitor: watches codecs whose encoding is fitting, and may stop them: the file then appears as NAME.partial,
            with what was fitted.
        resume: whether a fit goes on from NAME.partial, where whole groups are kept meanwhile.
        checkpoint: where they are kept for a file that is open; whoever gives it removes it once the file is in its
            place.
        metadata: tags of the file by name: title, artist, date, comment, genre ...
        chapters: in the order of time.

    Raises:
        OutputExistsError: the file exists and must not be replaced.
        OutputError: it cannot be written.
        ParameterError, ParameterTypeError: an argument makes no sense.

    Example:
        >>> with mediacodec.open("talk.mcx", "w") as file:
        ...     stream = file.add_audio_stream("speech", sample_rate=16000, bit_rate=3000)
        ...     for samples in recording:
        ...         file.mux(stream.encode(samples))
    """

    __slots__ = ("_closing", "_fields", "_live", "_models", "_monitor", "_muxer", "_output", "_resumption", "_runtime")

    @memory_errors.named
    def __init__(
        self,
        file: Target,
        *,
        overwrite: bool = False,
        live: bool = False,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        monitor: FitMonitor | None = None,
        resume: bool = False,
        checkpoint: Checkpoint | None = None,
        metadata: Tags | None = None,
        chapters: Sequence[Chapter] = (),
    ) -> None:
        self._closing = Closing()
        self._fields = file_fields(metadata, chapters)
        self._live, self._monitor = as_flag("live", live), monitor
        overwrite, resume = as_flag("overwrite", overwrite), as_flag("resume", resume)
        if checkpoint is not None:
            from mediacodec.mcx.resume import Checkpoint

            as_instance("checkpoint", checkpoint, Checkpoint)
        self._models = as_folder("models", models)
        self._runtime = Runtime(device=device, threads=threads, monitor=monitor)
        self._output: Output
        if isinstance(file, (str, os.PathLike)):
            self._output = named = NamedOutput(file, overwrite=overwrite)
            if named.stays:
                from mediacodec.mcx.resume import Checkpoint, partial_name

                checkpoint = Checkpoint(partial_name(file), resume)
        else:
            self._output = OpenOutput(file)
        if resume and checkpoint is None:
            self._output.abort()
            raise ParameterError("resume is for a file with a name: nothing else is kept")
        self._resumption: Resumption | None = None
        if checkpoint is not None:
            from mediacodec.mcx.resume import Resumption

            self._resumption = Resumption(checkpoint, monitor)
        self._muxer = Muxer(self._open_writer, live=live, fields=self._fields)

    def _open_writer(self, header: FileHeader, packets_per_chunk: int) -> Writer:
        return Writer(cast("BinaryIO", self._output.file), header, packets_per_chunk=packets_per_chunk)

    @property
    def bytes_written(self) -> int:
        """Bytes of the file so far."""
        return self._output.file.count

    @memory_errors.named
    def add_audio_stream(
        self,
        codec: str = "speech",
        options: AudioOptions | None = None,
        *,
        sample_rate: int,
        channels: int = 1,
        metadata: Tags | None = None,
        **changes: object,
    ) -> AudioWriter:
        """Add a stream for audio at `sample_rate` with `channels`; it is converted to what the codec takes.

        Args:
            codec: name of a model.
            options: how to encode; None for the defaults.
            sample_rate: of what will be given, Hz.
            channels: likewise.
            metadata: tags of the stream by name: language, title ...
            changes: options by name, in place of those of `options`: `bit_rate=3000`.

        Raises:
            ModelNotFoundError: there is no such model.
            ParameterError: the codec is one for video, there is no option of a name, or a value is out of range.
            ParameterTypeError: a value is of the wrong kind.
            DeviceError: the device cannot be used.
        """
        self._check_open()
        wanted = with_changes(AudioOptions, options, changes)
        encoder = open_audio_backend(codec, wanted, self._runtime, stream_id=self._next_id, models=self._models)
        stream = AudioWriter(encoder, sample_rate, channels)
        stream.header = with_tags(stream.header, metadata)
        return self._muxer.add(stream)

    @memory_errors.named
    def add_video_stream(
        self,
        codec: str = "conditional",
        options: VideoOptions | None = None,
        *,
        width: int,
        height: int,
        frame_rate: Fraction | int,
        time_base: Fraction | None = None,
        colour: Colour = UNKNOWN_COLOUR,
        metadata: Tags | None = None,
        variable_frame_rate: bool = False,
        **changes: object,
    ) -> VideoWriter:
        """Add a stream for frames of width x height in 8-bit 4:2:0 (`VideoFrame`).

        Args:
            codec: name of a model.
            options: how to encode; None for the defaults.
            width, height: pixels.
            frame_rate: nominal, per second; the pts of the frames tell the true times.
            time_base: seconds per tick; None for the time of one frame. Ticks below a microsecond become 1/90000 s.
            colour: of the frames, see `VideoFrame`.
            metadata: tags of the stream by name: language, title ...
            variable_frame_rate: whether frames may be presented for longer than the nominal rate says. Else one that
                is followed late ends on time, and so does the last one.
            changes: options by name, in place of those of `options`: `crf=30`.

        Raises:
            ModelNotFoundError: there is no such model.
            ParameterError: the codec is one for audio, there is no option of a name, or a value is out of range.
            ParameterTypeError: a value is of the wrong kind.
            DeviceError: the device cannot be used.
            MissingExtraError: the codec fits networks, and the extra `train` is not installed.
        """
        self._check_open()
        wanted = with_changes(VideoOptions, options, changes)
        video = storable(video_format(width, height, frame_rate, time_base, colour))
        model, family = find_video_model(codec, self._models)
        resumption = self._resumption
        if not family.fits and resumption is not None and resumption.resumes:
            raise ParameterError(f"encoding with {codec!r} fits no network: there is nothing to resume")
        encoder = family.encoder(model, video, wanted, self._runtime, stream_id=self._next_id)
        if family.fits and resumption is not None:
            encoder = resumption.kept(cast("FittingEncoder", encoder), wanted)
        variable = as_flag("variable_frame_rate", variable_frame_rate)
        stream = VideoWriter(encoder, video.frame_rate, live=self._live, variable=variable)
        stream.header = with_tags(stream.header, metadata)
        return self._muxer.add(stream)

    @memory_errors.named
    def add_copied_stream(self, copy: AudioCopy, *, metadata: Tags | None = None) -> CopyWriter:
        """Add a stream for the packets of another codec, which are kept as they are.

        Args:
            copy: what the packets are.
            metadata: tags of the stream by name: language, title ...

        Raises:
            ParameterError: packets were muxed already.
            ParameterTypeError: it is no AudioCopy.
        """
        from mediacodec.media.stream_copy import AudioCopy

        self._check_open()
        as_instance("copy", copy, AudioCopy)
        stream = CopyWriter(copy, stream_id=self._next_id, live=self._live)
        stream.header = with_tags(stream.header, metadata)
        return self._muxer.add(stream)

    def _check_open(self) -> None:
        if self._closing.done:
            raise ParameterError("the file is closed: open another one")
        self._muxer.check_unstarted()

    @property
    def _next_id(self) -> int:
        return len(self._muxer.streams)

    @memory_errors.named
    def mux(self, packets: Iterable[Packet]) -> None:
        """Write packets that a stream's `encode` returned.

        Args:
            packets: in their order.

        Raises:
            ParameterError: a packet is of no stream of this file, or out of order; or the file is closed.
            ParameterTypeError: something is no packet.
            OutputError: they cannot be written.
        """
        if self._closing.done:
            raise ParameterError("the file is closed: nothing can be muxed any more")
        self._muxer.mux(packets)

    @memory_errors.named
    def close(self) -> None:
        """Flush every stream and write the end; once closed this does nothing, or raises again what it raised.

        Raises:
            ParameterError: no stream was added.
            OutputError, OutputExistsError: the file cannot get its name; nothing is left under it.
        """
        self._closing.run(self._finish, self.abort)

    def _finish(self) -> None:
        self._muxer.flush_streams()
        stopped = self._monitor is not None and self._monitor.stopped
        self._muxer.finish(self._resumption.tags if stopped and self._resumption is not None else None)
        self._output.finish(partial=stopped)
        if self._resumption is not None and isinstance(self._output, NamedOutput) and not stopped:
            self._resumption.discard()

    def abort(self) -> None:
        """Leave nothing behind under the file's name."""
        self._closing.done = True
        if self._resumption is not None:
            self._resumption.close()
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
