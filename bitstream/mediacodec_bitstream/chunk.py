"""Chunks: the self-delimiting, self-checking units of a file (SPEC section 3)."""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .errors import CorruptError, ParameterError, UnsupportedFeatureError
from .packet import MAX_DURATION, MAX_PAYLOAD, MAX_PTS, Packet
from .stream_header import StreamHeader
from .wire import Cursor, u24, u40, varint, zigzag

SYNC = b"\xf5\x4e"  # F5 never occurs in UTF-8
HEAD_SIZE = 20
CRC_SIZE = 4
OVERHEAD = HEAD_SIZE + CRC_SIZE  # bytes of framing around a payload

DATA, INDEX, TAGS, END, HEADER, PARITY = range(6)
FIRST_IGNORABLE = 128  # unknown chunk types from here on are skipped, below they are refused
FILE_LEVEL = 255  # the stream id of chunks that belong to no stream

KEYFRAME, DISCONTINUITY, TABLE = 1, 2, 4
CRITICAL_FLAGS = 0xC0  # unknown bits here must be refused; bits 3 to 5 may be ignored

MAX_PACKETS = 4096  # in one chunk
_LISTS_DURATIONS, _LISTS_GAPS, _LISTS_DTS, _LISTS_KEYFRAMES = 1, 2, 4, 8


class Head(NamedTuple):
    """A chunk's head. size: bytes of payload; pts, duration: ticks; sequence: per stream id, mod 2^16."""

    type: int
    stream_id: int
    flags: int
    sequence: int
    size: int
    pts: int
    duration: int

    @property
    def end(self) -> int:
        """pts of what follows."""
        return self.pts + self.duration

    @property
    def total(self) -> int:
        """Bytes from the sync word to the end of the payload's CRC."""
        return self.size + OVERHEAD


class Chunk(NamedTuple):
    """A chunk whose checksums hold, with its byte offset from the start of the file."""

    head: Head
    payload: bytes
    offset: int


def pack_chunk(head: Head, payload: bytes) -> bytes:
    """The chunk's bytes; head.size is taken from payload."""
    if len(payload) > MAX_PAYLOAD:
        raise ParameterError(f"a chunk's payload of {len(payload)} bytes exceeds {MAX_PAYLOAD}")
    start = SYNC + struct.pack("<BBBH", head.type, head.stream_id, head.flags, head.sequence & 0xFFFF)
    start += u24(len(payload)) + u40(head.pts) + u24(head.duration)
    start += struct.pack("<H", binascii.crc_hqx(start, 0xFFFF))
    return start + payload + struct.pack("<I", zlib.crc32(payload))


def parse_head(data: bytes | bytearray, at: int = 0) -> Head | None:
    """The head at that position, or None where there is none (sync or CRC-16 wrong, or too few bytes)."""
    raw = bytes(data[at : at + HEAD_SIZE])
    if len(raw) < HEAD_SIZE or raw[:2] != SYNC:
        return None
    if binascii.crc_hqx(raw[:-2], 0xFFFF) != int.from_bytes(raw[-2:], "little"):
        return None
    kind, stream_id, flags, sequence = struct.unpack_from("<BBBH", raw, 2)
    size, pts, duration = (int.from_bytes(raw[a:b], "little") for a, b in ((7, 10), (10, 15), (15, 18)))
    return Head(kind, stream_id, flags, sequence, size, pts, duration)


def check_critical_flags(head: Head) -> None:
    """Raise UnsupportedFeatureError where a head of this version's types has flags that must be understood."""
    if head.flags & CRITICAL_FLAGS:
        raise UnsupportedFeatureError(f"chunk flags 0x{head.flags:02x} hold an unknown critical bit")


def pack_data(packets: Sequence[Packet], sequence: int, *, reorders: bool) -> tuple[Head, bytes]:
    """Head and payload of a data chunk of 1..4096 packets of one stream; the head has the first one's flags."""
    first = packets[0]
    flags = (KEYFRAME if first.is_keyframe else 0) | (DISCONTINUITY if first.discontinuity else 0)
    payload = b"".join(packet.data for packet in packets)
    if len(packets) > 1 or reorders:
        flags |= TABLE
        payload = _pack_table(packets, reorders) + payload
    duration = sum(packet.duration for packet in packets)
    return Head(DATA, first.stream_id, flags, sequence, len(payload), first.pts, duration), payload


