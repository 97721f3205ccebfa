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
from mediacodec.npz import save_arrays
from mediacodec_bitstream import TableFamily
from mediacodec_models.onnx_files import write_manifest

EXPONENTS = (1.0, 1.5, 2.0)  # of generalized normal distributions: Laplace, between, normal
MEAN_MAGNITUDES = 2.0 ** (np.arange(-10, 27) / 4)  # in steps
MAX_MAGNITUDE = 511  # with a symbol of its own
RESOLUTION = 1 << 30  # what the shares of a row are scaled to before they become integers
POINTS = 64  # of an integral over one step


def masses(exponent: float, mean: float, most: int) -> NDArray[np.float64]:
    """Integrate a generalized normal distribution over the magnitudes of rounded numbers.

    Args:
        exponent: of the distribution, 1 for Laplace, 2 for normal.
        mean: magnitude before rounding.
        most: the largest magnitude by itself.

    Returns:
        Probabilities of the magnitudes 0..most and of all beyond, [most + 2].
    """
    scale = mean * math.gamma(1 / exponent) / math.gamma(2 / exponent)
    points = (np.arange((most + 1) * POINTS) + 0.5) / POINTS  # middles of fine intervals from 0 on
    density = np.exp(-((points / scale) ** exponent))
    tail_points = most + 1 + (np.arange(8 * POINTS) + 0.5) / POINTS * max(1.0, scale)
    tail = np.exp(-((tail_points / scale) ** exponent)).sum() * max(1.0, scale)
    fine = np.concatenate([density, [tail]])
    half = POINTS // 2
    found = np.empty(most + 2)
    found[0] = fine[:half].sum()
    found[1 : most + 1] = fine[half : half + most * POINTS].reshape(most, POINTS).sum(1)
    found[most + 1] = fine[half + most * POINTS :].sum()
    return found / found.sum()


def make_tables() -> NDArray[np.uint32]:
    """Make the tables for tensors.

    Returns:
        [exponents * magnitudes, symbols], symbols being 0, +1, -1, .. and the escape.
    """
    rows, widths = [], []
    for exponent in EXPONENTS:
        for mean in MEAN_MAGNITUDES.tolist():
            most = min(MAX_MAGNITUDE, max(3, math.ceil(12 * mean)))
            share = masses(exponent, mean, most)
            row = np.zeros(2 * MAX_MAGNITUDE + 2)
            row[: 2 * most + 2] = np.concatenate([share[:1], np.repeat(share[1:-1] / 2, 2), share[-1:]])
            rows.append(np.rint(row * RESOLUTION).astype(np.int64))
            widths.append(2 * most + 2)
    return TableFamily.from_counts(np.stack(rows), sizes=widths).to_array()


def export(recipe: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write a zoo folder.

    Args:
        recipe: as models/recipes/inr.toml has it.
        out: the folder.

    Returns:
        Its manifest.
    """
    out.mkdir(parents=True, exist_ok=True)
    arrays = {"tensors": make_tables()}
    save_arrays(out / "tables.npz", arrays)
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
