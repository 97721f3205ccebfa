"""Train the context network of a shipped RVQ codec and add it to its zoo folder.

`python -m mediacodec_models.entropy.train_context RECIPE --data PACK --model ZOO/NAME --out RUN --minutes 20`

The recipe's [context] says how. The codes are those that the model's own encoder chooses, at several rates and, so that
there are more of them, of the same clips shifted by parts of a frame and at other levels. They are kept in RUN. The
schedule is laid over minutes of processor time. At the end the integers become context.npz in the zoo folder, beside
tables.npz, and model.json gets their hash; its other hashes, which streams carry, stay as they are.
"""

import argparse
import json
import math
import time
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediacodec.codecs.rvq.analysis import backtrack
from mediacodec.codecs.rvq.context import ContextModel
from mediacodec.codecs.rvq.context_weights import ContextWeights
from mediacodec.manifest import Manifest, read_manifest
from mediacodec.npz import save_arrays
from mediacodec.session import shared_graph
from mediacodec_bitstream import canonical_hash
from mediacodec_models.audio.data import Segments
from mediacodec_models.entropy.context import CodedFrames, ContextNetwork
from mediacodec_models.onnx_files import file_hash

Clips = list[NDArray[np.integer]]
LOG_SECONDS = 60
EVERY = 10  # frames


@dataclass(frozen=True, kw_only=True)
class ContextConfig:
    """How to train. passes: of the encoder over the training clips, each (samples by which clips are shifted, decibels
    by which their level varies, numbers of codebooks whose codes are taken); alone: share of frames seen as the first
    of a packet, which live packets are."""

    trunk: int = 256
    hidden: int = 64
    fine_symbols: int = 32
    dropout: float = 0.1
    packet: int = 50
    passes: tuple[tuple[int, float, tuple[int, ...]], ...]
    batch: int = 1024
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    warmup_steps: int = 50
    alone: float = 0.1
    seed: int = 0

    @classmethod
    def read(cls, path: Path) -> "ContextConfig":
        """The [context] of a recipe. Raises ValueError where something in it is not known."""
        raw = tomllib.loads(path.read_text())["context"]
        if unknown := set(raw) - {field.name for field in fields(cls)}:
            raise ValueError(f"{path}: [context] has no {', '.join(sorted(unknown))}")
        passes = tuple((int(shift), float(level), tuple(kept)) for shift, level, kept in raw.pop("passes"))
        return cls(passes=passes, **raw)


def encoder_paths(model: Manifest, pack: Path, *, dev: bool, shift: int = 0, level: float = 0.0) -> Clips:
    """What the model's encoder finds in every clip, int16 [2, frames, stages, width] each (see `backtrack`)."""
    random = np.random.default_rng(shift)
    result: Clips = []
    for clip in Segments(pack, length=1, dev=dev, seed=0).clips:
        samples = clip[shift:].astype(np.float32) / 32768
        gain = 10 ** (random.uniform(-level, level) / 20)
        samples *= min(gain, 0.99 / (float(np.abs(samples).max(initial=0)) + 1e-6)) if level else 1
        result.append(paths_of(model, samples))
    return result


