"""Whatever goes wrong ends as one clear line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable

import click

from mediacodec.cli.ui.console import Console
from mediacodec.cli.ui.interrupts import Interrupted

NO_SPACE = {errno.ENOSPC: "no space left on the device", errno.EFBIG: "the file grows larger than this system allows"}


def exit_code_of(run: Callable[[], int], console: Console) -> int:
    """The exit code of a run, whatever it raises."""
    try:
        code = _run(run, console)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk can still be reported
        return code
    except BrokenPipeError:
        _drop_stdout()
        return 0  # no failure: the reader has seen enough
    except (Interrupted, KeyboardInterrupt) as interrupt:
        console.trace(interrupt)
        console.error("interrupted")
        return interrupt.exit_code if isinstance(interrupt, Interrupted) else 130
    except BaseException as error:
        if isinstance(error, (SystemExit, GeneratorExit)):
            raise
        console.trace(error)
        line, code = _explained(error)
        console.error(line)
        if isinstance(error, OSError):
            _drop_stdout()
        return code


def _run(run: Callable[[], int], console: Console) -> int:
    try:
        return run()
    except (ImportError, SystemError):
        console.interrupts.raise_noted()  # a library whose loading a signal broke off says only that it failed
        raise


def _explained(error: BaseException) -> tuple[str, int]:
    """The line and the exit code for an error."""
    from mediacodec.errors import MediaCodecError, exit_code  # loads numpy, which `--help` does not wait for

    if isinstance(error, MediaCodecError):
        return str(error) or type(error).__name__, exit_code(error)
    if isinstance(error, click.ClickException):
        return _usage(error), 2
    if isinstance(error, MemoryError):
        return "out of memory; a shorter stretch (-t) or another program's memory may help", 1
    if isinstance(error, ImportError):
        return f"{error}; this installation is incomplete, reinstall mediacodec", 1
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return f"cannot write: {NO_SPACE[error.errno]}", 1
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"unexpected: {reason}; please report it, with what MEDIACODEC_DEBUG=1 prints", 1


def _usage(error: click.ClickException) -> str:
    """click's message as one line in our style, with the way to the help."""
    message = error.format_message().strip()
    message = message[:1].lower() + message[1:].removesuffix(".")
    context = getattr(error, "ctx", None)
    return f"{message} (see `{context.command_path} --help`)" if context is not None else message


def _drop_stdout() -> None:
    """Where stdout is broken, let what is still buffered for it not fail again when the interpreter closes it."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
