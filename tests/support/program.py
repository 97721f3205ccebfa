"""Running the program: how it is started, what it left, and a stretch of speech-like audio to feed it."""

import sys
from dataclasses import dataclass

import numpy as np

RATE = 16_000
SAMPLES = 40_123  # 2.5 s and a bit: no whole number of frames or packets
COMMAND = [sys.executable, "-W", "error", "-m", "mediacodec"]


@dataclass(frozen=True)
class Outcome:
    """What a run of the program left."""

    code: int
    out: str
    err: str

    def fails(self, code, *words):
        """It ended with this code, and with one clear last line on stderr that holds these words."""
        assert self.code == code, self.err
        lines = self.err.splitlines()
        assert lines[-1].startswith("mediacodec: error: "), self.err
        assert sum("error: " in line for line in lines) == 1, self.err
        assert "Traceback" not in self.err
        for word in words:
            assert word in lines[-1]
        return self

    def works(self):
        """It ended well."""
        assert self.code == 0, self.err
        assert "error" not in self.err
        return self


def babble(samples, seed=1):
    """Syllables with a moving pitch and two formants, and pauses; float [samples], peaks at 0.5."""
    rng = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < samples:
        n = int(rng.uniform(0.12, 0.3) * RATE)
        phase = 2 * np.pi * np.cumsum(rng.uniform(90, 220) * (1 + 0.1 * np.sin(np.arange(n) / 3000))) / RATE
        formants = rng.uniform((300, 900), (800, 2200))
        harmonics = [np.exp(-(((k * 140 - formants) / 200) ** 2)).sum() * np.sin(k * phase) for k in range(1, 20)]
        parts += [np.sum(harmonics, axis=0) * np.hanning(n), np.zeros(int(rng.uniform(0.02, 0.1) * RATE))]
    x = np.concatenate(parts)[:samples]
    return 0.5 * x / np.abs(x).max() + 1e-4 * rng.normal(size=samples)
