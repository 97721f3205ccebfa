"""Every error of the product, from the lowest layer up.

    MediaCodecError(Exception)            base of all errors of mediacodec
    ├── ParameterError(ValueError)        the caller passed a value that makes no sense
    ├── ParameterTypeError(TypeError)     the caller passed the wrong kind of object
    └── BitstreamError(ValueError)        the bytes being read are at fault
        ├── NotAnMcxError                 no magic and no header copy: another kind of file
        ├── UnsupportedVersionError       a major version this reader does not know
        ├── UnsupportedFeatureError       an unknown field, flag or chunk type marked critical
        ├── TruncatedError                the bytes end too early
        ├── CorruptError                  a CRC does not match or a value is impossible
        └── DesyncError                   the bytes are whole, but decode to other symbols than were encoded

A decoder fed garbage raises a `BitstreamError` and nothing else.
"""


class MediaCodecError(Exception):
    """Base of every error that mediacodec raises on purpose."""


class ParameterError(MediaCodecError, ValueError):
    """An argument has an impossible value; the message names it and its range."""


class ParameterTypeError(MediaCodecError, TypeError):
    """An argument is the wrong kind of object."""


class BitstreamError(MediaCodecError, ValueError):
    """The bytes being read cannot be what a conforming encoder wrote."""


class NotAnMcxError(BitstreamError):
    """Neither the magic nor a header copy was found."""


class UnsupportedVersionError(BitstreamError):
    """The major version is not one this reader knows."""


class UnsupportedFeatureError(BitstreamError):
    """The stream uses something marked critical that this reader does not know."""


class TruncatedError(BitstreamError):
    """The bytes end before the structure they announce."""


class CorruptError(BitstreamError):
    """A checksum does not match, or a value is outside what the format allows."""


class DesyncError(BitstreamError):
    """The decoded symbols are not the encoded ones although the bytes are intact.

    The usual cause is a model or a set of tables other than the one used for encoding.
    """


MAX_QUOTED = 80  # characters of a value in a message
PRINTABLE_BITS = 12_000  # of an integer: Python refuses to print much longer ones


def quoted(value: object) -> str:
    """A value as a message shows it: on one line, and not all of a long one."""
    if isinstance(value, int) and value.bit_length() > PRINTABLE_BITS:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # somebody else's __repr__, or a number in it that is too long
        text = f"<{type(value).__name__}>"
    return text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}..."
