"""Writing a file: streams are added, sound and pictures encoded, packets muxed; `mediacodec.open` with mode "w"."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar, cast

from mediacodec import manifest
from mediacodec.codecs.base import VideoEncoderBackend
from mediacodec.codecs.options import (
    UNKNOWN_COLOUR,
    AudioOptions,
    Runtime,
    VideoFormat,
    VideoOptions,
    with_changes,
)
from mediacodec.codecs.registry import AudioFamily, VideoFamily, family_of_model
from mediacodec.errors import ParameterError
from mediacodec.frames import Colour
from mediacodec.mcx.streams import AudioWriter, CopyWriter, StreamWriter, VideoWriter, as_chunk
from mediacodec_bitstream import FileHeader, Packet, Writer

if TYPE_CHECKING:
    from mediacodec.codecs.fitting.encoder import FittingEncoder
    from mediacodec.codecs.fitting.protocol import FitMonitor
    from mediacodec.mcx.append import Archive
    from mediacodec.mcx.resume import Checkpoint, ResumableEncoder
    from mediacodec.media.atomic import AtomicFile, LiveFile
    from mediacodec.media.stream_copy import AudioCopy

__all__ = ["CHUNK_SECONDS", "FileWriter", "as_chunk"]

Stream = TypeVar("Stream", bound=StreamWriter)

CHUNK_SECONDS = 0.5  # of pictures or copied sound under one head: 24 bytes each, and what one damaged byte costs
MAX_PACKETS = 4096  # in a chunk; the time ends it earlier
FINEST = Fraction(1, 1_000_000)  # ticks: finer ones could not hold a picture's duration in 24 bits
_FINE = Fraction(1, 90_000)


class FileWriter:
    """An .mcx file being written; streams are added before the first `mux`.

    Packets of pictures and of copied sound are gathered into chunks of up to half a second, so that the streams
    interleave and framing costs little; a file of `live=True` gets every packet at once. `monitor` watches codecs whose
    encoding is fitting and may stop them: the file then appears as NAME.partial, with what was fitted. Whole groups of
    such codecs are kept there meanwhile; `resume` goes on from there (mediacodec.mcx.resume). For open files
    `checkpoint` says where, and whoever gave it removes it once the file is in its place. With an `archive` the file
    continues that one (mediacodec.mcx.append); an open file, for reading and writing, already holds a copy of it.
    """

    def __init__(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        *,
        overwrite: bool = False,
        live: bool = False,
        models: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        monitor: FitMonitor | None = None,
        resume: bool = False,
        checkpoint: Checkpoint | None = None,
        archive: Archive | None = None,
    ) -> None:
        if archive is not None and (resume or checkpoint is not None):
            raise ParameterError("appending cannot be resumed: append again, the file is as it was")
        self._archive = archive
        self._monitor = monitor
        self._resumable: ResumableEncoder | None = None
        self._owned: AtomicFile | LiveFile | None = None
        if isinstance(file, (str, os.PathLike)):
            from mediacodec.media.atomic import AtomicFile, open_output

            self._owned = open_output(file, overwrite=overwrite)
            if archive is not None:
                archive.begin(self._owned)
            elif isinstance(self._owned, AtomicFile):
                from mediacodec.mcx.resume import Checkpoint, partial_name

                checkpoint = Checkpoint(partial_name(file), resume)
        self._checkpoint = checkpoint
        if resume and checkpoint is None:
            raise ParameterError("only a file with a name can be resumed")
        self._file = cast("BinaryIO", file if self._owned is None else self._owned)
        self._live = live if archive is None else archive.header.live
        self._models = models
        self._runtime = Runtime(device=device, threads=threads, monitor=monitor)
        self._streams: list[StreamWriter] = []
        self._writer: Writer | None = None
        self._waiting: float | None = None  # when the first packet begins that waits for its chunk to fill, in seconds
        self._gathers = False
        self._closed = False
        self._failure: Exception | None = None  # of `close`

    def add_audio_stream(
        self,
        codec: str = "speech",
        options: AudioOptions | None = None,
        *,
        sample_rate: int,
        channels: int = 1,
        **changes: object,
    ) -> AudioWriter:
        """A stream for audio at `sample_rate` with `channels`; it is converted to what the codec takes.

        Args:
            codec: name of a model.
            options: how to encode; None for the defaults.
            sample_rate: of what will be given, Hz.
            channels: likewise.
            changes: options by name, in place of those of `options`: `bit_rate=3000`.

        Raises:
            ModelNotFoundError: there is no such model.
            ParameterError: the codec is one for video, there is no option of a name, or a value is out of range.
            DeviceError: the device cannot be used.
        """
        self._check_open()
        self._refuse_sound()
        model = manifest.find_by_name(codec, self._models)
        family = family_of_model(model)
        if not isinstance(family, AudioFamily):
            raise ParameterError(f"{codec!r} is a codec for video, not for audio")
        wanted = with_changes(AudioOptions, options, changes)
        if wanted.entropy is not None and not family.has_context:
            raise ParameterError(f"entropy {wanted.entropy!r}: codec {codec!r} offers no choice; leave it out")
        encoder = family.encoder(model, wanted, self._runtime, stream_id=len(self._streams))
        return self._added(AudioWriter(encoder, sample_rate, channels))

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
        **changes: object,
    ) -> VideoWriter:
        """A stream for frames of width x height in 8-bit 4:2:0 (`VideoFrame`).

        Args:
            codec: name of a model.
            options: how to encode; None for the defaults.
            width, height: pixels.
            frame_rate: nominal, per second; the pts of the frames tell the true times.
            time_base: seconds per tick; None for the time of one frame. Ticks below a microsecond become 1/90000 s.
            colour: of the frames, see `VideoFrame`.
            changes: options by name, in place of those of `options`: `crf=30`.

        Raises:
            ModelNotFoundError: there is no such model.
            ParameterError: the codec is one for audio, there is no option of a name, or a value is out of range.
            DeviceError: the device cannot be used.
            MissingExtraError: the codec fits networks, and the extra `train` is not installed.
        """
        self._check_open()
        wanted = with_changes(VideoOptions, options, changes)
        video = VideoFormat(
            width=width, height=height, frame_rate=Fraction(frame_rate), time_base=time_base, colour=colour
        )
        if video.tick < FINEST:
            video = replace(video, time_base=_FINE)
        if self._archive is not None:
            return self._added(self._archive.add_clip(codec, video, wanted, self._runtime, models=self._models))
        model = manifest.find_by_name(codec, self._models)
        family = family_of_model(model)
        if not isinstance(family, VideoFamily):
            raise ParameterError(f"{codec!r} is a codec for audio, not for video")
        if not family.fits and self._checkpoint is not None and self._checkpoint.resume:
            raise ParameterError(f"encoding with {codec!r} is no fit: there is nothing to resume")
        encoder = family.encoder(model, video, wanted, self._runtime, stream_id=len(self._streams))
        if family.fits:
            encoder = self._resumed(cast("FittingEncoder", encoder), wanted)
        return self._added(VideoWriter(encoder, video.frame_rate, live=self._live))

    def add_copied_stream(self, copy: AudioCopy) -> CopyWriter:
        """A stream for the packets of another codec, which are kept as they are."""
        self._check_open()
        self._refuse_sound()
        return self._added(CopyWriter(copy, stream_id=len(self._streams), live=self._live))

    def _resumed(self, encoder: FittingEncoder, options: VideoOptions) -> VideoEncoderBackend:
        """The first encoder that fits, its groups kept."""
        if self._checkpoint is None or self._resumable is not None:
            return encoder
        from mediacodec.mcx.resume import ResumableEncoder

        names = {"-preset": options.preset, "-crf": options.crf, "-b:v": options.bit_rate, "-g": options.gop}
        given = {flag: value for flag, value in names.items() if value is not None}
        if not options.scene_cut:
            given["-sc_threshold"] = 0
        settings = " ".join(f"{flag} {v if isinstance(v, str) else format(v, 'g')}" for flag, v in given.items())
        self._resumable = ResumableEncoder(encoder, self._checkpoint, settings, self._monitor)
        return self._resumable

    def _check_open(self) -> None:
        if self._archive is not None and self._streams:
            raise ParameterError(f"'{self._archive.path}' has one stream, which is being continued")
        if self._writer is not None:
            raise ParameterError("streams are added before the first mux: the header is written by then")

    def _refuse_sound(self) -> None:
        if self._archive is not None:
            self._archive.refuse_sound()

    def _added(self, stream: Stream) -> Stream:
        self._streams.append(stream)
        return stream

    def mux(self, packets: Iterable[Packet]) -> None:
        """Write packets that a stream's `encode` returned."""
        writer = self._start()
        for packet in packets:
            if self._gathers:
                self._make_room(writer, packet)
            writer.write(packet)

    def _make_room(self, writer: Writer, packet: Packet) -> None:
        """Write what waits where `packet` should begin a chunk: so late, or a keyframe, where reading can start."""
        header = self._streams[packet.stream_id].header
        begin = float((packet.pts - header.pre_skip) * header.time_base)
        is_start = header.kind == "video" and packet.is_keyframe
        if self._waiting is not None and (is_start or begin - self._waiting >= CHUNK_SECONDS):
            writer.flush()
            self._waiting = None
        if self._waiting is None:
            self._waiting = begin

    def _start(self) -> Writer:
        if self._writer is None:
            header = FileHeader(tuple(stream.header for stream in self._streams), live=self._live)
            # sound alone comes in packets that are worth a chunk each
            self._gathers = not self._live and not all(isinstance(s, AudioWriter) for s in self._streams)
            most = MAX_PACKETS if self._gathers else 1
            if self._archive is not None:
                self._writer = Writer.append(self._file, packets_per_chunk=most)
            else:
                self._writer = Writer(self._file, header, packets_per_chunk=most)
        return self._writer

    def close(self) -> None:
        """Flush every stream and write the end; once closed this does nothing, or raises again what it raised.

        Raises ParameterError where no stream was added.
        """
        if self._failure is not None:
            raise self._failure
        if self._closed:
            return
        self._closed = True
        try:
            self._finish()
        except BaseException as error:
            self._failure = error if isinstance(error, Exception) else None
            self.abort()
            raise

    def _finish(self) -> None:
        if not self._streams:
            raise ParameterError("a file needs a stream: call add_stream before closing it")
        for stream in self._streams:
            self.mux(stream.flush())
        if self._archive is not None and not any(stream.payload_bytes for stream in self._streams):
            self.abort()  # nothing was added: the file stays as it is
            return
        writer, stopped = self._start(), self._monitor is not None and self._monitor.stopped
        if stopped and self._resumable is not None:
            writer.write_tags(self._resumable.tags)
        writer.close({stream.header.stream_id: stream.length for stream in self._streams})
        if self._owned is not None:
            if stopped:
                self._owned.call_partial()
            self._owned.commit()
            if self._resumable is not None and self._checkpoint is not None and not stopped:
                self._checkpoint.path.unlink(missing_ok=True)
        if self._archive is not None:
            self._archive.close()

    def abort(self) -> None:
        """Leave nothing behind under the file's name."""
        self._closed = True
        if self._archive is not None:
            self._archive.close()
        if self._resumable is not None:
            self._resumable.close()
        if self._owned is not None:
            self._owned.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            return
        self.close()
