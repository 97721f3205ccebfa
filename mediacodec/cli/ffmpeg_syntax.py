"""ffmpeg's shape, `mediacodec -i IN [options] OUT`: the names tell which verb is meant."""

from __future__ import annotations

import contextlib
from pathlib import Path

from mediacodec.cli.parsing.command import looks_like_option, option_names, words
from mediacodec.cli.verbs.decode import decode
from mediacodec.cli.verbs.encode import encode
from mediacodec.cli.verbs.roundtrip import roundtrip
from mediacodec.errors import UsageError

MEANT = {"encode": encode, "decode": decode, "roundtrip": roundtrip}
ALL_VERBS = "encode, decode, roundtrip, probe, verify or compare"
SUFFIX = ".mcx"


def dispatch(arguments: list[str]) -> tuple[str, list[str]]:
    """The verb that is meant, and the arguments for it.

    Raises:
        UsageError: the names do not tell, or an option does not belong to what they tell.
    """
    tables = {name: option_names(verb) for name, verb in MEANT.items()}
    parts = list(words(arguments, {name: option for table in tables.values() for name, option in table.items()}))
    if any(option in ("-h", "--help") or word in ("-h", "--help") for option, word in parts):
        raise UsageError("which help? `mediacodec --help` or `mediacodec VERB --help`")
    sources = [word for option, word in parts if option == "-i"]
    targets = [word for option, word in parts if option is None and not looks_like_option(word)]
    if not sources:
        raise UsageError(f"no input: begin with -i IN, or with a verb ({ALL_VERBS}); see `mediacodec --help`")
    if not targets:
        raise UsageError(f"no output: name one; to look at the input use `mediacodec probe {sources[0]}`")
    if targets[0] in ("probe", "verify", "compare", *MEANT) and len(targets) > 1:
        raise UsageError(f"the verb comes first: mediacodec {targets[0]} ...")
    verb = _verb(sources[0], targets[0], has_format=any(option == "-f" for option, _ in parts))
    for option, _ in parts:
        if option is not None and option not in tables[verb]:
            raise UsageError(f"{option} has no meaning here: {sources[0]!r} to {targets[0]!r} is `mediacodec {verb}`")
    return verb, arguments


def _verb(source: str, target: str, *, has_format: bool) -> str:
    """What leads from one name to the other."""
    to_mcx = target.lower().endswith(SUFFIX) or (target == "-" and not has_format)
    if source == "-":
        if to_mcx:
            return "encode"
        raise UsageError("what comes in is not named; say `mediacodec decode -i -` or `mediacodec roundtrip -i -`")
    if _is_mcx(source):
        if target.lower().endswith(SUFFIX):
            raise UsageError("both are .mcx: copying is not offered yet; encode from the original, or copy the file")
        return "decode"
    return "encode" if to_mcx else "roundtrip"


def _is_mcx(source: str) -> bool:
    """By its suffix, or by the first bytes where the name says nothing."""
    from mediacodec_bitstream.header import MAGIC

    if source.lower().endswith(SUFFIX):
        return True
    with contextlib.suppress(OSError, ValueError):
        if Path(source).is_file():  # reading from a named pipe would take bytes from it
            with Path(source).open("rb") as file:
                return file.read(len(MAGIC)) == MAGIC
    return False
