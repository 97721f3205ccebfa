"""A scalar codec of a few thousand weights: its recipe, a run of seconds, its export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

TINY: dict[str, Any] = {
    "hop": 320, "encoder": (24, 48, 1), "decoder": (24, 48, 1), "context": (16, 32, 1), "latent": 12,
    "groups": (4, 8), "group_hidden": 16, "knots": 8,
}  # fmt: skip

RECIPE = """
[network]
hop = 320
encoder = [24, 48, 1]
decoder = [24, 48, 1]
context = [16, 32, 1]
latent = 12
groups = [4, 8]
group_hidden = 16
knots = 8

[train]
batch = 4
segment = 16000
warmup_steps = 5
bfloat16 = false
rates = [1.0, 8.0]

[model]
name = "tiny-scalar-1"
alias = "tiny-scalar"
generation = 1
family = "ecsq"
licence = "Apache-2.0"
description = "of a test"

[context]
trunk = 16
hidden = 24
dilations = [1, 2]
group_hidden = 12
batch = 16
steps = 60
"""


@dataclass(frozen=True)
class Tiny:
    """A run of the tiny codec: its recipe, and the folder with its checkpoint."""

    recipe: Path
    folder: Path

    def run(self) -> Any:
        """The run as its checkpoint has it."""
        from mediacodec_models.ecsq.train import Run, read_recipe

        run = Run(*read_recipe(self.recipe))
        run.load(self.folder / "checkpoint.pt")
        return run
