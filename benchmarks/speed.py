"""Speed and memory as the README states them; run it on a machine that does nothing else.

python benchmarks/speed.py [--hours 2]

Everything runs on one thread. Figures are medians of repeats, times real time, or percentiles of single steps.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

import mediacodec
from mediacodec.media import resample_audio
from mediacodec_bitstream import TableFamily, backend_name, decode_grouped, encode_grouped

RATE = 16_000
SAMPLE = Path(__file__).parents[1] / "examples" / "speech.wav"


def median_seconds(job: Callable[[], object], repeats: int = 5) -> float:
    job()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        job()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def speech(seconds: float) -> np.ndarray:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    mono = resample_audio(samples, rate, RATE)
    return np.tile(mono, int(seconds * RATE / len(mono)) + 1)[: int(seconds * RATE)]


def whole_file(bit_rate: int, seconds: float = 60.0) -> str:
    samples = speech(seconds)
    data = mediacodec.encode(samples, sample_rate=RATE, bit_rate=bit_rate)
    encode = median_seconds(lambda: mediacodec.encode(samples, sample_rate=RATE, bit_rate=bit_rate))
    decode = median_seconds(lambda: mediacodec.decode(data))
    return f"encode {seconds / encode:.0f}x, decode {seconds / decode:.0f}x real time"


def live_steps(seconds: float = 60.0) -> str:
    encoder = mediacodec.AudioEncoder("speech", bit_rate=6000, packet_duration=0.02)
    decoder = mediacodec.AudioDecoder(encoder.header)
    samples, encoding, decoding = speech(seconds), [], []
    for start in range(0, len(samples), 320):
        began = time.perf_counter()
        packets = encoder.push(samples[start : start + 320])
        between = time.perf_counter()
        for packet in packets:
            decoder.push(packet)
        encoding.append(between - began)
        decoding.append(time.perf_counter() - between)
    rows = zip(("encode", "decode"), (encoding[50:], decoding[50:]), strict=True)
    parts = [f"{name} p50 {np.percentile(t, 50) * 1e3:.2f} p99 {np.percentile(t, 99) * 1e3:.2f} ms" for name, t in rows]
    return ", ".join(parts)


def range_coder(count: int = 1_000_000) -> str:
    random = np.random.default_rng(0)
    counts = np.stack([random.gamma(0.3, 1000, 256) for _ in range(64)]).astype(np.int64)
    family = TableFamily.from_counts(counts)
    indices = random.integers(0, 64, count)
    share = family.frequencies / family.frequencies.sum(1, keepdims=True)
    symbols = np.empty(count, dtype=np.int64)
    for row in range(64):
        chosen = indices == row
        symbols[chosen] = random.choice(256, chosen.sum(), p=share[row])
    data = encode_grouped(symbols, indices, family)
    encode = median_seconds(lambda: encode_grouped(symbols, indices, family))
    decode = median_seconds(lambda: decode_grouped(data, indices, family))
    extra = len(data) * 8 / family.ideal_bits(symbols, indices) - 1
    return f"encode {count / encode / 1e6:.1f}, decode {count / decode / 1e6:.1f} Msymbols/s, {extra:.4%} over entropy"


def run(arguments: list[str]) -> tuple[float, float]:
    """(wall seconds, peak resident MB) of a mediacodec command."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "mediacodec", "-v", "error", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{arguments} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def cold_start(folder: Path) -> str:
    soundfile.write(folder / "five.wav", speech(5), RATE)
    command = ["encode", "-y", "-i", str(folder / "five.wav"), str(folder / "five.mcx")]
    return f"{statistics.median(run(command)[0] for _ in range(5)):.2f} s"


def memory(folder: Path, minutes: float) -> str:
    with soundfile.SoundFile(folder / "long.wav", "w", RATE, 1) as file:
        minute = speech(60)
        for _ in range(int(minutes)):
            file.write(minute)
    names = [str(folder / name) for name in ("long.wav", "long.mcx", "back.wav")]
    encode = run(["encode", "-y", "-b:a", "6k", "-i", names[0], names[1]])
    decode = run(["decode", "-y", "-i", names[1], names[2]])
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
    rows = zip(("encode", "decode"), (encode, decode), strict=True)
    return ", ".join(f"{n} peak {mb:.0f} MB, {minutes * 60 / s:.0f}x" for n, (s, mb) in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0, help="length of the long file")
    hours = parser.parse_args().hours
    print(f"range coder ({backend_name()}), 64 tables, grouped: {range_coder()}")
    for bit_rate in (1500, 3000, 6000):
        print(f"whole file at {bit_rate} bit/s: {whole_file(bit_rate)}")
    print(f"live, 20 ms steps: {live_steps()}")
    with tempfile.TemporaryDirectory() as name:
        print(f"cold start, encode 5 s: {cold_start(Path(name))}")
        print(f"10 minutes: {memory(Path(name), 10)}")
        print(f"{hours:g} hours: {memory(Path(name), hours * 60)}")


if __name__ == "__main__":
    main()
