"""What must be understood and is not: looked for in a header before any of its values is judged (SPEC section 8).

So a file of a later version is called unsupported, never corrupt for a value that only that version knows.
"""

from __future__ import annotations

import struct

from .errors import CorruptError, UnsupportedFeatureError
from .fields import check_critical_fields
from .stream_header import (
    AUDIO,
    CRITICAL_FLAGS,
    FLAG_MODEL_HASH,
    FLAG_TABLES_HASH,
    HASH_SIZE,
    KINDS,
    OPAQUE,
    PARAMETERS_SIZE,
)
from .wire import Cursor

_FLAGS_AT, _BODY_AT, _LAYOUT_AT = 10, 16, 5


def check_critical(header: bytes) -> None:
    """Raise UnsupportedFeatureError where a header of this major version, whose CRC holds, has something critical that
    this version does not know. Each part of it is looked through as far as its sizes lead."""
    (flags,) = struct.unpack_from("<H", header, _FLAGS_AT)
    if flags & CRITICAL_FLAGS:
        raise UnsupportedFeatureError(f"header flags 0x{flags:04x} hold an unknown critical bit")
    cursor = Cursor(header[_BODY_AT:-4], "header")
    try:
        count, _, _ = cursor.unpack("BBH")
        for _ in range(count):
            (size,) = cursor.unpack("H")
            _check_record(cursor.take(max(size - 2, 0)))
        check_critical_fields(cursor.take(cursor.left))
    except CorruptError:
        return  # whoever unpacks the header says what is wrong


def _check_record(record: bytes) -> None:
    cursor = Cursor(record, "stream header")
    try:
        stream_id, kind, _, coder, _, flags, _ = cursor.unpack("BB4sBBH16s")
    except CorruptError:
        return
    if kind not in KINDS:
        raise UnsupportedFeatureError(f"stream {stream_id} is of kind {kind}, which a later version defines")
    if flags & CRITICAL_FLAGS:
        raise UnsupportedFeatureError(f"stream {stream_id}: flags 0x{flags:04x} hold an unknown critical bit")
    if coder > OPAQUE:
        raise UnsupportedFeatureError(f"stream {stream_id} uses coder {coder}, which a later version defines")
    hashes = bool(flags & FLAG_MODEL_HASH) + bool(flags & FLAG_TABLES_HASH)
    try:
        cursor.take(HASH_SIZE * hashes)
        parameters = cursor.take(PARAMETERS_SIZE[kind])
    except CorruptError:
        return
    if kind == AUDIO and parameters[_LAYOUT_AT]:  # 0: the order of WAVE files; others are left to later versions
        raise UnsupportedFeatureError(f"channel layout {parameters[_LAYOUT_AT]} is not known to this reader")
    check_critical_fields(cursor.take(cursor.left))
