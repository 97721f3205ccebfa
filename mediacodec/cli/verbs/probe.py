"""mediacodec probe: what a file holds, without decoding it and without any model"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import click

from mediacodec.cli.parsing import options
from mediacodec.cli.parsing.command import Verb
from mediacodec.cli.parsing.groups import Files
from mediacodec.cli.ui.console import Console, printable

if TYPE_CHECKING:
    from mediacodec.mcx.probe import StreamInfo
    from mediacodec_bitstream import FileHeader, Reader

EXAMPLE = """
mediacodec probe talk.mcx
mediacodec probe -of json -show_packets talk.mcx
"""


@click.command(cls=Verb, usage="FILE [options]", example=EXAMPLE, short_help="Show what an .mcx holds.")
@options.one_file
@options.json_or_text
@click.option("-show_packets", "show_packets", is_flag=True, help="List the packets too.")
@options.quietness
@click.pass_obj
def probe(_: Console, /, *, files: Files, output_format: str, show_packets: bool) -> int:
    """Show format, streams, rates and delay of an .mcx file.

    Nothing is decoded and no model is needed. A file that has its end is not searched for damage; `verify` does that.
    """
    from mediacodec.cli.parsing.inputs import opened_mcx
    from mediacodec.cli.ui.probe_json import print_json

    source = files.only()
    with opened_mcx(source) as (file, header), tempfile.TemporaryFile() as spool:
        if show_packets and not file.seekable():  # a pipe cannot be read twice
            shutil.copyfileobj(file, spool)
            spool.seek(0)
            file = spool
        if output_format == "json":
            print_json(source, file, header, show_packets=show_packets)
        else:
            _print_text(source, file, header, show_packets=show_packets)
    return 0


def _print_text(source: str, file: BinaryIO, header: FileHeader | None, *, show_packets: bool) -> None:
    from mediacodec.cli.ui.damage import counted, described
    from mediacodec.cli.ui.monitor import amount, clock
    from mediacodec.cli.ui.probe_json import plain
    from mediacodec.mcx.probe import info
    from mediacodec_bitstream import FileHeader, Reader

    content = info(file)
    header = header or FileHeader(tuple(stream.header for stream in content.streams), fields=content.fields)
    click.echo(f"Input {printable(source)}: mcx {content.version}{', live' if content.live else ''}")
    click.echo(f"  {clock(content.duration)}, {amount(content.file_bytes)}, {content.bit_rate / 1000:.2f} kbps file")
    for name, value in {**plain(header.fields), **content.metadata}.items():
        click.echo(printable(f"  {name}: {value}"))
    for number, chapter in enumerate(content.chapters):
        times = f"{clock(chapter.start_seconds)} to {clock(chapter.end_seconds)}"
        click.echo(printable(f"  Chapter {number}: {times}{f', {chapter.title}' if chapter.title else ''}"))
    for stream in content.streams:
        for line in _stream_lines(stream):
            click.echo(printable(line))
    gaps = list(content.gaps)
    if show_packets:
        file.seek(0)
        reader = Reader(file)
        _print_packets(reader)
        gaps = reader.gaps
    if content.truncated:
        click.echo("  Cut short: there is no end chunk")
    if gaps:
        click.echo(f"  {counted(len(gaps))}")
    for gap in gaps:
        click.echo(printable(f"    {described(gap, header)}"))


def _stream_lines(stream: StreamInfo) -> Iterator[str]:
    from mediacodec.cli.ui.probe_json import plain

    header, fields = stream.header, plain(stream.header.fields)
    foreign = f" of {stream.foreign_codec}" if stream.foreign_codec else ""
    yield f"  Stream {header.stream_id}: {stream.kind}, {stream.codec}{foreign}{_shape(stream)}"
    if header.model_hash:
        yield f"    model    {stream.model or 'unnamed'} ({header.model_hash.hex()[:12]})"
    for name, value in stream.metadata.items():
        yield f"    {name:8} {value}"
    packet, codec = 1000 * stream.packet_duration, 1000 * stream.algorithmic_delay
    yield f"    rate     {stream.bit_rate / 1000:.2f} kbps payload"
    if stream.frame_rate is not None:
        yield f"    frames   {stream.num_frames} in {stream.duration:.2f} s"
        return
    if not packet:
        yield f"    packets  {stream.packets}"
        return
    yield f"    packets  {stream.packets} of {packet:g} ms"
    yield f"    delay    {codec + packet:g} ms ({codec:g} ms algorithmic + {packet:g} ms packet)"
    if "source_sample_rate" in fields:
        source = f"{fields['source_sample_rate']} Hz"
        if "source_channels" in fields:
            source += f", {_channels(fields['source_channels'])}"
        yield f"    source   {source}"


def _shape(stream: StreamInfo) -> str:
    if stream.frame_rate is not None:
        return f", {stream.width}x{stream.height}, {float(stream.frame_rate):.5g} fps"
    return f", {stream.sample_rate} Hz, {_channels(stream.channels)}" if stream.kind == "audio" else ""


def _channels(count: object) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels") if isinstance(count, int) else "? channels"


def _print_packets(reader: Reader) -> None:
    from mediacodec.cli.ui.probe_json import packet_entries

    click.echo("  Stream          Time    Duration      Size")
    for entry in packet_entries(reader):
        marks = ("" if entry["keyframe"] else "  not a keyframe") + ("  after a gap" if entry["discontinuity"] else "")
        times = f"{entry['pts_time']:11.3f} s {entry['duration_time']:9.3f} s"
        click.echo(f"  {entry['stream']:6} {times} {entry['size']:5} bytes{marks}")
