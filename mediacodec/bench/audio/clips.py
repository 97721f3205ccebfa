"""The clips of a folder: found, matched with the language a manifest gives them, read as mono at one rate."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import InputError
from mediacodec.media import AudioSource, Converter

SUFFIXES = (
    *(".aac", ".aif", ".aiff", ".caf", ".flac", ".m4a", ".mka", ".mkv", ".mov"),
    *(".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma"),
)
MANIFEST = "MANIFEST.csv"


@dataclass(frozen=True)
class Clip:
    """One file of the bench.

    Attributes:
        path: where it lies.
        name: its path within the folder.
        language: a tag such as "en"; None where none is known.
    """

    path: Path
    name: str
    language: str | None = None


def find_clips(folder: Path) -> list[Clip]:
    """Every audio file under a folder, by suffix, sorted by name, hidden ones left out.

    Languages come from the nearest MANIFEST.csv in the folder or above it that has the columns `file` (relative to the
    manifest) and `language`.

    Args:
        folder: of clips.

    Raises:
        InputError: there is no folder, or no clip in it.
    """
    if not folder.is_dir():
        raise InputError(f"'{folder}' is no folder of clips")
    languages = _languages(folder.resolve())
    clips = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in name.parts):
            clips.append(Clip(path, name.as_posix(), languages.get(path.resolve())))
    if not clips:
        raise InputError(f"'{folder}' holds no audio file ({' '.join(SUFFIXES)})")
    return clips


def read_mono(path: Path, sample_rate: int) -> NDArray[np.float32]:
    """Read a whole file as mono, mixed as the encoder mixes.

    Args:
        path: of the file.
        sample_rate: to resample to, Hz.

    Returns:
        float32 [n].

    Raises:
        InputError: it cannot be read, or holds no audio.
    """
    with AudioSource(path) as source:
        converter = Converter(source.sample_rate, source.channels, sample_rate, 1)
        blocks = [converter.push(chunk).samples[0] for chunk in source.blocks()]
        blocks.append(converter.flush().samples[0])
    samples = np.concatenate(blocks)
    if not samples.size:
        raise InputError(f"'{path}' holds no audio")
    return samples


def _languages(folder: Path) -> dict[Path, str]:
    for parent in (folder, *folder.parents):
        manifest = parent / MANIFEST
        if not manifest.is_file():
            continue
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if {"file", "language"} <= set(rows.fieldnames or ()):
                return {(parent / row["file"]).resolve(): row["language"] for row in rows if row["language"]}
    return {}
