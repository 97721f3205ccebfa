"""Options that several verbs share, each defined once. A verb gets those of a group as one record (`groups`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import click

from mediacodec.cli.parsing.command import Spelt
from mediacodec.cli.parsing.groups import (
    AudioCoding,
    Files,
    Kinds,
    Machine,
    Output,
    Overwriting,
    Said,
    TimeRange,
    VideoCoding,
)
from mediacodec.cli.parsing.values import (
    BIT_RATE,
    CHANNELS,
    CRF,
    GOP,
    HERTZ,
    PRESET,
    SCENE_CUT,
    TAG,
    THREADS,
    TIME,
    Whole,
)
from mediacodec.cli.ui.console import LEVELS, Console

F = TypeVar("F", bound=Callable[..., object])
Record = type[Files] | type[TimeRange] | type[Kinds] | type[Output] | type[Machine] | type[Overwriting] | type[Said]
DEVICES = ("auto", "cpu", "cuda")
NONE_OR_FIRST = Whole(-1, 0)  # of the inputs, of which there is one
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several decorators as one; the help lists options in this order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _gathered(name: str, gather: Callable[[dict[str, object]], object]) -> Callable[[F], F]:
    """Have a verb get, under one name, what `gather` takes out of its parameters."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: object, **given: object) -> object:
            return function(*args, **{name: gather(given)}, **given)

        return cast("F", call)

    return decorate


def _record(name: str, kind: Record) -> Callable[[F], F]:
    """Have a verb get, under one name, the parameters that a record has fields for."""
    make: Callable[..., object] = kind
    return _gathered(name, lambda given: make(**{field: given.pop(field) for field in kind._fields}))


def _coding(name: str, kind: Callable[..., AudioCoding | VideoCoding]) -> Callable[[F], F]:
    """The same for an encoder: its codec, and those of the parameters NAME_OPTION that were given, by OPTION."""

    def gather(given: dict[str, object]) -> AudioCoding | VideoCoding:
        mine = {key.removeprefix(f"{name}_"): given.pop(key) for key in list(given) if key.startswith(f"{name}_")}
        codec = mine.pop("codec")
        return kind(codec, {key: value for key, value in mine.items() if value is not None})

    return _gathered(name, gather)


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
    _record("files", Files),
)

one_file = _stack(
    click.option("-i", "source", metavar="FILE", hidden=True),
    click.argument("names", nargs=-1, metavar="FILE"),
    _record("files", Files),
)

time_range = _stack(
    click.option("-ss", type=TIME, metavar="TIME", default=0.0, help="Start there: 12.5 or [HH:]MM:SS[.m]."),
    click.option("-t", type=TIME, metavar="TIME", help="Take that much at most."),
    click.option("-to", type=TIME, metavar="TIME", help="Stop there (instead of -t)."),
    _record("stretch", TimeRange),
)

audio_coding = _stack(
    click.option("-c:a", "-codec:a", "-acodec", "audio_codec", cls=Spelt, metavar="NAME", default="speech",
                 help="Codec (default: speech), or copy."),
    click.option("-b:a", "audio_bit_rate", type=BIT_RATE, metavar="RATE",
                 help="At most so much: 3k, 3000. Default: its best."),
    click.option("-packet_duration", "audio_packet_duration", type=TIME, metavar="TIME",
                 help="Default: 1 s; live 0.02 to 0.1."),
    click.option("-entropy", "audio_entropy", type=click.Choice(("static", "context")), metavar="NAME",
                 help="static, or context: fewer bits, more time."),
    _coding("audio", AudioCoding),
)  # fmt: skip

video_coding = _stack(
    click.option("-c:v", "-codec:v", "-vcodec", "video_codec", cls=Spelt, metavar="NAME", default="conditional",
                 help="Video codec. Default: conditional."),
    click.option("-crf", "video_crf", type=CRF, metavar="N", help="Its quality, 0 (best) to 63. Default: 30."),
    click.option("-b:v", "video_bit_rate", type=BIT_RATE, metavar="RATE", help="Its rate instead: 400k."),
    click.option("-preset", "video_preset", type=PRESET, metavar="NAME",
                 help="fast to slow; to fit, ultrafast to veryslow."),
    click.option("-g", "video_gop", type=GOP, metavar="N", help="Frames between keyframes. Default: 2 s."),
    click.option("-sc_threshold", "video_scene_cut", type=SCENE_CUT, metavar="N", hidden=True,
                 help="0: no keyframes at new scenes."),
    _coding("video", VideoCoding),
)  # fmt: skip

said = _stack(
    click.option("-metadata", "-metadata:g", "tags", cls=Spelt, type=TAG, multiple=True, metavar="KEY=VALUE",
                 help="Set a tag: title='A talk'."),
    click.option("-metadata:s:a", "-metadata:s:a:0", "tags_of_audio", type=TAG, multiple=True, hidden=True),
    click.option("-metadata:s:v", "-metadata:s:v:0", "tags_of_video", type=TAG, multiple=True, hidden=True),
    click.option("-map_metadata", type=NONE_OR_FIRST, default=0, hidden=True, help="-1: no tags of the input."),
    click.option("-map_chapters", type=NONE_OR_FIRST, default=0, hidden=True, help="-1: no chapters of the input."),
    click.option("-sn", "no_subtitles", is_flag=True, hidden=True, help="No subtitles are missed."),
    click.option("-dn", "no_data", is_flag=True, hidden=True, help="No data streams are missed."),
    _record("said", Said),
)  # fmt: skip

kinds = _stack(
    click.option("-an", "no_audio", is_flag=True, help="Leave the audio out."),
    click.option("-vn", "no_video", is_flag=True, help="Leave the video out."),
    _record("kinds", Kinds),
)

audio_output = _stack(
    click.option("-ar", type=HERTZ, metavar="HZ", help="Sample rate. Default: the codec's."),
    click.option("-ac", type=CHANNELS, metavar="N", help="Channels. Default: the codec's."),
    click.option("-f", "format", metavar="FORMAT", help="wav flac mp3 mp4 mkv y4m ... Default: by name."),
    _record("output", Output),
)

machine = _stack(
    click.option("-device", type=click.Choice(DEVICES), metavar="NAME", default="auto",
                 help="auto (default), cpu or cuda."),
    click.option("-threads", type=THREADS, metavar="N", help="CPU threads. Default: as many as help."),
    click.option("-models", type=FOLDER, metavar="DIR", help="Look for models here first."),
    _record("machine", Machine),
)  # fmt: skip

overwriting = _stack(
    click.option("-y", "yes", is_flag=True, help="Overwrite without asking."),
    click.option("-n", "no", is_flag=True, help="Never overwrite, never ask."),
    _record("overwriting", Overwriting),
)

progress_url = click.option(
    "-progress", "progress", metavar="URL", help="key=value blocks to - (stdout), pipe:N or a file."
)

json_or_text = click.option(
    "-of", "output_format", type=click.Choice(("default", "json")), metavar="KIND", default="default",
    help="default (text) or json.",
)  # fmt: skip
