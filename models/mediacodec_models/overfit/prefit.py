"""Pre-fit what ships: context networks and synthesis of keyframes, then of inter pictures, on packed stills and clips.

`python -m mediacodec_models.overfit.prefit RECIPE --data PACK --out FILE --minutes N [--start FILE] [--kind KIND]`

Pictures are coded as the fit codes them, but for its rounds: analysed, and each latent moved to the integer of least
cost under the networks as they are. The context networks learn the bits of these integers, the synthesis the error of
what they decode to. FILE holds both kinds and how often each table coded each magnitude.
"""

from __future__ import annotations

import argparse
import math
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mediacodec.codecs.overfit_settings import NEUTRAL, SCALES, quality_of, step_of
from mediacodec.codecs.overfit_symbols import IntegerTables
from mediacodec.motion.compensate import compensate
from mediacodec_bitstream import TableFamily
from mediacodec_models.overfit.context import QUALITY_UNIT, bits
from mediacodec_models.overfit.moves import nearest
from mediacodec_models.overfit.network import (
    Latents,
    PictureNetworks,
    Planes,
    join,
    less,
    plus,
    seen_of,
    split,
    stacked,
)
from mediacodec_models.overfit.tables import MOST, make_tables
from mediacodec_models.video.clips import Crops
from mediacodec_models.video.pack import read_pack

SIZE = 256  # of crops
LOWEST, HIGHEST = 12.0, 46.0  # crf
LEARNING_RATE = 2e-3
KEY_OFFSET = 4.0  # crf by which a reference is better than what is predicted from it, about
COUNTED = 60  # crops of each kind whose integers the tables are fitted to
SETTLING = 2  # times that integers and tables follow each other


@dataclass
class Example:
    """A picture coded: parts of integers, what surrounds them, and what they decode to before synthesis."""

    parts: list[Tensor]
    indices: list[Tensor] | None
    memory: list[Tensor] | None
    decoded: Planes
    residual: Planes | None


