"""Compare quantizers on one backbone.

`python -m mediacodec_models.research.quantizers --data PACK --init ZOO/NAME --minutes M -o TABLE.csv`

Each starts from the same shipped weights, trains as long on the same data and is measured on the same clips; with
`--frozen` the backbone stays as it is and the quantizer alone learns, on its latents. The clock counts processor time,
so that what else the machine does changes nothing. Rows are written one by one; those that the table has already are
passed over, so that a run that was stopped goes on.
"""

import argparse
import csv
import dataclasses
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mediacodec.metrics.audio import mel_distance
from mediacodec_models.audio.data import Segments
from mediacodec_models.audio.losses import ReconstructionLoss
from mediacodec_models.audio.resume import load_shipped
from mediacodec_models.audio.spectral import SpectralCodec, SpectralConfig
from mediacodec_models.audio.train import Run, TrainConfig, learning_rate, start_quantizer, train_step
from mediacodec_models.quantizers.base import Quantizer

LISTENED = 20  # clips of each split that are decoded
TRAIN_SHARE = 6  # every so manyth training clip is counted
WHOLE = 8  # frames of the latent that clips are filled up to: any stride goes into it
SEGMENT = 48  # frames


@dataclass(frozen=True)
class Entry:
    """A quantizer at a rate; commitment_weight as in TrainConfig."""

    quantizer: str
    num_codebooks: int
    codebook_size: int
    commitment_weight: float = 0.25


# Frames of 20 ms: the first group takes 0.7 kbit/s (codes of multiscale span four frames), the second 2 kbit/s
ENTRIES = (
    Entry("vq", 1, 16384),
    Entry("fsq", 1, 15360, commitment_weight=1.0),
    Entry("bsq", 1, 16384),
    Entry("simvq", 1, 16384),
    Entry("multiscale", 7, 256),
    Entry("rvq", 2, 128),
    Entry("rvq", 4, 1024),
    Entry("factorised", 4, 1024),
    Entry("group", 4, 1024),
    Entry("masked", 4, 1024),
    Entry("crossscale", 4, 1024),
)


def compare(entries: Sequence[Entry], network: SpectralConfig, args: argparse.Namespace) -> None:
    """Train and measure each entry on the backbone `network`; the table grows by a row each."""
    rows: list[dict[str, Any]] = []
    if args.out.exists():
        with args.out.open(newline="") as file:
            rows = list(csv.DictReader(file))
    done = {(row["quantizer"], int(row["codebooks"]), int(row["codebook_size"])) for row in rows}
    for entry in entries:
        if dataclasses.astuple(entry)[:3] in done or (args.only and entry.quantizer not in args.only):
            continue
        rows.append(measured(entry, network, args))
        print(" ".join(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
        beside = args.out.with_suffix(".tmp")
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[-1]))
            writer.writeheader()
            writer.writerows(rows)
        beside.replace(args.out)


def measured(entry: Entry, network: SpectralConfig, args: argparse.Namespace) -> dict[str, Any]:
    """One row: bits, codes in use, entropy and reconstruction, on training and on development speakers."""
    shape = dataclasses.replace(
        network,
        quantizer=entry.quantizer,
        num_codebooks=entry.num_codebooks,
        codebook_size=entry.codebook_size,
    )
    codec, steps = (fitted if args.frozen else trained)(entry, shape, args)
    rate = shape.sample_rate / shape.frame_size
    row: dict[str, Any] = {
        "quantizer": entry.quantizer,
        "codebooks": entry.num_codebooks,
        "codebook_size": entry.codebook_size,
        "bits_per_second": round(entry.num_codebooks * np.log2(entry.codebook_size) * rate, 1),
        "steps": steps,
    }
    for dev in (False, True):
        split = "dev" if dev else "train"
        clips = counted_clips(args.data, dev)
        latents = frozen_latents(network, args.init, args.data, dev) if args.frozen else encoded(codec, clips)
        with torch.no_grad():
            codes = [codec.quantizer.encode(latent) for latent in latents]
        joined = torch.cat(codes, dim=2)[0].numpy()
        used, bits = usage(joined, entry.codebook_size)
        some = range(0, len(clips), max(1, len(clips) // LISTENED))[:LISTENED]
        scores = [scored(codec, clips[i], codes[i]) for i in some]
        row[f"frames_{split}"] = joined.shape[1]
        row[f"used_{split}"] = round(used, 4)
        row[f"entropy_{split}"] = round(bits * rate, 1)
        for key in scores[0]:
            row[f"{key}_{split}"] = round(float(np.mean([score[key] for score in scores])), 4)
    return row


def trained(entry: Entry, shape: SpectralConfig, args: argparse.Namespace) -> tuple[SpectralCodec, int]:
    """The codec after `minutes` of processor time, all codebooks in use, and the steps that took."""
    config = TrainConfig(
        segment=SEGMENT * shape.latent_size,
        kept=(entry.num_codebooks,),
        complex_weight=(1.0, 1.0),
        commitment_weight=entry.commitment_weight,
        warmup_steps=50,
        free_steps=0,
        decay=0.6,
    )
    model = started(shape, args.init)
    average = SpectralCodec(shape)
    average.load_state_dict(model.state_dict())
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=config.learning_rate, betas=(0.8, 0.99), weight_decay=0.01)
    run = Run(model, average, optimiser)
    segments = Segments(args.data, length=config.segment, dev=False, seed=config.seed)
    start_quantizer(run, segments, torch.device("cpu"))
    loss = ReconstructionLoss(shape.sample_rate)

    def step(progress: float) -> None:
        model.train()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, run.step, progress)
        batch = segments.batch(config.batch)
        train_step(run, config, batch, loss)
        if run.step % config.restart_every == 0:
            with torch.no_grad():
                latent = model.encoder.step(batch, model.encoder.initial_state(len(batch)))[0].flatten(0, 1)
            model.quantizer.restart(latent)

    timed(step, args.minutes)
    return average.eval(), run.step


