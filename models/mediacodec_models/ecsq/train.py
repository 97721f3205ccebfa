"""Train a scalar codec from a recipe: `python -m mediacodec_models.ecsq.train RECIPE.toml --data PACK --out RUN`.

The learning rate rises, stays, and falls over the last `--fall` minutes of `--minutes` (a run without them goes on
until it is stopped, and a later one with them ends it). A run resumes from RUN/checkpoint.pt wherever it was stopped.
RUN/log.csv grows by a line every report.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mediacodec_models.audio.losses import ReconstructionLoss
from mediacodec_models.checkpoints import Parts, load_checkpoint, save_checkpoint
from mediacodec_models.ecsq.data import AugmentedSegments, Corpus
from mediacodec_models.ecsq.network import ScalarCodec, ScalarConfig
from mediacodec_models.ecsq.rates import RateSteering
from mediacodec_models.ecsq.resume import load_shipped
from mediacodec_models.layers.quality import knot_weights

GAIN_RATE = 3.0  # times the learning rate, of the gains: they must follow the rates they are to meet
MEASURED = 4  # steps between two measurements of rates


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train.

    Attributes:
        batch, segment: segments a step, samples of each.
        learning_rate, warmup_steps: of AdamW.
        rates: kbit/s that the lowest and the highest quality are to take on average.
        steering: how fast the price of a bit follows the rates (`RateSteering`).
        complex_weight: of the complex term (`ReconstructionLoss`) at the lowest and the highest quality: where few bits
            are left phase is beyond reach, where there are many it is what separates good from fair.
        ema: decay of the average of the weights, which is what ships.
        bfloat16: products in bfloat16, where the processor multiplies such numbers itself.
        seed: of everything random.
    """

    batch: int = 16
    segment: int = 16_000
    learning_rate: float = 1.5e-3
    warmup_steps: int = 200
    rates: tuple[float, float] = (0.8, 14.0)
    steering: float = 0.03
    complex_weight: tuple[float, float] = (0.5, 2.5)
    ema: float = 0.9995
    bfloat16: bool = True
    seed: int = 0


class Run:
    """Everything a checkpoint holds."""

    def __init__(self, network: ScalarConfig, config: TrainConfig) -> None:
        torch.manual_seed(config.seed)
        self.model, self.average = ScalarCodec(network), ScalarCodec(network)
        self.average.load_state_dict(self.model.state_dict())
        self.average.requires_grad_(False)
        self.steering = RateSteering(network, config.rates, config.steering)
        gains = [self.model.log_gain]
        others = [p for name, p in self.model.named_parameters() if name != "log_gain"]
        groups = [{"params": others, "factor": 1.0}, {"params": gains, "factor": GAIN_RATE, "weight_decay": 0.0}]
        rate = config.learning_rate
        self.optimiser = torch.optim.AdamW(groups, lr=rate, betas=(0.8, 0.99), weight_decay=0.01, fused=True)
        self.step, self.first, self.seconds = 0, 0, 0.0

    @property
    def _parts(self) -> Parts:
        parts = {"model": self.model, "average": self.average, "optimiser": self.optimiser}
        return parts | {"steering": self.steering}

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        save_checkpoint(path, self._parts, step=self.step, seconds=self.seconds)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; the learning rate rises anew."""
        state = load_checkpoint(path, self._parts)
        self.step = self.first = state["step"]
        self.seconds = state["seconds"]


def read_recipe(path: Path) -> tuple[ScalarConfig, TrainConfig]:
    """The shape of the network and how to train it."""
    recipe: dict[str, Any] = tomllib.loads(path.read_text())
    network, train = (plain(recipe[name]) for name in ("network", "train"))
    return ScalarConfig(**network), TrainConfig(**train)


def plain(table: dict[str, Any]) -> dict[str, Any]:
    """A table of a recipe, with tuples for its lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def train_step(run: Run, config: TrainConfig, batch: Tensor, loss: ReconstructionLoss) -> dict[str, float]:
    """One step; returns the loss terms."""
    network = run.model.config
    quality = torch.rand(len(batch))
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        coded = run.model(batch, quality, noisy=True)
    low, high = config.complex_weight
    terms = loss(coded.samples, batch[:, : coded.samples.shape[1]], low + (high - low) * quality)
    bits = coded.bits.sum(2).mean(1)  # a frame
    total = terms["total"] + (run.steering.price(quality) * bits).mean()
    run.optimiser.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    terms["gradient"] = torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimiser.step()
    if run.step % MEASURED == 0:
        # noise costs bits where rounding gives nothing but zeros: rates are those of rounded symbols
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            knots = knot_weights(quality, network.knots)
            log_gain = knots @ run.model.log_gain
            symbols = (coded.latent * log_gain.exp()[:, None]).round()
            exact = run.model.packet_bits(symbols, coded.latent, knots, log_gain).sum(2).mean(1).float()
        run.steering.learn(quality, exact, MEASURED)
        terms["kbps"] = run.steering.kbps(exact).mean()
    share = min(config.ema, (run.step + 1) / (run.step + 10))
    torch._foreach_lerp_(list(run.average.parameters()), [p.detach() for p in run.model.parameters()], 1 - share)
    run.step += 1
    return {key: float(value.detach()) for key, value in (terms | {"total": total}).items()}


