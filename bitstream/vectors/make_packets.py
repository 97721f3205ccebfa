"""Writes the packet vectors into a folder (`codecs/` beside this file holds the committed ones); deterministic.

    python make_packets.py FOLDER

It needs the product, whose encoders make the packets. As with `make_vectors.py` a file that exists is never replaced.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import packets_conditional
import packets_ecsq
import packets_inr
import packets_overfit
import packets_rvq
from arrays import dumped

MAKERS = (packets_rvq, packets_ecsq, packets_conditional, packets_inr, packets_overfit)


def every_vector() -> dict[str, dict[str, Any]]:
    """All packet vectors by family and name."""
    with tempfile.TemporaryDirectory() as place:
        found = [module.vectors(Path(place) / module.__name__) for module in MAKERS]
    return {name: vector for vectors in found for name, vector in vectors.items()}


def make(folder: Path) -> None:
    """Write every vector below folder, keeping what is there."""
    for name, vector in every_vector().items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(dumped(vector))
        elif path.read_bytes() != dumped(vector):
            raise SystemExit(f"{path}: the code now writes another vector; that would be a new packet syntax")
    tables = folder / "overfit" / "tables.npz"
    if not tables.exists():
        np.savez_compressed(tables, **packets_overfit.tables())


if __name__ == "__main__":
    make(Path(sys.argv[1]))
