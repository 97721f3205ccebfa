"""Makes the zoo folder of an `inr` codec: integer tables for tensors, and the recipe's settings.

`python -m mediacodec_models.inr.export models/recipes/inr.toml --out mediacodec/zoo/NAME`
"""

import argparse
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediacodec.manifest import read_manifest
from mediacodec_bitstream import TableFamily
from mediacodec_models.onnx_files import write_manifest

SHAPES = (1.0, 1.5, 2.0)  # exponents of generalised normal distributions: Laplace, between, normal
SCALES = 2.0 ** (np.arange(-10, 27) / 4)  # mean magnitudes, in steps
MOST = 511  # largest magnitude with a symbol of its own
RESOLUTION = 1 << 30
FINE = 64  # points of an integral over one step


def masses(shape: float, mean: float, most: int) -> NDArray[np.float64]:
    """Probabilities of the magnitudes 0..most and of all beyond, [most + 2], of a rounded generalised normal number
    whose magnitude before rounding is `mean` on average."""
    scale = mean * math.gamma(1 / shape) / math.gamma(2 / shape)
    points = (np.arange((most + 1) * FINE) + 0.5) / FINE  # middles of fine intervals from 0 on
    density = np.exp(-((points / scale) ** shape))
    tail_points = most + 1 + (np.arange(8 * FINE) + 0.5) / FINE * max(1.0, scale)
    tail = np.exp(-((tail_points / scale) ** shape)).sum() * max(1.0, scale)
    fine = np.concatenate([density, [tail]])
    half = FINE // 2
    found = np.empty(most + 2)
    found[0] = fine[:half].sum()
    found[1 : most + 1] = fine[half : half + most * FINE].reshape(most, FINE).sum(1)
    found[most + 1] = fine[half + most * FINE :].sum()
    return found / found.sum()


def tables() -> NDArray[np.uint32]:
    """[shapes * scales, K]: symbols 0, +1, -1, .. and the escape."""
    rows, widths = [], []
    for shape in SHAPES:
        for mean in SCALES.tolist():
            most = min(MOST, max(3, math.ceil(12 * mean)))
            share = masses(shape, mean, most)
            row = np.zeros(2 * MOST + 2)
            row[: 2 * most + 2] = np.concatenate([share[:1], np.repeat(share[1:-1] / 2, 2), share[-1:]])
            rows.append(np.rint(row * RESOLUTION).astype(np.int64))
            widths.append(2 * most + 2)
    return TableFamily.from_counts(np.stack(rows), sizes=widths).to_array()


def export(recipe: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the zoo folder `out`; returns its manifest."""
    out.mkdir(parents=True, exist_ok=True)
    arrays = {"tensors": tables()}
    np.savez_compressed(out / "tables.npz", **arrays)
    about = recipe["model"]
    settings = {"architecture": about["architecture"], "shapes": recipe["shapes"]}
    manifest = write_manifest(out, about, weights={}, tables=arrays, graphs={}, settings=settings)
    read_manifest(out)
    return manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the zoo folder to write")
    args = parser.parse_args()
    manifest = export(tomllib.loads(args.recipe.read_text()), args.out)
    print(manifest["name"], manifest["tables_sha256"])


if __name__ == "__main__":
    main()
