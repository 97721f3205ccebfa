"""Train what ships: context networks and synthesis of keyframes, then of inter frames, on packed stills and clips.

`python -m mediacodec_models.overfit.train RECIPE --data PACK --out FILE --minutes N --zoo mediacodec/zoo/NAME`

makes a model of nothing but a pack: both kinds are trained, counted and exported. It can be done in parts, too:
`--start` continues from what an earlier run wrote, `--kind` trains one kind alone.

Frames are coded as an encoder's fit codes them, but for its iterations: analysed, and each latent quantized to the
integer of least cost under the networks as they are. The context networks learn the bits of these integers, the
synthesis the error of what they decode to. FILE holds both kinds and how often each table coded each magnitude.
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

from mediacodec.codecs.overfit.settings import LEVELS, NEUTRAL_QUALITY, SCALES, OverfitModel, quality_of, step_of
from mediacodec.codecs.overfit.symbols import IntegerTables
from mediacodec.manifest import read_manifest
from mediacodec.video_coding.motion.compensate import compensate
from mediacodec_bitstream import TableFamily
from mediacodec_models.overfit.context import QUALITY_UNIT, bits
from mediacodec_models.overfit.export import export_file, from_integers
from mediacodec_models.overfit.network import (
    FrameNetworks,
    Latents,
    Planes,
    add,
    part_features,
    stack_planes,
    subtract,
    to_latents,
    to_planes,
)
from mediacodec_models.overfit.rdo_quantization import rdo_quantise
from mediacodec_models.overfit.tables import MAX_MAGNITUDE, make_tables
from mediacodec_models.torch_runtime import mixed_precision
from mediacodec_models.video.clips import Crops, motion_at
from mediacodec_models.video.pack import read_pack

SIZE = 256  # of crops, in pixels
MIN_CRF, MAX_CRF = 12.0, 46.0
LEARNING_RATE = 2e-3
KEY_OFFSET = (2.0, 14.0)  # crf by which a keyframe is better than what is predicted from it
INTER_OFFSET = (-8.0, 8.0)  # and by which another reference is
MAX_AGE = 3  # frames from the keyframe on
FADING = 7 / 8  # of the temporal context, from frame to frame, as in use
ROUNDING_OFFSET = 0.33  # of a step: latents of less than 0.67 are 0 at first
COUNTED_CROPS = 60  # of each kind, whose integers the tables are fitted to
PASSES = 2  # of integers and tables that follow from each other
CPU = torch.device("cpu")


@dataclass
class Example:
    """A coded frame.

    Attributes:
        parts: latents, integers as floats.
        temporal: context of its latents; None for a keyframe.
        decoded: planes before synthesis.
        residual: what it adds to its prediction; None for a keyframe.
    """

    parts: list[Tensor]
    temporal: list[Tensor] | None
    decoded: Planes
    residual: Planes | None


class Trainer:
    """Trains the networks of both kinds of frames.

    Args:
        networks: by kind, `key` and `inter`.
        crops: of a pack; its random numbers draw the qualities too.

    Attributes:
        counts: of magnitudes under each table, [SCALES, MAX_MAGNITUDE + 2], see `make_tables`.
    """

    def __init__(self, networks: dict[str, FrameNetworks], crops: Crops) -> None:
        self.networks, self.crops = networks, crops
        self.counts = np.zeros((SCALES, MAX_MAGNITUDE + 2))
        self._costs = torch.from_numpy(IntegerTables(TableFamily.from_array(make_tables())).costs())

    def train(self, kind: str, minutes: float) -> None:
        """Train one kind for so long; the learning rate falls along a cosine."""
        network = self.networks[kind]
        adam = torch.optim.Adam(network.parameters(), LEARNING_RATE)
        began, reports, k = time.monotonic(), [], 0
        while (done := (time.monotonic() - began) / (60 * minutes)) < 1:
            for group in adam.param_groups:
                group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * done)) + 1e-5
            loss, report = self.loss(kind)
            adam.zero_grad()
            loss.backward()
            adam.step()
            reports.append(report)
            k += 1
            if k % 100 == 0:
                bit, gain = np.mean(reports[-100:], 0)
                print(f"{kind} {k} {done:.2f} {bit:.4f} bits a pixel, synthesis {gain:+.3f} dB", flush=True)

    def loss(self, kind: str) -> tuple[Tensor, tuple[float, float]]:
        """Code a crop.

        Args:
            kind: of frame, `key` or `inter`.

        Returns:
            The loss, and for reports: bits a pixel, and by how many dB the synthesis improves luma.
        """
        network = self.networks[kind]
        crf = float(self.crops.random.uniform(MIN_CRF, MAX_CRF))
        planes, example = self.key(crf) if kind == "key" else self.inter(crf)
        step = step_of(quality_of(crf))
        with mixed_precision(CPU):
            indices = network.indices(part_features(example.parts), quality_input(crf), example.temporal)
            given = stack_planes(example.decoded)
            residual = None if example.residual is None else stack_planes(example.residual)
            corrected = given + network.synthesis.correction(given, step, residual)
        rate = torch.stack([bits(i, p, self._costs).sum() for i, p in zip(indices, example.parts, strict=True)]).sum()
        rate = rate / SIZE**2
        before, after = errors(given, stack_planes(planes)), errors(corrected, stack_planes(planes))
        share = torch.tensor([0.75, 0.125, 0.125])
        loss = rate / (0.1 + float(rate.detach())) + (share * after / (before + 0.3)).sum()
        with torch.no_grad():
            gain = 10 * torch.log10((before[0] + 0.01) / (after[0] + 0.01))
        return loss, (float(rate.detach()), float(gain))

    def _draw(self, count: int, crf: float) -> tuple[list[Planes], list[NDArray[np.int16]]]:
        """Frames in a row, and the motion of each as searched at about this quality."""
        frames, motion = self.crops.batch(1, count)
        quality = torch.tensor([crf])
        planes = [(y[0, 0] - 128, u[0, 0] - 128, v[0, 0] - 128) for y, u, v in frames]
        return planes, [motion_at(levels, quality)[0].numpy().astype(np.int16) for levels in motion]

    def key(self, crf: float) -> tuple[Planes, Example]:
        """Code a keyframe; returns its planes and what came of it."""
        planes = self._draw(1, crf)[0][0]
        return planes, self.code("key", planes, crf, None, None)

    def inter(self, crf: float) -> tuple[Planes, Example]:
        """Code an inter frame; returns its planes and what came of it.

        It is predicted from a keyframe or from an inter frame: references are as old, and as much better or worse than
        the frame, as in use.
        """
        age = int(self.crops.random.integers(1, MAX_AGE + 1))
        frames, motion = self._draw(age + 1, crf)
        reference_crf = crf - float(self.crops.random.uniform(*KEY_OFFSET))
        example = self.code("key", frames[0], reference_crf, None, None)
        temporal = part_features(example.parts)[:LEVELS]
        for place in range(1, age):
            predicted = self._predict("key" if place == 1 else "inter", example, reference_crf, motion[place])
            reference_crf = crf - float(self.crops.random.uniform(*INTER_OFFSET))
            example = self.code("inter", frames[place], reference_crf, predicted, temporal)
            new = part_features(example.parts)[:LEVELS]
            temporal = [torch.maximum(now, old * FADING) for now, old in zip(new, temporal, strict=True)]
        predicted = self._predict("key" if age == 1 else "inter", example, reference_crf, motion[age])
        return frames[age], self.code("inter", frames[age], crf, predicted, temporal)

    @torch.no_grad()
    def _predict(self, kind: str, example: Example, crf: float, motion: NDArray[np.int16]) -> Planes:
        """A coded frame as reconstructed, motion-compensated."""
        decoded = self.networks[kind].synthesis(example.decoded, step_of(quality_of(crf)), example.residual)
        y, u, v = ((plane + 128).round().clamp(0, 255).to(torch.uint8).numpy() for plane in decoded)
        moved = [torch.from_numpy(plane.astype(np.float32) - 128) for plane in compensate((y, u, v), motion)]
        return moved[0], moved[1], moved[2]

    @torch.no_grad()
    def code(
        self, kind: str, planes: Planes, crf: float, predicted: Planes | None, temporal: list[Tensor] | None
    ) -> Example:
        """Quantize a frame.

        Args:
            kind: `key` or `inter`.
            planes: of the frame.
            crf: of the frame.
            predicted: planes that an inter frame adds to.
            temporal: context of an inter frame.

        Returns:
            What came of it.
        """
        step, network = step_of(quality_of(crf)), self.networks[kind]
        real = to_latents(planes if predicted is None else subtract(planes, predicted), step)
        parts = [part.sign() * torch.floor(part.abs() + ROUNDING_OFFSET) for part in real.parts]
        for _ in range(PASSES):
            with mixed_precision(CPU):
                indices = network.indices(part_features(parts), quality_input(crf), temporal)
            parts = [rdo_quantise(r, i, self._costs) for r, i in zip(real.parts, indices, strict=True)]
        residual = to_planes(Latents.of_parts(parts, [plane.round() for plane in real.lowpass]), step)
        if predicted is None:
            return Example(parts, temporal, residual, None)
        return Example(parts, temporal, add(residual, predicted), residual)

    @torch.no_grad()
    def count(self, kind: str, crops: int) -> None:
        """Add to `counts` what tables code of so many crops."""
        for _ in range(crops):
            crf = float(self.crops.random.uniform(MIN_CRF, MAX_CRF))
            _, example = self.key(crf) if kind == "key" else self.inter(crf)
            with mixed_precision(CPU):
                features = part_features(example.parts)
                indices = self.networks[kind].indices(features, quality_input(crf), example.temporal)
            for index, part in zip(indices, example.parts, strict=True):
                rows, sizes = index.round().long().numpy(), part.abs().clamp(max=MAX_MAGNITUDE + 1).long().numpy()
                np.add.at(self.counts, (rows, sizes), 1)


def quality_input(crf: float) -> float:
    """What networks are given for a crf, about -1..1."""
    return (quality_of(crf) - NEUTRAL_QUALITY) / QUALITY_UNIT


def errors(planes: Tensor, original: Tensor) -> Tensor:
    """The mean squared error of Y, U, V, [3], of stacked planes [batch, 6, rows, columns]."""
    squared = (planes - original).square().mean((0, 2, 3))
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
    networks = {kind: FrameNetworks(kind, **recipe["networks"]) for kind in ("key", "inter")}
    if args.start and args.start.is_dir():
        shipped = OverfitModel(read_manifest(args.start))
        networks = {kind: from_integers(shipped.weights, kind) for kind in networks}
    elif args.start:
        saved = torch.load(args.start, weights_only=True)
        for kind, network in networks.items():
            network.load_state_dict(saved[kind])
    trainer = Trainer(networks, Crops(read_pack(args.data, dev=False), size=SIZE, seed=1))
    for kind in args.kind or ["key", "inter"]:
        trainer.train(kind, args.minutes)
    for kind in networks:
        trainer.count(kind, COUNTED_CROPS)
    state = {kind: network.state_dict() for kind, network in networks.items()}
    torch.save(state | {"counts": torch.from_numpy(trainer.counts)}, args.out)
    if args.zoo:
        export_file(args.out, recipe, args.zoo)


if __name__ == "__main__":
    main()
