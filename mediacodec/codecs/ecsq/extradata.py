"""What a stream of family `ecsq` carries as extradata: two bytes of flags, none of which has a meaning yet."""

from __future__ import annotations

from mediacodec.errors import CorruptError

_FLAGS = bytes(2)


def write_extradata() -> bytes:
    """Every packet decodes alone."""
    return _FLAGS


def check_extradata(data: object) -> None:
    """Raise CorruptError where a stream says what this version does not know."""
    if data != _FLAGS:
        raise CorruptError("extradata of an ecsq codec is missing, or says what this version does not know")
