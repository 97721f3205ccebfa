"""Where new models go: into a folder of their own, which appears whole or not at all."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mediacodec.errors import MediaCodecError, OutputError, OutputExistsError, ParameterError
from mediacodec.manifest import ZOO, install_folder

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def place_of(name: str, folder: Path | None, *, overwrite: bool) -> Path:
    """The folder of a new model called `name`; folder: where models lie, by default MEDIACODEC_CACHE or the user's.

    Raises ParameterError on an impossible name or among the shipped models, OutputExistsError where there is one and
    `overwrite` does not say that it may go.
    """
    if not NAME.fullmatch(name):
        raise ParameterError(f"a model cannot be called {name!r}: letters, digits and . _ - only; choose another name")
    place = (folder or install_folder()) / name
    if place.parent.resolve() == ZOO.resolve():
        raise ParameterError(f"{ZOO} holds the shipped models, which are never changed; choose another folder")
    if place.exists() and not overwrite:
        raise OutputExistsError(f"{place} exists")
    return place


def called(about: dict[str, Any], name: str) -> dict[str, Any]:
    """What a recipe's [model] says of a model with the name of its folder.

    One that has another name than the recipe's is not the recipe's next generation: it has no alias of theirs.
    """
    if name == about["name"]:
        return about
    kept = {key: value for key, value in about.items() if key != "aliases"}
    return kept | {"name": name, "alias": name, "generation": 1}


@contextmanager
def new_model(place: Path) -> Iterator[Path]:
    """A folder to write a model into; it becomes `place` unless something is raised. Raises OutputError."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # a folder deeper than models are looked for, so that a half-made one is never found
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as work:
            made = Path(work) / place.name
            made.mkdir()
            yield made
            _put(made, place, Path(work))
    except MediaCodecError:  # some are OSErrors too, and say it better
        raise
    except OSError as error:
        raise OutputError(f"cannot write {place}: {error.strerror or error}") from error


def _put(made: Path, place: Path, work: Path) -> None:
    """Move a model into its place, and what was there out of it."""
    old = work / "old"
    if place.exists():
        place.rename(old)
    try:
        made.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
