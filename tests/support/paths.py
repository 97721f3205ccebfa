"""Where things lie in the repository."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "models" / "recipes"
ZOO = ROOT / "mediacodec" / "zoo"
SAMPLE = ROOT / "examples" / "speech.wav"
VECTORS = ROOT / "bitstream" / "vectors"
