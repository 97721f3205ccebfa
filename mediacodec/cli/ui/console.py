"""What the program says besides its results: lines on stderr, as loud as -loglevel wants them."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from typing import Final

from mediacodec.cli.ui.interrupts import Interrupts

LEVELS: Final = {
    "quiet": -8, "panic": 0, "fatal": 8, "error": 16, "warning": 24, "info": 32, "verbose": 40, "debug": 48,
}  # fmt: skip
"""ffmpeg's names and numbers."""

LOUD = "WARNING: "  # how the library marks a note that must not be overlooked


def printable(text: object) -> str:
    """Text on one line, without control characters: names and tags come from files that anybody may have made."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


class Console:
    """stderr, with a level, a line for progress that gives way to others, and a question; and the user's Ctrl-C."""

    def __init__(self) -> None:
        self.interrupts = Interrupts()
        self.level = LEVELS["info"]
        self.may_ask = True  # -nostdin forbids it
        self._width = 0  # of the progress line that stands on the screen

    @property
    def shows_progress(self) -> bool:
        """Whether somebody watches."""
        return self.level >= LEVELS["info"] and sys.stderr is not None and sys.stderr.isatty()

    def error(self, text: str) -> None:
        """Why the program fails, in one line."""
        self._say(LEVELS["error"], f"mediacodec: error: {printable(text)}")

    def warning(self, text: str) -> None:
        """Something that must not be overlooked."""
        self._say(LEVELS["warning"], f"mediacodec: warning: {printable(text)}")

    def info(self, text: str) -> None:
        """Something good to know."""
        self._say(LEVELS["info"], printable(text))

    def notes(self, notes: list[str]) -> None:
        """Notes of the library; those that begin with WARNING are loud."""
        for note in notes:
            if note.startswith(LOUD):
                self.warning(note.removeprefix(LOUD))
            else:
                self.info(note)

    def trace(self, error: BaseException) -> None:
        """The whole traceback, where MEDIACODEC_DEBUG=1 asks for it."""
        if os.environ.get("MEDIACODEC_DEBUG", "0") not in ("", "0"):
            traceback.print_exception(error, file=sys.stderr)

    def progress(self, text: str) -> None:
        """Replace the progress line."""
        text = text[: shutil.get_terminal_size().columns - 1]
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)

    def clear(self) -> None:
        """Take the progress line away."""
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def ask(self, question: str) -> bool | None:
        """A yes or no from the terminal; None where nobody can be asked."""
        if not (self.may_ask and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        self.clear()
        self._write(f"{printable(question)} [y/N] ")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _say(self, level: int, line: str) -> None:
        if level <= self.level:
            self.clear()
            self._write(line + "\n")

    def _write(self, text: str) -> None:
        if sys.stderr is None:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody listens any more; the work goes on
            self.level = LEVELS["quiet"]
