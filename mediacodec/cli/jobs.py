"""The two journeys of `mediacodec.transcode`, with what a command line adds: names, a monitor, the error's file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, cast

import click
from click.core import ParameterSource

from mediacodec.cli.parsing.groups import AudioCoding, Kinds, Machine, Output, Said, TimeRange, VideoCoding
from mediacodec.cli.parsing.inputs import opened_mcx
from mediacodec.cli.ui.console import Console
from mediacodec.cli.ui.monitor import Monitor
from mediacodec.codecs.registry import CODECS, VideoFamily
from mediacodec.errors import UsageError
from mediacodec.manifest import find_by_name
from mediacodec.mcx.append import DEFAULT_CODEC, AppendTarget
from mediacodec.mcx.resume import Checkpoint, partial_name
from mediacodec.media import open_output
from mediacodec.media.atomic import AtomicFile
from mediacodec.transcode.decode import decode_file
from mediacodec.transcode.encode import encode_file
from mediacodec.transcode.formats import output_format
from mediacodec.transcode.options import DecodeOptions, EncodeOptions
from mediacodec.transcode.reports import DecodeReport, EncodeReport
from mediacodec_bitstream import FileHeader

AUDIO_FLAGS = {"bit_rate": "-b:a"}  # of options of encoders whose names are not those of their flags
VIDEO_FLAGS = {"bit_rate": "-b:v", "gop": "-g", "scene_cut": "-sc_threshold"}


class EncodeJob(NamedTuple):
    """What a command line says of an encoding."""

    audio: AudioCoding
    video: VideoCoding
    kinds: Kinds
    stretch: TimeRange
    machine: Machine
    progress: str | None = None
    resume: bool = False
    append: bool = False
    said: Said = Said()

    def check(self) -> None:
        """Raise UsageError for options that contradict each other."""
        self.kinds.check()
        video, audio = self.video.given, self.audio.given
        if "crf" in video and "bit_rate" in video:
            raise UsageError("-crf and -b:v exclude each other: one keeps the quality, the other the rate")
        for name in video if self.kinds.no_video else ():
            raise UsageError(f"{VIDEO_FLAGS.get(name, f'-{name}')} is for video, and -vn leaves it out")
        for name in audio if self.kinds.no_audio or self.audio.codec == "copy" else ():
            why = "-an leaves it out" if self.kinds.no_audio else "-c:a copy keeps it as it is"
            raise UsageError(f"{AUDIO_FLAGS.get(name, f'-{name}')} is for audio that is encoded, and {why}")

    def check_append(self, target: str, *, no: bool) -> None:
        """Check what is given where a clip is appended to a file.

        Args:
            target: the file's name.
            no: whether -n was given.

        Raises:
            UsageError: an option means nothing there.
        """
        for option, given in {"-resume": self.resume, "-vn": self.kinds.no_video, "-n": no}.items():
            if given:
                raise UsageError(f"-append adds video to a file that is there; {option} means nothing to it")
        if self.said.tags or self.said.tags_of_audio or self.said.tags_of_video:
            raise UsageError("-append changes nothing that a file says; leave -metadata out")
        if target == "-":
            raise UsageError("-append adds to a file; name one")
        source = click.get_current_context().get_parameter_source("video_codec")
        if self.video.codec == DEFAULT_CODEC and source is not ParameterSource.DEFAULT:
            raise UsageError(f"nothing can be appended to files of codec {DEFAULT_CODEC!r}; leave -c:v out")

    def options(self) -> EncodeOptions:
        """The same, for `encode_file`."""
        start, duration = self.stretch.span()
        return EncodeOptions(
            start=start,
            duration=duration,
            audio_codec=self.audio.codec,
            video_codec=self.video.codec,
            audio=None if self.kinds.no_audio else self.audio.options(),
            video=None if self.kinds.no_video else self.video.options(),
            device=self.machine.device,
            threads=self.machine.threads,
            models=self.machine.models,
            metadata=self.said.options(),
        )


class DecodeJob(NamedTuple):
    """What a command line says of a decoding."""

    output: Output
    kinds: Kinds
    stretch: TimeRange
    machine: Machine
    progress: str | None = None
    output_codec: str | None = None
    keyframes_only: bool = False
    said: Said = Said()

    def options(self, kind: str, *, overwrite: bool) -> DecodeOptions:
        """The same, for `decode_file`.

        Args:
            kind: format of the output.
            overwrite: whether it may be replaced.
        """
        start, duration = self.stretch.span()
        return DecodeOptions(
            start=start,
            duration=duration,
            sample_rate=self.output.ar,
            channels=self.output.ac,
            format=kind,
            audio=not self.kinds.no_audio,
            video=not self.kinds.no_video,
            video_codec=self.output_codec,
            keyframes_only=self.keyframes_only,
            overwrite=overwrite,
            device=self.machine.device,
            threads=self.machine.threads,
            models=self.machine.models,
            metadata=self.said.options(),
        )


def encoded(console: Console, source: str, target: str, job: EncodeJob, *, overwrite: bool) -> EncodeReport:
    """Encode a file into a file.

    Args:
        console: gets warnings, and the user's signals.
        source, target: names, "-" for a pipe.
        job: what to encode, and how.
        overwrite: whether the target may be replaced.

    Raises:
        Interrupted: a signal came; had a fit begun, what it has is in NAME.partial by then.
        MediaCodecError: what `encode_file` raises.
    """
    settings = job.options()
    with (
        AppendTarget(target) if job.append else contextlib.nullcontext() as append,
        open_output(target, overwrite=overwrite) as file,
        Monitor(console, job.progress) as monitor,
    ):
        kept = None if append else _checkpoint(console, job, target, named=isinstance(file, AtomicFile))
        if append:
            file.guard(append.check_unchanged)
        report = encode_file(
            source,
            cast("BinaryIO", file),
            settings,
            progress=monitor,
            monitor=monitor,
            checkpoint=kept,
            append=append,
        )
        if append and not report.frames:
            file.abort()  # it would be the same, written anew
            console.warning(f"nothing was added: {target!r} stays as it is")
            console.interrupts.raise_noted()
            return report
        partial = file.call_partial() if report.stopped else None
    if kept is not None and not report.stopped:
        kept.path.unlink(missing_ok=True)
    if report.stopped:
        where = target if partial is None else partial
        console.warning(f"stopped before the end: what was fitted of it, {report.seconds:.2f} s, is in {where!r}")
        console.interrupts.raise_noted()
    return report


def _checkpoint(console: Console, job: EncodeJob, target: str, *, named: bool) -> Checkpoint | None:
    """Where a codec whose encoding is fitting keeps what it has; None for others, and for pipes.

    Raises UsageError where there is nothing that could be resumed.
    """
    codec = job.video.codec
    family = CODECS.get(find_by_name(codec, job.machine.models).family)
    fits = isinstance(family, VideoFamily) and family.fits and not job.kinds.no_video
    if not fits or not named:
        if job.resume:
            why = f"encoding with {codec!r} is not fitting" if named else f"{target!r} is no file that stays"
            raise UsageError(f"-resume goes on with a fit that was interrupted, and {why}")
        return None
    kept = Checkpoint(partial_name(target), job.resume)
    if job.resume and not kept.path.exists():
        console.info(f"'{kept.path}' is not there: beginning anew")
    elif not job.resume and kept.path.exists():
        console.warning(f"'{kept.path}' will be replaced; -resume goes on from it")
    return kept


def decoded(
    console: Console, source: str, target: str, job: DecodeJob, *, overwrite: bool
) -> tuple[DecodeReport, FileHeader | None]:
    """Decode an .mcx file.

    Args:
        console: gets warnings, and the user's signals.
        source, target: names, "-" for a pipe.
        job: what to decode, and into what.
        overwrite: whether the target may be replaced.

    Returns:
        The report; and the file's header, where it can be had twice.

    Raises:
        Interrupted: a signal came.
        MediaCodecError: what `decode_file` raises.
    """
    kind = output_format(target, job.output.format)
    settings = job.options(kind, overwrite=overwrite)
    with (
        opened_mcx(source) as (data, header),
        _opened(target, kind, overwrite=overwrite) as file,
        Monitor(console, job.progress, _position(file)) as monitor,
    ):
        return decode_file(data, file, settings, progress=monitor), header


@contextlib.contextmanager
def _opened(target: str, kind: str, *, overwrite: bool) -> Iterator[BinaryIO | str]:
    """The output, open; images that are a file each are opened by whoever writes them."""
    if kind == "png":
        yield target
        return
    with open_output(target, overwrite=overwrite) as file:
        yield cast("BinaryIO", file)


def _position(file: BinaryIO | str) -> Callable[[], int]:
    """Bytes written so far, where the file can tell."""

    def tell() -> int:
        with contextlib.suppress(OSError, ValueError):
            return 0 if isinstance(file, str) else file.tell()
        return 0

    return tell
