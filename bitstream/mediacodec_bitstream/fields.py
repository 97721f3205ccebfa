"""FIELDS: the only table of the type-length-value fields of headers and tags (SPEC section 4.4).

To add a field: one line here, one row in SPEC, one new vector. Ids are written into files and never change.
Bit 15 of an id marks a field as critical: a reader that does not know it must not decode the stream.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from .errors import CorruptError, ParameterError, ParameterTypeError, UnsupportedFeatureError, quoted
from .wire import Cursor

CRITICAL = 0x8000
MAX_VALUE = 60_000  # bytes; a whole header is at most 64 KiB
_HEAD = 4  # bytes of a field's id and size

FieldValue = int | str | bytes
_Coding = tuple[Callable[[FieldValue], bytes], Callable[[bytes], FieldValue]]


@dataclass(frozen=True)
class Field:
    """One kind of field: its id in files, its name in code, and how its value becomes bytes."""

    id: int
    name: str
    encode: Callable[[FieldValue], bytes]
    decode: Callable[[bytes], FieldValue]
    stream: bool = False  # may stand in a stream header
    file: bool = False  # may stand in the file header and in a tags chunk


def _text(limit: int) -> _Coding:
    def encode(value: FieldValue) -> bytes:
        if not isinstance(value, str):
            raise ParameterTypeError(f"expected str, got {quoted(value)}")
        data = value.encode("utf-8")
        if len(data) > limit or "\0" in value:
            raise ParameterError(f"text must be at most {limit} bytes of UTF-8 without NUL, got {len(data)}")
        return data

    return encode, lambda data: data.decode("utf-8")


def _number(size: int, low: int, high: int) -> _Coding:
    def encode(value: FieldValue) -> bytes:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ParameterTypeError(f"expected int, got {quoted(value)}")
        if not low <= value <= high:
            raise ParameterError(f"{quoted(value)} is not in {low}..{high}")
        return value.to_bytes(size, "little")

    def decode(data: bytes) -> FieldValue:
        if len(data) != size:
            raise CorruptError(f"{len(data)} bytes where {size} are due")
        return int.from_bytes(data, "little")

    return encode, decode


def _raw(value: FieldValue) -> bytes:
    if not isinstance(value, bytes):
        raise ParameterTypeError(f"expected bytes, got {type(value).__name__}")
    if len(value) > MAX_VALUE:
        raise ParameterError(f"a field holds at most {MAX_VALUE} bytes, got {len(value)}")
    return value


FIELDS: tuple[Field, ...] = (
    Field(0x0001, "model_name", *_text(255), stream=True),
    Field(0x0002, "source_sample_rate", *_number(4, 1, 384_000), stream=True),
    Field(0x0003, "source_channels", *_number(1, 1, 255), stream=True),
    Field(0x0004, "parity", *_number(1, 2, 16), stream=True),
    Field(0x0005, "bit_rate", *_number(4, 1, 0xFFFFFFFF), stream=True),
    Field(0x0010, "encoder", *_text(255), file=True),
    Field(0x0011, "resume", *_text(4096), file=True),
    Field(0x0020, "title", *_text(4096), stream=True, file=True),
    Field(0x0021, "artist", *_text(4096), stream=True, file=True),
    Field(0x0022, "album", *_text(4096), stream=True, file=True),
    Field(0x0023, "date", *_text(255), stream=True, file=True),
    Field(0x0024, "comment", *_text(4096), stream=True, file=True),
    Field(0x0025, "language", *_text(35), stream=True, file=True),
    Field(0x0026, "tags", *_text(16_384), stream=True, file=True),
    Field(0x0027, "chapters", *_text(32_768), file=True),
    Field(0x8001, "layers", *_number(1, 1, 64), stream=True),
    Field(0x8002, "reorder", *_number(1, 1, 255), stream=True),
    Field(0x8003, "foreign_codec", *_text(64), stream=True),
    Field(0x8004, "extradata", _raw, lambda data: data, stream=True),
)

_BY_ID = {field.id: field for field in FIELDS}
_BY_NAME = {field.name: field for field in FIELDS}


class Fields(Mapping[str, FieldValue]):
    """Fields by name, read-only. An ignorable field of a later version is kept as "0x1234": bytes."""

    def __init__(self, values: Mapping[str, FieldValue] | Iterable[tuple[str, FieldValue]] = ()) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> FieldValue:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        values = {k: f"<{len(v)} bytes>" if isinstance(v, bytes) else v for k, v in self._values.items()}
        return f"Fields({values})"


def pack_fields(values: Mapping[str, FieldValue], *, scope: str) -> bytes:
    """Fields as bytes, in ascending order of id. scope: "stream" or "file".

    Raises ParameterError on an unknown name, a value out of range or a field of the other scope,
    ParameterTypeError on a value of the wrong type.
    """
    items = sorted((_identify(name, scope), str(name)) for name in values)
    out = bytearray()
    for number, name in items:
        encode = _BY_ID[number].encode if number in _BY_ID else _raw
        try:
            data = encode(values[name])
        except (ParameterError, ParameterTypeError) as error:
            raise type(error)(f"fields: {name}: {error}") from None
        out += struct.pack("<HH", number, len(data)) + data
    return bytes(out)


def unpack_fields(cursor: Cursor, *, scope: str) -> Fields:
    """The fields in the rest of a cursor.

    Raises UnsupportedFeatureError on an unknown critical field, wherever it stands; else CorruptError on a malformed
    or repeated one.
    """
    packed = cursor.take(cursor.left)
    check_critical_fields(packed)
    cursor = Cursor(packed, "fields")
    values: dict[str, FieldValue] = {}
    while cursor.left:
        number, size = cursor.unpack("HH")
        data = cursor.take(size)
        field = _BY_ID.get(number)
        name = field.name if field else f"0x{number:04x}"
        if name in values:
            raise CorruptError(f"field {name} appears twice")
        values[name] = _decode(field, data, scope) if field else data
    return Fields(values)


def check_critical_fields(data: bytes) -> None:
    """Raise UnsupportedFeatureError where a list of fields, as far as its sizes lead, has an unknown critical one."""
    cursor = Cursor(data, "fields")
    while cursor.left >= _HEAD:
        number, size = cursor.unpack("HH")
        if number & CRITICAL and number not in _BY_ID:
            raise UnsupportedFeatureError(f"field 0x{number:04x} of a later version must be understood")
        cursor.take(min(size, cursor.left))


def _identify(name: str, scope: str) -> int:
    field = _BY_NAME.get(name)
    if field is None:
        if isinstance(name, str) and len(name) == 6 and name.startswith("0x"):
            try:
                number = int(name, 16)
            except ValueError:
                number = CRITICAL
            if not number & CRITICAL and number not in _BY_ID and f"0x{number:04x}" == name:
                return number
        raise ParameterError(f"fields has an unknown one, {quoted(name)}; known are {', '.join(sorted(_BY_NAME))}")
    if not getattr(field, scope):
        raise ParameterError(f"field {name} does not belong in a {scope} header")
    return field.id


def _decode(field: Field, data: bytes, scope: str) -> FieldValue:
    if not getattr(field, scope):
        raise CorruptError(f"field {field.name} does not belong in a {scope} header")
    try:
        value = field.decode(data)
        field.encode(value)  # the same ranges hold in both directions
    except (ValueError, ParameterTypeError) as error:
        raise CorruptError(f"field {field.name}: {error}") from None
    return value
