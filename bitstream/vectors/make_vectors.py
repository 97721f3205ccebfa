"""Writes the vectors of format version 1 into a folder; deterministic.

    python make_vectors.py FOLDER

The committed vectors were made once by this script and are only ever added to: a file that exists is never
replaced. Tests compare the committed bytes with what the code does now, not the other way round.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import faulty
import future
import good
import later
import lenient
import made_up_codec
import rc24
import repairs
from reference import FaultError, first_error, report


def make(folder: Path) -> None:
    """Write every vector and expected.json below folder, keeping what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    keep(folder / "codec-test.json", (json.dumps(made_up_codec.description(), indent=1) + "\n").encode())
    listing = folder / "expected.json"
    expected: dict[str, Any] = json.loads(listing.read_text()) if listing.exists() else {}
    for name, vector in every_vector().items():
        path = folder / f"{name}.mcx"
        path.parent.mkdir(parents=True, exist_ok=True)
        keep(path, vector.data)
        expected.setdefault(f"{name}.mcx", entry(vector))
    listing.write_text(json.dumps(dict(sorted(expected.items())), indent=1) + "\n")
    keep(folder / "rc24.json", (json.dumps(rc24.vectors(), indent=1) + "\n").encode())


def every_vector() -> dict[str, good.Vector]:
    """All vectors by group and name."""
    first = {"good": good.vectors(), "faulty": faulty.vectors(), "future": future.vectors()}
    result = {f"{group}/{name}": vector for group, vectors in first.items() for name, vector in vectors.items()}
    for more in (lenient.vectors(), later.vectors(), repairs.vectors()):
        assert not result.keys() & more.keys()
        result |= more
    return result


def entry(vector: good.Vector) -> dict[str, Any]:
    """One entry of expected.json: what the file is about and what becomes of it."""
    result: dict[str, Any] = {"about": vector.about}
    if vector.naive:
        result["naive_decoder"] = vector.naive
    result["error"] = first_error(vector.data)
    if vector.readable:
        result["report"] = report(vector.data)
    elif (raised := refused(vector.data)) != result["error"]:
        result["raises"] = raised
    if vector.seeks:
        result["seeks"] = [{"stream": s, "pts": pts} | report(vector.data, (s, pts)) for s, pts in vector.seeks]
    return result


def refused(data: bytes) -> str | None:
    """The class that a tolerant reader ends with."""
    try:
        report(data)
    except FaultError as fault:
        return fault.kind
    return None


def keep(path: Path, data: bytes) -> None:
    """Write a file unless it exists; a committed vector never changes."""
    if not path.exists():
        path.write_bytes(data)
    elif path.read_bytes() != data and path.suffix == ".mcx":
        raise SystemExit(f"{path}: the code now writes other bytes; that would be a new format version")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