class Prefit:
    """Both kinds of networks while they learn. random draws crops and qualities."""

    def __init__(self, networks: dict[str, PictureNetworks], crops: Crops) -> None:
        self.networks, self.crops = networks, crops
        self.counts = np.zeros((SCALES, MOST + 2))
        self._costs = torch.from_numpy(IntegerTables(TableFamily.from_array(make_tables())).costs())

    def run(self, kind: str, minutes: float) -> None:
        """Learn one kind for so long; the rate falls along a cosine."""
        network = self.networks[kind]
        adam = torch.optim.Adam(network.parameters(), LEARNING_RATE)
        began, shown, k = time.monotonic(), [], 0
        while (done := (time.monotonic() - began) / (60 * minutes)) < 1:
            for group in adam.param_groups:
                group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * done)) + 1e-5
            loss, report = self._loss(kind)
            adam.zero_grad()
            loss.backward()
            adam.step()
            shown.append(report)
            k += 1
            if k % 200 == 0:
                bit, gain = np.mean(shown[-200:], 0)
                print(f"{kind} {k} {done:.2f} {bit:.4f} bits a pixel, synthesis {gain:+.3f} dB", flush=True)

    def _loss(self, kind: str) -> tuple[Tensor, tuple[float, float]]:
        network = self.networks[kind]
        crf = float(self.crops.random.uniform(LOWEST, HIGHEST))
        planes, example = self.key(crf) if kind == "key" else self.inter(crf)
        step = step_of(quality_of(crf))
        with torch.autocast("cpu", torch.bfloat16):
            indices = network.indices(seen_of(example.parts), place_of(crf), example.memory)
            given = stacked(example.decoded)
            residual = None if example.residual is None else stacked(example.residual)
            corrected = given + network.synthesis.correction(given, step, residual)
        rate = torch.stack([bits(i, p, self._costs).sum() for i, p in zip(indices, example.parts, strict=True)]).sum()
        rate = rate / SIZE**2
        before, after = errors(given, stacked(planes)), errors(corrected, stacked(planes))
        share = torch.tensor([0.75, 0.125, 0.125])
        loss = rate / (0.1 + float(rate.detach())) + (share * after / (before + 0.3)).sum()
        with torch.no_grad():
            gain = 10 * torch.log10((before[0] + 0.01) / (after[0] + 0.01))
        return loss, (float(rate.detach()), float(gain))

    def _drawn(self, count: int) -> tuple[list[Planes], list[Any]]:
        pictures, motion = self.crops.batch(1, count)
        planes = [(y[0, 0] - 128, u[0, 0] - 128, v[0, 0] - 128) for y, u, v in pictures]
        return planes, [field[0].numpy().astype(np.int16) for field in motion]

    def key(self, crf: float) -> tuple[Planes, Example]:
        planes = self._drawn(1)[0][0]
        return planes, self.coded("key", planes, crf, None, None)

    def inter(self, crf: float) -> tuple[Planes, Example]:
        """A picture predicted from the one before it, which is coded as a keyframe."""
        (reference, planes), motion = self._drawn(2)
        first = self.coded("key", reference, crf - KEY_OFFSET, None, None)
        with torch.no_grad():
            shown = self.networks["key"].synthesis(first.decoded, step_of(quality_of(crf - KEY_OFFSET)))
        y, u, v = ((p + 128).round().clamp(0, 255).to(torch.uint8).numpy() for p in shown)
        moved = [torch.from_numpy(p.astype(np.float32) - 128) for p in compensate((y, u, v), motion[1])]
        return planes, self.coded("inter", planes, crf, (moved[0], moved[1], moved[2]), seen_of(first.parts)[:6])

    @torch.no_grad()
    def coded(
        self, kind: str, planes: Planes, crf: float, predicted: Planes | None, memory: list[Tensor] | None
    ) -> Example:
        step, network = step_of(quality_of(crf)), self.networks[kind]
        real = split(planes if predicted is None else less(planes, predicted), step)
        parts = [part.sign() * torch.floor(part.abs() + 0.33) for part in real.parts]
        indices = None
        for _ in range(SETTLING):
            with torch.autocast("cpu", torch.bfloat16):
                indices = network.indices(seen_of(parts), place_of(crf), memory)
            parts = [nearest(r, i, self._costs) for r, i in zip(real.parts, indices, strict=True)]
        residual = join(Latents.of_parts(parts, [plane.round() for plane in real.low]), step)
        if predicted is None:
            return Example(parts, indices, memory, residual, None)
        return Example(parts, indices, memory, plus(residual, predicted), residual)

    @torch.no_grad()
    def count(self, kind: str, crops: int) -> None:
        """Add to `counts` what tables code of so many crops."""
        for _ in range(crops):
            crf = float(self.crops.random.uniform(LOWEST, HIGHEST))
            _, example = self.key(crf) if kind == "key" else self.inter(crf)
            with torch.autocast("cpu", torch.bfloat16):
                indices = self.networks[kind].indices(seen_of(example.parts), place_of(crf), example.memory)
            for index, part in zip(indices, example.parts, strict=True):
                rows, sizes = index.round().long().numpy(), part.abs().clamp(max=MOST + 1).long().numpy()
                np.add.at(self.counts, (rows, sizes), 1)


def place_of(crf: float) -> float:
    return (quality_of(crf) - NEUTRAL) / QUALITY_UNIT


def errors(planes: Tensor, truth: Tensor) -> Tensor:
    """The mean squared error of Y, U, V."""
    squared = (planes - truth).square().mean((0, 2, 3))
    return torch.stack([squared[:4].mean(), squared[4], squared[5]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.video_data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="what an earlier run wrote")
    parser.add_argument("--minutes", type=float, required=True, help="for each kind")
    parser.add_argument("--kind", choices=["key", "inter"], action="append", help="both, in this order, if not given")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    recipe = tomllib.loads(args.recipe.read_text())
    networks = {kind: PictureNetworks(kind, **recipe["networks"]) for kind in ("key", "inter")}
    if args.start:
        saved = torch.load(args.start, weights_only=True)
        for kind, network in networks.items():
            network.load_state_dict(saved[kind])
    prefit = Prefit(networks, Crops(read_pack(args.data, dev=False), size=SIZE, seed=1))
    for kind in args.kind or ["key", "inter"]:
        prefit.run(kind, args.minutes)
    for kind in networks:
        prefit.count(kind, COUNTED)
    state = {kind: network.state_dict() for kind, network in networks.items()}
    torch.save(state | {"counts": torch.from_numpy(prefit.counts)}, args.out)


if __name__ == "__main__":
    main()
