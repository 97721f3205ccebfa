"""May the output be written, and is the input what it should be."""

from __future__ import annotations

import sys
from pathlib import Path

from mediacodec.cli.ui.console import Console
from mediacodec.errors import InputError, OutputError, OutputExistsError, UsageError


def check_ends(source: str, target: str, *, yes: bool, no: bool) -> None:
    """Raise for what no output can make good.

    Raises:
        UsageError: -y and -n together, or the output is the input.
        InputError, OutputError: a standard stream is meant that is closed.
    """
    if yes and no:
        raise UsageError("-y and -n exclude each other")
    if source == "-" and sys.stdin is None:
        raise InputError("standard input is closed")
    if target == "-" and sys.stdout is None:
        raise OutputError("standard output is closed")
    names = source != "-" and target != "-"
    if names and Path(target).is_file() and Path(source).exists() and Path(source).samefile(target):
        raise UsageError(f"'{target}' is the input; name another output")


def may_overwrite(console: Console, source: str, target: str, *, yes: bool, no: bool) -> bool:
    """Whether an existing output is to be replaced; raises where it must not be touched.

    Without -y or -n a person at a terminal is asked. Raises what `check_ends` does, and OutputExistsError where it
    exists, and nobody said yes.
    """
    check_ends(source, target, yes=yes, no=no)
    if target == "-" or not Path(target).is_file():
        return yes
    if yes:
        return True
    answer = None if no else console.ask(f"'{target}' exists. Overwrite it?")
    if answer:
        return True
    raise OutputExistsError(f"'{target}' exists" + ("" if answer is False else "; -y overwrites it"))


def refuse_coded(source: str) -> None:
    """Raise InputError where sound is wanted and the name says .mcx."""
    if source.lower().endswith(".mcx"):
        raise InputError(f"'{source}' is .mcx already; `mediacodec decode` makes sound of it")
