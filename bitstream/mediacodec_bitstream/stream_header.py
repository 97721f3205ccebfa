"""One stream of a file (SPEC section 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .errors import CorruptError, ParameterError
from .fields import Fields, FieldValue, pack_fields, unpack_fields
from .symbols import SYMBOL_CRC_SIZES
from .wire import Cursor

U32 = 0xFFFFFFFF
MAX_STREAM_ID = 254  # 255 marks chunks of the file itself
MAX_SAMPLE_RATE = 384_000
MAX_CHANNELS = 8
MAX_PIXELS = 1 << 26
HASH_SIZE = 32

AUDIO, VIDEO, DATA = 0, 1, 2
KINDS = {AUDIO: "audio", VIDEO: "video", DATA: "data"}
PARAMETERS_SIZE = {AUDIO: 14, VIDEO: 20, DATA: 0}  # bytes

BIT_PACKED, RC24, OPAQUE = 0, 1, 2

FLAG_MODEL_HASH = 0x0001
FLAG_TABLES_HASH = 0x0002
CRITICAL_FLAGS = 0xFF00  # unknown bits here must be refused, unknown bits below may be ignored


@dataclass(frozen=True)
class AudioParameters:
    """sample_rate: Hz, 1..384000, of the decoded audio; channels: 1..8; pre_skip: samples at that rate to
    drop from the start of the decoded audio (RFC 7845 section 4.2); frame_size: samples per channel that one
    codec frame stands for, 1..2^32-1."""

    sample_rate: int
    channels: int
    pre_skip: int
    frame_size: int

    def __post_init__(self) -> None:
        check_range("sample_rate", self.sample_rate, 1, MAX_SAMPLE_RATE)
        check_range("channels", self.channels, 1, MAX_CHANNELS)
        check_range("pre_skip", self.pre_skip, 0, U32)
        check_range("frame_size", self.frame_size, 1, U32)


@dataclass(frozen=True)
class VideoParameters:
    """width, height: pixels presented, 1..65535, at most 2^26 together; frame_rate: nominal frames per
    second; colour: CICP primaries, transfer, matrix (ITU-T H.273; 2 = unspecified), full-range flag 0 or 1;
    pad_right, pad_bottom: pixels that the codec adds and the reader crops."""

    width: int
    height: int
    frame_rate: Fraction
    colour: tuple[int, int, int, int] = (2, 2, 2, 0)
    pad_right: int = 0
    pad_bottom: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            check_range(name, getattr(self, name), 1, 0xFFFF)
        for name in ("pad_right", "pad_bottom"):
            check_range(name, getattr(self, name), 0, 0xFFFF)
        pixels = (self.width + self.pad_right) * (self.height + self.pad_bottom)
        if pixels > MAX_PIXELS:
            raise ParameterError(f"{self.width} x {self.height} with padding is {pixels} pixels, above 2^26")
        check_fraction("frame_rate", self.frame_rate)
        if len(self.colour) != 4 or not all(0 <= part <= 255 for part in self.colour) or self.colour[3] > 1:
            raise ParameterError(f"colour must be (primaries, transfer, matrix, 0 or 1), got {self.colour}")


@dataclass(frozen=True)
class StreamHeader:
    """One stream.

    stream_id: 0..254; codec: 4 printable ASCII characters; parameters: AudioParameters, VideoParameters or
    None for data; time_base: seconds per tick, a fraction of 32-bit numbers; packet_duration: ticks that no
    packet exceeds, 0 = not stated; algorithmic_delay: ticks of the codec alone; coder: 0 bit-packed, 1 RC24,
    2 opaque (bytes of a foreign codec); symbol_crc_size: bytes of the symbol CRC in each packet: 0, 1, 2 or 4
    (0 with coder 2, at least 1 with layers); model_hash, tables_hash: canonical hashes, 32 bytes, or None;
    fields: names from FIELDS.
    """

    stream_id: int
    codec: str
    parameters: AudioParameters | VideoParameters | None
    time_base: Fraction
    packet_duration: int = 0
    algorithmic_delay: int = 0
    coder: int = RC24
    symbol_crc_size: int = 2
    model_hash: bytes | None = None
    tables_hash: bytes | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=Fields)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", Fields(self.fields))
        check_range("stream_id", self.stream_id, 0, MAX_STREAM_ID)
        if len(self.codec) != 4 or not all(" " <= letter <= "~" for letter in self.codec):
            raise ParameterError(f"codec must be 4 printable ASCII characters, got {self.codec!r}")
        check_fraction("time_base", self.time_base)
        check_range("packet_duration", self.packet_duration, 0, (1 << 24) - 1)
        check_range("algorithmic_delay", self.algorithmic_delay, 0, U32)
        check_range("coder", self.coder, BIT_PACKED, OPAQUE)
        if self.symbol_crc_size not in SYMBOL_CRC_SIZES or (self.coder == OPAQUE and self.symbol_crc_size):
            raise ParameterError(f"symbol_crc_size {self.symbol_crc_size} with coder {self.coder}: not allowed")
        for name in ("model_hash", "tables_hash"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, bytes) or len(value) != HASH_SIZE):
                raise ParameterError(f"{name} must be {HASH_SIZE} bytes or None")
        if "layers" in self.fields and not self.symbol_crc_size:  # an empty layer means a dropped one
            raise ParameterError("a stream with layers needs a symbol_crc_size of 1, 2 or 4")
        if self.coder == OPAQUE and "foreign_codec" not in self.fields:
            raise ParameterError("coder 2 needs the field foreign_codec: the name of the codec it carries")
        pack_fields(self.fields, scope="stream")

    @property
    def kind(self) -> str:
        """ "audio", "video" or "data"."""
        return KINDS[self._kind]

    @property
    def pre_skip(self) -> int:
        """Ticks between the start of the coded timeline and the first moment presented; 0 unless audio."""
        if not isinstance(self.parameters, AudioParameters):
            return 0
        return int(Fraction(self.parameters.pre_skip, self.parameters.sample_rate) / self.time_base)

    @property
    def layers(self) -> int:
        """Number of sub-payloads a packet is made of; 0 where packets have none."""
        return int(self.fields.get("layers", 0))

    @property
    def reorders(self) -> bool:
        """Whether packets are stored in decoding order, which differs from the order of presentation."""
        return "reorder" in self.fields

    @property
    def parity(self) -> int:
        """Data chunks that one parity chunk protects; 0 = none."""
        return int(self.fields.get("parity", 0))

    @property
    def _kind(self) -> int:
        match self.parameters:
            case AudioParameters():
                return AUDIO
            case VideoParameters():
                return VIDEO
        return DATA


def pack_stream(stream: StreamHeader) -> bytes:
    """A stream record, beginning with its own length."""
    flags = (FLAG_MODEL_HASH if stream.model_hash else 0) | (FLAG_TABLES_HASH if stream.tables_hash else 0)
    base = stream.time_base
    body = struct.pack("<BB", stream.stream_id, stream._kind) + stream.codec.encode("ascii")
    body += struct.pack("<BBH", stream.coder, stream.symbol_crc_size, flags)
    body += struct.pack("<II", base.numerator, base.denominator)
    body += struct.pack("<II", stream.packet_duration, stream.algorithmic_delay)
    body += (stream.model_hash or b"") + (stream.tables_hash or b"")
    body += _pack_parameters(stream.parameters) + pack_fields(stream.fields, scope="stream")
    if len(body) + 2 > 0xFFFF:
        raise ParameterError(f"stream {stream.stream_id}: its header of {len(body) + 2} bytes exceeds 65535")
    return struct.pack("<H", len(body) + 2) + body


def unpack_stream(outer: Cursor) -> StreamHeader:
    """The next stream record of a header that `check_critical` has passed. Raises CorruptError."""
    (size,) = outer.unpack("H")
    if size < 2:
        raise CorruptError(f"a stream record cannot have {size} bytes")
    cursor = Cursor(outer.take(size - 2), "stream header")
    stream_id, kind, name = cursor.unpack("BB4s")
    coder, crc_size, flags, base_num, base_den, duration, delay = cursor.unpack("BBHIIII")
    model_hash = cursor.take(HASH_SIZE) if flags & FLAG_MODEL_HASH else None
    tables_hash = cursor.take(HASH_SIZE) if flags & FLAG_TABLES_HASH else None
    try:
        base = _fraction(base_num, base_den)
        parameters = _unpack_parameters(cursor, kind)
        fields = unpack_fields(cursor, scope="stream")
        return StreamHeader(
            stream_id, name.decode("ascii"), parameters, base, duration, delay,
            coder, crc_size, model_hash, tables_hash, fields,
        )  # fmt: skip
    except (ParameterError, UnicodeDecodeError) as error:
        raise CorruptError(f"stream {stream_id}: {error}") from None


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise ParameterError unless value is an integer in low..high."""
    if not isinstance(value, int) or not low <= value <= high:
        raise ParameterError(f"{name} must be an integer in {low}..{high}, got {value!r}")