def fitted(entry: Entry, shape: SpectralConfig, args: argparse.Namespace) -> tuple[SpectralCodec, int]:
    """The shipped codec with a quantizer that learnt on its latents for `minutes`, and the steps that took."""
    config = TrainConfig(warmup_steps=50, decay=0.6)
    codec = started(shape, args.init).eval()
    quantizer: Quantizer = codec.quantizer
    backbone = dataclasses.replace(shape, quantizer="rvq", num_codebooks=1, codebook_size=2)
    latents = torch.cat([latent[0] for latent in frozen_latents(backbone, args.init, args.data, False)])
    quantizer.initialise(latents)
    variance = latents.var()
    weights = [p for p in quantizer.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(weights) if weights else None
    kept = torch.full((config.batch,), entry.num_codebooks)
    places = torch.arange(SEGMENT)
    steps = 0

    def step(progress: float) -> None:
        nonlocal steps
        quantizer.train()
        batch = latents[torch.randint(len(latents) - SEGMENT, (config.batch, 1)) + places]
        quantized, commitment, _ = quantizer(batch, kept)
        if optimiser:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(config, steps, progress)
            optimiser.zero_grad()
            # relative, as losses of audio are: an absolute one on large latents would outweigh any commitment
            error = (quantized - batch).square().mean() / variance
            (error + entry.commitment_weight * commitment).backward()
            optimiser.step()
        steps += 1
        if steps % config.restart_every == 0:
            quantizer.restart(batch.flatten(0, 1))

    timed(step, args.minutes)
    quantizer.eval()
    return codec, steps


def started(shape: SpectralConfig, init: Path | None) -> SpectralCodec:
    """A codec with the weights of the shipped one in `init`, all but its quantizer's where that is another."""
    torch.manual_seed(0)
    codec = SpectralCodec(shape)
    if init:
        load_shipped(codec, init)
    return codec


def timed(step: Callable[[float], None], minutes: float) -> None:
    """Call step(progress in 0..1) for so many minutes of processor time, once at least."""
    begin, spent = time.process_time(), 0.0
    while spent < 60 * minutes:
        step(spent / (60 * minutes))
        spent = time.process_time() - begin


def counted_clips(data: Path, dev: bool) -> list[np.ndarray]:
    """The clips of a split whose codes are counted, 16-bit samples."""
    return Segments(data, length=1, dev=dev, seed=0).clips[:: 1 if dev else TRAIN_SHARE]


@cache
def frozen_latents(network: SpectralConfig, init: Path | None, data: Path, dev: bool) -> list[Tensor]:
    """What the shipped encoder makes of the counted clips of a split; whatever the quantizer."""
    plain = dataclasses.replace(network, quantizer="rvq", num_codebooks=1, codebook_size=2)
    if plain != network:
        return frozen_latents(plain, init, data, dev)
    return encoded(started(plain, init), counted_clips(data, dev))


@torch.no_grad()
def encoded(codec: SpectralCodec, clips: Sequence[np.ndarray]) -> list[Tensor]:
    """Latents [1, frames, dim] of 16-bit samples and of zeros behind them that pay the delay."""
    result, whole = [], WHOLE * codec.config.latent_size
    for clip in clips:
        missing = codec.config.delay + (-len(clip) - codec.config.delay) % whole
        samples = torch.from_numpy(np.pad(clip.astype(np.float32) / 32768, (0, missing)))[None]
        result.append(codec.encoder.step(samples, codec.encoder.initial_state(1))[0])
    return result


@torch.no_grad()
def scored(codec: SpectralCodec, clip: np.ndarray, codes: Tensor) -> dict[str, float]:
    """Distances of what the codes of a clip decode to; STOI where pystoi is installed."""
    decoded, _ = codec.decoder.step(codec.quantizer.decode(codes), codec.decoder.initial_state(1))
    ours = decoded[0, codec.config.delay :].numpy()[: len(clip)].astype(np.float64)
    original = clip / 32768
    result = {"mel": mel_distance(original, ours, codec.config.sample_rate)}
    if importlib.util.find_spec("pystoi"):
        from pystoi import stoi

        result["stoi"] = float(stoi(original, ours, codec.config.sample_rate))
    return result


def usage(codes: np.ndarray, size: int) -> tuple[float, float]:
    """Share of entries that occur, over all codebooks, and the bits a frame if each code were coded on its own."""
    counts = np.stack([np.bincount(book, minlength=size) for book in codes])
    share = counts / codes.shape[1]
    bits = -(share * np.log2(np.where(counts, share, 1))).sum()
    return float((counts > 0).mean()), float(bits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.audio.data.pack")
    parser.add_argument("--minutes", type=float, required=True, help="processor time to train each for")
    parser.add_argument("--init", type=Path, help="zoo folder of a shipped model whose weights to start from")
    parser.add_argument("--frozen", action="store_true", help="train the quantizer alone, on latents of --init")
    parser.add_argument("--only", nargs="*", help="quantizers; all where none is named")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the table, CSV")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    compare(ENTRIES, SpectralConfig(), args)


if __name__ == "__main__":
    main()
