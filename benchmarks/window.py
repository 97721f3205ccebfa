"""Memory of imported networks that look both ways, which must not grow with the length of a file.

PYTHONPATH=tests python benchmarks/window.py [--minutes 1 60] [--full]

`mediacodec encode` and `decode` on music-like audio of several lengths, with a DAC of the 44.1 kHz model's strides and
random weights, narrow or (--full) of the published size.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100
BLOCK = 5.0  # seconds of audio made at once: what this process holds is counted as its children's
NARROW = {"encoder_hidden_size": 8, "decoder_hidden_size": 64, "n_codebooks": 9}


def make(folder: Path, *, full: bool) -> None:
    """The model `dac`, of a checkpoint with random weights."""
    from support.checkpoints import random_dac  # PYTHONPATH=tests

    from mediacodec_models.importers import import_model

    shape = {"n_codebooks": 9} if full else NARROW
    published = random_dac(sampling_rate=RATE, **shape)
    published.save_pretrained(folder / "checkpoint")
    import_model(folder / "checkpoint", name="dac", folder=folder / "models")


def music(seconds: float, start: float = 0.0) -> np.ndarray:
    """Chords that change every half second, a beat and a little noise, float32 [n]."""
    time_ = start + np.arange(round(seconds * RATE)) / RATE
    chord = np.floor(2 * time_) % 7
    tones = sum(np.sin(2 * np.pi * 110 * 2 ** ((chord * step % 12) / 12) * time_) for step in (1, 5, 8))
    noise = np.random.default_rng(round(start)).standard_normal(len(time_))
    beat = np.exp(-20 * (2 * time_ % 1)) * noise
    return (0.12 * tones + 0.2 * beat + 0.002 * noise).astype(np.float32)


def run(*arguments: str) -> tuple[float, float]:
    """(wall seconds, peak resident MB) of a mediacodec command."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "mediacodec", "-v", "error", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{arguments} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def memory(folder: Path, minutes: float) -> str:
    """What a file of so many minutes takes."""
    wav, coded, back = (str(folder / name) for name in ("in.wav", "coded.mcx", "out.wav"))
    with soundfile.SoundFile(wav, "w", RATE, 1) as file:
        for start in np.arange(0, 60 * minutes, BLOCK):
            file.write(music(min(BLOCK, 60 * minutes - start), start))
    models = ("-models", str(folder / "models"))
    there = run("encode", "-y", *models, "-i", wav, "-c:a", "dac", coded)
    again = run("decode", "-y", *models, "-i", coded, back)
    lengths = [soundfile.info(name).frames for name in (wav, back)]
    assert lengths[0] == lengths[1], lengths
    rows = zip(("encode", "decode"), (there, again), strict=True)
    text = ", ".join(f"{name} peak {mb:.0f} MB in {s:.0f} s" for name, (s, mb) in rows)
    return f"{text}; {Path(coded).stat().st_size} bytes, {lengths[1]} samples there and back"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="*", default=[1, 60], help="lengths of the files")
    parser.add_argument("--full", action="store_true", help="at the published size")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        make(given.make, full=given.full)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # by another process, for the same reason
        size = ["--full"] if given.full else []
        subprocess.run([sys.executable, __file__, "--make", name, *size], check=True)
        for minutes in given.minutes:
            print(f"{minutes:g} minutes: {memory(folder, minutes)}", flush=True)


if __name__ == "__main__":
    main()