def check_fraction(name: str, value: Fraction) -> None:
    """Raise ParameterError unless value is a positive Fraction of two 32-bit numbers."""
    if not isinstance(value, Fraction) or not (0 < value.numerator <= U32 and value.denominator <= U32):
        raise ParameterError(f"{name} must be a positive Fraction of 32-bit numbers, got {value!r}")


def _pack_parameters(parameters: AudioParameters | VideoParameters | None) -> bytes:
    match parameters:
        case AudioParameters(rate, channels, pre_skip, frame_size):
            return struct.pack("<IBBII", rate, channels, 0, pre_skip, frame_size)
        case VideoParameters(width, height, rate, colour, right, bottom):
            return struct.pack("<HHII4BHH", width, height, rate.numerator, rate.denominator, *colour, right, bottom)
    return b""


def _unpack_parameters(cursor: Cursor, kind: int) -> AudioParameters | VideoParameters | None:
    if kind == AUDIO:
        rate, channels, _, pre_skip, frame_size = cursor.unpack("IBBII")
        return AudioParameters(rate, channels, pre_skip, frame_size)
    if kind == VIDEO:
        width, height, num, den, *colour, right, bottom = cursor.unpack("HHII4BHH")
        primaries, transfer, matrix, full = colour
        return VideoParameters(width, height, _fraction(num, den), (primaries, transfer, matrix, full), right, bottom)
    return None


def _fraction(numerator: int, denominator: int) -> Fraction:
    if not numerator or not denominator:
        raise CorruptError(f"{numerator}/{denominator} is not a positive fraction")
    return Fraction(numerator, denominator)
