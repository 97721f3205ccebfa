"""Tags and chapters on their way from one kind of file into another, and a line about what stays behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mediacodec.mcx.reader import FileReader
from mediacodec.mcx.tags import MOST_OF_FILE, MOST_OF_STREAM, chapter_fields, tag_fields
from mediacodec.metadata import MediaMetadata, Tags, between

_MOST_NAMES: Final = 8  # in a line


class FittedMetadata:
    """As much of what is said of media as an .mcx file has room for.

    Args:
        said: tags and chapters.

    Attributes:
        tags, audio, video, chapters: see `MediaMetadata`.
    """

    __slots__ = ("_left_out", "audio", "chapters", "tags", "video")

    def __init__(self, said: MediaMetadata) -> None:
        self._left_out: list[str] = []
        self.tags = self._fitted(said.tags, MOST_OF_FILE)
        self.audio, self.video = self._fitted(said.audio, MOST_OF_STREAM), self._fitted(said.video, MOST_OF_STREAM)
        _, dropped = chapter_fields(said.chapters)
        self.chapters = said.chapters[: len(said.chapters) - dropped]
        if dropped:
            self._left_out.append(f"the last {dropped} chapters")

    def _fitted(self, tags: Tags, most: int) -> dict[str, str]:
        _, left_out = tag_fields(tags, most)
        self._left_out += left_out
        return {key: value for key, value in tags.items() if key not in left_out}

    def notes(self, streams: Sequence[str], *, appends: bool) -> list[str]:
        """What stays behind, in one line at most for each reason.

        Args:
            streams: of the source that are not read.
            appends: whether the media goes behind what a file has, which keeps what it says.
        """
        notes = [f"WARNING: left out of the source: {listed(streams)}"] if streams else []
        if appends and (self.tags or self.video or self.chapters):
            notes.append("the file keeps its own tags and chapters; those of the clip are left out")
        elif self._left_out:
            notes.append(f"WARNING: too long for an .mcx file: {listed(self._left_out)} left out")
        return notes


def of_file(reader: FileReader, start: float, stop: float | None) -> MediaMetadata:
    """What an .mcx file says of a stretch of its first streams.

    Args:
        reader: of the file.
        start, stop: of the stretch, seconds; None for the end.
    """
    return MediaMetadata(
        tags=reader.metadata,
        audio=reader.audio.metadata if reader.has_audio else {},
        video=reader.video.metadata if reader.has_video else {},
        chapters=between(reader.chapters, start, stop),
    )


def listed(names: Sequence[str]) -> str:
    """Names with commas between them, no more than a line of them."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
