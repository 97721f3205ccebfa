"""Faulty vectors: each says what a decoder would do wrong that trusts its input."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

from good import SECOND, Vector, audio, chunk_starts, file_of, live, live_packets, packet, seconds, video

from mediacodec_bitstream import BIT_PACKED, FileHeader, Packet, Writer
from mediacodec_bitstream.chunk import DATA, KEYFRAME, TABLE, Head, pack_chunk

STREAM = audio()
HEADER = FileHeader((STREAM,))


def base() -> bytes:
    """An audio file of four one-second chunks."""
    return file_of(HEADER, seconds(STREAM, 4))


def flipped(data: bytes, at: int, mask: int = 0x10) -> bytes:
    """One byte changed."""
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def with_chunk(index: int, chunk: bytes) -> bytes:
    """The base with one chunk replaced (or, with an empty one, removed)."""
    data = base()
    starts = chunk_starts(data)
    return data[: starts[index]] + chunk + data[starts[index + 1] :]


def with_data(coded: bytes, *, coder: int = 1, duration: int = SECOND) -> bytes:
    """A file whose second packet has this data; every checksum of the container holds."""
    stream = replace(STREAM, coder=coder)
    packets = [packet(stream, i * SECOND, SECOND, i) for i in range(3)]
    packets[1] = Packet(0, SECOND, coded, duration)
    return file_of(FileHeader((stream,)), packets)


def data_chunk(payload: bytes, *, flags: int = KEYFRAME, duration: int = SECOND, pts: int = SECOND) -> bytes:
    """A data chunk with sequence 1 and any content."""
    return pack_chunk(Head(DATA, 0, flags, 1, 0, pts, duration), payload)


def patched_header(at: int, value: bytes) -> bytes:
    """The base with bytes of its header replaced and the header's CRC made right again."""
    data = base()
    size = chunk_starts(data)[0]
    head = bytearray(data[: size - 4])
    head[at : at + len(value)] = value
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + data[size:]


def transport() -> dict[str, Vector]:
    """Bytes lost or changed on the way."""
    data = base()
    starts = chunk_starts(data)
    chunk = data[starts[1] : starts[2]]
    forged = Head(DATA, 0, KEYFRAME, 1, 0, SECOND, SECOND)
    head = bytearray(pack_chunk(forged, bytes(65536))[:20])
    return {
        "payload-bit": Vector(
            flipped(data, starts[1] + 30), "one bit of a payload is wrong", "decodes the rest of the packet to noise"
        ),
        "head-bit": Vector(
            flipped(data, starts[1] + 8),
            "one bit of a payload length is wrong",
            "jumps to a place that is no chunk and loses everything after it",
        ),
        "cut-in-payload": Vector(
            data[: starts[2] + 40], "the file ends inside a payload", "decodes a short read as if it were whole"
        ),
        "cut-in-head": Vector(
            data[: starts[2] + 11], "the file ends inside a head", "reads past the end of its buffer"
        ),
        "no-end": Vector(
            data[: starts[4]],
            "index and end chunk are missing",
            "presents padding of the last frame as sound, in silence",
        ),
        "missing-chunk": Vector(with_chunk(1, b""), "a chunk is missing", "plays everything after it a second early"),
        "missing-last": Vector(with_chunk(3, b""), "the last data chunk is missing", "believes that the file is whole"),
        "repeated-chunk": Vector(with_chunk(1, chunk * 2), "a chunk comes twice", "plays a second twice"),
        "junk": Vector(
            with_chunk(1, b"\xf5\x4e\xf5" + b"junk" * 50 + chunk),
            "203 bytes that are no chunk, with a false sync word",
            "takes the first sync word for a head",
        ),
        "forged-size": Vector(
            with_chunk(1, bytes(head) + chunk),
            "a head whose CRC holds claims a payload of 64 KiB and swallows the chunks after it",
            "skips to the end of the file, or waits for it",
        ),
        "header-bit": Vector(
            flipped(file_of(live(), live_packets()), 40),
            "the header is damaged, its copies are not",
            "decodes with a wrong sample rate, or gives up although a copy follows",
        ),
        "wave-file": Vector(
            b"RIFF\x24\0\0\0WAVEfmt " + bytes(200),
            "another kind of file",
            "searches for its fields anywhere",
            readable=False,
        ),
        "text-mode": Vector(
            data.replace(b"\r\n", b"\n"), "sent in text mode: CR LF became LF", "finds shifted fields", readable=False
        ),
        "no-bytes": Vector(b"", "zero bytes", "reads a header from nothing", readable=False),
    }


def symbols() -> dict[str, Vector]:
    """Valid containers around payloads that no encoder writes."""
    good = packet(STREAM, SECOND, SECOND, 1).data
    coded, crc = good[:-2], good[-2:]
    wrong = bytes([crc[0] ^ 1, crc[1]])
    packed = packet(replace(STREAM, coder=BIT_PACKED), SECOND, 320, 1).data
    return {
        "desync": Vector(
            with_data(coded + wrong), "the symbol CRC does not match", "goes on with symbols of another model"
        ),
        "trailing-byte": Vector(
            with_data(coded + b"\x01" + crc), "one byte more than the symbols need", "ignores what it did not read"
        ),
        "trailing-zero": Vector(
            with_data(coded + b"\0" + crc), "a zero byte that an encoder trims", "accepts two spellings of one packet"
        ),
        "impossible-number": Vector(
            with_data(b"\xff" * 12 + crc), "a number outside every table", "indexes past the end of its table"
        ),
        "short-packet": Vector(
            with_data(b"\x01"), "a packet shorter than its symbol CRC", "slices with a negative length"
        ),
        "padding-bits": Vector(
            with_data(packed[:-2] + b"\x01" + packed[-2:], coder=BIT_PACKED, duration=320),
            "bit-packed: a byte too many",
            "does not notice that the count is wrong",
        ),
        "impossible-symbol": Vector(
            with_data(b"\xff" + packed[-2:], coder=BIT_PACKED, duration=320),
            "bit-packed: symbol 15 of an alphabet of 10",
            "indexes past the end of its codebook",
        ),
    }


