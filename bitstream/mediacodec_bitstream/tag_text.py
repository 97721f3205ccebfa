"""The text of the fields `tags` and `chapters` (SPEC section 4.5): a line each; none makes a file unreadable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .errors import ParameterError

MOST_KEY = 255  # bytes of UTF-8
MOST_MICROSECONDS = 10**15 - 1  # 31 years
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_CHAPTER = re.compile(r"([0-9]{1,15}) ([0-9]{1,15})(?: (.*))?", re.DOTALL)
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def is_tag_key(key: str) -> bool:
    """Whether a tag can have that name: 1 to 255 bytes without `=` and control characters."""
    return 0 < len(key.encode("utf-8", "replace")) <= MOST_KEY and "=" not in key and not _CONTROL.search(key)


def join_tags(tags: Mapping[str, str]) -> str:
    """Tags as the text of the field `tags`.

    Raises ParameterError on an impossible key, or a NUL in a value.
    """
    for key, value in tags.items():
        if not is_tag_key(key) or "\0" in value:
            raise ParameterError(f"{key!r} is no key of a tag, or its value holds NUL")
    return "\n".join(f"{key}={_escape(value)}" for key, value in tags.items())


def split_tags(text: str) -> dict[str, str]:
    """The tags of such a text; a line that is none is passed over, of equal keys the first counts."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        key, sign, value = line.partition("=")
        if sign and is_tag_key(key):
            found.setdefault(key, _unescape(value))
    return found


def join_chapters(chapters: Iterable[tuple[int, int, str]]) -> str:
    """Chapters (start, end in microseconds, title) as the text of the field `chapters`.

    Raises ParameterError where one ends before it starts or they do not ascend.
    """
    lines, last = [], 0
    for start, end, title in chapters:
        if not last <= start <= end <= MOST_MICROSECONDS or "\0" in title:
            raise ParameterError(f"chapters must ascend and end behind their start, not {start} to {end} us")
        lines.append(f"{start} {end} {_escape(title)}" if title else f"{start} {end}")
        last = start
    return "\n".join(lines)


def split_chapters(text: str) -> list[tuple[int, int, str]]:
    """The chapters of such a text; a line that is none, or lies before the one above it, is passed over."""
    found: list[tuple[int, int, str]] = []
    for line in text.split("\n"):
        match = _CHAPTER.fullmatch(line)
        if match is None:
            continue
        start, end = int(match[1]), int(match[2])
        if (found[-1][0] if found else 0) <= start <= end:
            found.append((start, end, _unescape(match[3] or "")))
    return found


def _escape(value: str) -> str:
    return re.sub(r"[\\\n\r]", lambda match: _ESCAPES[match[0]], value)


def _unescape(value: str) -> str:
    return _ESCAPED.sub(lambda match: {"n": "\n", "r": "\r"}.get(match[1], match[1]), value)
