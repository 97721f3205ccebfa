"""Where things lie in the repository."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "models" / "recipes"
ZOO = ROOT / "mediacodec" / "zoo"
SAMPLE = ROOT / "examples" / "speech.wav"
VECTORS = ROOT / "bitstream" / "vectors"


def load_from_vectors(name: str) -> Any:
    """A module of the vectors folder, which is no package: its user is whoever writes another decoder."""
    sys.path.insert(0, str(VECTORS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)
