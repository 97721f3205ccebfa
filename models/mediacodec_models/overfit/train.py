"""Pre-fit what ships: context networks and synthesis of keyframes, then of inter pictures, on packed stills and clips.

`python -m mediacodec_models.overfit.train RECIPE --data PACK --out FILE --minutes N --zoo mediacodec/zoo/NAME`

makes a model of nothing but a pack: both kinds are learned, counted and exported. It can be done in parts, too:
`--start` goes on from what an earlier run wrote, `--kind` learns one kind alone.

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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediacodec.codecs.overfit.settings import LEVELS, NEUTRAL, SCALES, OverfitModel, quality_of, step_of
from mediacodec.codecs.overfit.symbols import IntegerTables
from mediacodec.manifest import read_manifest
from mediacodec.video_coding.motion.compensate import compensate
from mediacodec_bitstream import TableFamily
from mediacodec_models.overfit.context import QUALITY_UNIT, bits
from mediacodec_models.overfit.export import export_file, from_integers
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
from mediacodec_models.overfit.rdo_quantization import nearest
from mediacodec_models.overfit.tables import MOST, make_tables
from mediacodec_models.video.clips import Crops, motion_at
from mediacodec_models.video.pack import read_pack

SIZE = 256  # of crops
LOWEST, HIGHEST = 12.0, 46.0  # crf
LEARNING_RATE = 2e-3
KEY_OFFSET = (2.0, 14.0)  # crf by which a keyframe is better than what is predicted from it
INTER_OFFSET = (-8.0, 8.0)  # and by which another reference is
MOST_AGE = 3  # pictures from the keyframe on
FADING = 7 / 8  # of what is remembered, from picture to picture, as in use
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
            if k % 100 == 0:
                bit, gain = np.mean(shown[-100:], 0)
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

    def _drawn(self, count: int, crf: float) -> tuple[list[Planes], list[NDArray[np.int16]]]:
        """Pictures in a row, and the motion of each as searched at about this quality."""
        pictures, motion = self.crops.batch(1, count)
        quality = torch.tensor([crf])
        planes = [(y[0, 0] - 128, u[0, 0] - 128, v[0, 0] - 128) for y, u, v in pictures]
        return planes, [motion_at(fields, quality)[0].numpy().astype(np.int16) for fields in motion]

    def key(self, crf: float) -> tuple[Planes, Example]:
        planes = self._drawn(1, crf)[0][0]
        return planes, self.coded("key", planes, crf, None, None)

    def inter(self, crf: float) -> tuple[Planes, Example]:
        """A picture predicted from the one before it: from a keyframe, or from one predicted itself.

        References are as old, and as much better or worse than the picture, as in use.
        """
        age = int(self.crops.random.integers(1, MOST_AGE + 1))
        pictures, motion = self._drawn(age + 1, crf)
        reference = crf - float(self.crops.random.uniform(*KEY_OFFSET))
        example = self.coded("key", pictures[0], reference, None, None)
        memory = seen_of(example.parts)[:LEVELS]
        for place in range(1, age):
            moved = self._moved("key" if place == 1 else "inter", example, reference, motion[place])
            reference = crf - float(self.crops.random.uniform(*INTER_OFFSET))
            example = self.coded("inter", pictures[place], reference, moved, memory)
            new = seen_of(example.parts)[:LEVELS]
            memory = [torch.maximum(now, old * FADING) for now, old in zip(new, memory, strict=True)]
        moved = self._moved("key" if age == 1 else "inter", example, reference, motion[age])
        return pictures[age], self.coded("inter", pictures[age], crf, moved, memory)

    @torch.no_grad()
    def _moved(self, kind: str, example: Example, crf: float, motion: NDArray[np.int16]) -> Planes:
        """What is shown of a coded picture, displaced."""
        shown = self.networks[kind].synthesis(example.decoded, step_of(quality_of(crf)), example.residual)
        y, u, v = ((plane + 128).round().clamp(0, 255).to(torch.uint8).numpy() for plane in shown)
        moved = [torch.from_numpy(plane.astype(np.float32) - 128) for plane in compensate((y, u, v), motion)]
        return moved[0], moved[1], moved[2]

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
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.video.data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="what an earlier run wrote, or a zoo folder")
    parser.add_argument("--minutes", type=float, required=True, help="for each kind")
    parser.add_argument("--kind", choices=["key", "inter"], action="append", help="both, in this order, if not given")
    parser.add_argument("--zoo", type=Path, help="export to this folder at the end")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    recipe = tomllib.loads(args.recipe.read_text())
    networks = {kind: PictureNetworks(kind, **recipe["networks"]) for kind in ("key", "inter")}
    if args.start and args.start.is_dir():
        shipped = OverfitModel(read_manifest(args.start))
        networks = {kind: from_integers(shipped.weights, kind) for kind in networks}
    elif args.start:
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
    if args.zoo:
        export_file(args.out, recipe, args.zoo)


if __name__ == "__main__":
    main()
