"""Compare quantizers on one backbone.

`python -m mediacodec_models.quantizers.compare --data PACK --init ZOO/NAME --minutes M -o TABLE.csv`

Each starts from the same shipped weights (`--init`), trains as long on the same data and is measured on the same clips.
The clock counts processor time, so that what else the machine does changes nothing. Rows are written one by one; those
that the table has already are passed over, so that a run that was stopped goes on.
"""

import argparse
import csv
import dataclasses
import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mediacodec.metrics import mel_distance
from mediacodec_models.audio.spectral import SpectralCodec, SpectralConfig
from mediacodec_models.data import Segments
from mediacodec_models.losses import ReconstructionLoss
from mediacodec_models.resume import load_shipped
from mediacodec_models.train import Run, TrainConfig, learning_rate, start_quantizer, train_step

CLIPS = 40  # measured of each split
TRAIN_SHARE = 6  # every so manyth training clip is counted


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
    config = TrainConfig(
        segment=15_360,
        kept=(entry.num_codebooks,),
        complex_weight=(1.0, 1.0),
        commitment_weight=entry.commitment_weight,
        warmup_steps=50,
        free_steps=0,
        decay=0.6,
    )
    run = trained(shape, config, args)
    codec = run.average.eval()
    rate = shape.sample_rate / shape.frame_size
    row: dict[str, Any] = {
        "quantizer": entry.quantizer,
        "codebooks": entry.num_codebooks,
        "codebook_size": entry.codebook_size,
        "bits_per_second": round(entry.num_codebooks * np.log2(entry.codebook_size) * rate, 1),
        "steps": run.step - run.first,
    }
    for dev in (False, True):
        split = "dev" if dev else "train"
        clips = Segments(args.data, length=1, dev=dev, seed=0).clips
        codes = np.concatenate([coded(codec, clip)[0] for clip in clips[:: 1 if dev else TRAIN_SHARE]], axis=1)
        used, bits = usage(codes, entry.codebook_size)
        scores = [scored(codec, clip) for clip in clips[:: max(1, len(clips) // CLIPS)][:CLIPS]]
        row[f"frames_{split}"] = codes.shape[1]
        row[f"used_{split}"] = round(used, 4)
        row[f"entropy_{split}"] = round(bits * rate, 1)
        for key in scores[0]:
            row[f"{key}_{split}"] = round(float(np.mean([score[key] for score in scores])), 4)
    return row


def trained(shape: SpectralConfig, config: TrainConfig, args: argparse.Namespace) -> Run:
    """The codec after `minutes` of processor time, all codebooks in use."""
    torch.manual_seed(config.seed)
    model, average = SpectralCodec(shape), SpectralCodec(shape)
    if args.init:
        load_shipped(model, args.init)
        average.load_state_dict(model.state_dict())
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=config.learning_rate, betas=(0.8, 0.99), weight_decay=0.01)
    run = Run(model, average, optimiser)
    segments = Segments(args.data, length=config.segment, dev=False, seed=config.seed)
    start_quantizer(run, segments, torch.device("cpu"))
    loss = ReconstructionLoss(shape.sample_rate)
    begin, budget = time.process_time(), 60 * args.minutes
    while (spent := time.process_time() - begin) < budget:
        model.train()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, run.step, spent / budget)
        batch = segments.batch(config.batch)
        train_step(run, config, batch, loss)
        if run.step % config.restart_every == 0:
            with torch.no_grad():
                latent = model.encoder.step(batch, model.encoder.initial_state(len(batch)))[0].flatten(0, 1)
            model.quantizer.restart(latent)
    return run


@torch.no_grad()
def coded(codec: SpectralCodec, clip: np.ndarray) -> tuple[np.ndarray, Tensor]:
    """Codes [codebooks, frames] of 16-bit samples and of zeros behind them that pay the delay; the samples [1, n]."""
    missing = codec.config.delay + (-len(clip) - codec.config.delay) % codec.config.frame_size
    samples = torch.from_numpy(np.pad(clip.astype(np.float32) / 32768, (0, missing)))[None]
    latent, _ = codec.encoder.step(samples, codec.encoder.initial_state(1))
    return codec.quantizer.encode(latent)[0].numpy(), samples


@torch.no_grad()
def scored(codec: SpectralCodec, clip: np.ndarray) -> dict[str, float]:
    """Distances of what a clip decodes to; STOI where pystoi is installed."""
    codes, samples = coded(codec, clip)
    latent = codec.quantizer.decode(torch.from_numpy(codes)[None])
    decoded, _ = codec.decoder.step(latent, codec.decoder.initial_state(1))
    ours = decoded[0, codec.config.delay :].numpy()[: len(clip)].astype(np.float64)
    original = samples[0, : len(clip)].numpy().astype(np.float64)
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
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.data.pack")
    parser.add_argument("--minutes", type=float, required=True, help="processor time to train each for")
    parser.add_argument("--init", type=Path, help="zoo folder of a shipped model whose weights to start from")
    parser.add_argument("--only", nargs="*", help="quantizers; all where none is named")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the table, CSV")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    compare(ENTRIES, SpectralConfig(), args)


if __name__ == "__main__":
    main()
