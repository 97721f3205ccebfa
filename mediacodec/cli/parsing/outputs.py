"""May the output be written, and is the input what it should be."""

from __future__ import annotations

import sys
from pathlib import Path

from mediacodec.cli.parsing.groups import Overwriting
from mediacodec.cli.ui.console import Console
from mediacodec.errors import InputError, OutputError, OutputExistsError, UsageError


def check_ends(source: str, target: str, overwriting: Overwriting) -> None:
    """Raise for what no output can make good.

    Args:
        source, target: names, "-" for a standard stream.
        overwriting: what was given.

    Raises:
        UsageError: -y and -n together, or the output is the input.
        InputError, OutputError: a standard stream is meant that is closed.
    """
    if overwriting.yes and overwriting.no:
        raise UsageError("-y and -n exclude each other")
    if source == "-" and sys.stdin is None:
        raise InputError("standard input is closed")
    if target == "-" and sys.stdout is None:
        raise OutputError("standard output is closed")
    names = source != "-" and target != "-"
    if names and Path(target).is_file() and Path(source).exists() and Path(source).samefile(target):
        raise UsageError(f"'{target}' is the input; name another output")


def may_overwrite(console: Console, source: str, target: str, overwriting: Overwriting) -> bool:
    """Whether an existing output is to be replaced; a person at a terminal is asked where nothing was given.

    Args:
        console: asks.
        source, target: names, "-" for a standard stream.
        overwriting: what was given.

    Raises:
        OutputExistsError: it exists, and nobody said yes.
        UsageError, InputError, OutputError: as for `check_ends`.
    """
    check_ends(source, target, overwriting)
    if target == "-" or not Path(target).is_file():
        return overwriting.yes
    if overwriting.yes:
        return True
    answer = None if overwriting.no else console.ask(f"'{target}' exists. Overwrite it?")
    if answer:
        return True
    raise OutputExistsError(f"'{target}' exists" + ("" if answer is False else "; -y overwrites it"))


def refuse_coded(source: str) -> None:
    """Raise InputError where audio or video is wanted and the name says .mcx."""
    if source.lower().endswith(".mcx"):
        raise InputError(f"'{source}' is .mcx already; `mediacodec decode` decodes it")
