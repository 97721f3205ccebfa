"""What is said about media: tags of a file and of its streams, and chapters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mediacodec.arguments import as_instance, as_seconds, quoted
from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec_bitstream import is_tag_key

Tags = Mapping[str, str]
"""Tags by name; the names are FFmpeg's: title, artist, album_artist, genre, track ..."""

MOST_SECONDS: Final = 10**9  # that a chapter may lie from the start


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a file.

    Attributes:
        start_seconds, end_seconds: when it begins and ends; kept to the microsecond.
        title: "" for none.

    Raises:
        ParameterError: it ends before it begins, or the title holds NUL.
        ParameterTypeError: a value is of the wrong kind.
    """

    start_seconds: float
    end_seconds: float
    title: str = ""

    def __post_init__(self) -> None:
        start, end = as_seconds("start_seconds", self.start_seconds), as_seconds("end_seconds", self.end_seconds)
        if start > end:
            raise ParameterError(f"end_seconds must not lie before start_seconds, {start}; got {end}")
        for name, value in (("start_seconds", start), ("end_seconds", end)):
            if value >= MOST_SECONDS:
                raise ParameterError(f"{name} must be below {MOST_SECONDS}, not {value}")
        as_instance("title", self.title, str)
        if "\0" in self.title:
            raise ParameterError("the title of a chapter holds NUL")


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaMetadata:
    """What is said about a media file and its first streams.

    Attributes:
        tags: of the file.
        audio, video: of the streams: language, title ...
        chapters: in the order of time.
    """

    tags: Tags = field(default_factory=dict)
    audio: Tags = field(default_factory=dict)
    video: Tags = field(default_factory=dict)
    chapters: tuple[Chapter, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not (self.tags or self.audio or self.video or self.chapters)


def as_tags(name: str, value: object) -> dict[str, str]:
    """A mapping of tags, checked.

    Args:
        name: of the argument, for errors.
        value: what was given; None for no tags.

    Raises:
        ParameterTypeError: it is no mapping of text to text.
        ParameterError: a key is empty, or holds `=` or control characters; a value holds NUL.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ParameterTypeError(f"{name} must be a mapping of text to text, not {quoted(value)}")
    tags: dict[str, str] = {}
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ParameterTypeError(f"{name} must map text to text, not {quoted(key)} to {quoted(text)}")
        if not is_tag_key(key) or "\0" in text:
            raise ParameterError(f"{name}: {quoted(key)} is no key of a tag, or its value holds NUL")
        tags[key] = text
    return tags


def changed(tags: Tags, changes: Tags) -> dict[str, str]:
    """Tags with others in place of them; an empty value takes one away, and capitals make no difference.

    Args:
        tags: as they are.
        changes: by key.
    """
    replaced = {key.lower() for key in changes}
    kept = {key: value for key, value in tags.items() if key.lower() not in replaced}
    return {**kept, **{key: value for key, value in changes.items() if value}}


def between(chapters: tuple[Chapter, ...], start: float, stop: float | None) -> tuple[Chapter, ...]:
    """The chapters of a stretch of media, with times that count from its start.

    Args:
        chapters: of the whole.
        start, stop: of the stretch, seconds; None for the end.
    """
    last = math.inf if stop is None else stop
    return tuple(
        Chapter(max(0.0, each.start_seconds - start), min(each.end_seconds, last) - start, each.title)
        for each in chapters
        if each.end_seconds > start and each.start_seconds < last
    )
