"""Train the conditional video codec: `python -m mediacodec_models.video.train RECIPE key|inter --data PACK --out RUN`.

First `key` on stills and single pictures, then `inter` on chains of pictures that begin with a keyframe of the key
codec. Rates are sampled over the whole range. The loss of a picture is bits + error / (RATE_WEIGHT * step^2), relative
to its running mean at that quality, so that low rates count as much as high ones. The schedule is laid over wall-clock
time; a run resumes from its checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mediacodec.codecs.conditional.settings import quality_offset
from mediacodec_models.checkpoints import Parts, load_checkpoint, save_checkpoint
from mediacodec_models.video.clips import Crops, Planes, motion_at
from mediacodec_models.video.conditional import (
    Coded,
    ConditionalCodec,
    ConditionalConfig,
    at_level,
    block_errors,
    code,
    step_size,
)
from mediacodec_models.video.integer import QualityBias
from mediacodec_models.video.layers import LEVELS
from mediacodec_models.video.local import draw_strengths, local_steps
from mediacodec_models.video.pack import read_pack
from mediacodec_models.video.prediction import predict
from mediacodec_models.video.quantise import RATE_WEIGHT, bits, hyper_bits
from mediacodec_models.video.resume import weights
from mediacodec_models.video.start import start_prior

BUCKETS = 16
WORST_KEY = 3  # quality levels by which keyframes may be worse than what is asked for while training


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """lengths: predicted pictures in a chain, from the start to the end of the run; ahead: up to so many more are coded
    between the keyframe and those, without being trained on: most references are several pictures old."""

    batch: int = 4
    size: int = 256
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    decay: float = 0.6
    lowest: int = 4
    highest: int = 56
    average: float = 0.995
    lengths: tuple[int, ...] = (1, 2, 3, 4, 5)
    ahead: int = 4
    seed: int = 1


@dataclass
class Picture:
    """A picture of a chain after coding: what it was coded from and how finely."""

    coded: Coded
    current: Planes
    quality: Tensor
    local: Tensor


def picture_loss(codec: ConditionalCodec, picture: Picture) -> tuple[Tensor, Tensor]:
    """Loss and bits a luma sample, [b] each. Errors count by the local step, as the encoder weighs them."""
    coded, current = picture.coded, picture.current
    samples = current[0][0].numel()
    rate = bits(coded.symbols, coded.index).sum(dim=(1, 2, 3)) + hyper_bits(coded.hyper, codec.hyper_scale)
    error = (block_errors(current, coded.planes) / picture.local.square()).sum(dim=(1, 2, 3))
    return (rate + error / (RATE_WEIGHT * step_size(picture.quality) ** 2)) / samples, rate / samples


class Balance:
    """Divides losses by their running mean at that quality level."""

    def __init__(self) -> None:
        self.mean = torch.zeros(BUCKETS)

    def __call__(self, loss: Tensor, quality: Tensor) -> Tensor:
        bucket = quality * BUCKETS // LEVELS
        for b, value in zip(bucket.tolist(), loss.detach().tolist(), strict=True):
            self.mean[b] = value if self.mean[b] == 0 else 0.98 * self.mean[b] + 0.02 * value
        return loss / self.mean[bucket]


def groups(codec: ConditionalCodec, rate: float) -> list[dict[str, Any]]:
    """Parameters by how fast they may move: the transforms are near their best already, biases are in table indices."""
    biases = {id(p) for m in codec.modules() if isinstance(m, QualityBias) for p in m.parameters()}
    linear = {id(codec.forward_transform), id(codec.inverse_transform)}
    sets: dict[float, list[Tensor]] = {1.0: [], 0.03: [], 10.0: []}
    for parameter in codec.parameters():
        sets[10.0 if id(parameter) in biases else 0.03 if id(parameter) in linear else 1.0].append(parameter)
    return [{"params": params, "lr": rate * factor, "factor": factor} for factor, params in sets.items()]


def chain(
    codec: ConditionalCodec, key: ConditionalCodec | None, pictures: list[Planes], motion: list[Tensor], base: Tensor,
    first: int, ahead: int = 0,
) -> list[Picture]:  # fmt: skip
    """Code pictures; with `key` the first is its keyframe and untrained, and so are `ahead` predicted ones after it.

    first: position of the second picture. The quality of the keyframe is drawn, mostly lower than an encoder would have
    it: what pictures are predicted from in use is hardly ever a keyframe.
    """
    strength = draw_strengths(len(base), base.device)
    local = local_steps(pictures[0][0], strength)
    if key is None:
        return [Picture(code(codec, pictures[0], None, None, base, local), pictures[0], base, local)]
    with torch.no_grad():
        offset = torch.randint(quality_offset(0), WORST_KEY + 1, base.shape, device=base.device)
        reference = code(key, pictures[0], None, None, (base + offset).clamp(0, LEVELS - 1), local).reference
    result = []
    for t in range(1, len(pictures)):
        quality = at_level(base, quality_offset(first + t - 1))
        current, local = pictures[t], local_steps(pictures[t][0], strength)
        with torch.set_grad_enabled(t > ahead):
            predicted, moved = predict(current, reference, motion_at(motion[t], quality))
            coded = code(codec, current, predicted, moved, quality, local)
        reference = coded.reference
        if t > ahead:
            result.append(Picture(coded, current, quality, local))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("kind", choices=["key", "inter"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="training time the schedule is laid over")
    parser.add_argument("--key", type=Path, help="the key codec: a run folder, read anew now and then, or a zoo folder")
    parser.add_argument("--init", type=Path, help="weights to begin from: a run folder or a zoo folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    recipe = tomllib.loads(args.recipe.read_text())
    args.out.mkdir(parents=True, exist_ok=True)
    Run(recipe, args).train()


class Run:
    """One training run: what a checkpoint holds, and the loop."""

    def __init__(self, recipe: dict[str, Any], args: argparse.Namespace) -> None:
        self.args, self.recipe = args, recipe
        self.config = TrainConfig(**recipe["train"].get(args.kind, {}))
        torch.manual_seed(self.config.seed)
        network = ConditionalConfig(**recipe[args.kind])
        self.device = torch.device(args.device)
        self.codec = ConditionalCodec(network).to(self.device)
        self.average = ConditionalCodec(network).to(self.device)
        self.optimiser = torch.optim.Adam(groups(self.codec, self.config.learning_rate), betas=(0.9, 0.98), fused=True)
        self.balance = Balance()
        self.step, self.seconds = 0, 0.0
        self.checkpoint = args.out / "checkpoint.pt"
        self.key: ConditionalCodec | None = None
        if self.checkpoint.exists():
            self.load()
        self.read_key()
        clips = read_pack(args.data, dev=False)
        self.crops = Crops(clips, size=self.config.size, seed=self.config.seed + self.step)
        if self.step == 0 and args.init is not None:
            self.codec.load_state_dict(weights(args.init, args.kind))
        elif self.step == 0:
            start_prior(self.codec, self.key, self.sample)
        self.average.load_state_dict(self.codec.state_dict() if self.step == 0 else self.average.state_dict())

    def read_key(self) -> None:
        """The newest key codec, for the first picture of each chain."""
        if self.args.kind == "inter":
            self.key = ConditionalCodec(ConditionalConfig(**self.recipe["key"])).to(self.device).eval()
            self.key.load_state_dict(weights(self.args.key, "key"))

    @property
    def _parts(self) -> Parts:
        return {"codec": self.codec, "average": self.average, "optimiser": self.optimiser}

    def load(self) -> None:
        state = load_checkpoint(self.checkpoint, self._parts)
        self.balance.mean = state["balance"]
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        values = {"balance": self.balance.mean, "step": self.step, "seconds": self.seconds}
        save_checkpoint(self.checkpoint, self._parts, **values)

    def train(self) -> None:
        budget = self.args.minutes * 60
        mark = saved = reported = time.monotonic()
        sums: dict[str, float] = {}
        count = 0
        while self.seconds < budget:
            for key, value in self.train_step(self.seconds / budget).items():
                sums[key] = sums.get(key, 0.0) + value
            count += 1
            now = time.monotonic()
            self.seconds, mark = self.seconds + now - mark, now
            if now - reported > 60 or self.seconds >= budget:
                row = {"step": self.step, "minutes": self.seconds / 60} | {k: v / count for k, v in sums.items()}
                print(json.dumps({k: round(v, 4) for k, v in row.items()}), flush=True)
                sums, count, reported = {}, 0, now
            if now - saved > 180 or self.seconds >= budget:
                self.save()
                self.read_key()
                saved = now

    def train_step(self, progress: float) -> dict[str, float]:
        config = self.config
        fall = min(1.0, (1 - progress) / config.decay) * min(1.0, (self.step + 1) / config.warmup_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * group["factor"] * max(fall, 0.0)
        length, ahead = 1, 0
        if self.key is not None:
            ahead = int(torch.randint(config.ahead + 1, ()))
            length = 1 + ahead + config.lengths[min(int(progress * len(config.lengths)), len(config.lengths) - 1)]
        pictures, motion, base = self.sample(length)
        first = int(torch.randint(1, 5, ()))
        loss = torch.zeros((), device=self.device)
        terms: dict[str, float] = {}
        coded = chain(self.codec, self.key, pictures, motion, base, first, ahead)
        for picture in coded:
            value, rate = picture_loss(self.codec, picture)
            loss = loss + self.balance(value, picture.quality).mean() / len(coded)
            terms["loss"] = terms.get("loss", 0.0) + float(value.detach().log().mean()) / len(coded)
            terms["bpp"] = terms.get("bpp", 0.0) + float(rate.detach().mean()) / len(coded)
        self.optimiser.zero_grad()
        loss.backward()
        terms["norm"] = float(torch.nn.utils.clip_grad_norm_(self.codec.parameters(), 1.0))
        self.optimiser.step()
        self.step += 1
        share = min(config.average, self.step / (self.step + 20))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.codec.parameters(), strict=True):
                mean.lerp_(now, 1 - share)
        return terms

    def sample(self, length: int) -> tuple[list[Planes], list[Tensor], Tensor]:
        pictures, motion = self.crops.batch(self.config.batch, length)
        moved = [tuple(plane.to(self.device) for plane in planes) for planes in pictures]
        base = torch.randint(self.config.lowest, self.config.highest + 1, (self.config.batch,), device=self.device)
        return moved, [m.to(self.device) for m in motion], base  # type: ignore[return-value]


if __name__ == "__main__":
    main()
