"""The two journeys of `mediacodec.pipeline`, with what a command line adds: names, a monitor, the error's file."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from mediacodec.cli.console import Console
from mediacodec.cli.inputs import opened_mcx
from mediacodec.cli.monitor import Monitor
from mediacodec.cli.options import span
from mediacodec.media import format_of, open_output
from mediacodec.pipeline import DecodeOptions, DecodeReport, EncodeOptions, EncodeReport, decode_file, encode_file
from mediacodec_bitstream import FileHeader

MACHINE = ("device", "threads", "models")
CODING = ("codec", "bit_rate", "packet_duration")


def encoded(console: Console, source: str, target: str, given: Mapping[str, Any], *, overwrite: bool) -> EncodeReport:
    """Encode the file `source` into the file `target`, either of them "-" for a pipe."""
    start, duration = span(given)
    settings = EncodeOptions(start=start, duration=duration, **{name: given[name] for name in (*CODING, *MACHINE)})
    with open_output(target, overwrite=overwrite) as file, Monitor(console, given["progress"]) as monitor:
        return encode_file(source, cast("BinaryIO", file), settings, progress=monitor)


def decoded(
    console: Console, source: str, target: str, given: Mapping[str, Any], *, overwrite: bool
) -> tuple[DecodeReport, FileHeader | None]:
    """Decode the .mcx file `source` into `target`, either of them "-"; also the header, where it can be had twice."""
    start, duration = span(given)
    kind = format_of(target, given["format"])
    settings = DecodeOptions(
        start=start,
        duration=duration,
        sample_rate=given["ar"],
        channels=given["ac"],
        format=kind,
        **{name: given[name] for name in MACHINE},
    )
    with opened_mcx(source) as (data, header), open_output(target, overwrite=overwrite) as file:
        size = _position(cast("BinaryIO", file))
        with Monitor(console, given["progress"], size) as monitor:
            return decode_file(data, cast("BinaryIO", file), settings, progress=monitor), header


def _position(file: BinaryIO) -> Any:
    """Bytes written so far, where the file can tell."""

    def tell() -> int:
        with contextlib.suppress(OSError, ValueError):
            return file.tell()
        return 0

    return tell
