"""Values of options that belong together, as verbs get them: a record for each group, checked where it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from mediacodec.codecs.options import AudioOptions, VideoOptions
    from mediacodec.transcode.options import MetadataOptions


def _context() -> click.Context | None:
    return click.get_current_context(silent=True)


class Files(NamedTuple):
    """What a verb reads and writes, behind -i or by place."""

    source: str | None
    names: tuple[str, ...]

    def endpoints(self) -> tuple[str, str]:
        """Input and output: `-i IN OUT`, or two names in this order. Raises UsageError of click's."""
        names = self._all()
        if not names:
            raise click.UsageError("no input: name one with -i", _context())
        if len(names) == 1:
            raise click.UsageError(f"no output: name one behind the input {names[0]!r}", _context())
        if len(names) > 2:
            listed = ", ".join(repr(name) for name in names[1:])
            raise click.UsageError(f"one output at a time, not {listed}", _context())
        return names[0], names[1]

    def only(self) -> str:
        """The one file that a verb looks at. Raises UsageError of click's."""
        names = self._all()
        if len(names) != 1:
            raise click.UsageError(f"name one file, not {len(names)}", _context())
        return names[0]

    def _all(self) -> list[str]:
        return [*([self.source] if self.source is not None else []), *self.names]


class TimeRange(NamedTuple):
    """A stretch in seconds: -ss, -t, -to."""

    ss: float = 0.0
    t: float | None = None
    to: float | None = None

    def span(self) -> tuple[float, float | None]:
        """Start and duration. Raises UsageError of click's."""
        if self.to is None:
            return self.ss, self.t
        if self.t is not None:
            raise click.UsageError("-t and -to exclude each other", _context())
        if self.to <= self.ss:
            raise click.UsageError(f"-to {self.to:g} s does not lie behind -ss {self.ss:g} s", _context())
        return self.ss, self.to - self.ss


class AudioCoding(NamedTuple):
    """How audio is encoded: the codec, and the options of its encoder that were given, by name."""

    codec: str
    given: Mapping[str, object]

    def options(self) -> AudioOptions:
        """The options of the encoder. Raises ParameterError."""
        from mediacodec.codecs.options import AudioOptions, with_changes

        return with_changes(AudioOptions, None, self.given)


class VideoCoding(NamedTuple):
    """How video is encoded: the codec, and the options of its encoder that were given, by name."""

    codec: str
    given: Mapping[str, object]

    def options(self) -> VideoOptions:
        """The options of the encoder. Raises ParameterError."""
        from mediacodec.codecs.options import VideoOptions, with_changes

        return with_changes(VideoOptions, None, self.given)


class Said(NamedTuple):
    """What is said of the media in the output: -metadata, -map_metadata, -map_chapters, -sn, -dn."""

    map_metadata: int = 0
    map_chapters: int = 0
    no_subtitles: bool = False
    no_data: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    tags_of_audio: tuple[tuple[str, str], ...] = ()
    tags_of_video: tuple[tuple[str, str], ...] = ()

    def options(self) -> MetadataOptions:
        """The same, for `encode_file` and `decode_file`."""
        from mediacodec.transcode.options import MetadataOptions

        unneeded = {"subtitle"} if self.no_subtitles else set()
        return MetadataOptions(
            keep_tags=self.map_metadata == 0,
            keep_chapters=self.map_chapters == 0,
            tags=dict(self.tags),
            audio_tags=dict(self.tags_of_audio),
            video_tags=dict(self.tags_of_video),
            unneeded=frozenset(unneeded | ({"data"} if self.no_data else set())),
        )


class Kinds(NamedTuple):
    """What is left out."""

    no_audio: bool
    no_video: bool

    def check(self) -> None:
        """Raise UsageError of click's where nothing is left to do."""
        if self.no_audio and self.no_video:
            raise click.UsageError("-an and -vn together leave nothing", _context())


class Output(NamedTuple):
    """What a decoding becomes: Hz, channels, format; None for what the codec or the name says."""

    ar: int | None
    ac: int | None
    format: str | None


class Machine(NamedTuple):
    """What it runs on."""

    device: str
    threads: int | None
    models: Path | None


class Overwriting(NamedTuple):
    """Whether an output that exists is replaced: -y, -n, or a question."""

    yes: bool
    no: bool
