"""Fits several architectures to one clip at equal sizes and epochs, and measures the files that come of it.

`python -m mediacodec_models.research.inr CLIP --parameters 350000 --epochs 100 --size 640x320 -o table.csv`

Each row is written as soon as it is known: weights and embeddings together, PSNR of RGB (mean over frames, BT.709,
chroma repeated) and 6:1:1 of the frames that the file decodes to, bytes of the file, hours of fitting, frames a second
of decoding with one thread. Stop it with Ctrl-C: the fit that runs ends as it stands, and its row says so.
"""

import argparse
import csv
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

import mediacodec
from mediacodec import manifest
from mediacodec.bench.video.clips import read_video
from mediacodec.codecs.fitting.encoder import FittingEncoder
from mediacodec.codecs.fitting.protocol import FitProgress, FitTask
from mediacodec.codecs.inr.settings import FOURCC
from mediacodec.codecs.options import Runtime, VideoFormat, VideoOptions
from mediacodec.frames import VideoFrame
from mediacodec.metrics.video import psnr, psnr_611
from mediacodec.video_coding.stream import make_header
from mediacodec_bitstream import FileHeader, Writer
from mediacodec_models.inr.fitter import FitOverrides, InrFitter
from mediacodec_models.inr.plan import BITS_PER_WEIGHT
from mediacodec_models.torch_runtime import device_of

COLUMNS = (
    "clip", "architecture", "frames", "width", "height", "weights", "embeddings", "kmac_per_pixel", "epochs",
    "psnr_rgb", "psnr_611", "file_bytes", "bits_per_pixel", "fit_hours", "decode_fps",
)  # fmt: skip
CHUNK = 64  # packets under one head


@dataclass
class Monitor:
    """A `mediacodec.codecs.fitting.protocol.FitMonitor` that prints a line a minute and stops on a signal.

    Attributes:
        stopped: whether a signal came.
        due: when to print next, of time.monotonic.
        last: progress that was reported.
    """

    stopped: bool = False
    due: float = 0.0
    last: FitProgress | None = None

    def report(self, progress: FitProgress) -> None:
        """See `FitMonitor.report`."""
        self.last = progress
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + 60
            left = "" if progress.seconds_left is None else f", {progress.seconds_left / 60:.1f} minutes left"
            psnr_now = "" if progress.psnr is None else f", {progress.psnr:.2f} dB"
            print(f"step {progress.step}/{progress.steps}, loss {progress.loss:.4f}{psnr_now}{left}", flush=True)

    def stop(self, *_: int | FrameType | None) -> None:
        """Stop the fit; a handler of signals."""
        self.stopped = True


