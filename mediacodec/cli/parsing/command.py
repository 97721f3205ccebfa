"""Commands that read ffmpeg's kind of options strictly, and whose help fits on a screen."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping

import click

PIPES = ("pipe:", "pipe:0", "pipe:1")
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


class Spelt(click.Option):
    """An option with other spellings that ffmpeg has for it; the help, and errors in its value, show the first."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """As click has it."""
        record = super().get_help_record(ctx)
        return record and (f"{self.opts[0]} {self.metavar}", record[1])

    def get_error_hint(self, _: click.Context | None) -> str:
        """As click has it."""
        return f"'{self.opts[0]}'"


class Verb(click.Command):
    """One verb.

    click alone would read `-fps` as `-f ps`; here a word that begins with a dash is an option that exists, several
    flags in one (`-yn`), or an error.

    Args:
        usage: what follows the verb in the first line of its help.
        example: a command or two that can be typed as they stand.
    """

    def __init__(self, *args: object, usage: str = "", example: str = "", **kwargs: object) -> None:
        init: Callable[..., None] = super().__init__
        init(*args, **{"context_settings": SETTINGS, **kwargs})
        self._usage = usage
        self._example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, after a look at every word."""
        known = option_names(self)
        seen: set[str] = set()
        for option, value in words(args, known):
            if option is None and looks_like_option(value) and not _flags(value, known):
                near = difflib.get_close_matches(value, known, n=3)
                raise click.NoSuchOption(value, possibilities=near or None, ctx=ctx)
            if option == "-i" and option in seen:
                raise click.UsageError("one input at a time: -i was given twice", ctx)
            seen.add(option or "")
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, _: click.Context) -> list[str]:
        """The first line of the help, as it was written."""
        return [self._usage]

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The example."""
        if self._example:
            with formatter.section("Example"):
                for line in self._example.strip().splitlines():
                    formatter.write(f"  {line.strip()}\n")


class VerbGroup(click.Group):
    """A verb that has verbs of its own."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        init: Callable[..., None] = super().__init__
        usual = {"context_settings": SETTINGS, "subcommand_metavar": "VERB ...", "options_metavar": ""}
        init(*args, **{**usual, "no_args_is_help": False, **kwargs})  # an error in one line, as any other

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it; without any word an error in one line."""
        if not args and not self.invoke_without_command:
            raise click.UsageError(f"which verb? there are: {', '.join(self.list_commands(ctx))}", ctx)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs, a line each."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Verbs"):
            formatter.write_dl([(name, command.short_help or "") for name, command in commands if command])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a suggestion."""
        name = args[0]
        if self.get_command(ctx, name) is None:
            verbs = self.list_commands(ctx)
            hint = f"there are: {', '.join(verbs)}"
            if near := difflib.get_close_matches(name, verbs, n=1):
                hint = f"did you mean {near[0]!r}?"
            elif "." in name:
                hint = f"an input stands behind -i: mediacodec -i {name} ..."
            raise click.UsageError(f"no verb {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


def option_names(command: click.Command) -> dict[str, click.Option]:
    """Every spelling of every option of a command."""
    ctx = click.Context(command, **command.context_settings)
    options = [parameter for parameter in command.get_params(ctx) if isinstance(parameter, click.Option)]
    return {name: option for option in options for name in (*option.opts, *option.secondary_opts)}


def words(args: list[str], known: Mapping[str, click.Option]) -> Iterator[tuple[str | None, str]]:
    """The words of a command line: (option, its value or "") or (None, word); what follows `--` is no option."""
    rest = iter(args)
    for word in rest:
        name, sign, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word == "--":
            yield from ((None, f"./{name}" if name.startswith("-") and name != "-" else name) for name in rest)
        elif name not in known:
            yield None, word
        elif known[name].is_flag or known[name].count:
            yield name, value
        else:
            yield name, value if sign else next(rest, "")


def without_pipes(args: list[str]) -> list[str]:
    """Words with ffmpeg's names for standard input and output as `-`; -progress knows them itself."""
    pairs = zip(["", *args], args, strict=False)
    return ["-" if word in PIPES and before != "-progress" else word for before, word in pairs]


def looks_like_option(word: str) -> bool:
    """Whether a word begins with a dash and is more than that."""
    return word.startswith("-") and word != "-"


def _flags(word: str, known: Mapping[str, click.Option]) -> bool:
    """Whether a word is several one-letter flags in one."""
    letters = [f"-{letter}" for letter in word[1:]]
    return all(letter in known and known[letter].is_flag for letter in letters)
