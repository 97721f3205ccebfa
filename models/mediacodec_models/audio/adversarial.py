"""The adversarial stage: `python -m mediacodec_models.audio.adversarial RECIPE.toml --run RUN --data PACK --out RUN2`.

Only the decoder learns. Encoder and codebooks stay what the reconstruction losses made them, so codes, rates and
entropy tables do too, and a stream decodes with either decoder to the same words. RUN2/checkpoint.pt has the form of
train's, for `mediacodec_models.audio.export`; the stage resumes from it.
"""

import argparse
import json
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mediacodec_models.audio.data import Segments
from mediacodec_models.audio.discriminators import Discriminators, discriminator_loss, generator_losses
from mediacodec_models.audio.losses import ReconstructionLoss
from mediacodec_models.audio.resume import load_shipped
from mediacodec_models.audio.spectral import SpectralCodec
from mediacodec_models.audio.train import learning_rate, read_recipe
from mediacodec_models.checkpoints import Parts, load_checkpoint, save_checkpoint


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """The recipe's [adversarial].

    reconstruction, adversarial, feature: weights of the three losses; complex_weight: as in TrainConfig, within the
    first; alone: steps in which the discriminators learn and the decoder does not.
    """

    windows: tuple[int, ...] = (1024, 512, 256)
    channels: int = 16
    learning_rate: float = 2e-4
    warmup_steps: int = 100
    decay: float = 0.5
    reconstruction: float = 4.0
    complex_weight: tuple[float, float] = (0.3, 0.3)
    adversarial: float = 1.0
    feature: float = 4.0
    alone: int = 100
    ema: float = 0.998
    bfloat16: bool = True