def values() -> dict[str, Vector]:
    """Checksums hold, values are impossible."""
    table = bytes([3, 0, 0xFF, 0x7F, 1])
    loop = file_of(FileHeader((video(0, fields={"reorder": 2}),)), [])
    bare = pack_chunk(Head(DATA, 0, KEYFRAME, 0, 0, 0, 1), b"\x01\x02\x03")
    size = chunk_starts(loop)[0]
    twin = file_of(FileHeader((STREAM, audio(1))), [])
    record = len(twin[20 : chunk_starts(twin)[0] - 4]) // 2
    same = bytearray(twin[: chunk_starts(twin)[0] - 4])
    same[20 + record + 2] = 0
    return {
        "table-overrun": Vector(
            with_chunk(1, data_chunk(table + bytes(40), flags=KEYFRAME | TABLE, duration=48_000)),
            "a packet table announces more bytes than the payload has",
            "reads behind the payload",
        ),
        "table-count": Vector(
            with_chunk(1, data_chunk(b"\xff\xff\xff\x7f\x00" + bytes(40), flags=KEYFRAME | TABLE)),
            "a packet table of 268,435,455 packets",
            "allocates for all of them",
        ),
        "long-varint": Vector(
            with_chunk(1, data_chunk(b"\x81\x00\x00" + bytes(40), flags=KEYFRAME | TABLE)),
            "a varint spelled longer than needed",
            "accepts two spellings of one number",
        ),
        "long-packet": Vector(
            with_chunk(1, data_chunk(b"\x01\x02\x03", duration=0xFFFFFF)),
            "a packet longer than the stream declares",
            "decodes 17 minutes from three bytes",
        ),
        "time-goes-back": Vector(
            with_chunk(1, data_chunk(b"\x01\x02\x03", pts=0)), "pts before the last packet's end", "overwrites a second"
        ),
        "overlap": Vector(
            with_chunk(1, data_chunk(bytes([2, 2, 1, 0x63]) + bytes(9), flags=KEYFRAME | TABLE)),
            "two packets of a chunk overlap in time: the second begins 50 ticks early",
            "mixes or overwrites sound",
        ),
        "pts-overflow": Vector(
            with_chunk(1, data_chunk(b"\x01\x02\x03", pts=(1 << 40) - 1)),
            "pts + duration exceeds 40 bits",
            "wraps around, or waits for two years",
        ),
        "dts-order": Vector(dts_back(), "dts goes back", "shows pictures in the wrong order"),
        "unknown-stream": Vector(
            with_chunk(1, pack_chunk(Head(DATA, 9, KEYFRAME, 0, 0, 0, 1), b"abc")),
            "a chunk of a stream that the header does not name",
            "indexes past the end of its streams",
        ),
        "no-dts": Vector(
            loop[:size] + bare + loop[size:],
            "a stream that reorders, a chunk without dts",
            "shows pictures in the wrong order",
        ),
        "zero-time-base": Vector(patched_header(32, bytes(4)), "a time base of 0", "divides by zero", readable=False),
        "same-ids": Vector(
            bytes(same) + struct.pack("<I", zlib.crc32(same)),
            "two streams with one id",
            "mixes two streams",
            readable=False,
        ),
        "huge-header": Vector(
            base()[:12] + b"\xff\xff\xff\xff" + base()[16:], "a header of 4 GiB", "allocates 4 GiB", readable=False
        ),
        "end-counts": Vector(claims_more(), "the end chunk counts more packets than there are", "believes it is whole"),
    }


def dts_back() -> bytes:
    """A stream that reorders, the dts of its second chunk equal to the first's."""
    stream = video(0, fields={"reorder": 1})
    data = file_of(FileHeader((stream,)), [packet(stream, 0, 1, 0, dts=-1), packet(stream, 1, 1, 1, dts=0)])
    start, end = chunk_starts(data)[1:3]
    payload = bytearray(data[start + 20 : end - 4])
    payload[2] = 4  # zigzag of pts - dts = 2
    return data[:start] + pack_chunk(Head(DATA, 0, KEYFRAME | TABLE, 1, 0, 1, 1), bytes(payload)) + data[end:]


def claims_more() -> bytes:
    """A file whose end chunk counts two packets too many."""
    file = io.BytesIO()
    writer = Writer(file, HEADER)
    for item in seconds(STREAM, 2):
        writer.write(item)
    writer._streams[0].packets += 2
    writer.close()
    return file.getvalue()


def vectors() -> dict[str, Vector]:
    """All faulty vectors by name."""
    return {**transport(), **symbols(), **values()}