def unpack_data(head: Head, payload: bytes, stream: StreamHeader) -> list[Packet]:
    """The packets of a data chunk.

    Raises CorruptError on an impossible packet table, or a packet longer than its stream declares.
    """
    first, discontinuity = bool(head.flags & KEYFRAME), bool(head.flags & DISCONTINUITY)
    if not head.flags & TABLE:
        if stream.reorders:
            raise CorruptError("a stream that reorders has a chunk without a packet table")
        packets = [Packet(head.stream_id, head.pts, payload, head.duration, None, first, discontinuity)]
    else:
        try:
            packets = _unpack_table(head, payload, stream.reorders)
        except ParameterError as error:
            raise CorruptError(f"packet table: {error}") from None
    longest = stream.packet_duration
    if longest and any(packet.duration > longest for packet in packets):
        raise CorruptError(f"a packet lasts longer than the {longest} ticks its stream declares")
    return packets


def _pack_table(packets: Sequence[Packet], reorders: bool) -> bytes:
    count = len(packets)
    durations = [packet.duration for packet in packets]
    gaps = [after.pts - before.pts - before.duration for before, after in pairwise(packets)]
    keys = [packet.is_keyframe for packet in packets]
    flags = _LISTS_DURATIONS if len(set(durations)) > 1 else 0
    flags |= _LISTS_GAPS if any(gaps) else 0
    flags |= _LISTS_DTS if reorders else 0
    flags |= _LISTS_KEYFRAMES if len(set(keys)) > 1 else 0
    out = varint(count) + bytes([flags]) + b"".join(varint(len(packet.data)) for packet in packets[:-1])
    if flags & _LISTS_DURATIONS:
        out += b"".join(map(varint, durations))
    if flags & _LISTS_GAPS:
        out += b"".join(map(zigzag, gaps))
    if reorders:
        out += b"".join(zigzag(packet.pts - (packet.dts or 0)) for packet in packets)
    if flags & _LISTS_KEYFRAMES:
        bits = "".join("01"[key] for key in keys).ljust(-(-count // 8) * 8, "0")
        out += int(bits, 2).to_bytes(len(bits) // 8, "big")
    return out


def _unpack_table(head: Head, payload: bytes, reorders: bool) -> list[Packet]:
    cursor = Cursor(payload, "packet table")
    count, flags = cursor.varint(), cursor.take(1)[0]
    if not 1 <= count <= MAX_PACKETS or flags > 15 or bool(flags & _LISTS_DTS) != reorders:
        raise CorruptError(f"packet table: {count} packets with flags 0x{flags:02x}")
    sizes = [cursor.varint() for _ in range(count - 1)]
    durations = _durations(cursor, head, count, flags)
    gaps = [cursor.zigzag() if flags & _LISTS_GAPS else 0 for _ in range(count - 1)]
    offsets = [cursor.zigzag() for _ in range(count)] if reorders else None
    keys = [bool(head.flags & KEYFRAME)] * count
    if flags & _LISTS_KEYFRAMES:
        bitmap = cursor.take(-(-count // 8))
        keys = [bool(bitmap[i // 8] >> (7 - i % 8) & 1) for i in range(count)]
    if sum(sizes) > cursor.left:
        raise CorruptError(f"packet table: packets of {sum(sizes)} bytes in {cursor.left}")
    sizes.append(cursor.left - sum(sizes))
    packets, pts = [], head.pts
    for i in range(count):
        dts = pts - offsets[i] if offsets else None
        cut = bool(head.flags & DISCONTINUITY) and i == 0
        packets.append(Packet(head.stream_id, pts, cursor.take(sizes[i]), durations[i], dts, keys[i], cut))
        pts += durations[i] + (gaps[i] if i < count - 1 else 0)
    return packets


def _durations(cursor: Cursor, head: Head, count: int, flags: int) -> list[int]:
    if flags & _LISTS_DURATIONS:
        durations = [cursor.varint() for _ in range(count)]
        if sum(durations) != head.duration:
            raise CorruptError(f"packet table: durations sum to {sum(durations)}, not to {head.duration}")
        return durations
    if head.duration % count:
        raise CorruptError(f"packet table: {head.duration} ticks do not divide into {count} packets")
    return [head.duration // count] * count


def fits(packets: Sequence[Packet], packet: Packet) -> bool:
    """Whether a chunk of these packets can take one more without breaking a limit of the format."""
    if not packets:
        return True
    size = sum(len(p.data) + 32 for p in packets) + len(packet.data) + 64  # a table entry is at most 32 bytes
    duration = sum(p.duration for p in packets) + packet.duration
    return len(packets) < MAX_PACKETS and size <= MAX_PAYLOAD and duration <= MAX_DURATION


def check_end(packet: Packet) -> None:
    """Raise ParameterError where a packet ends beyond what 40 bits of ticks can say."""
    if packet.pts + packet.duration > MAX_PTS:
        raise ParameterError(f"pts {packet.pts} + {packet.duration} exceeds 2^40 - 1 ticks")
