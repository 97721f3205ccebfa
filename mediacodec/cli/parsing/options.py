"""Options that several verbs share, each defined once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from mediacodec.cli.parsing.command import Spelt
from mediacodec.cli.parsing.values import BIT_RATE, CHANNELS, CRF, GOP, HERTZ, PRESET, SCENE_CUT, THREADS, TIME
from mediacodec.cli.ui.console import LEVELS, Console

F = TypeVar("F", bound=Callable[..., Any])
DEVICES = ("auto", "cpu", "cuda")
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several decorators as one; the help lists options in this order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _set_level(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is None or not isinstance(ctx.obj, Console):
        return
    name = value.rpartition("+")[2].lower()  # ffmpeg's flags, as in repeat+info, mean nothing here
    if name not in LEVELS and not name.lstrip("-").isdigit():
        raise click.BadParameter(f"{value!r} is none of {', '.join(LEVELS)}", ctx, param_hint="'-loglevel'")
    ctx.obj.level = LEVELS[name] if name in LEVELS else int(name)


def _set_nostdin(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and isinstance(ctx.obj, Console):
        ctx.obj.may_ask = False


quietness = _stack(
    click.option("-loglevel", "-v", metavar="LEVEL", expose_value=False, callback=_set_level,
                 help="quiet, error, warning or info (default)."),
    click.option("-nostdin", is_flag=True, expose_value=False, callback=_set_nostdin, help="Never ask anything."),
    click.option("-hide_banner", is_flag=True, expose_value=False, hidden=True, help="There is no banner."),
)  # fmt: skip

files = _stack(
    click.option("-i", "source", metavar="IN", help="Input; - is standard input."),
    click.argument("names", nargs=-1, metavar="OUT"),
)

one_file = _stack(
    click.option("-i", "source", metavar="FILE", hidden=True),
    click.argument("names", nargs=-1, metavar="FILE"),
)

time_range = _stack(
    click.option("-ss", type=TIME, metavar="TIME", default=0.0, help="Start there: 12.5 or [HH:]MM:SS[.m]."),
    click.option("-t", type=TIME, metavar="TIME", help="Take that much at most."),
    click.option("-to", type=TIME, metavar="TIME", help="Stop there (instead of -t)."),
)

coding = _stack(
    click.option("-c:a", "-codec:a", "-acodec", "audio_codec", cls=Spelt, metavar="NAME", default="speech",
                 help="Codec (default: speech), or copy."),
    click.option("-b:a", "audio_bit_rate", type=BIT_RATE, metavar="RATE",
                 help="At most so much: 3k, 3000. Default: its best."),
    click.option("-packet_duration", "audio_packet_duration", type=TIME, metavar="TIME",
                 help="Default: 1 s; live 0.02 to 0.1."),
    click.option("-entropy", "audio_entropy", type=click.Choice(("static", "context")), metavar="NAME",
                 help="static, or context: fewer bits, more time."),
)  # fmt: skip

kinds = _stack(
    click.option("-an", "no_audio", is_flag=True, help="Leave the sound out."),
    click.option("-vn", "no_video", is_flag=True, help="Leave the pictures out."),
)

pictures = _stack(
    click.option("-c:v", "-codec:v", "-vcodec", "video_codec", cls=Spelt, metavar="NAME", default="conditional",
                 help="Codec of pictures. Default: conditional."),
    click.option("-crf", "video_crf", type=CRF, metavar="N", help="Their quality, 0 (best) to 63. Default: 30."),
    click.option("-b:v", "video_bit_rate", type=BIT_RATE, metavar="RATE", help="Their rate instead: 400k."),
    click.option("-preset", "video_preset", type=PRESET, metavar="NAME",
                 help="Effort: fast to slow; to fit, ultrafast to veryslow."),
    click.option("-g", "video_gop", type=GOP, metavar="N", help="Pictures between keyframes. Default: 2 s."),
    click.option("-sc_threshold", "video_scene_cut", type=SCENE_CUT, metavar="N", hidden=True,
                 help="0: no keyframes at new scenes."),
)  # fmt: skip

sound = _stack(
    click.option("-ar", type=HERTZ, metavar="HZ", help="Sample rate. Default: the codec's."),
    click.option("-ac", type=CHANNELS, metavar="N", help="Channels. Default: the codec's."),
    click.option("-f", "format", metavar="FORMAT", help="wav flac mp3 mp4 mkv y4m ... Default: by name."),
)

machine = _stack(
    click.option("-device", type=click.Choice(DEVICES), metavar="NAME", default="auto",
                 help="auto (default), cpu or cuda."),
    click.option("-threads", type=THREADS, metavar="N", help="CPU threads. Default: as many as help."),
    click.option("-models", type=FOLDER, metavar="DIR", help="Look for models here first."),
)  # fmt: skip

overwriting = _stack(
    click.option("-y", "yes", is_flag=True, help="Overwrite without asking."),
    click.option("-n", "no", is_flag=True, help="Never overwrite, never ask."),
)

progress_url = click.option(
    "-progress", "progress", metavar="URL", help="key=value blocks to - (stdout), pipe:N or a file."
)

json_or_text = click.option(
    "-of", "output_format", type=click.Choice(("default", "json")), metavar="KIND", default="default",
    help="default (text) or json.",
)  # fmt: skip


def _context() -> click.Context | None:
    return click.get_current_context(silent=True)


def endpoints(given: Mapping[str, Any]) -> tuple[str, str]:
    """Input and output: `-i IN OUT`, or two names in this order."""
    names = [*([given["source"]] if given["source"] is not None else []), *given["names"]]
    if not names:
        raise click.UsageError("no input: name one with -i", _context())
    if len(names) == 1:
        raise click.UsageError(f"no output: name one behind the input {names[0]!r}", _context())
    if len(names) > 2:
        listed = ", ".join(repr(name) for name in names[1:])
        raise click.UsageError(f"one output at a time, not {listed}", _context())
    return names[0], names[1]


def only_name(given: Mapping[str, Any]) -> str:
    """The one file that a verb looks at."""
    names: list[str] = [*([given["source"]] if given["source"] is not None else []), *given["names"]]
    if len(names) != 1:
        raise click.UsageError(f"name one file, not {len(names)}", _context())
    return names[0]


def only_kinds(given: Mapping[str, Any]) -> None:
    """Raise UsageError where nothing is left to do."""
    if given["no_audio"] and given["no_video"]:
        raise click.UsageError("-an and -vn together leave nothing", _context())


def span(given: Mapping[str, Any]) -> tuple[float, float | None]:
    """Start and duration in seconds, from -ss, -t and -to."""
    start, duration, stop = given["ss"], given["t"], given["to"]
    if stop is None:
        return start, duration
    if duration is not None:
        raise click.UsageError("-t and -to exclude each other", _context())
    if stop <= start:
        raise click.UsageError(f"-to {stop:g} s does not lie behind -ss {start:g} s", _context())
    return start, stop - start
