"""Imported codecs at their published size, with random weights: parity with another implementation, and both speeds.

PYTHONPATH=tests python benchmarks/imported.py [NAME ...] [--seconds 10]

Speeds are CPU time of one thread, medians of repeats, as times real time; the range coder is counted on our side. Live
steps are percentiles of CPU time a packet of one frame. What is measured, and against what, is in `oracles.py`.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
import torch
from oracles import PUBLISHED
from support.coding import audio_decoder, audio_encoder

from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.codecs.registry import CODECS
from mediacodec.manifest import Manifest
from mediacodec.media import resample_audio
from mediacodec_models.importers import import_model

SAMPLE = Path(__file__).parents[1] / "examples" / "speech.wav"
REPEATS = 3
WARM = 50  # live steps that do not count


def speech(seconds: float, rate: int, channels: int) -> np.ndarray:
    samples, source_rate = soundfile.read(SAMPLE, dtype="float32")
    mono = resample_audio(samples, source_rate, rate)
    size = int(seconds * rate) + 77  # no whole number of frames
    mono = np.tile(mono, size // len(mono) + 2)
    return np.stack([mono[7 * k : 7 * k + size] * 0.9**k for k in range(channels)])


def times_real(seconds: float, job: Callable[[], object]) -> float:
    """How many times faster than it lasts, in CPU time."""
    job()
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        job()
        taken.append(time.process_time() - began)
    return seconds / statistics.median(taken)


def coded(model: Manifest, samples: np.ndarray) -> tuple[Any, list[Any]]:
    encoder = audio_encoder(model)
    return encoder.header, encoder.push(samples) + encoder.flush()


def decoded(model: Manifest, header: Any, packets: list[Any]) -> np.ndarray:
    decoder = audio_decoder(model, header)
    chunks = [*map(decoder.push, packets), decoder.flush()]
    return np.concatenate([chunk.samples for chunk in chunks], axis=1)


def live(model: Manifest, samples: np.ndarray, codebooks: int) -> str:
    """Percentiles of single steps with so many codebooks."""
    size = model.settings["frame_size"]
    bit_rate = CodebookSettings(model).bit_rate(codebooks, 1, 1)
    encoder = audio_encoder(model, packet_duration=size / model.settings["sample_rate"], bit_rate=bit_rate)
    decoder = audio_decoder(model, encoder.header)
    steps: dict[str, list[float]] = {"encode": [], "decode": []}
    for start in range(0, samples.shape[1] - size, size):
        began = time.process_time()
        packets = encoder.push(samples[:, start : start + size])
        between = time.process_time()
        for packet in packets:
            decoder.push(packet)
        steps["encode"].append(between - began)
        steps["decode"].append(time.process_time() - between)
    found = {name: np.percentile(taken[WARM:], (50, 99)) * 1e3 for name, taken in steps.items()}
    step = 1000 * size / model.settings["sample_rate"]
    return f"{step:.1f} ms steps, {codebooks} codebooks: " + ", ".join(
        f"{n} p50 {a:.2f} p99 {b:.2f} ms" for n, (a, b) in found.items()
    )


def measure(name: str, seconds: float, folder: Path) -> None:
    with torch.no_grad():
        oracle = PUBLISHED[name](folder / name)
        model = import_model(oracle.checkpoint, name=f"{name}-random", folder=folder)
        rate = model.settings["sample_rate"]
        samples = speech(seconds, rate, model.settings.get("channels", 1))
        header, packets = coded(model, samples)
        reader: Any = CODECS[model.family].code_reader(model, header)
        codes = np.concatenate([reader.read(packet) for packet in packets], axis=1).astype(np.int64)
        theirs = oracle.encode(samples)
        wanted = oracle.codes(theirs)
        print(f"{name}: {oracle.parameters / 1e6:.1f} M parameters (codebooks aside)")
        print(f"  delay {1000 * header.algorithmic_delay / rate:.1f} ms, {len(np.unique(codes))} different codes")
        print(f"  {np.sum(codes == wanted)} of {codes.size} codes equal ({np.mean(codes == wanted):.4%})")
        if oracle.ties and (ties := oracle.ties(samples, wanted, codes)):
            print(f"  the first that differ in each of {len(ties)} frames are at most {max(ties):.1e} farther")
        encode = [
            times_real(seconds, lambda: coded(model, samples)),
            times_real(seconds, lambda: oracle.encode(samples)),
        ]
        ours = decoded(model, header, packets)
        decode = [times_real(seconds, lambda: decoded(model, header, packets))]
        if replay := oracle.decode:
            audio = replay(theirs, codes)
            apart = np.abs(ours[:, : audio.shape[1]] - audio[:, : ours.shape[1]]).max()
            print(f"  audio from the same codes {apart:.1e} away at most (peak {np.abs(audio).max():.2f})")
            decode.append(times_real(seconds, lambda: replay(theirs, wanted)))
        else:
            assert np.isfinite(ours).all()
            print(f"  no oracle of its decoder; its audio is finite (peak {np.abs(ours).max():.2f})")
    for what, speeds in (("encode", encode), ("decode", decode)):
        torchs = f" (torch {speeds[1]:.2f}x)" if len(speeds) > 1 else ""
        print(f"  {what} {speeds[0]:.2f}x{torchs} real time")
    if model.settings.get("network") == "step":
        for codebooks in sorted({model.settings["num_codebooks"], -(-model.settings["num_codebooks"] // 4)}):
            print(f"  {live(model, samples, codebooks)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *PUBLISHED], metavar="NAME")
    parser.add_argument("--seconds", type=float, default=10.0, help="of audio")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.names or PUBLISHED:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, args.seconds, Path(folder))


if __name__ == "__main__":
    main()