@torch.no_grad()
def evaluate(model: ScalarCodec, batch: Tensor, loss: ReconstructionLoss) -> dict[str, float]:
    """Rate and loss terms on development speakers at three qualities."""
    result: dict[str, float] = {}
    for quality in (0.25, 0.5, 0.75):
        coded = model(batch, torch.full((len(batch),), quality), noisy=False)
        terms = loss(coded.samples, batch[:, : coded.samples.shape[1]], torch.ones(len(batch)))
        kbps = coded.bits.sum(2).mean() * model.config.sample_rate / model.config.hop / 1000
        result |= {f"kbps@{quality}": float(kbps)}
        result |= {f"{name}@{quality}": float(terms[name]) for name in ("mel", "complex")}
    return result


def learning_rate(config: TrainConfig, run: Run, minutes: float | None, fall: float) -> float:
    """Of the next step."""
    rise = min(1.0, (run.step - run.first + 1) / config.warmup_steps)
    left = math.inf if minutes is None else minutes - run.seconds / 60
    return config.learning_rate * rise * min(1.0, max(0.01, left / fall))


def run_training(recipe: Path, args: argparse.Namespace) -> None:
    """Train until the minutes are over, or for ever."""
    network, config = read_recipe(recipe)
    args.out.mkdir(parents=True, exist_ok=True)
    run, checkpoint = Run(network, config), args.out / "checkpoint.pt"
    if checkpoint.exists():
        run.load(checkpoint)
    elif args.init:
        load_shipped(run.model, run.steering, args.init)
        run.average.load_state_dict(run.model.state_dict())
    if not args.eager:
        for part in (run.model.encoder.stack, run.model.decoder.stack, run.model.entropy.stack):
            part.compile()
    rate = network.sample_rate
    noise = Corpus(args.noise, dev=False, sample_rate=rate) if args.noise else None
    seed = config.seed + run.step
    segments = AugmentedSegments(Corpus(args.data, dev=False, sample_rate=rate), noise, size=config.segment, seed=seed)
    held = AugmentedSegments(Corpus(args.data, dev=True, sample_rate=rate), None, size=2 * config.segment, seed=1)
    dev, loss = held.batch(24), ReconstructionLoss(rate)
    torch.manual_seed(seed)
    sums: dict[str, list[float]] = {}
    mark = reported = saved = time.monotonic()
    over = False
    while not over:
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(config, run, args.minutes, args.fall) * group["factor"]
        for key, value in train_step(run, config, segments.batch(config.batch), loss).items():
            sums.setdefault(key, []).append(value)
        now = time.monotonic()
        run.seconds, mark = run.seconds + now - mark, now
        over = run.seconds >= 60 * (args.minutes or math.inf) or run.step >= (args.steps or math.inf)
        if now - reported > args.report or over:
            means = {key: sum(values) / len(values) for key, values in sums.items()}
            report(args.out, run, means | evaluate(run.average, dev, loss))
            sums, reported = {}, now
        if now - saved > 240 or over:
            run.save(checkpoint)
            saved = now


def report(folder: Path, run: Run, row: dict[str, float]) -> None:
    """A line for whoever watches, and one of the log."""
    row = {"step": run.step, "minutes": run.seconds / 60, "lr": run.optimiser.param_groups[0]["lr"]} | row
    print(json.dumps({key: round(value, 4) for key, value in row.items()}), flush=True)
    path = folder / "log.csv"
    header = path.read_text().partition("\n")[0].split(",") if path.exists() else []
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [name.strip() for name in header] or sorted(row), extrasaction="ignore")
        if not header:
            writer.writeheader()
        writer.writerow(row)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="pack of speech (mediacodec_models.audio.data)")
    parser.add_argument("--noise", type=Path, help="pack of noise and music to be put behind speech")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--init", type=Path, help="zoo folder of a shipped model whose weights to start from")
    parser.add_argument("--minutes", type=float, help="training time at which the run ends; none: never")
    parser.add_argument("--steps", type=int, help="steps after which the run ends; none: never")
    parser.add_argument("--fall", type=float, default=60.0, help="minutes of falling learning rate at the end")
    parser.add_argument("--report", type=float, default=120.0, help="seconds between two lines of the log")
    parser.add_argument("--eager", action="store_true", help="compile nothing: where there is no C++ compiler")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    run_training(args.recipe, args)


if __name__ == "__main__":
    main()
