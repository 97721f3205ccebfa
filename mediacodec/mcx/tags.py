"""Tags and chapters as fields of an .mcx file, and what of them is too long for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mediacodec.arguments import quoted
from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.metadata import MOST_SECONDS, Chapter, Tags, as_tags
from mediacodec_bitstream import StreamHeader, join_chapters, join_tags, split_chapters, split_tags
from mediacodec_bitstream.fields import FieldValue

OWN: Final[Mapping[str, int]] = {
    "title": 4096,
    "artist": 4096,
    "album": 4096,
    "date": 255,
    "comment": 4096,
    "language": 35,
}
"""Tags that have a field of their own, and the bytes that it holds."""

OTHERS, CHAPTERS = "tags", "chapters"
MOST_OF_FILE, MOST_OF_STREAM = 16_384, 4096  # bytes of tags that a header gets; it is repeated within the file
_LIVE_STEP, _STEP = 256, 512  # bytes of metadata after which header copies come less often
_MICRO = 10**6


def tag_fields(tags: Tags, most: int = MOST_OF_FILE) -> tuple[dict[str, FieldValue], list[str]]:
    """Tags as fields.

    Args:
        tags: by name.
        most: bytes for all of them together.

    Returns:
        The fields, and the names of the tags for which there is no room, the longest ones.
    """
    left_out: list[str] = []
    for key in sorted(tags, key=lambda key: -_size(key, tags[key])):
        if sum(_size(each, tags[each]) for each in tags if each not in left_out) <= most:
            break
        left_out.append(key)
    fields: dict[str, FieldValue] = {}
    others: dict[str, str] = {}
    for key, value in tags.items():
        name = key.lower()
        if key in left_out:
            continue
        if name in OWN and name not in fields and len(value.encode()) <= OWN[name]:
            fields[name] = value
        else:
            others[key] = value
    if others:
        fields[OTHERS] = join_tags(others)
    return fields, left_out


def chapter_fields(chapters: tuple[Chapter, ...], most: int = MOST_OF_FILE) -> tuple[dict[str, FieldValue], int]:
    """Chapters as a field.

    Args:
        chapters: in the order of time.
        most: bytes for all of them together.

    Returns:
        The field, and the number of chapters for which there is no room, the last ones.
    """
    triples = sorted(
        (round(each.start_seconds * _MICRO), round(each.end_seconds * _MICRO), each.title) for each in chapters
    )
    count = len(triples)
    while count and len(join_chapters(triples[:count]).encode()) > most:
        count = count * 3 // 4
    return ({CHAPTERS: join_chapters(triples[:count])} if count else {}), len(triples) - count


def tags_of(fields: Mapping[str, FieldValue]) -> dict[str, str]:
    """The tags that fields of a file or a stream hold."""
    own = {name: str(fields[name]) for name in OWN if name in fields}
    others = split_tags(str(fields.get(OTHERS, "")))
    return own | {key: value for key, value in others.items() if key.lower() not in own}


def chapters_of(fields: Mapping[str, FieldValue]) -> tuple[Chapter, ...]:
    """The chapters that fields of a file hold."""
    found = split_chapters(str(fields.get(CHAPTERS, "")))
    return tuple(
        Chapter(start / _MICRO, end / _MICRO, title) for start, end, title in found if end < MOST_SECONDS * _MICRO
    )


def file_fields(metadata: object, chapters: object) -> dict[str, FieldValue]:
    """Fields of a file for what somebody gave.

    Args:
        metadata: tags by name; None for none.
        chapters: of Chapter.

    Raises:
        ParameterTypeError: something is of another kind.
        ParameterError: a key is none, or it is more than a header holds.
    """
    fields, left_out = tag_fields(as_tags("metadata", metadata))
    if not isinstance(chapters, Sequence) or not all(isinstance(each, Chapter) for each in chapters):
        raise ParameterTypeError(f"chapters must be a list of Chapter, not {quoted(chapters)}")
    more, dropped = chapter_fields(tuple(chapters))
    if left_out or dropped:
        what = ", ".join(left_out) if left_out else f"{dropped} chapters"
        raise ParameterError(f"a file holds {MOST_OF_FILE} bytes of tags, and as many of chapters; leave out {what}")
    return fields | more


def with_tags(header: StreamHeader, metadata: object) -> StreamHeader:
    """A stream's header with tags that somebody gave.

    Args:
        header: as the codec made it.
        metadata: tags by name; None for none.

    Raises:
        ParameterTypeError: they are of another kind.
        ParameterError: a key is none, or they are more than a header holds.
    """
    fields, left_out = tag_fields(as_tags("metadata", metadata), MOST_OF_STREAM)
    if left_out:
        raise ParameterError(f"a stream holds {MOST_OF_STREAM} bytes of tags; leave out {', '.join(left_out)}")
    return replace(header, fields={**header.fields, **fields}) if fields else header


def untagged(header: StreamHeader) -> StreamHeader:
    """A stream's header without tags: what decoding depends on."""
    fields = {name: value for name, value in header.fields.items() if name not in OWN and name != OTHERS}
    return header if len(fields) == len(header.fields) else replace(header, fields=fields)


def copy_interval(fields: Mapping[str, FieldValue], *, live: bool) -> int | None:
    """Seconds between copies of a header with these fields; None for the usual.

    Long tags come less often, so that what is said about media never costs more than the media.
    """
    size = sum(len(str(value).encode()) for value in fields.values())
    usual, step = (10, _LIVE_STEP) if live else (60, _STEP)
    return None if size <= step else min(0xFFFF, usual * (1 + size // step))


def _size(key: str, value: str) -> int:
    """Bytes that a tag takes at most, with what is escaped in it."""
    return 4 + len(f"{key}{value}".encode()) + sum(value.count(each) for each in "\\\n\r")
