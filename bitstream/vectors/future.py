"""Files that a later version might write."""

from __future__ import annotations

import struct
import zlib

from faulty import STREAM, base, patched_header
from good import Vector, chunk_starts, file_of, seconds

from mediacodec_bitstream import FileHeader
from mediacodec_bitstream.chunk import END, FILE_LEVEL, Head, pack_chunk
from mediacodec_bitstream.wire import u40, u48

STREAM_RECORD = 20
STREAM_SIZE = 20 + 28 + 32 + 14  # magic to count, fixed part, tables hash, audio parameters


def later_minor() -> Vector:
    """Everything that 1.x may add without asking."""
    unknown = {"0x0777": b"of stream"}
    stream = type(STREAM)(**{**STREAM.__dict__, "fields": unknown})
    data = file_of(FileHeader((stream,), fields={"0x0778": b"of file"}, minor=7), seconds(stream, 2), index=False)
    starts = chunk_starts(data)
    head = bytearray(data[: starts[0] - 4])
    head[10] |= 0x40  # a header flag
    head[17] = 9  # the reserved byte
    head[STREAM_RECORD + 10] |= 0x80  # a stream flag
    ignorable = pack_chunk(Head(200, FILE_LEVEL, 0, 0, 0, 0, 0), b"a type of chunk that may be ignored")
    flagged = bytearray(data[starts[1] : starts[2]])
    flagged[4] |= 0x08
    parts = data[starts[0] : starts[1]], ignorable, recrc(bytes(flagged)), longer_end()
    return Vector(
        bytes(head) + struct.pack("<I", zlib.crc32(head)) + b"".join(parts),
        "minor 1.7: unknown ignorable fields, flags and chunk type, a longer entry in the end chunk",
    )


def recrc(chunk: bytes) -> bytes:
    """A chunk with both of its checksums made right."""
    size, pts, duration = (int.from_bytes(chunk[a:b], "little") for a, b in ((7, 10), (10, 15), (15, 18)))
    kind, stream_id, flags, sequence = struct.unpack_from("<BBBH", chunk, 2)
    return pack_chunk(Head(kind, stream_id, flags, sequence, size, pts, duration), chunk[20 : 20 + size])


def longer_end() -> bytes:
    """An end chunk whose entry has four bytes that version 1.0 does not know."""
    payload = bytes([20, 1, 0]) + u40(31_000) + (2).to_bytes(4, "little") + u48(0) + b"more" + u48(0)
    payload += (len(payload) + 2 + 24).to_bytes(2, "little")
    return pack_chunk(Head(END, FILE_LEVEL, 0, 0, 0, 0, 0), payload)


def critical_field() -> bytes:
    """The base with a stream field 0xF777."""
    data = base()
    size = chunk_starts(data)[0]
    record = data[STREAM_RECORD : size - 4] + struct.pack("<HH", 0xF777, 1) + b"!"
    record = struct.pack("<H", len(record)) + record[2:]
    head = data[:12] + struct.pack("<I", size + 5) + data[16:STREAM_RECORD] + record
    return head + struct.pack("<I", zlib.crc32(head)) + data[size:]


def with_first_chunk(kind: int, flags: int) -> bytes:
    """The base with one more chunk in front."""
    data = base()
    size = chunk_starts(data)[0]
    return data[:size] + pack_chunk(Head(kind, 0, flags, 0, 0, 0, 0), b"?") + data[size:]


def vectors() -> dict[str, Vector]:
    """All vectors of later versions by name."""
    return {
        "minor": later_minor(),
        "critical-field": Vector(
            critical_field(), "a field that must be understood", "decodes wrongly", readable=False
        ),
        "major-2": Vector(
            patched_header(8, b"\x02"), "major version 2", "reads other fields as its own", readable=False
        ),
        "critical-header-flag": Vector(
            patched_header(11, b"\x80"), "a critical header flag", "decodes wrongly", readable=False
        ),
        "critical-chunk": Vector(
            with_first_chunk(6, 0), "chunk type 6, below 128", "skips what it needs", readable=False
        ),
        "critical-chunk-flag": Vector(
            with_first_chunk(0, 0x80), "a critical chunk flag", "decodes wrongly", readable=False
        ),
        "coder-3": Vector(patched_header(28, b"\x03"), "coder 3", "decodes with another coder", readable=False),
        "kind-3": Vector(
            patched_header(23, b"\x03"), "a kind of stream beyond data", "misreads parameters", readable=False
        ),
    }
