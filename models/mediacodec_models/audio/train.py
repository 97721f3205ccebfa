"""Train a codec from a recipe: `python -m mediacodec_models.audio.train RECIPE.toml --data PACK --out RUN`.

The schedule is laid over `--minutes` of training time rather than over steps, since what a machine has to give is time:
warm-up, constant, then linear to zero over the last `decay` share. A run resumes from RUN/checkpoint.pt wherever it was
stopped; time already spent counts. RUN/log.csv grows by a line every report.
"""

import argparse
import csv
import json
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from mediacodec_models.audio.data import Segments
from mediacodec_models.audio.losses import ReconstructionLoss
from mediacodec_models.audio.resume import load_shipped
from mediacodec_models.audio.spectral import SpectralCodec, SpectralConfig
from mediacodec_models.checkpoints import Parts, load_checkpoint, save_checkpoint


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train; rates are sampled per segment from `kept`, the numbers of codebooks that stay.

    complex_weight: of the complex term with one codebook and with all, linear between. Where few bits are left phase is
    beyond reach, and pulling at the waveform only muffles; where there are many it is what separates good from fair
    (development speakers, one run of 250 steps each: 3 instead of 9 gave 0.02 more STOI at 3 codebooks, 9 gave 0.10
    more PESQ at 13).
    bfloat16: matrix products of the networks in bfloat16, the loss and the quantizer in float32 as ever: 1.4 times as
    fast on a processor that multiplies such numbers itself.
    """

    batch: int = 8
    segment: int = 16_000
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    decay: float = 0.4
    free_steps: int = 400
    complex_weight: tuple[float, float] = (3.0, 8.0)
    commitment_weight: float = 0.25
    ema: float = 0.999
    restart_every: int = 50
    kept: tuple[int, ...] = (1, 2, 4, 8, 16)
    bfloat16: bool = False
    seed: int = 0


@dataclass
class Run:
    """Everything a checkpoint holds."""

    model: SpectralCodec
    average: SpectralCodec
    optimiser: torch.optim.Optimizer
    step: int = 0
    first: int = 0  # the step at which this run began: the warm-up starts there
    seconds: float = 0.0

    @property
    def _parts(self) -> Parts:
        return {"model": self.model, "average": self.average, "optimiser": self.optimiser}

    def save(self, path: Path) -> None:
        save_checkpoint(path, self._parts, step=self.step, seconds=self.seconds)

    def load(self, path: Path) -> None:
        state = load_checkpoint(path, self._parts)
        self.step, self.seconds = state["step"], state["seconds"]


def read_recipe(path: Path) -> tuple[SpectralConfig, TrainConfig]:
    recipe: dict[str, Any] = tomllib.loads(path.read_text())
    network = {k: _tuples(v) for k, v in recipe["network"].items()}
    return SpectralConfig(**network), TrainConfig(**{k: _tuples(v) for k, v in recipe["train"].items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


class Schedule(Protocol):
    """What a recipe says of the learning rate: its height, the steps it rises in, the share of the time it falls in."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def warmup_steps(self) -> int: ...
    @property
    def decay(self) -> float: ...


def learning_rate(config: Schedule, step: int, progress: float) -> float:
    """At `progress` in 0..1 of the time budget."""
    fall = min(1.0, max(0.0, (1 - progress) / config.decay))
    return config.learning_rate * min(1.0, (step + 1) / config.warmup_steps) * fall


