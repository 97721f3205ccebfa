"""What `probe -of json` prints; the names are a promise to programs that read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import BinaryIO, TypedDict

import click

from mediacodec.cli.ui.damage import span_seconds
from mediacodec.mcx.probe import FileInfo, StreamInfo, info
from mediacodec.mcx.tags import CHAPTERS, OTHERS
from mediacodec.metadata import Chapter
from mediacodec_bitstream import FileHeader, Gap, Reader

FieldValue = int | str | bytes
CODERS = {0: "bit-packed", 1: "RC24", 2: "opaque"}


def print_json(source: str, file: BinaryIO, header: FileHeader | None, *, show_packets: bool) -> None:
    """Print one object. Packets are printed as they are read: a long live recording has millions.

    Args:
        source: name of the file.
        file: open.
        header: of it; None for a pipe.
        show_packets: whether to list them.
    """
    content = as_json(source, info(file), header)
    click.echo("{")
    if show_packets:
        file.seek(0)
        reader = Reader(file)
        click.echo('"packets": [', nl=False)
        for number, entry in enumerate(packet_entries(reader)):
            click.echo(f"{',' if number else ''}\n  {json.dumps(entry)}", nl=False)
        click.echo("\n],")
        content["gaps"] = [_gap(gap, reader.header) for gap in reader.gaps]
    click.echo(json.dumps(content, indent=2).removeprefix("{\n"))


def as_json(source: str, content: FileInfo, header: FileHeader | None) -> dict[str, object]:
    """The names of ffprobe where it has one; seconds, hertz, bits a second, bytes; milliseconds where `_ms` says so."""
    header = header or FileHeader(tuple(stream.header for stream in content.streams), fields=content.fields)
    return {
        "format": {
            "filename": source,
            "format_name": "mcx",
            "version": content.version,
            "duration": round(content.duration, 6),
            "size": content.file_bytes,
            "bit_rate": round(content.bit_rate, 3),
            "live": content.live,
            "truncated": content.truncated,
            "tags": {**plain(header.fields), **content.metadata},
        },
        "streams": [_stream(number, stream) for number, stream in enumerate(content.streams)],
        "chapters": [_chapter(number, chapter) for number, chapter in enumerate(content.chapters)],
        "gaps": [_gap(gap, header) for gap in content.gaps],
    }


def _stream(number: int, stream: StreamInfo) -> dict[str, object]:
    header = stream.header
    return {
        "index": number,
        "id": header.stream_id,
        "codec_type": stream.kind,
        "codec_name": stream.foreign_codec or stream.codec,
        "codec": stream.codec,
        "model": stream.model,
        "model_hash": header.model_hash.hex() if header.model_hash else None,
        "tables_hash": header.tables_hash.hex() if header.tables_hash else None,
        "sample_rate": stream.sample_rate,
        "channels": stream.channels,
        **_video(stream),
        "bit_rate": round(stream.bit_rate, 3),
        "duration": round(stream.duration, 6),
        "packets": stream.packets,
        "payload_bytes": stream.payload_bytes,
        "time_base": str(header.time_base),
        "pre_skip": header.pre_skip,
        "packet_duration_ms": round(1000 * stream.packet_duration, 3),
        "algorithmic_delay_ms": round(1000 * stream.algorithmic_delay, 3),
        "delay_ms": round(1000 * (stream.packet_duration + stream.algorithmic_delay), 3),
        "coder": CODERS.get(header.coder, str(header.coder)),
        "symbol_crc_size": header.symbol_crc_size,
        "source_sample_rate": header.fields.get("source_sample_rate"),
        "source_channels": header.fields.get("source_channels"),
        "tags": stream.metadata,
        "fields": plain(header.fields),
    }


def _chapter(number: int, chapter: Chapter) -> dict[str, object]:
    start, end = (round(seconds * 10**6) for seconds in (chapter.start_seconds, chapter.end_seconds))
    return {
        "id": number,
        "time_base": "1/1000000",
        "start": start,
        "start_time": f"{start / 10**6:.6f}",
        "end": end,
        "end_time": f"{end / 10**6:.6f}",
        "tags": {"title": chapter.title} if chapter.title else {},
    }


def _video(stream: StreamInfo) -> dict[str, object]:
    """What only video has."""
    rate = stream.frame_rate
    if rate is None:
        return {}
    return {
        "width": stream.width,
        "height": stream.height,
        "frame_rate": f"{rate.numerator}/{rate.denominator}",
        "nb_frames": stream.num_frames,
    }


class PacketEntry(TypedDict):
    """A packet, under the names of ffprobe where it has one; times in seconds, the others in ticks and bytes."""

    stream: int
    pts: int
    pts_time: float
    dts: int | None
    duration: int
    duration_time: float
    size: int
    keyframe: bool
    discontinuity: bool


def packet_entries(reader: Reader) -> Iterator[PacketEntry]:
    """Every packet of a file, as it is read."""
    streams = {stream.stream_id: stream for stream in reader.header.streams}
    for packet in reader:
        stream = streams[packet.stream_id]
        yield {
            "stream": packet.stream_id,
            "pts": packet.pts,
            "pts_time": round(float((packet.pts - stream.pre_skip) * stream.time_base), 6),
            "dts": packet.dts,
            "duration": packet.duration,
            "duration_time": round(float(packet.duration * stream.time_base), 6),
            "size": len(packet.data),
            "keyframe": packet.is_keyframe,
            "discontinuity": packet.discontinuity,
        }


def _gap(gap: Gap, header: FileHeader) -> dict[str, object]:
    start, end = span_seconds(gap, header)
    return {
        "stream": gap.stream_id,
        "start": start,
        "end": end,
        "offset": gap.offset,
        "reason": gap.reason,
        "recovered": gap.recovered,
    }


def plain(fields: Mapping[str, FieldValue]) -> dict[str, int | str]:
    """Fields as JSON can hold them, without those that are tags or chapters in the text of one."""
    listed = {name: value for name, value in fields.items() if name not in (OTHERS, CHAPTERS)}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in listed.items()}
