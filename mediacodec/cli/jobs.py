"""The two journeys of `mediacodec.transcode`, with what a command line adds: names, a monitor, the error's file."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, TypeVar, cast

import click
from click.core import ParameterSource

from mediacodec.cli.parsing.inputs import opened_mcx
from mediacodec.cli.parsing.options import only_kinds, span
from mediacodec.cli.ui.console import Console
from mediacodec.cli.ui.monitor import Monitor
from mediacodec.codecs.options import AudioOptions, VideoOptions, with_changes
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

MACHINE = ("device", "threads", "models")
Options = TypeVar("Options", AudioOptions, VideoOptions)


def options_of(kind: type[Options], given: Mapping[str, Any], prefix: str) -> Options:
    """The options of an encoder that a command line gave, by the names of its parameters behind a prefix.

    Args:
        kind: AudioOptions or VideoOptions; the parameter of a field `crf` is "video_crf" where the prefix is "video_".
        given: parameters by name; None for what was not given, so that the defaults are those of `kind`.
        prefix: of the kind's parameters.

    Raises:
        ParameterError: a value is out of range.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    return with_changes(kind, None, {n: given[prefix + n] for n in names if given.get(prefix + n) is not None})


def check_coding(given: Mapping[str, Any]) -> None:
    """Raise UsageError for options of encoding that contradict each other."""
    only_kinds(given)
    if given["video_crf"] is not None and given["video_bit_rate"] is not None:
        raise UsageError("-crf and -b:v exclude each other: one keeps the quality, the other the rate")
    pictures = {"-crf": "video_crf", "-b:v": "video_bit_rate", "-g": "video_gop"}
    for option, name in pictures.items():
        if given["no_video"] and given[name] is not None:
            raise UsageError(f"{option} is for pictures, and -vn leaves them out")
    for option, name in {"-b:a": "audio_bit_rate", "-entropy": "audio_entropy"}.items():
        if given[name] is not None and (given["no_audio"] or given["audio_codec"] == "copy"):
            why = "-an leaves it out" if given["no_audio"] else "-c:a copy keeps it as it is"
            raise UsageError(f"{option} is for sound that is encoded, and {why}")


def check_append(given: Mapping[str, Any], target: str) -> None:
    """Raise UsageError for options that mean nothing to a file that grows."""
    for option, name in {"-resume": "resume", "-vn": "no_video", "-n": "no"}.items():
        if given[name]:
            raise UsageError(f"-append adds pictures to a file that is there; {option} means nothing to it")
    if target == "-":
        raise UsageError("-append adds to a file; name one")
    source = click.get_current_context().get_parameter_source("video_codec")
    if given["video_codec"] == DEFAULT_CODEC and source is not ParameterSource.DEFAULT:
        raise UsageError(f"files of codec {DEFAULT_CODEC!r} cannot grow; leave -c:v out")


def encoded(console: Console, source: str, target: str, given: Mapping[str, Any], *, overwrite: bool) -> EncodeReport:
    """Encode the file `source` into the file `target`, either of them "-" for a pipe.

    Raises Interrupted where a signal came; had a fit begun, what it has is in NAME.partial by then.
    """
    start, duration = span(given)
    settings = EncodeOptions(
        start=start,
        duration=duration,
        audio=None if given["no_audio"] else options_of(AudioOptions, given, "audio_"),
        video=None if given["no_video"] else options_of(VideoOptions, given, "video_"),
        **{name: given[name] for name in ("audio_codec", "video_codec", *MACHINE)},
    )
    with (
        AppendTarget(target) if given.get("append") else contextlib.nullcontext() as archive,
        open_output(target, overwrite=overwrite) as file,
        Monitor(console, given["progress"]) as monitor,
    ):
        kept = None if archive else _checkpoint(console, given, target, named=isinstance(file, AtomicFile))
        if archive:
            file.guard(archive.check_unchanged)
        jobs: dict[str, Any] = {"progress": monitor, "monitor": monitor, "checkpoint": kept, "append": archive}
        report = encode_file(source, cast("BinaryIO", file), settings, **jobs)
        if archive and not report.frames:
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


def _checkpoint(console: Console, given: Mapping[str, Any], target: str, *, named: bool) -> Checkpoint | None:
    """Where a codec whose encoding is fitting keeps what it has; None for others, and for pipes.

    Raises UsageError where there is nothing that could be resumed.
    """
    resume, codec = given.get("resume", False), given["video_codec"]
    family = CODECS.get(find_by_name(codec, given["models"]).family)
    fits = isinstance(family, VideoFamily) and family.fits and not given["no_video"]
    if not fits or not named:
        if resume:
            why = f"encoding with {codec!r} is not fitting" if named else f"{target!r} is no file that stays"
            raise UsageError(f"-resume goes on with a fit that was interrupted, and {why}")
        return None
    kept = Checkpoint(partial_name(target), resume)
    if resume and not kept.path.exists():
        console.info(f"'{kept.path}' is not there: beginning anew")
    elif not resume and kept.path.exists():
        console.warning(f"'{kept.path}' will be replaced; -resume goes on from it")
    return kept


def decoded(
    console: Console, source: str, target: str, given: Mapping[str, Any], *, overwrite: bool
) -> tuple[DecodeReport, FileHeader | None]:
    """Decode the .mcx file `source` into `target`, either of them "-"; also the header, where it can be had twice."""
    start, duration = span(given)
    kind = output_format(target, given["format"])
    settings = DecodeOptions(
        start=start,
        duration=duration,
        sample_rate=given["ar"],
        channels=given["ac"],
        format=kind,
        audio=not given["no_audio"],
        video=not given["no_video"],
        video_codec=given["output_codec"],
        keyframes_only=given["skip_frame"] == "nokey",
        overwrite=overwrite,
        **{name: given[name] for name in MACHINE},
    )
    with (
        opened_mcx(source) as (data, header),
        _opened(target, kind, overwrite=overwrite) as file,
        Monitor(console, given["progress"], _position(file)) as monitor,
    ):
        return decode_file(data, file, settings, progress=monitor), header


@contextlib.contextmanager
def _opened(target: str, kind: str, *, overwrite: bool) -> Iterator[BinaryIO | str]:
    """The output, open; pictures that are a file each are opened by whoever writes them."""
    if kind == "png":
        yield target
        return
    with open_output(target, overwrite=overwrite) as file:
        yield cast("BinaryIO", file)


def _position(file: BinaryIO | str) -> Any:
    """Bytes written so far, where the file can tell."""

    def tell() -> int:
        with contextlib.suppress(OSError, ValueError):
            return 0 if isinstance(file, str) else file.tell()
        return 0

    return tell