def start_quantizer(run: Run, segments: Segments, device: torch.device) -> None:
    """Start the quantizer on latents of the network as it stands after `free_steps`, two for each entry and more."""
    latents: list[Tensor] = []
    frames = segments.length // run.model.config.latent_size
    for _ in range(max(40, 2 * run.model.config.codebook_size // (8 * frames))):
        batch = segments.batch(8).to(device)
        with torch.no_grad():
            latents.append(run.model.encoder.step(batch, run.model.encoder.initial_state(8))[0].flatten(0, 1))
    run.model.quantizer.initialise(torch.cat(latents))
    run.average.load_state_dict(run.model.state_dict())


def train_step(run: Run, config: TrainConfig, batch: Tensor, loss: ReconstructionLoss) -> dict[str, float]:
    """One step; returns the loss terms."""
    free = run.step < config.free_steps
    kept = torch.tensor(config.kept)[torch.randint(len(config.kept), (len(batch),))].to(batch.device)
    with torch.autocast(batch.device.type, torch.bfloat16, enabled=config.bfloat16):
        output, commitment = run.model(batch, None if free else kept)
    low, high = config.complex_weight
    weight = low + (high - low) * (kept - 1) / max(1, run.model.config.num_codebooks - 1)
    terms = loss(output.float(), batch[:, : output.shape[1]], weight)
    total = terms["total"] + config.commitment_weight * commitment
    run.optimiser.zero_grad(set_to_none=True)
    total.backward()
    terms["gradient"] = torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimiser.step()
    with torch.no_grad():
        share = min(config.ema, (run.step + 1) / (run.step + 10))
        learnt: list[Tensor] = [p for p in run.model.parameters() if p.requires_grad]
        averages: list[Tensor] = [p for p in run.average.parameters() if p.requires_grad]
        torch._foreach_lerp_(averages, learnt, 1 - share)
        moved = dict(run.average.quantizer.named_parameters()) | dict(run.average.quantizer.named_buffers())
        for name, value in run.model.quantizer.state_dict().items():
            if not moved[name].requires_grad:  # codebooks that are averages already
                moved[name].copy_(value)
    run.step += 1
    return {k: float(v.detach()) for k, v in (terms | {"commitment": commitment}).items()}


@torch.no_grad()
def evaluate(model: SpectralCodec, batch: Tensor, loss: ReconstructionLoss) -> dict[str, float]:
    """Loss terms on development speakers at up to three rates."""
    result: dict[str, float] = {}
    model.eval()
    books = model.config.num_codebooks
    for kept in [n for n in (4, 8, 16) if n <= books] or [books]:
        output, _ = model(batch, torch.full((len(batch),), kept, device=batch.device))
        terms = loss(output, batch[:, : output.shape[1]], torch.ones(len(batch), device=batch.device))
        result |= {f"mel@{kept}": float(terms["mel"]), f"complex@{kept}": float(terms["complex"])}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.audio.data.pack")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--minutes", type=float, required=True, help="training time the schedule is laid over")
    parser.add_argument("--init", type=Path, help="zoo folder of a shipped model whose weights to start from")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    network, config = read_recipe(args.recipe)
    args.out.mkdir(parents=True, exist_ok=True)
    run_training(network, config, args)


def run_training(network: SpectralConfig, config: TrainConfig, args: argparse.Namespace) -> None:
    if config.segment % network.frame_size:
        raise ValueError(f"segments of {config.segment} samples are no whole frames of {network.frame_size}")
    device = torch.device(args.device)
    torch.manual_seed(config.seed)
    model, average = SpectralCodec(network).to(device), SpectralCodec(network).to(device)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=config.learning_rate, betas=(0.8, 0.99), weight_decay=0.01, fused=True)
    run = Run(model, average, optimiser)
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        run.load(checkpoint)
    elif getattr(args, "init", None):
        whole = load_shipped(model, args.init)
        average.load_state_dict(model.state_dict())
        run.step = run.first = config.free_steps + whole  # a quantizer that is not there yet starts at free_steps
    segments = Segments(args.data, length=config.segment, dev=False, seed=config.seed + run.step)
    torch.manual_seed(config.seed + run.step)
    dev = Segments(args.data, length=2 * config.segment, dev=True, seed=1).batch(24).to(device)
    loss = ReconstructionLoss(network.sample_rate).to(device)
    sums: dict[str, float] = {}
    budget, count = args.minutes * 60, 0
    mark = reported = saved = time.monotonic()
    while run.seconds < budget:
        if run.step == config.free_steps:
            start_quantizer(run, segments, device)
        model.train()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, run.step - run.first, run.seconds / budget)
        batch = segments.batch(config.batch).to(device)
        terms = train_step(run, config, batch, loss)
        if run.step > config.free_steps and run.step % config.restart_every == 0:
            with torch.no_grad():
                latent = model.encoder.step(batch, model.encoder.initial_state(len(batch)))[0].flatten(0, 1)
            terms["restarted"] = model.quantizer.restart(latent)
        for key, value in terms.items():
            sums[key] = sums.get(key, 0.0) + value
        count += 1
        now = time.monotonic()
        run.seconds, mark = run.seconds + now - mark, now
        if now - reported > 120 or run.seconds >= budget:
            report(args.out, run, {k: v / count for k, v in sums.items()} | evaluate(average, dev, loss))
            sums, count, reported = {}, 0, now
        if now - saved > 240 or run.seconds >= budget:
            run.save(checkpoint)
            saved = now


def report(folder: Path, run: Run, row: dict[str, float]) -> None:
    row = {"step": run.step, "minutes": run.seconds / 60, "lr": run.optimiser.param_groups[0]["lr"]} | row
    print(json.dumps({k: round(v, 4) for k, v in row.items()}), flush=True)
    path = folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=sorted({*row, "restarted"}), extrasaction="ignore", restval="")
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
