"""What every public function says to a wrong argument: one of our errors, in one line that names it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from support.entry_points import ENTRY_POINTS, RETURNED, EntryPoint

import mediacodec
from mediacodec.errors import MediaCodecError

CASES = [(name, argument) for name, point in ENTRY_POINTS.items() for argument in point.wrong]
RESULTS = {"BitstreamError", "FileInfo", "MediaCodecError", "StreamInfo"}  # that callers get, and never make
LONGEST = 400  # characters of a message: values are cut, lists of names are not


def finished(result: Any) -> Any:
    """What a call gives, iterators run to their end: they check some of their arguments when they begin."""
    return list(result) if isinstance(result, Iterator) else result


def names_argument(message: str, argument: str, value: object) -> bool:
    """Whether a message says which argument it means; of unknown names and files, those count themselves."""
    return bool(re.search(rf"\b{argument}\b", message)) or (isinstance(value, str) and repr(value) in message)


@pytest.mark.parametrize(("name", "argument"), CASES, ids=[f"{name}-{argument}" for name, argument in CASES])
def test_a_wrong_argument_is_named_by_an_error_of_ours(name: str, argument: str, tmp_path: Path) -> None:
    point = ENTRY_POINTS[name]
    accepted, unnamed = [], []
    for label, value in point.wrong[argument].items():
        call = point.open(tmp_path)
        try:
            finished(call(**{**point.good(), argument: value}))
        except MediaCodecError as error:  # whatever else is raised fails the test
            message = str(error)
            named = names_argument(message, point.called.get(argument, argument), value)
            if "\n" in message or len(message) > LONGEST or not named:
                unnamed.append(f"{label}: {message}")
        else:
            accepted.append(label)
    assert (accepted, unnamed) == ([], [])


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_right_arguments_are_taken(name: str, tmp_path: Path) -> None:
    """Else the errors of the test above could have another cause."""
    point = ENTRY_POINTS[name]
    if name not in ("encode_file", "read_tokens"):  # whose inputs are empty: what is wrong is found before it is read
        finished(point.open(tmp_path)(**point.good()))


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_argument_is_in_the_table(name: str, tmp_path: Path) -> None:
    point = ENTRY_POINTS[name]
    assert arguments_of(point, tmp_path) <= {*point.wrong}, "an argument without wrong values"


def arguments_of(point: EntryPoint, folder: Path) -> set[str]:
    """Names of all arguments that a call has."""
    parameters = inspect.signature(point.open(folder)).parameters.values()
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_option_is_in_the_table_where_it_is_taken_by_name(name: str, tmp_path: Path) -> None:
    point = ENTRY_POINTS[name]
    parameters = inspect.signature(point.open(tmp_path)).parameters.values()
    if name == "open" or not any(p.kind is p.VAR_KEYWORD for p in parameters):
        return  # `open` gives them to FileReader and FileWriter
    kinds = [{f.name for f in fields(kind)} for kind in (mediacodec.AudioOptions, mediacodec.VideoOptions)]
    assert any(names <= {*point.wrong} for names in kinds)


def public_calls() -> Iterator[str]:
    """Functions of `mediacodec`, its classes, and their methods and those of what they give, that take arguments."""
    for name in sorted({*mediacodec.__all__} - RESULTS - {"__version__"}):
        yield name
    kinds = {name: getattr(mediacodec, name) for name in mediacodec.__all__} | RETURNED
    for name, kind in kinds.items():
        for method, function in vars(kind).items() if inspect.isclass(kind) else ():
            is_public = inspect.isfunction(function) and not method.startswith("_")
            if is_public and len(inspect.signature(function).parameters) > 1:
                yield f"{name}.{method}"


INTERNAL = {
    "AudioReader.run", "VideoReader.run", "CopyReader.run", "CopyReader.packet_run",  # for the readers of files alone
    "VideoOptions.require_preset",  # for codecs
    "FileAppender", "FileAppender.add_video_stream", "FileAppender.mux",  # by `open` alone, see test_append
}  # fmt: skip


@pytest.mark.parametrize("name", [*public_calls()])
def test_every_public_call_is_in_the_table(name: str) -> None:
    assert (name in ENTRY_POINTS) != (name in INTERNAL)


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_argument_that_there_is_not_is_refused(name: str, tmp_path: Path) -> None:
    point = ENTRY_POINTS[name]
    if name in ("AudioChunk", "VideoFrame", "Chapter", "Packet", "StreamHeader", "Tokens"):
        pytest.skip("a record of data, whose fields are no options")
    with pytest.raises(MediaCodecError, match="'no_such_argument'"):
        finished(point.open(tmp_path)(**point.good(), no_such_argument=1))
