"""Every error of mediacodec in one place, and the exit code each one ends the command line with.

    MediaCodecError(Exception)                                          1
    ├── ParameterError(ValueError)          impossible argument         2   (bitstream layer)
    ├── ParameterTypeError(TypeError)       argument of a wrong kind    2   (bitstream layer)
    ├── UsageError(ValueError)              wrong command or option     2
    ├── BitstreamError(ValueError)          the .mcx bytes are at fault 4   (bitstream layer)
    │   ├── NotAnMcxError                                               3
    │   ├── UnsupportedVersionError                                     3
    │   ├── UnsupportedFeatureError                                     3
    │   ├── TruncatedError                                              4
    │   ├── CorruptError                                                4
    │   └── DesyncError                                                 4
    ├── InputError(OSError)                 input cannot be read        3
    ├── OutputError(OSError)                output cannot be written    1
    ├── OutputExistsError(FileExistsError)  will not overwrite          7
    ├── ModelError(LookupError)             no fitting model            5
    │   ├── ModelNotFoundError                                          5
    │   └── ModelMismatchError                                          5
    ├── DeviceError(RuntimeError)           device refused              6
    ├── OutOfMemoryError(MemoryError)       not enough memory           1
    └── MissingExtraError(ImportError)      an optional part is missing 1

Each is also the builtin that fits, so that a caller who knows only Python catches it too. A closed pipe stays
Python's own BrokenPipeError: it is no failure, only a reader that has seen enough.
"""

from __future__ import annotations

from typing import Final

from mediacodec_bitstream.errors import (
    BitstreamError,
    CorruptError,
    DesyncError,
    MediaCodecError,
    NotAnMcxError,
    ParameterError,
    ParameterTypeError,
    TruncatedError,
    UnsupportedFeatureError,
    UnsupportedVersionError,
)

__all__ = [
    "EXIT_CODES",
    "BitstreamError",
    "CorruptError",
    "DesyncError",
    "DeviceError",
    "InputError",
    "MediaCodecError",
    "MissingExtraError",
    "ModelError",
    "ModelMismatchError",
    "ModelNotFoundError",
    "NotAnMcxError",
    "OutOfMemoryError",
    "OutputError",
    "OutputExistsError",
    "ParameterError",
    "ParameterTypeError",
    "TruncatedError",
    "UnsupportedFeatureError",
    "UnsupportedVersionError",
    "UsageError",
    "exit_code",
]


class UsageError(MediaCodecError, ValueError):
    """The command or the combination of options makes no sense; the message says what would."""


class InputError(MediaCodecError, OSError):
    """An input is missing, unreadable, damaged, or of a kind that is not supported."""


class OutputError(MediaCodecError, OSError):
    """An output cannot be written: disk full, no such directory, no permission."""


class OutputExistsError(MediaCodecError, FileExistsError):
    """The output already exists and overwriting was not asked for."""


class ModelError(MediaCodecError, LookupError):
    """No model fits."""


class ModelNotFoundError(ModelError):
    """No model of that name or hash is on the search path."""


class ModelMismatchError(ModelError):
    """A model was found, but its weights or tables are not the ones that the stream names."""


class DeviceError(MediaCodecError, RuntimeError):
    """The device asked for cannot be used and falling back was refused."""


class OutOfMemoryError(MediaCodecError, MemoryError):
    """There is not enough memory, of the machine or of the device that networks run on."""


class MissingExtraError(MediaCodecError, ImportError):
    """An optional dependency is missing.

    Args:
        feature: what was asked for, e.g. "PESQ".
        extra: the extra of the distribution that brings it, e.g. "bench".
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed; install them with: pip install 'mediacodec[{extra}]'"
        )
        self.feature = feature
        self.extra = extra


EXIT_CODES: Final[dict[type[BaseException], int]] = {
    MediaCodecError: 1,
    ParameterError: 2,
    ParameterTypeError: 2,
    UsageError: 2,
    InputError: 3,
    NotAnMcxError: 3,
    UnsupportedVersionError: 3,
    UnsupportedFeatureError: 3,
    BitstreamError: 4,
    ModelError: 5,
    DeviceError: 6,
    OutputExistsError: 7,
}
"""Exit code of each kind of error; a kind that is not listed has the code of its nearest listed base."""


def exit_code(error: BaseException | type[BaseException]) -> int:
    """The exit code of the command line for an error.

    Args:
        error: an error or a class of errors.

    Returns:
        The code of its nearest class in EXIT_CODES, else 1.
    """
    kind = error if isinstance(error, type) else type(error)
    return next((EXIT_CODES[base] for base in kind.__mro__ if base in EXIT_CODES), 1)
