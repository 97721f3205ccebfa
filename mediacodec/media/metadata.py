"""Tags and chapters of classic files: read from a container, and written into one as far as its format has fields."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Final

import av
import av.container
import av.stream

from mediacodec.metadata import Chapter, MediaMetadata, Tags, as_tags
from mediacodec_bitstream import is_tag_key

_MICRO = 10**6
# What a container says of itself or of its own coding, which is no longer so in another.
_NOISE: Final = re.compile(
    r"encoder|major_brand|minor_version|compatible_brands|handler_name|vendor_id|duration|bps|number_of_.*"
    r"|_statistics_.*|itunsmpb|itunnorm|itunpgap|rotate|encoder_delay|metadata_block_.*|(bps|duration|number_.*)-.*",
    re.IGNORECASE,
)
_MP4 = frozenset(
    (
        *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping"),
        *("lyrics", "description", "synopsis", "show", "episode_id", "network", "track", "disc", "creation_time"),
    )
)
# Matroska and Vorbis comments spell them in capitals.
_USUAL = _MP4 | {"language", "performer", "publisher", "encoded_by"}
# Keys that FFmpeg writes into a format; None: any.
_FILE_KEYS: Final[Mapping[str, Collection[str] | None]] = {
    "wav": frozenset(
        ("artist", "comment", "copyright", "date", "genre", "language", "title", "album", "track", "encoded_by")
    ),
    "flac": None,
    "ogg": None,
    "mp3": None,
    "m4a": _MP4,
    "mp4": _MP4,
    "mov": frozenset(("artist", "title", "album", "date", "comment", "genre", "copyright", "creation_time")),
    "mkv": None,
}
_STREAM_KEYS: Final[Mapping[str, Collection[str] | None]] = {
    "m4a": ("language",),
    "mp4": ("language", "title"),
    "mov": ("title",),
    "mkv": None,
}
_ONE_STREAM = ("wav", "flac", "ogg", "mp3")  # what is said of their stream is said of the file
_COMMENTS = ("flac", "ogg")  # have chapters as comments: FFmpeg's own are a second off
_CHAPTERS = ("mp3", "m4a", "mp4", "mov", "mkv")
_LANGUAGE = re.compile("[a-z]{3}")  # as MP4 spells it


def read_metadata(
    container: av.container.InputContainer,
    audio: av.stream.Stream | None,
    video: av.stream.Stream | None,
    zero: Fraction,
) -> MediaMetadata:
    """What a container says.

    Args:
        container: open.
        audio, video: the streams that are read.
        zero: seconds of the container that are time 0.
    """
    tags, of_audio, of_video = _clean(container.metadata), _stream_tags(audio), _stream_tags(video)
    if container.format.name == "ogg" and audio is not None:  # has nothing to say of the file itself
        language = {key: value for key, value in of_audio.items() if key.lower() == "language"}
        tags, of_audio = {key: value for key, value in of_audio.items() if key not in language} | tags, language
    chapters = []
    for each in container.chapters():
        tick = Fraction(each["time_base"] or 0)
        start, end = (float(max(Fraction(0), Fraction(each[key]) * tick - zero)) for key in ("start", "end"))
        with contextlib.suppress(ValueError):  # what no file could hold
            chapters.append(Chapter(start, max(start, end), each["metadata"].get("title", "").replace("\0", "")))
    chapters.sort(key=lambda chapter: chapter.start_seconds)
    return MediaMetadata(tags=tags, audio=of_audio, video=of_video, chapters=tuple(chapters))


def left_out_streams(
    container: av.container.InputContainer, taken: Collection[av.stream.Stream], wanted: Collection[str]
) -> list[tuple[str, str]]:
    """Streams of a container that are not read, though nobody said so.

    Args:
        container: open.
        taken: the streams that are read.
        wanted: of "audio" and "video", what is not left out on purpose.

    Returns:
        Of each its kind ("cover art" is one) and a few words.
    """
    found: list[tuple[str, str]] = []
    indices = {stream.index for stream in taken}
    for stream in container.streams:
        kind = stream.type
        if stream.index in indices or (kind in ("audio", "video") and kind not in wanted):
            continue
        if kind == "data" and container.chapters() and stream.metadata.get("handler_name") == "SubtitleHandler":
            continue  # the names of the chapters
        if av.stream.Disposition.attached_pic in stream.disposition:
            found.append(("cover art", "cover art"))
            continue
        codec = stream.codec_context.name if stream.codec_context is not None else ""
        language = stream.metadata.get("language", "")
        about = ", ".join(word for word in (codec, language) if word and word != "und")
        found.append((kind, f"{kind} stream {stream.index}" + f" ({about})" * bool(about)))
    return found


def write_metadata(
    container: av.container.OutputContainer,
    format: str,  # noqa: A002 - the name that every such interface has
    metadata: MediaMetadata,
    audio: av.stream.Stream | None,
    video: av.stream.Stream | None = None,
) -> list[str]:
    """Set what a container is to say, before its header is written.

    Args:
        container: to be written; its streams are there.
        format: our name of its format.
        metadata: what to say.
        audio, video: its streams.

    Returns:
        What the format has no field for: keys, and "chapters".
    """
    tags, left_out = dict(metadata.tags), []
    streams = [(audio, metadata.audio), (video, metadata.video)]
    if format in _ONE_STREAM:
        tags, streams = {**metadata.audio, **tags}, []
    if format in _COMMENTS and metadata.chapters:
        tags |= _chapter_comments(metadata.chapters)
    target = container.metadata if format != "ogg" or audio is None else audio.metadata
    left_out += _put(target, tags, _FILE_KEYS.get(format, ()))
    for stream, said in streams:
        if stream is not None:
            known = _STREAM_KEYS.get(format, ())
            if known is not None and not _LANGUAGE.fullmatch(said.get("language", "und")):
                known = [key for key in known if key != "language"]
            left_out += _put(stream.metadata, said, known)
    if metadata.chapters and format in _CHAPTERS:
        container.set_chapters([_as_ffmpeg(number, each) for number, each in enumerate(metadata.chapters, start=1)])
    elif metadata.chapters and format not in _COMMENTS:
        left_out.append("chapters")
    return list(dict.fromkeys(left_out))


def _clean(metadata: Mapping[str, str]) -> dict[str, str]:
    """Tags as they can be kept."""
    said = {key.lower() if key.lower() in _USUAL else key: value for key, value in metadata.items()}
    found = {key: value.replace("\0", "") for key, value in said.items() if not _NOISE.fullmatch(key)}
    return as_tags("tags", {key: value for key, value in found.items() if value and is_tag_key(key)})


def _stream_tags(stream: av.stream.Stream | None) -> dict[str, str]:
    tags = _clean(stream.metadata) if stream is not None else {}
    if "name" in tags:  # as MP4 calls it
        tags.setdefault("title", tags.pop("name"))
    dull = {"creation_time", *(["language"] if tags.get("language") == "und" else [])}
    return {key: value for key, value in tags.items() if key not in dull}


def _put(target: dict[str, str], tags: Tags, known: Collection[str] | None) -> list[str]:
    """Set tags for which there is a field; returns the others."""
    left_out = []
    for key, value in tags.items():
        name = key.lower()
        if known is None or name in known:
            target[key if known is None else name] = value
        else:
            left_out.append(key)
    return left_out


def _chapter_comments(chapters: tuple[Chapter, ...]) -> dict[str, str]:
    """Chapters as Vorbis comments."""
    comments = {}
    for number, chapter in enumerate(chapters):
        minutes, millis = divmod(round(chapter.start_seconds * 1000), 60_000)
        clock = f"{minutes // 60:02}:{minutes % 60:02}:{millis // 1000:02}.{millis % 1000:03}"
        comments[f"CHAPTER{number:03}"] = clock
        comments[f"CHAPTER{number:03}NAME"] = chapter.title
    return comments


def _as_ffmpeg(number: int, chapter: Chapter) -> av.container.Chapter:
    start, end = round(chapter.start_seconds * _MICRO), round(chapter.end_seconds * _MICRO)
    return {
        "id": number,
        "start": start,
        "end": end,
        "time_base": Fraction(1, _MICRO),
        "metadata": {"title": chapter.title} if chapter.title else {},
    }
