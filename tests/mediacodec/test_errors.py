"""The tree of errors: each is ours and a fitting builtin, and each has its exit code."""

from __future__ import annotations

import builtins

import pytest

from mediacodec import errors


def all_errors() -> list[type[errors.MediaCodecError]]:
    found = [errors.MediaCodecError]
    for kind in found:
        found += [sub for sub in kind.__subclasses__() if sub.__module__.startswith("mediacodec") and sub not in found]
    return found


@pytest.mark.parametrize(
    ("kind", "builtin", "code"),
    [
        (errors.MediaCodecError, Exception, 1),
        (errors.ParameterError, ValueError, 2),
        (errors.ParameterTypeError, TypeError, 2),
        (errors.UsageError, ValueError, 2),
        (errors.BitstreamError, ValueError, 4),
        (errors.NotAnMcxError, ValueError, 3),
        (errors.UnsupportedVersionError, ValueError, 3),
        (errors.UnsupportedFeatureError, ValueError, 3),
        (errors.TruncatedError, ValueError, 4),
        (errors.CorruptError, ValueError, 4),
        (errors.DesyncError, ValueError, 4),
        (errors.InputError, OSError, 3),
        (errors.OutputError, OSError, 1),
        (errors.OutputExistsError, FileExistsError, 7),
        (errors.ModelError, LookupError, 5),
        (errors.ModelNotFoundError, LookupError, 5),
        (errors.ModelMismatchError, LookupError, 5),
        (errors.DeviceError, RuntimeError, 6),
        (errors.OutOfMemoryError, MemoryError, 1),
    ],
)
def test_kinds_and_codes(kind: type[errors.MediaCodecError], builtin: type[Exception], code: int) -> None:
    assert issubclass(kind, errors.MediaCodecError)
    assert issubclass(kind, builtin)
    assert errors.exit_code(kind("some trouble")) == errors.exit_code(kind) == code
    assert str(kind("some trouble")) == "some trouble"


def test_missing_extra_names_the_line_that_installs_it() -> None:
    error = errors.MissingExtraError("PESQ", "bench")
    assert isinstance(error, ImportError)
    assert errors.exit_code(error) == 1
    assert "PESQ" in str(error)
    assert "pip install 'mediacodec[bench]'" in str(error)


def test_errors_of_others_are_plain_failures() -> None:
    assert errors.exit_code(RuntimeError("x")) == 1
    assert errors.exit_code(KeyboardInterrupt()) == 1


def test_every_error_is_a_builtin_too_and_is_exported() -> None:
    for kind in all_errors():
        assert getattr(errors, kind.__name__, None) is kind, f"{kind.__name__} is missing in mediacodec.errors"
        if kind is not errors.MediaCodecError:
            assert any(base.__name__ in dir(builtins) and base is not Exception for base in kind.__mro__[1:-3]), kind
