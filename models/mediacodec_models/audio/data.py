"""Training data: audio clips packed into shards of raw 16-bit samples, and random segments of them.

A pack is a folder of `NNN.npy` (int16, at most 30 MB each, so that it travels in slices) and `index.json`, which says
where each clip lies, who speaks, and whether the clip belongs to the development split.
"""

import argparse
import csv
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

SHARD_SAMPLES = 15_000_000
DEV_SHARE = 0.05  # of the speakers


@dataclass(frozen=True)
class Clip:
    """Where a clip lies: `samples` samples from `start` on in shard `shard`."""

    file: str
    speaker: str
    dev: bool
    shard: int
    start: int
    samples: int


def is_dev_speaker(speaker: str) -> bool:
    """Whether a speaker is set aside: decided by a hash of the name, so that it never depends on the other speakers."""
    return hashlib.sha256(speaker.encode()).digest()[0] < DEV_SHARE * 256


def pack(root: Path, out: Path, *, category: str, sample_rate: int, speeds: tuple[float, ...] = (1.0,)) -> list[Clip]:
    """Pack the train clips of `category` in root/MANIFEST.csv, as mono at `sample_rate`, into the folder out.

    speeds: each clip of a training speaker once at each, pitch and all (Ko et al. 2015): more voices than recorded.
    Those of speakers set aside stay as recorded.
    """
    out.mkdir(parents=True, exist_ok=True)
    clips: list[Clip] = []
    parts: list[np.ndarray] = []
    shard = used = 0
    with (root / "MANIFEST.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train" and row["category"] == category]
    own = (1.0,)
    takes = [(row, speed) for row in rows for speed in (own if is_dev_speaker(row["speaker_or_piece"]) else speeds)]
    for row, speed in takes:
        speaker = row["speaker_or_piece"]
        samples = read_mono(root / row["file"], sample_rate, speed)
        if used and used + len(samples) > SHARD_SAMPLES:
            np.save(out / f"{shard:03d}.npy", np.concatenate(parts))
            parts, used, shard = [], 0, shard + 1
        clips.append(Clip(row["file"], speaker, is_dev_speaker(speaker), shard, used, len(samples)))
        parts.append(np.round(samples * 32767).clip(-32768, 32767).astype(np.int16))
        used += len(samples)
    np.save(out / f"{shard:03d}.npy", np.concatenate(parts))
    (out / "index.json").write_text(json.dumps([asdict(clip) for clip in clips], indent=0))
    return clips


def read_mono(path: Path, sample_rate: int, speed: float = 1.0) -> np.ndarray:
    """A file's samples as float32 mono at `sample_rate`, played so many times as fast."""
    from mediacodec.media import resample_audio  # only packing needs the runtime: a machine that trains has the pack

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return resample_audio(samples.mean(1), round(rate * speed), sample_rate)


class Segments:
    """Random segments of a pack; in memory as int16."""

    def __init__(self, folder: Path, *, length: int, dev: bool, seed: int) -> None:
        self.length = length
        self.random = np.random.default_rng(seed)
        clips = [Clip(**row) for row in json.loads((folder / "index.json").read_text())]
        shards = [np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))]
        self.clips = [shards[c.shard][c.start : c.start + c.samples] for c in clips if c.dev == dev]
        self.names = [c.file for c in clips if c.dev == dev]
        lengths = np.array([max(len(clip), length) for clip in self.clips], dtype=np.float64)
        self.weights = lengths / lengths.sum()

    def batch(self, size: int) -> Tensor:
        """[size, length] float32: speech (not silence), random gain of ±8 dB and random polarity."""
        return torch.from_numpy(np.stack([self._segment() for _ in range(size)]))

    def _segment(self) -> np.ndarray:
        for _ in range(5):
            clip = self.clips[self.random.choice(len(self.clips), p=self.weights)]
            start = int(self.random.integers(0, max(1, len(clip) - self.length)))
            x = clip[start : start + self.length].astype(np.float32) / 32768
            if np.sqrt(np.mean(x**2)) > 0.003:
                break
        x = np.pad(x, (0, self.length - len(x)))
        gain = 10 ** (self.random.uniform(-8, 8) / 20) * self.random.choice((-1.0, 1.0))
        peak = np.abs(x).max() + 1e-6
        return (x * np.copysign(min(abs(gain), 0.99 / peak), gain)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack training clips into shards.")
    parser.add_argument("root", type=Path, help="folder with MANIFEST.csv and the clips it lists")
    parser.add_argument("out", type=Path)
    parser.add_argument("--category", default="speech")
    parser.add_argument("--sample-rate", type=int, default=16_000)
    parser.add_argument("--speeds", type=float, nargs="+", default=[1.0], help="of training clips, say 0.9 1 1.1")
    args = parser.parse_args()
    clips = pack(args.root, args.out, category=args.category, sample_rate=args.sample_rate, speeds=tuple(args.speeds))
    minutes = sum(clip.samples for clip in clips) / args.sample_rate / 60
    held = sum(clip.samples for clip in clips if clip.dev) / args.sample_rate / 60
    print(f"{len(clips)} clips, {minutes:.1f} minutes, of which {held:.1f} by speakers set aside")


if __name__ == "__main__":
    main()
