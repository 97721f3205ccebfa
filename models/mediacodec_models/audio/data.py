"""Training data: audio clips packed into shards of raw 16-bit samples, and random segments of them.

A pack is a folder of `NNN.npy` (int16, at most 30 MB each, so that it travels in slices) and `index.json`, which says
where each clip lies, who speaks, and whether the clip belongs to the development split.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mediacodec.errors import InputError, MediaCodecError
from mediacodec_models.audio.recordings import find_recordings, set_aside

SHARD_SAMPLES = 15_000_000
LEAST_SECONDS = 0.2  # of a clip


@dataclass(frozen=True)
class Clip:
    """Where a clip lies: `samples` samples from `start` on in shard `shard`."""

    file: str
    speaker: str
    dev: bool
    shard: int
    start: int
    samples: int


def pack(root: Path, out: Path, *, category: str, sample_rate: int, speeds: tuple[float, ...] = (1.0,)) -> list[Clip]:
    """Pack the recordings of a folder, as mono.

    Args:
        root: folder of recordings, with a manifest or without (`recordings`).
        out: folder to write.
        category: which rows of the manifest.
        sample_rate: Hz.
        speeds: each recording that is learnt from once at each, pitch and all (Ko et al. 2015): more voices than were
            recorded. Those set aside stay as recorded.

    Returns:
        What was packed, in order; nothing shorter than LEAST_SECONDS.

    Raises:
        InputError: there is too little to train on, or a file cannot be read.
    """
    recordings = find_recordings(root, category)
    held = set_aside(recordings)
    out.mkdir(parents=True, exist_ok=True)
    clips: list[Clip] = []
    parts: list[np.ndarray] = []
    shard = used = 0
    takes = [(each, speed) for each in recordings for speed in ((1.0,) if each.file in held else speeds)]
    for each, speed in takes:
        samples = read_mono(root / each.file, sample_rate, speed)
        if len(samples) < LEAST_SECONDS * sample_rate:
            continue
        if used and used + len(samples) > SHARD_SAMPLES:
            np.save(out / f"{shard:03d}.npy", np.concatenate(parts))
            parts, used, shard = [], 0, shard + 1
        clips.append(Clip(each.file, each.speaker, each.file in held, shard, used, len(samples)))
        parts.append(np.round(samples * 32767).clip(-32768, 32767).astype(np.int16))
        used += len(samples)
    if len({clip.dev for clip in clips}) < 2:
        raise InputError(f"'{root}' holds too little: some clips of {LEAST_SECONDS} s and more are needed")
    np.save(out / f"{shard:03d}.npy", np.concatenate(parts))
    (out / "index.json").write_text(json.dumps([asdict(clip) for clip in clips], indent=0))
    return clips


def read_mono(path: Path, sample_rate: int, speed: float = 1.0) -> np.ndarray:
    """Samples of a file.

    Args:
        path: anything with audio that FFmpeg reads.
        sample_rate: to resample to, Hz.
        speed: how many times as fast as recorded.

    Returns:
        Mono, float32 [n].

    Raises:
        InputError: it cannot be read.
    """
    from mediacodec.media import AudioSource, resample_audio  # only packing needs it: a machine that trains has a pack

    with AudioSource(path) as source:
        chunks = [chunk.samples.mean(0) for chunk in source.blocks()]
        rate = source.sample_rate
    return resample_audio(np.concatenate([np.zeros(0, np.float32), *chunks]), round(rate * speed), sample_rate)


class Segments:
    """Random segments of a pack; in memory as int16.

    Args:
        folder: of the pack.
        length: samples of a segment.
        dev: whether of the clips that were set aside, or of the others.
        seed: of the choice.

    Raises:
        InputError: the pack has no such clips.
    """

    def __init__(self, folder: Path, *, length: int, dev: bool, seed: int) -> None:
        self.length = length
        self.random = np.random.default_rng(seed)
        clips = [Clip(**row) for row in json.loads((folder / "index.json").read_text())]
        shards = [np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))]
        self.clips = [shards[c.shard][c.start : c.start + c.samples] for c in clips if c.dev == dev]
        self.names = [c.file for c in clips if c.dev == dev]
        if not self.clips:
            which = "set aside" if dev else "to be learnt from"
            raise InputError(f"'{folder}' has no clips that are {which}: pack it anew")
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
    parser.add_argument("root", type=Path, help="folder of recordings; a MANIFEST.csv in it says which to take")
    parser.add_argument("out", type=Path, help="folder of the pack")
    parser.add_argument("--category", default="speech", help="of the rows of the manifest")
    parser.add_argument("--sample-rate", type=int, default=16_000)
    parser.add_argument("--speeds", type=float, nargs="+", default=[1.0], help="of training clips, say 0.9 1 1.1")
    args = parser.parse_args()
    try:
        clips = pack(
            args.root, args.out, category=args.category, sample_rate=args.sample_rate, speeds=tuple(args.speeds)
        )
    except MediaCodecError as error:
        parser.error(str(error))
    for name, dev in (("to learn from", False), ("set aside", True)):
        found = [clip for clip in clips if clip.dev == dev]
        seconds = sum(clip.samples for clip in found) / args.sample_rate
        speakers = len({clip.speaker for clip in found})
        print(f"{name}: {len(found)} clips, {seconds / 60:.1f} minutes, speakers: {speakers}")


if __name__ == "__main__":
    main()
