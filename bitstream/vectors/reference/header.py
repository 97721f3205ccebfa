"""Headers, from SPEC sections 4 and 8."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .coder import Bytes, FaultError, corrupt

MAGIC = b"\x89MCX\r\n\x1a\n"

# id: (name, scopes, kind, least or longest, most)
FIELDS: dict[int, tuple[str, str, str, int, int]] = {
    0x0001: ("model_name", "stream", "text", 0, 255),
    0x0002: ("source_sample_rate", "stream", "u32", 1, 384_000),
    0x0003: ("source_channels", "stream", "u8", 1, 255),
    0x0004: ("parity", "stream", "u8", 2, 16),
    0x0005: ("bit_rate", "stream", "u32", 1, (1 << 32) - 1),
    0x0010: ("encoder", "file", "text", 0, 255),
    0x0011: ("resume", "file", "text", 0, 4096),
    0x0020: ("title", "stream file", "text", 0, 4096),
    0x0021: ("artist", "stream file", "text", 0, 4096),
    0x0022: ("album", "stream file", "text", 0, 4096),
    0x0023: ("date", "stream file", "text", 0, 255),
    0x0024: ("comment", "stream file", "text", 0, 4096),
    0x0025: ("language", "stream file", "text", 0, 35),
    0x0026: ("tags", "stream file", "text", 0, 16_384),
    0x0027: ("chapters", "file", "text", 0, 32_768),
    0x8001: ("layers", "stream", "u8", 1, 64),
    0x8002: ("reorder", "stream", "u8", 1, 255),
    0x8003: ("foreign_codec", "stream", "text", 0, 64),
    0x8004: ("extradata", "stream", "bytes", 0, 60_000),
}


@dataclass
class Stream:
    """A stream record. kind: 0 audio, 1 video, 2 data."""

    id: int
    kind: int
    codec: bytes
    coder: int
    crc_size: int
    time_base: Fraction
    packet_duration: int
    delay: int
    hashes: bytes
    parameters: tuple[Any, ...]
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def frame_size(self) -> int:
        return int(self.parameters[3])

    @property
    def parity(self) -> int:
        return int(self.fields.get("parity", 0))

    @property
    def layers(self) -> int:
        return int(self.fields.get("layers", 0))

    @property
    def reorder(self) -> int:
        return int(self.fields.get("reorder", 0))


@dataclass
class Header:
    """What a header says."""

    minor: int
    live: bool
    interval: int
    streams: list[Stream]
    fields: dict[str, Any]


def parse_header(data: bytes) -> tuple[Header, int]:
    """The header that begins some bytes, and its length (section 8, rule 1)."""
    if not data or data[:8] != MAGIC[: len(data)]:
        raise FaultError("NotAnMcxError", "no magic")
    if len(data) < 16:
        raise FaultError("TruncatedError", "a header cut short")
    size = int.from_bytes(data[12:16], "little")
    if not 24 <= size <= 65536:
        raise corrupt("an impossible length of a header")
    if len(data) < size:
        raise FaultError("TruncatedError", "a header cut short")
    if zlib.crc32(data[: size - 4]) != int.from_bytes(data[size - 4 : size], "little"):
        raise corrupt("the CRC of a header")
    if data[8] != 1:
        raise FaultError("UnsupportedVersionError", "another major version")
    find_critical(data[:size])
    rest = Bytes(data[16 : size - 4])
    count, _, interval = rest.unsigned(1), rest.unsigned(1), rest.unsigned(2)
    streams = [parse_stream(Bytes(rest.take(rest.unsigned(2) - 2))) for _ in range(count)]
    if not 1 <= count <= 16 or len({stream.id for stream in streams}) != count:
        raise corrupt("an impossible number of streams, or two of one id")
    fields = parse_fields(rest.take(rest.left), "file")
    return Header(data[9], bool(data[10] & 1), interval, streams, fields), size


def find_critical(header: bytes) -> None:
    """Section 8, *Precedence*."""
    if header[11]:
        raise unsupported("critical flags of a header")
    rest = Bytes(header[16:-4])
    try:
        count = rest.unsigned(1)
        rest.take(3)
        for _ in range(count):
            record = rest.take(max(0, rest.unsigned(2) - 2))
            if len(record) >= 26:  # up to where hashes or parameters begin
                find_critical_in(record)
    except FaultError as fault:
        if fault.kind == "CorruptError":
            return
        raise
    find_critical_fields(rest.take(rest.left))


def find_critical_in(record: bytes) -> None:
    kind, coder, flags = record[1], record[6], record[8:10]
    if kind > 2 or flags[1] or coder > 2:
        raise unsupported("a kind, a coder or critical flags of a stream")
    at = 26 + 32 * (flags[0] & 1) + 32 * (flags[0] >> 1 & 1)
    end = at + (14, 20, 0)[kind]
    if len(record) < end:
        return
    if kind == 0 and record[at + 5]:
        raise unsupported("a channel layout")
    find_critical_fields(record[end:])


def find_critical_fields(data: bytes) -> None:
    while len(data) >= 4:
        number = int.from_bytes(data[:2], "little")
        if number >= 0x8000 and number not in FIELDS:
            raise unsupported(f"field {number:#x}")
        data = data[4 + int.from_bytes(data[2:4], "little") :]


def unsupported(what: str) -> FaultError:
    return FaultError("UnsupportedFeatureError", what)


def parse_stream(record: Bytes) -> Stream:
    """Sections 4.1 to 4.3."""
    stream_id, kind, codec = record.unsigned(1), record.unsigned(1), record.take(4)
    coder, crc_size, flags = record.unsigned(1), record.unsigned(1), record.unsigned(2)
    base, duration, delay = ratio(record), record.unsigned(4), record.unsigned(4)
    hashes = bytes([flags & 3]) + record.take(32 * (flags & 1) + 32 * (flags >> 1 & 1))
    parameters = (audio, video, lambda _: ())[kind](record)
    fields = parse_fields(record.take(record.left), "stream")
    if stream_id > 254 or not all(0x20 <= letter <= 0x7E for letter in codec) or duration >= 1 << 24:
        raise corrupt("an impossible id, codec or packet duration")
    if crc_size not in (0, 1, 2, 4) or (coder == 2 and crc_size) or ("layers" in fields and not crc_size):
        raise corrupt("an impossible size of the symbol CRC")
    if coder == 2 and "foreign_codec" not in fields:
        raise corrupt("packets of an unnamed codec")
    return Stream(stream_id, kind, codec, coder, crc_size, base, duration, delay, hashes, parameters, fields)


def audio(record: Bytes) -> tuple[Any, ...]:
    rate, channels, _, skip, size = (record.unsigned(n) for n in (4, 1, 1, 4, 4))
    if not 1 <= rate <= 384_000 or not 1 <= channels <= 8 or not size:
        raise corrupt("impossible audio parameters")
    return rate, channels, skip, size


def video(record: Bytes) -> tuple[Any, ...]:
    width, height, rate = record.unsigned(2), record.unsigned(2), ratio(record)
    colour, right, bottom = record.take(4), record.unsigned(2), record.unsigned(2)
    if not width or not height or colour[3] > 1 or (width + right) * (height + bottom) > 1 << 26:
        raise corrupt("impossible video parameters")
    return width, height, rate, colour, right, bottom


def ratio(record: Bytes) -> Fraction:
    above, below = record.unsigned(4), record.unsigned(4)
    if not above or not below:
        raise corrupt("a fraction with a zero")
    return Fraction(above, below)


def parse_fields(data: bytes, scope: str) -> dict[str, Any]:
    """Section 4.4. Unknown ones are kept by their number."""
    find_critical_fields(data)
    rest, result = Bytes(data), {}
    while rest.left:
        number, size = rest.unsigned(2), rest.unsigned(2)
        value = rest.take(size)
        name = FIELDS[number][0] if number in FIELDS else f"{number:#06x}"
        if name in result:
            raise corrupt("a field appears twice")
        result[name] = field_value(number, value, scope) if number in FIELDS else value
    return result


def field_value(number: int, value: bytes, scope: str) -> Any:
    _, scopes, kind, least, most = FIELDS[number]
    if scope not in scopes.split():
        raise corrupt("a field outside of its scope")
    if kind[0] == "u":
        found = int.from_bytes(value, "little")
        if 8 * len(value) != int(kind[1:]) or not least <= found <= most:
            raise corrupt("a number out of range")
        return found
    if len(value) > most or (kind == "text" and 0 in value):
        raise corrupt("a field too long, or text with NUL")
    try:
        return value if kind == "bytes" else value.decode("utf-8")
    except UnicodeDecodeError:
        raise corrupt("text that is not UTF-8") from None