def rgb(planes: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Convert a frame from BT.709 in limited range.

    Args:
        planes: Y, U and V, uint8, chroma at half the size.

    Returns:
        uint8 [rows, columns, 3], chroma repeated.
    """
    height, width = planes[0].shape
    y, u, v = (plane.astype(np.float32) for plane in planes)
    u, v = (np.repeat(np.repeat(plane, 2, 0), 2, 1)[:height, :width] - 128 for plane in (u, v))
    y = (y - 16) * (255 / 219)
    r, g, b = y + 1.7927 * v, y - 0.2132 * u - 0.5329 * v, y + 2.1124 * u
    return np.rint(np.stack([r, g, b], -1)).clip(0, 255).astype(np.uint8)


def encode(frames: Sequence[VideoFrame], fitter: InrFitter, task: FitTask, out: BinaryIO) -> None:
    """Write frames as a file of one stream.

    Args:
        frames: of one group.
        fitter: opened for them.
        task: that it was opened with.
        out: the file.
    """
    model = manifest.find_by_name("inr")
    header = make_header(model, FOURCC, task.video)
    encoder = FittingEncoder(header, task, fitter)
    writer = Writer(out, FileHeader((header,)), packets_per_chunk=CHUNK)
    for packets in (*(encoder.push(frame) for frame in frames), encoder.flush()):
        for packet in packets:
            writer.write(packet)
    writer.close({0: encoder.num_frames})


def measure(
    clip: str, frames: Sequence[VideoFrame], overrides: FitOverrides, path: Path, monitor: Monitor
) -> dict[str, object]:
    """Fit, decode and compare.

    Args:
        clip: its name.
        frames: of the clip.
        overrides: what is compared.
        path: of the file to write.
        monitor: watches the fit.

    Returns:
        A row of the table, by COLUMNS.
    """
    first = frames[0]
    rate = 1 / first.time_base
    video = VideoFormat(
        width=first.width, height=first.height, frame_rate=rate, time_base=first.time_base, colour=first.colour
    )
    task = FitTask(video, VideoOptions(gop=len(frames)), Runtime(monitor=monitor))
    fitter = InrFitter(manifest.find_by_name("inr"), task, device_of(task.runtime.device), overrides)
    began = time.monotonic()
    with path.open("wb") as file:
        encode(frames, fitter, task, file)
    hours = (time.monotonic() - began) / 3600
    began = time.monotonic()
    with mediacodec.open(path) as reader:
        decoded = list(reader.video.frames())
    fps = len(decoded) / (time.monotonic() - began)
    pairs = [((a.y, a.u, a.v), (b.y, b.u, b.v)) for a, b in zip(frames, decoded, strict=True)]
    network, size = fitter.network, path.stat().st_size
    assert network is not None
    assert monitor.last is not None
    channels, rows, columns = network.embedding_shape
    values: dict[str, object] = dict.fromkeys(COLUMNS)
    values |= {
        "clip": clip, "architecture": network.architecture, "frames": len(frames),
        "width": first.width, "height": first.height,
        "weights": network.summary.parameters, "embeddings": len(frames) * channels * rows * columns,
        "kmac_per_pixel": round(network.summary.operations / first.width / first.height / 1e3, 2),
        "epochs": round((monitor.last.step + 1) / len(frames), 2),
        "psnr_rgb": round(float(np.mean([psnr(rgb(a).reshape(-1, 3), rgb(b).reshape(-1, 3)) for a, b in pairs])), 3),
        "psnr_611": round(float(np.mean([psnr_611(a, b) for a, b in pairs])), 3),
        "file_bytes": size, "bits_per_pixel": round(8 * size / len(frames) / first.width / first.height, 5),
        "fit_hours": round(hours, 4), "decode_fps": round(fps, 2),
    }  # fmt: skip
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--architectures", default="hnerv,boost,nerv++")
    parser.add_argument("--parameters", type=int, default=350_000, help="weights and embeddings together")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--size", help="WIDTHxHEIGHT to scale to")
    parser.add_argument("--frames", type=int, default=132)
    parser.add_argument("--bits", type=float, default=BITS_PER_WEIGHT, help="a weight, to aim at")
    parser.add_argument("-o", "--out", type=Path, default=Path("table.csv"), help="files lie beside it")
    args = parser.parse_args()
    size: tuple[int, int] | None = None
    if args.size is not None:
        width, _, height = args.size.partition("x")
        size = int(width), int(height)
    clip = read_video(args.clip, frames=args.frames, size=size)
    tick = 1 / clip.frame_rate
    frames = [VideoFrame(*planes, index, tick) for index, planes in enumerate(clip.frames)]
    monitor = Monitor()
    signal.signal(signal.SIGINT, monitor.stop)
    with args.out.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for architecture in args.architectures.split(","):
            overrides = FitOverrides(architecture, args.parameters, args.epochs, args.bits)
            path = args.out.with_name(f"{args.out.stem}-{architecture}.mcx")
            row = measure(args.clip.name, frames, overrides, path, monitor)
            table.writerow(row)
            file.flush()
            print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
            if monitor.stopped:
                sys.exit(130)


if __name__ == "__main__":
    main()
