"""What there is to train on: the recordings of a folder, who speaks in each, and which are set aside.

A folder may have a MANIFEST.csv. Of its columns `file` (relative to the manifest) must be there; `split` and `category`
choose rows, and `speaker_or_piece` says whose recording it is. Without a manifest every audio file counts.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mediacodec.errors import InputError

MANIFEST = "MANIFEST.csv"
DEV_SHARE = 0.05  # of the speakers
MOST_SET_ASIDE = 0.25  # of the recordings: with few speakers, one that is set aside may have most of them


@dataclass(frozen=True)
class Recording:
    """A file to train on.

    Attributes:
        file: relative to the folder.
        speaker: whose it is, or of which piece.
    """

    file: str
    speaker: str


def is_dev_speaker(speaker: str) -> bool:
    """Whether a speaker is set aside: decided by a hash of the name, so that it never depends on the other speakers."""
    return _hash(speaker)[0] < DEV_SHARE * 256


def find_recordings(root: Path, category: str) -> list[Recording]:
    """The recordings to train on.

    Args:
        root: folder with a manifest, or with audio files at any depth.
        category: rows of the manifest that have another one are left out.

    Returns:
        In the order of the manifest, or of their names. Whose speaker is not named has that of the folder it lies in.

    Raises:
        InputError: there is no folder, nothing to train on in it, or the manifest lacks the column `file`.
    """
    if (root / MANIFEST).is_file():
        return _listed(root / MANIFEST, category)
    from mediacodec.bench.audio.clips import find_clips  # needs FFmpeg, which a machine that trains may lack

    return [Recording(clip.name, _folder_of(clip.name)) for clip in find_clips(root)]


def _listed(manifest: Path, category: str) -> list[Recording]:
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or "file" not in rows[0]:
        raise InputError(f"'{manifest}' needs a column `file` and a row for each recording")
    wanted = {"split": "train", "category": category}
    chosen = [row for row in rows if all(row.get(key, value) == value for key, value in wanted.items())]
    if not chosen:
        known = ", ".join(sorted({row["category"] or "" for row in rows if "category" in row}))
        raise InputError(f"'{manifest}' has no row of split train and category {category!r}; categories are: {known}")
    return [Recording(row["file"], row.get("speaker_or_piece") or _folder_of(row["file"])) for row in chosen]


def _folder_of(file: str) -> str:
    return Path(file).parent.as_posix()


def set_aside(recordings: Sequence[Recording]) -> set[str]:
    """Files of the development split, on which a training is judged and entropy tables are chosen.

    Those of the speakers who are set aside. Where there are none, or too many for too few speakers (of one speaker
    alone: none or all), a share of the files, whoever speaks in them.

    Raises:
        InputError: there is one recording, which cannot be both learnt from and measured on.
    """
    if len(recordings) < 2:
        raise InputError("one recording cannot be both learnt from and measured on: cut it into several")
    files = {each.file for each in recordings if is_dev_speaker(each.speaker)}
    if 0 < len(files) <= MOST_SET_ASIDE * len(recordings):
        return files
    ordered = sorted((each.file for each in recordings), key=_hash)
    return set(ordered[: max(1, round(DEV_SHARE * len(ordered)))])


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
