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
import rc24
from reference import first_error, report


def make(folder: Path) -> None:
    """Write every vector and expected.json below folder, keeping what is there."""
    listing = folder / "expected.json"
    expected: dict[str, Any] = json.loads(listing.read_text()) if listing.exists() else {}
    groups = {"good": good.vectors(), "faulty": faulty.vectors(), "future": future.vectors()}
    for group, vectors in groups.items():
        (folder / group).mkdir(parents=True, exist_ok=True)
        for name, vector in vectors.items():
            keep(folder / group / f"{name}.mcx", vector.data)
            expected.setdefault(f"{group}/{name}.mcx", entry(vector))
    listing.write_text(json.dumps(dict(sorted(expected.items())), indent=1) + "\n")
    keep(folder / "rc24.json", (json.dumps(rc24.vectors(), indent=1) + "\n").encode())


def entry(vector: good.Vector) -> dict[str, Any]:
    """One entry of expected.json: what the file is about and what becomes of it."""
    result: dict[str, Any] = {"about": vector.about}
    if vector.naive:
        result["naive_decoder"] = vector.naive
    result["error"] = first_error(vector.data)
    if vector.readable:
        result["report"] = report(vector.data)
    return result


def keep(path: Path, data: bytes) -> None:
    """Write a file unless it exists; a committed vector never changes."""
    if not path.exists():
        path.write_bytes(data)
    elif path.read_bytes() != data and path.suffix == ".mcx":
        raise SystemExit(f"{path}: the code now writes other bytes; that would be a new format version")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
