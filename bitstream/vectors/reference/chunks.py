"""Chunks and their packets, from SPEC sections 3.1 to 3.4."""

from __future__ import annotations

import zlib

from .coder import Bytes, FaultError, corrupt
from .header import Stream

DATA, INDEX, TAGS, END, COPY, PARITY = range(6)
SYNC = b"\xf5\x4e"


class Chunk:
    """A head that holds, and its payload where that is there and whole (else None)."""

    def __init__(self, data: bytes, at: int) -> None:
        fields = Bytes(data[at + 2 : at + 18])
        self.type, self.id, self.flags = (fields.unsigned(1) for _ in range(3))
        self.sequence, self.size, self.pts, self.duration = (fields.unsigned(n) for n in (2, 3, 5, 3))
        self.at, self.end = at, at + 24 + self.size
        payload = data[at + 20 : self.end - 4]
        self.cut = self.end > len(data)
        whole = not self.cut and zlib.crc32(payload) == int.from_bytes(data[self.end - 4 : self.end], "little")
        self.payload = payload if whole else None


class Packet:
    """What a chunk delivers."""

    def __init__(self, stream: Stream, pts: int, duration: int, data: bytes) -> None:
        self.stream, self.pts, self.duration, self.data = stream, pts, duration, data
        self.dts: int | None = None
        self.keyframe = self.discontinuous = False


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE, section 2."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def head_at(data: bytes, at: int) -> Chunk | None:
    """The chunk whose head stands at a place, if one does."""
    head = data[at : at + 20]
    if len(head) < 20 or head[:2] != SYNC or crc16(head[:18]) != int.from_bytes(head[18:], "little"):
        return None
    return Chunk(data, at)


def check_flags(chunk: Chunk) -> None:
    if chunk.flags & 0xC0:
        raise FaultError("UnsupportedFeatureError", "critical flags of a chunk")


def parse_end(payload: bytes) -> dict[int, tuple[int | None, int]]:
    """Section 3.4."""
    rest = Bytes(payload)
    size, count = rest.unsigned(1), rest.unsigned(1)
    if size < 16 or count > 16:
        raise corrupt("an end chunk of impossible sizes")
    ends: dict[int, tuple[int | None, int]] = {}
    for _ in range(count):
        entry = Bytes(rest.take(size))
        stream, length, packets = entry.unsigned(1), entry.unsigned(5), entry.unsigned(4)
        if stream in ends:
            raise corrupt("a stream ends twice")
        ends[stream] = (None if length == (1 << 40) - 1 else length), packets
    rest.take(6)
    if rest.unsigned(2) != len(payload) + 24 or rest.left:
        raise corrupt("an end chunk of another size than it says")
    return ends


def unpack(chunk: Chunk, stream: Stream, time: int, dts: int | None) -> list[Packet]:
    """The packets of a data chunk, sections 3.2 and 3.3; time: the end of all packets before, dts: of the last."""
    payload = chunk.payload
    assert payload is not None
    if chunk.flags & 4:
        packets = with_table(chunk, payload, stream)
    elif stream.reorder:
        raise corrupt("a chunk without dts")
    else:
        packets = [Packet(stream, chunk.pts, chunk.duration, payload)]
        packets[0].keyframe = bool(chunk.flags & 1)
    packets[0].discontinuous = bool(chunk.flags & 2)
    for packet in packets:
        if stream.packet_duration and packet.duration > stream.packet_duration:
            raise corrupt("a packet longer than its stream says")
        if not stream.reorder and packet.pts < time:
            raise corrupt("time goes back")
        if packet.dts is not None and dts is not None and packet.dts <= dts:
            raise corrupt("dts go back")
        if not 0 <= packet.pts <= packet.pts + packet.duration < 1 << 40:
            raise corrupt("a packet ends beyond 40 bits of ticks")
        if packet.dts is not None and abs(packet.dts) >= 1 << 40:
            raise corrupt("a dts beyond 40 bits")
        time, dts = packet.pts + packet.duration, packet.dts
    return packets


def with_table(chunk: Chunk, payload: bytes, stream: Stream) -> list[Packet]:
    """Section 3.2."""
    rest = Bytes(payload)
    count, lists = rest.varint(), rest.unsigned(1)
    if not 1 <= count <= 4096 or lists > 15 or bool(lists & 4) != bool(stream.reorder):
        raise corrupt("an impossible packet table")
    sizes = [rest.varint() for _ in range(count - 1)]
    durations = [rest.varint() for _ in range(count)] if lists & 1 else [chunk.duration // count] * count
    if sum(durations) != chunk.duration:
        raise corrupt("durations that are not the head's")
    gaps = [rest.zigzag() if lists & 2 else 0 for _ in range(count - 1)]
    back = [rest.zigzag() for _ in range(count)] if lists & 4 else None
    keys = [bool(chunk.flags & 1)] * count
    if lists & 8:
        bits = rest.take(-(-count // 8))
        keys = [bool(bits[i // 8] & 128 >> i % 8) for i in range(count)]
    packets, pts = [], chunk.pts
    for size, duration, gap, key in zip([*sizes, -1], durations, [*gaps, 0], keys, strict=True):
        data = rest.take(rest.left if size < 0 else size)
        packet = Packet(stream, pts, duration, data)
        packet.keyframe, packet.dts = key, None if back is None else pts - back[len(packets)]
        packets.append(packet)
        pts += duration + gap
    return packets