def paths_of(model: Manifest, samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """What the model's encoder finds in samples [n], zeros behind them up to a whole frame."""
    graph = shared_graph(model.graph_path("encoder"), model.graph("encoder"), device="cpu", threads=1)
    rate, frame = model.settings["sample_rate"], model.settings["frame_size"]
    samples, state, found = np.pad(samples, (0, -len(samples) % frame)), graph.initial_state(), []
    step = rate // frame * frame
    for start in range(0, len(samples), step):
        outputs, state = graph.step({"samples": samples[None, start : start + step]}, state)
        found.append(np.stack([outputs["entries"][0], outputs["parents"][0]]).astype(np.int16))
    return np.concatenate(found, axis=1)


def kept_paths(path: Path, model: Manifest, pack: Path, **which: float) -> Clips:
    """`encoder_paths`, from the file where an earlier run left them."""
    if not path.exists():
        clips = encoder_paths(model, pack, **which)  # type: ignore[arg-type]
        save_arrays(path, {f"c{i:04d}": clip for i, clip in enumerate(clips)})
    with np.load(path, allow_pickle=False) as archive:
        return [archive[name] for name in archive.files]


def learning_rate(config: ContextConfig, step: int, share: float) -> float:
    """Warm-up, then half a cosine over the share of the time that is spent."""
    return config.learning_rate * min(1.0, (step + 1) / config.warmup_steps) * 0.5 * (1 + math.cos(math.pi * share))


@torch.no_grad()
def bits(network: ContextNetwork, frames: CodedFrames) -> Tensor:
    """Mean bits a code by codebook."""
    network.eval()
    index = torch.arange(len(frames)).split(2048)
    nats, count = (torch.stack(part).sum(0) for part in zip(*(network(frames.batch(i)) for i in index), strict=True))
    network.train()
    return nats / count.clamp(min=1) / math.log(2)


def train(
    network: ContextNetwork, config: ContextConfig, frames: CodedFrames, dev: dict[int, CodedFrames],
    args: argparse.Namespace,
) -> None:  # fmt: skip
    """Over `args.minutes` of processor time; what there is stands in args.out all the while."""
    minutes = args.minutes
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True
    )
    began, reported, step, mean = time.process_time(), 0.0, 0, 0.0
    while (spent := time.process_time() - began) < 60 * minutes:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, step, spent / (60 * minutes))
        index = torch.randint(len(frames), (config.batch,))
        nats, count = network(frames.batch(index, alone=int(config.alone * config.batch)))
        loss = (nats / count.clamp(min=1)).mean() / math.log(2)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step, mean = step + 1, mean + (loss.item() - mean) / min(step + 1, 100)
        if spent - reported > LOG_SECONDS:
            reported = spent
            row = {"step": step, "minutes": round(spent / 60, 2), "train": round(mean, 4)}
            row |= {str(n): round(float(bits(network, held)[:n].sum()), 2) for n, held in dev.items()}
            print(json.dumps(row), flush=True)
            torch.save(network.state_dict(), args.out / "context.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.audio.data.pack")
    parser.add_argument("--model", type=Path, required=True, help="zoo folder of the codec")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="processor time the schedule is laid over")
    parser.add_argument("--init", type=Path, help="a context.pt to start from")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    config, model = ContextConfig.read(args.recipe), read_manifest(args.model)
    torch.manual_seed(config.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    network = ContextNetwork(
        codebooks(model),
        trunk=config.trunk,
        hidden=config.hidden,
        fine_symbols=config.fine_symbols,
        dropout=config.dropout,
    )
    if args.init:
        network.load_state_dict(torch.load(args.init, weights_only=True))
    dev_paths = kept_paths(args.out / "dev.npz", model, args.data, dev=True)
    dev = {n: CodedFrames([backtrack(p, n) for p in dev_paths], network, config.packet) for n in (8, 16)}
    clips: Clips = []
    for i, (shift, level, kept) in enumerate(config.passes):
        paths = kept_paths(args.out / f"pass{i}.npz", model, args.data, dev=False, shift=shift, level=level)
        clips += [backtrack(p, n) for n in kept for p in paths]
    train(network, config, CodedFrames(clips, network, config.packet), dev, args)
    torch.save(network.state_dict(), args.out / "context.pt")
    install(network.arrays(), model, dev_paths, config.packet)


def install(arrays: dict[str, NDArray[np.generic]], model: Manifest, dev: Clips, packet: int) -> None:
    """Measure what the network takes on development speakers, and add it to the model's folder."""
    books = len(arrays["entries"])
    unmeasured = ContextWeights({**arrays, "bits": np.zeros((2, books), np.uint32)})
    means = measured(ContextModel(unmeasured), dev, books, packet)
    arrays["bits"] = np.rint(1000 * np.maximum.accumulate(means, axis=1)).astype(np.uint32)
    ContextWeights(arrays)  # checks them
    path = model.folder / "context.npz"
    save_arrays(path, arrays)
    raw = json.loads((model.folder / "model.json").read_text())
    settings = raw.pop("settings")
    raw["context"] = {"file": path.name, "sha256": file_hash(path)}
    raw["context_sha256"] = canonical_hash(arrays).hex()
    (model.folder / "model.json").write_text(json.dumps({**raw, "settings": settings}, indent=1) + "\n")


def measured(context: ContextModel, dev: Clips, books: int, packet: int) -> NDArray[np.float64]:
    """[2, books]: mean bits of a packet's first frame and of a later one, with 1, 2, ... codebooks.

    Any frame may be a packet's first, so that is measured on many: those that clips begin with are mostly silent.
    """
    result = np.zeros((2, books))
    for n in range(1, books + 1):
        codes = [backtrack(paths, n) for paths in dev]
        first = [context.bits(c[:, t : t + 1]).sum() for c in codes for t in range(EVERY // 2, c.shape[1], EVERY)]
        later = [context.bits(c[:, t : t + packet])[:, 1:].sum(0) for c in codes for t in range(0, c.shape[1], packet)]
        result[:, n - 1] = np.mean(first), np.mean(np.concatenate(later))
    return result


def codebooks(model: Manifest) -> Tensor:
    """[books, size, dim] of an exported codec."""
    from mediacodec_models.audio.resume import shipped_state

    return shipped_state(model.folder)["quantizer.codebooks"]


if __name__ == "__main__":
    main()