@dataclass
class Stage:
    """Everything a checkpoint of this stage holds."""

    codec: SpectralCodec
    average: SpectralCodec
    discriminators: Discriminators
    optimisers: dict[str, torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0

    @property
    def _parts(self) -> Parts:
        nets = {"model": self.codec, "average": self.average, "discriminators": self.discriminators}
        return nets | {f"optimiser of {name}": optimiser for name, optimiser in self.optimisers.items()}

    def save(self, path: Path) -> None:
        save_checkpoint(path, self._parts, step=self.step, seconds=self.seconds)

    def load(self, path: Path) -> None:
        state = load_checkpoint(path, self._parts)
        self.step, self.seconds = state["step"], state["seconds"]


def read_config(path: Path) -> AdversarialConfig:
    values: dict[str, Any] = tomllib.loads(path.read_text()).get("adversarial", {})
    values |= {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return AdversarialConfig(**values)


def open_stage(codec: SpectralCodec, config: AdversarialConfig) -> Stage:
    """The stage at its beginning; freezes all of the codec but its decoder."""
    codec.requires_grad_(False)
    codec.decoder.requires_grad_(True)
    average = SpectralCodec(codec.config)
    average.load_state_dict(codec.state_dict())
    discriminators = Discriminators(config.windows, config.channels)
    optimisers: dict[str, torch.optim.Optimizer] = {
        "decoder": torch.optim.AdamW(codec.decoder.parameters(), betas=(0.8, 0.99), weight_decay=0.01, fused=True),
        "discriminators": torch.optim.AdamW(discriminators.parameters(), betas=(0.8, 0.99), fused=True),
    }
    return Stage(codec, average, discriminators, optimisers)


def quantized(codec: SpectralCodec, batch: Tensor, kept: Tensor) -> Tensor:
    """The latent as the decoder gets it, [batch, frames, dim]."""
    with torch.no_grad():
        latent, _ = codec.encoder.step(batch, codec.encoder.initial_state(len(batch)))
        return codec.quantizer.decode(codec.quantizer.dropped(codec.quantizer.encode(latent), kept))


def stage_step(
    stage: Stage, config: AdversarialConfig, batch: Tensor, kept: Tensor, loss: ReconstructionLoss
) -> dict[str, float]:
    """One step of the discriminators and one of the decoder; returns the loss terms."""
    codec, delay = stage.codec, stage.codec.config.delay
    latent = quantized(codec, batch, kept)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        output = codec.decoder.step(latent, codec.decoder.initial_state(len(batch)))[0][:, delay:].float()
        target = batch[:, : output.shape[1]]
        telling = discriminator_loss(stage.discriminators(target), stage.discriminators(output.detach()))
    _descend(stage.optimisers["discriminators"], telling)
    terms = {"discriminators": telling}
    if stage.step >= config.alone:
        low, high = config.complex_weight
        weight = low + (high - low) * (kept - 1) / max(1, codec.config.num_codebooks - 1)
        stage.discriminators.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            with torch.no_grad():
                real = stage.discriminators(target)
            passing, distance = generator_losses(real, stage.discriminators(output))
        stage.discriminators.requires_grad_(True)
        reconstruction = loss(output, target, weight)
        total = config.reconstruction * reconstruction["total"]
        total = total + config.adversarial * passing + config.feature * distance
        _descend(stage.optimisers["decoder"], total)
        terms |= reconstruction | {"adversarial": passing, "feature": distance}
        with torch.no_grad():
            averages: list[Tensor] = list(stage.average.decoder.parameters())
            learnt: list[Tensor] = list(codec.decoder.parameters())
            torch._foreach_lerp_(averages, learnt, 1 - config.ema)
    stage.step += 1
    return {key: float(value.detach()) for key, value in terms.items()}


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 1.0)
    optimiser.step()


def run_stage(codec: SpectralCodec, recipe: Path, args: argparse.Namespace) -> None:
    """Train for `args.minutes`, a checkpoint in args.out every few."""
    config, train = read_config(recipe), read_recipe(recipe)[1]
    torch.manual_seed(train.seed)
    stage = open_stage(codec, config)
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        stage.load(checkpoint)
    segments = Segments(args.data, length=train.segment, dev=False, seed=train.seed + stage.step)
    torch.manual_seed(train.seed + stage.step)  # after a stop other rates are drawn, not the first ones again
    loss = ReconstructionLoss(codec.config.sample_rate)
    kept_of = torch.tensor(train.kept)
    sums: dict[str, float] = {}
    budget, count = args.minutes * 60, 0
    mark = reported = saved = time.monotonic()
    while stage.seconds < budget:
        late = {"discriminators": 0, "decoder": config.alone}  # steps after which each begins, and warms up
        for name, optimiser in stage.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(config, max(0, stage.step - late[name]), stage.seconds / budget)
        batch = segments.batch(train.batch)
        kept = kept_of[torch.randint(len(kept_of), (len(batch),))]
        for key, value in stage_step(stage, config, batch, kept, loss).items():
            sums[key] = sums.get(key, 0.0) + value
        count += 1
        now = time.monotonic()
        stage.seconds, mark = stage.seconds + now - mark, now
        done = stage.seconds >= budget
        if now - reported > 60 or done:
            row = {"step": stage.step, "minutes": stage.seconds / 60} | {k: v / count for k, v in sums.items()}
            print(json.dumps({k: round(v, 4) for k, v in row.items()}), flush=True)
            sums, count, reported = {}, 0, now
        if now - saved > 240 or done:
            stage.save(checkpoint)
            saved = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--run", type=Path, help="folder with the checkpoint.pt to start from")
    start.add_argument("--init", type=Path, help="zoo folder of a shipped model to start from")
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.audio.data.pack")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--minutes", type=float, required=True, help="training time the schedule is laid over")
    args = parser.parse_args()
    if args.run and args.run.resolve() == args.out.resolve():
        parser.error("--out must be another folder than --run: both keep a checkpoint.pt")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    codec = SpectralCodec(read_recipe(args.recipe)[0])
    if args.run:
        state = torch.load(args.run / "checkpoint.pt", weights_only=True, map_location="cpu")
        codec.load_state_dict(state["average"])
    elif not load_shipped(codec, args.init):
        parser.error(f"{args.init} has another quantizer than {args.recipe}")
    run_stage(codec, args.recipe, args)


if __name__ == "__main__":
    main()
