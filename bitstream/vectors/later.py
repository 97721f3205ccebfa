"""Unsupported goes before corrupt (SPEC section 8, *Precedence*): something critical beside something impossible."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

from faulty import base, data_chunk, patched_header
from future import STREAM_RECORD, STREAM_SIZE
from good import Vector, chunk_starts, file_of, live, live_packets, seconds
from repairs import STREAM as REPAIRED

from mediacodec_bitstream import FileHeader
from mediacodec_bitstream.chunk import DATA, FILE_LEVEL, HEADER, INDEX, KEYFRAME, TABLE, TAGS, Head, pack_chunk
from mediacodec_bitstream.parity import pack_parity

CRITICAL = struct.pack("<HH", 0xF777, 1) + b"!"
LONG = struct.pack("<HH", 0x0025, 36) + "\u00e9".encode() * 18  # a language of 36 bytes


def header_with(fields: bytes, *, base_numerator: int = 1, record: bytes = b"") -> bytes:
    """The base's header with fields of the file behind it; its stream record or its time base may be another."""
    start = base()[:STREAM_RECORD]
    stream = bytearray(record or base()[STREAM_RECORD:STREAM_SIZE])
    if not record:
        stream[12:16] = struct.pack("<I", base_numerator)
    body = start[:12] + struct.pack("<I", STREAM_RECORD + len(stream) + len(fields) + 4) + start[16:] + stream + fields
    return bytes(body) + struct.pack("<I", zlib.crc32(body))


def of_file(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """A chunk of the file itself."""
    return pack_chunk(Head(kind, FILE_LEVEL, flags, 0, 0, 0, 0), payload)


def before_data(chunk: bytes) -> bytes:
    """The base with a chunk in front of its data."""
    size = chunk_starts(base())[0]
    return base()[:size] + chunk + base()[size:]


def rebuilt() -> bytes:
    """The first of two chunks has a critical flag and is lost; parity brings it back."""
    data = file_of(FileHeader((REPAIRED,)), seconds(REPAIRED, 2), index=False)
    starts = chunk_starts(data)
    payloads = [data[a + 20 : b - 4] for a, b in pairwise(starts[:3])]
    heads = [Head(DATA, 0, KEYFRAME | 0x40 * (not i), i, len(p), 16000 * i, 16000) for i, p in enumerate(payloads)]
    group = list(zip(heads, payloads, strict=True))
    return data[: starts[0]] + data[starts[1] : starts[2]] + pack_parity(group) + data[starts[3] :]


def joined_later() -> bytes:
    """The live vector without its start, every header copy of major version 2."""
    data = file_of(live(), live_packets())
    header = bytearray(data[: chunk_starts(data)[0] - 4])
    old = data[: len(header) + 4]
    header[8] = 2
    other = bytes(header) + struct.pack("<I", zlib.crc32(header))
    return data[len(data) // 4 :].replace(
        old + struct.pack("<I", zlib.crc32(old)), other + struct.pack("<I", zlib.crc32(other))
    )


def vectors() -> dict[str, Vector]:
    """All vectors of precedence, by group and name."""
    size = chunk_starts(base())[0]
    copy = header_with(CRITICAL)
    version = bytearray(base()[: size - 4])
    version[8] = 2
    other_version = bytes(version) + struct.pack("<I", zlib.crc32(version))
    naive = "judges in another order, and says corrupt to whom an upgrade would help"
    cases = {
        "critical-field-first": (
            header_with(CRITICAL, base_numerator=0),
            "an unknown critical field, a time base 0",
        ),
        "critical-field-last": (header_with(LONG + CRITICAL), "an impossible field, then an unknown critical one"),
        "critical-behind-broken": (
            header_with(CRITICAL, record=struct.pack("<H", 9) + b"stream!"),
            "a stream record too short to be one, then an unknown critical field of the file",
        ),
        "channel-layout": (patched_header(20 + 28 + 32 + 5, b"\x01"), "a channel layout of a later version"),
        "critical-tags": (before_data(of_file(TAGS, LONG + CRITICAL)), "tags: an impossible one, then a critical one"),
        "critical-flag-first": (
            before_data(data_chunk(b"\xff\xff", flags=KEYFRAME | TABLE | 0x80)),
            "a critical flag of a chunk whose packet table is impossible",
        ),
        "critical-flag-of-index": (before_data(of_file(INDEX, b"", 0x40)), "a critical flag of an index chunk"),
        "critical-copy": (before_data(of_file(HEADER, copy)), "a header copy with an unknown critical field"),
        "major-2-copy": (before_data(of_file(HEADER, other_version)), "a header copy of major version 2"),
        "major-2-joined": (joined_later(), "no start, and all header copies are of major version 2"),
        "critical-rebuilt": (rebuilt(), "a chunk with a critical flag is lost, and parity brings it back"),
    }
    return {f"future/{name}": Vector(data, about, naive, readable=False) for name, (data, about) in cases.items()}
