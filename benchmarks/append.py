"""What appending to a file of `inr` saves: bytes and PSNR of a clip alone, and behind another one.

python benchmarks/append.py FIRST SECOND [--frames 16] [--size 160x96] [--preset faster] [--crf 18]

FIRST and SECOND are videos; where they are the same, the second clip is what follows the first in it. Bytes are all
packets of the second clip; PSNR 6:1:1 is that of what the files decode to; times are those of the processor.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import mediacodec
from mediacodec.bench.video.clips import read_video
from mediacodec.codecs.inr.packet import KEY, PacketReader
from mediacodec.frames import VideoFrame
from mediacodec.metrics.video import psnr_611
from mediacodec_bitstream import Packet, Reader

TICK = Fraction(1, 25)


def clip_of(path: Path, first: int, count: int, size: tuple[int, int]) -> list[VideoFrame]:
    decoded = read_video(path, frames=first + count, size=size).frames[first:]
    return [VideoFrame(*planes, index, TICK) for index, planes in enumerate(decoded)]


def write(path: Path, mode: str, clip: Sequence[VideoFrame], options: dict[str, Any]) -> float:
    """Processor seconds of it."""
    began = time.process_time()
    with mediacodec.open(path, mode) as file:  # type: ignore[call-overload]
        size = {"width": clip[0].width, "height": clip[0].height}
        stream = file.add_video_stream("inr", frame_rate=25, **size, **options)
        for frame in clip:
            file.mux(stream.encode(frame))
    return time.process_time() - began


def described(path: Path, clip: Sequence[VideoFrame], seconds: float) -> str:
    """The last clip of a file, read from where it begins."""
    with path.open("rb") as file:
        packets: list[Packet] = list(Reader(file))[-len(clip) :]
    with mediacodec.open(path) as reader:
        presented = list(reader.video.frames(start=float(packets[0].pts * TICK)))
    pairs = zip(clip, presented, strict=True)
    quality = float(np.mean([psnr_611((a.y, a.u, a.v), (b.y, b.u, b.v)) for a, b in pairs]))
    begins = "anew" if PacketReader(packets[0].data).head.kind == KEY else "at the first"
    size = sum(len(packet.data) for packet in packets)
    return f"{size} bytes ({len(packets[0].data)} network), {quality:.2f} dB, begins {begins}, {seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", default="160x96", help="WIDTHxHEIGHT to scale to")
    parser.add_argument("--preset", default="faster")
    parser.add_argument("--crf", type=float, default=18)
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    options = {"preset": args.preset, "crf": args.crf}
    first = clip_of(args.first, 0, args.frames, (width, height))
    behind = args.frames if args.second == args.first else 0
    second = clip_of(args.second, behind, args.frames, (width, height))
    with tempfile.TemporaryDirectory() as folder:
        alone, both = Path(folder) / "alone.mcx", Path(folder) / "both.mcx"
        write(both, "w", first, options)
        seconds = write(both, "a", second, options)
        print(f"{args.first.stem} + {args.second.stem}, behind it: {described(both, second, seconds)}", flush=True)
        seconds = write(alone, "w", second, options)
        print(f"{args.first.stem} + {args.second.stem}, alone: {described(alone, second, seconds)}", flush=True)


if __name__ == "__main__":
    main()
