"""Random segments of large packs of speech, augmented: what scalar codecs are trained on.

A pack is what `mediacodec_models.audio.data` makes. It stays on disk, mapped into memory, so that many hours and
several processes share what the machine has.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mediacodec_models.audio.augment import Samples, Shares, at_level, at_speed, filtered, source_size, with_noise
from mediacodec_models.audio.data import Clip

VOICE_SECONDS = 900.0  # a voice with so much counts half of what it has: few voices must not be most of the training
QUIET = 0.003  # RMS below which a stretch is silence
TRIES = 6


class Corpus:
    """The clips of a pack.

    Args:
        folder: of the pack.
        dev: whether those of the development speakers, or those of the others.
        sample_rate: of the pack, Hz.
    """

    def __init__(self, folder: Path, *, dev: bool, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        shards = [np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob("*.npy"))]
        rows = [Clip(**row) for row in json.loads((folder / "index.json").read_text())]
        self.clips = [row for row in rows if row.dev == dev]
        self._samples = [shards[c.shard][c.start : c.start + c.samples] for c in self.clips]
        seconds: dict[str, float] = {}
        for clip in self.clips:
            seconds[clip.speaker] = seconds.get(clip.speaker, 0.0) + clip.samples / sample_rate
        weights = [c.samples / (1 + seconds[c.speaker] / VOICE_SECONDS) for c in self.clips]
        self._cumulated = np.cumsum(weights) / np.sum(weights)

    def clip(self, index: int) -> Samples:
        """Samples of a clip, [n] in -1..1."""
        return self._samples[index].astype(np.float32) / 32768

    def draw(self, random: np.random.Generator, size: int) -> Samples:
        """A stretch of `size` samples, not silent where that can be had; short clips are joined or padded."""
        samples = np.zeros(0, np.float32)
        for _ in range(TRIES):
            index = min(int(np.searchsorted(self._cumulated, random.random())), len(self.clips) - 1)
            start = int(random.integers(0, max(1, self.clips[index].samples - size)))
            samples = self._samples[index][start : start + size].astype(np.float32) / 32768
            if np.sqrt(np.mean(samples**2)) > QUIET:
                break
        missing = size - len(samples)
        if not missing:
            return samples
        if missing > size // 4 and random.random() < 0.7:
            return np.concatenate([samples, self.draw(random, missing)])
        before = int(random.integers(0, missing + 1))
        return np.pad(samples, (before, missing - before))


class AugmentedSegments:
    """Batches of augmented segments.

    Args:
        speech: where they come from.
        noise: noise and music to be put behind some of them, or None.
        size: samples of a segment.
        seed: of the choice.
        shares: how many are augmented how.
    """

    def __init__(
        self, speech: Corpus, noise: Corpus | None, *, size: int, seed: int, shares: Shares | None = None
    ) -> None:
        self.size = size
        self._speech, self._noise, self._shares = speech, noise, shares or Shares()
        self._random = np.random.default_rng(seed)

    def batch(self, count: int) -> Tensor:
        """float32 [count, size]."""
        return torch.from_numpy(np.stack([self._segment() for _ in range(count)]))

    def _segment(self) -> Samples:
        random, shares = self._random, self._shares
        if random.random() < shares.speed:
            samples = at_speed(self._speech.draw(random, source_size(random, self.size)), self.size)
        else:
            samples = self._speech.draw(random, self.size)
        if random.random() < shares.filtered:
            samples = filtered(samples, self._speech.sample_rate, random, shares)
        if self._noise is not None and random.random() < shares.noisy:
            white = random.random() < 1 / 3
            noise = random.standard_normal(self.size, np.float32) if white else self._noise.draw(random, self.size)
            samples = with_noise(samples, noise, random)
        return at_level(samples, random)
