"""Checks of arguments: what they take, what they make of it, and how they show what they refuse."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mediacodec.arguments import (
    as_choice,
    as_flag,
    as_float,
    as_folder,
    as_fraction,
    as_integer,
    as_positive_fraction,
    check_fields,
    quoted,
    refuse_unknown,
    sealed,
)
from mediacodec.codecs.options import AudioOptions, Runtime, VideoOptions
from mediacodec.errors import DeviceError, ParameterError, ParameterTypeError
from mediacodec.frames import as_samples
from mediacodec.transcode.options import DecodeOptions, EncodeOptions


class Unprintable:
    """Of somebody else, whose repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        ("a\nb", r"'a\nb'"),
        (np.zeros((3, 3)), "array([[0., 0., 0.], [0., 0., 0.], [0., 0., 0.]])"),
        ("a" * 200, "'" + "a" * 76 + "..."),
        (10**5000, "an integer of 16610 bits"),
        (-(10**5000), "an integer of 16610 bits"),
        ([10**5000], "<list>"),
        (Unprintable(), "<Unprintable>"),
    ],
    ids=["number", "lines", "array", "long", "longest", "least", "list of the longest", "unprintable"],
)
def test_any_value_is_printed_on_a_line(value: object, text: str) -> None:
    assert quoted(value) == text


@pytest.mark.parametrize("value", [3, 3.0, np.int8(3), np.float16(3), np.array(3), Fraction(3), Decimal(3)])
def test_numbers_of_all_kinds_are_numbers(value: object) -> None:
    found = as_float("rate", value)
    assert type(found) in (int, float)
    assert found == 3


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_of_all_kinds_are_integers(value: object) -> None:
    assert type(as_integer("count", value)) is int
    assert as_integer("count", value, 3, 3) == as_fraction("count", value) == 3


@pytest.mark.parametrize(
    ("value", "low", "high", "unit", "words"),
    [
        (0, 1, None, "", "count must be at least 1, not 0"),
        (0, 1, 9, "Hz", "count must be at least 1 Hz, not 0"),
        (10, None, 9, "", "count must be at most 9, not 10"),
    ],
)
def test_ranges_are_said(value: int, low: int | None, high: int | None, unit: str, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        as_integer("count", value, low, high, unit)
    assert str(caught.value) == words


def test_what_is_right_is_taken() -> None:
    assert as_flag("strict", np.bool_(True)) is True
    assert as_choice("preset", "slow", ("fast", "slow")) == "slow"
    assert as_folder("models", "a/b") == as_folder("models", Path("a/b")) == Path("a/b")
    assert as_positive_fraction("frame_rate", (1 << 31) - 1) == (1 << 31) - 1


def test_a_path_without_a_name_that_a_system_takes() -> None:
    with pytest.raises(ParameterError, match="models cannot hold a null byte"):
        as_folder("models", "a\0b")


def test_an_unknown_name_is_answered_by_the_nearest_or_by_all() -> None:
    with pytest.raises(ParameterError, match="there is no 'crff'; did you mean 'crf'"):
        refuse_unknown("there is no", ["gop", "crff"], ["crf", "gop"])
    with pytest.raises(ParameterError, match="there is no 'x'; there are crf, gop"):
        refuse_unknown("there is no", ["x"], ["crf", "gop"])
    with pytest.raises(ParameterError, match="there is no 'x'; there are none"):
        refuse_unknown("there is no", ["x"], [])


def test_a_field_may_be_none_where_that_is_its_default() -> None:
    @dataclass(frozen=True)
    class Record:
        number: int = 3
        maybe: int | None = None

        def __post_init__(self) -> None:
            check_fields(self, number=as_integer, maybe=as_integer)

    assert (Record(np.int8(4)), Record(maybe=np.int8(5))) == (Record(4), Record(3, 5))
    for wrong in ({"number": None}, {"maybe": "3"}):
        with pytest.raises(ParameterTypeError, match=next(iter(wrong))):
            Record(**wrong)  # type: ignore[arg-type]


SEALED = [AudioOptions, VideoOptions, EncodeOptions, DecodeOptions]


class TestSealed:
    @pytest.mark.parametrize("kind", SEALED)
    def test_unknown_options(self, kind: Any) -> None:
        with pytest.raises(ParameterError, match=f"{kind.__name__} has no option 'packet_durations'"):
            kind(packet_durations=0.1)

    @pytest.mark.parametrize("kind", SEALED)
    def test_unknown_attributes(self, kind: Any) -> None:
        with pytest.raises(ParameterError, match=f"{kind.__name__} has no attribute 'colour_primaries' to be set"):
            kind().colour_primaries = 1

    def test_attributes_that_were_meant(self) -> None:
        with pytest.raises(ParameterError, match="did you mean 'bit_rate'"):
            VideoOptions().bitrate = 3000  # type: ignore[attr-defined]

    def test_options_stay_frozen(self) -> None:
        with pytest.raises(FrozenInstanceError):
            VideoOptions().crf = 3  # type: ignore[misc]

    @pytest.mark.parametrize("kind", SEALED)
    def test_options_are_what_they_were_otherwise(self, kind: Any) -> None:
        one = kind()
        assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == copy.copy(one) == replace(one) == one  # noqa: S301
        names = list(inspect.signature(kind).parameters)
        assert names == [*kind.__slots__]
        assert "**" not in str(inspect.signature(kind))

    def test_a_class_with_slots_keeps_its_own(self) -> None:
        @sealed
        class Stream:
            __slots__ = ("rate",)

        class Derived(Stream):
            __slots__ = ("own",)

        one = Derived()
        one.rate, one.own = 3, 4
        assert (one.rate, one.own) == (3, 4)
        with pytest.raises(ParameterError, match="has no attribute 'other' to be set; options are given"):
            one.other = 5


def test_devices_and_threads_are_checked_once_for_all() -> None:
    with pytest.raises(DeviceError, match="unknown device 'gpu'; choose one of auto, cpu, cuda"):
        Runtime(device="gpu")
    with pytest.raises(ParameterError, match="threads must be at most 256"):
        Runtime(threads=257)


class TestSamples:
    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
    def test_floats_of_all_kinds(self, kind: Any) -> None:
        for given in (np.ones(5, kind), np.ones((2, 5), kind), np.ones((5, 2), kind).T, np.ones(10, kind)[::2]):
            found = as_samples("samples", given)
            assert (found.dtype, found.ndim) == (np.float32, 2)
            assert found.dtype.isnative
            assert np.array_equal(found, np.ones((given.size // 5, 5)))

    def test_the_callers_own_array_is_not_copied(self) -> None:
        given = np.zeros((2, 5), np.float32)
        assert as_samples("samples", given) is given

    def test_lists_are_arrays(self) -> None:
        assert as_samples("samples", [[0.5, 1.0]]).shape == (1, 2)
        assert as_samples("samples", []).shape == (1, 0)

    def test_what_float32_cannot_hold_is_infinite(self) -> None:
        assert as_samples("samples", np.array([1e300, -1e300, np.nan])).tolist()[0][:2] == [np.inf, -np.inf]
