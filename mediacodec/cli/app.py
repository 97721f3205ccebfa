"""The program: finds the verb, runs it, and turns whatever happens into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from mediacodec.cli.parsing.command import SETTINGS, VerbGroup, looks_like_option, option_names, without_pipes, words
from mediacodec.cli.parsing.options import quietness
from mediacodec.cli.ui import failures
from mediacodec.cli.ui.console import Console

VERBS: Final = {
    "encode": "mediacodec.cli.verbs.encode:encode",
    "decode": "mediacodec.cli.verbs.decode:decode",
    "roundtrip": "mediacodec.cli.verbs.roundtrip:roundtrip",
    "tokens": "mediacodec.cli.verbs.tokens:tokens",
    "probe": "mediacodec.cli.verbs.probe:probe",
    "verify": "mediacodec.cli.verbs.verify:verify",
    "compare": "mediacodec.cli.verbs.compare:compare",
    "models": "mediacodec.cli.verbs.models:models",
    "doctor": "mediacodec.cli.verbs.doctor:doctor",
    "bench": "mediacodec.cli.verbs.bench:bench",
}
"""Every verb and where it lives; a module is imported when its verb runs or its help is asked for."""

EXAMPLE = """
mediacodec encode -i speech.wav -b:a 3k speech.mcx
mediacodec decode -i speech.mcx speech.flac
mediacodec -i speech.mp3 speech.mcx
"""


class Program(VerbGroup):
    """The group of all verbs, which loads each on demand."""

    def list_commands(self, _: click.Context) -> list[str]:
        """In the order of VERBS, which is that of a first visit."""
        return list(VERBS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        return _load(VERBS[cmd_name]) if cmd_name in VERBS else None

    def format_usage(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Both shapes."""
        formatter.write_usage("mediacodec", "VERB [options] ...")
        formatter.write_usage("mediacodec", "-i IN [options] OUT", prefix="       ")

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples."""
        with formatter.section("Examples"):
            for line in EXAMPLE.strip().splitlines():
                formatter.write(f"  {line}\n")


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value:
        return
    from mediacodec import __version__
    from mediacodec_bitstream.header import MAJOR, MINOR

    click.echo(f"mediacodec {__version__}, format {MAJOR}.{MINOR}")
    ctx.exit()


@click.group(cls=Program, context_settings=SETTINGS, no_args_is_help=False, invoke_without_command=True)
@click.option("--version", "-version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version,
              help="Show the version and exit.")  # fmt: skip
@quietness
@click.pass_context
def program(ctx: click.Context) -> None:
    """The ffmpeg of neural codecs: audio and video to .mcx, and back."""
    if ctx.invoked_subcommand is None:
        raise click.UsageError("no verb and no input; begin with a verb, or with -i", ctx)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code and raises nothing."""
    # read when numpy is loaded, later on: its matrix products are small here, and a thread spinning between them takes
    # a third of the speed from the threads that decode
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    console = Console()
    arguments = without_pipes(list(sys.argv[1:] if argv is None else argv))
    with console.interrupts.caught():
        return failures.exit_code_of(lambda: _run(arguments, console), console)


def _run(arguments: list[str], console: Console) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # file names need not be text in any encoding
            stream.reconfigure(errors="backslashreplace")
    command: click.Command = program
    name = "mediacodec"
    if _without_verb(arguments):
        from mediacodec.cli.ffmpeg_syntax import dispatch  # mediacodec -i IN OUT

        verb, arguments = dispatch(arguments)
        command, name = _load(VERBS[verb]), f"mediacodec {verb}"
    try:  # not click's own main, which takes a closed pipe for a failure
        with command.make_context(name, arguments, obj=console) as context:
            result = command.invoke(context)
    except click.exceptions.Exit as wanted:
        result = wanted.exit_code
    return result if isinstance(result, int) else 0


def _without_verb(arguments: list[str]) -> bool:
    """Whether this is ffmpeg's shape: an option that belongs to a verb comes before any verb."""
    known = option_names(program)
    first = next((word for option, word in words(arguments, known) if option is None), "")
    return looks_like_option(first)


def _load(place: str) -> click.Command:
    """The verb that `module:name` names."""
    module, _, name = place.partition(":")
    command: click.Command = getattr(import_module(module), name)
    return command
