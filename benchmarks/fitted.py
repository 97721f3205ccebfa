"""Speed and random access of the codecs that fit, as their cards state them.

python benchmarks/fitted.py [--threads 2] [--pixels 640x360] [--still 768x512] [--cpu]

Nothing is fitted to anything real: networks and latents are random integers of a trained one's size, since a decoder's
work depends on shapes alone (of `overfit` also, a little, on how many latents are not 0). Times are medians; of wall
time, for which the machine must do nothing else, or with --cpu of the time that its processors spend on it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from mediacodec import Decoder, manifest
from mediacodec.codecs.inr.graph import open_shared
from mediacodec.codecs.inr.network import ARCHITECTURES, Network
from mediacodec.codecs.inr.packet import CodedGroup, network_bits, pack_frame, pack_group
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.codecs.inr.tensors import best_coding, coded_bits, weight_blocks
from mediacodec.codecs.options import VideoFormat
from mediacodec.codecs.overfit.latents import LatentGrids
from mediacodec.codecs.overfit.packet import OverfitFrame, OverfitFrameCoder
from mediacodec.codecs.overfit.settings import UNIT, OverfitGeometry, OverfitModel
from mediacodec.video_coding.stream import make_header
from mediacodec_bitstream import Packet, StreamHeader

Clock = Callable[[], float]

RATE = Fraction(25)
GROUP = 16  # frames
GROUPS = 6
WEIGHTS = 300_000  # at most
MODELS = {"inr": ("inr1", 1), "overfit": ("ovft", UNIT)}
STRIDES, EMBEDDING, NARROWER, NARROWEST = (5, 4, 2, 2), 16, 1.2, 8  # as the recipe's for 640x360
FULL = {
    "luma": (0.25, 0.5, 1.5, 4, 8, 16),
    "chroma": (0.1, 0.3, 1, 3, 8),
}  # mean magnitudes, finest first: about crf 30


def header_of(name: str, width: int, height: int) -> StreamHeader:
    fourcc, block = MODELS[name]
    video = VideoFormat(width=width, height=height, frame_rate=RATE)
    return make_header(manifest.find_by_name(name), fourcc, video, block=block)


def milliseconds(job: Callable[[], object], clock: Clock) -> float:
    began = clock()
    job()
    return (clock() - began) * 1e3


def widest(architecture: str, width: int, height: int) -> Network:
    """The largest network of at most WEIGHTS, its widths as the encoder chooses them."""
    best = None
    for first in range(8, 200):
        widths = [first]
        for _ in STRIDES:
            widths.append(max(min(NARROWEST, first), round(widths[-1] / NARROWER)))
        network = Network(architecture, height, width, GROUP, EMBEDDING, STRIDES, tuple(widths))
        if network.summary.parameters <= WEIGHTS:
            best = network
    assert best is not None
    return best


def group_of(network: Network, number: int, tables: InrTables) -> tuple[list[bytes], float]:
    """Packets of a random group, and the bits that the tables state for their payloads."""
    rng = np.random.default_rng(number)
    values = [np.rint(rng.laplace(0, 3, block.size)).astype(np.int32) for block in weight_blocks(network)]
    frames = [np.rint(rng.laplace(0, 4, network.embedding_shape)).astype(np.int32) for _ in range(GROUP)]
    codings = [best_coding(part, 108, tables) for part in values]
    channels = [best_coding(part, 136, tables) for part in np.stack(frames, axis=1)]
    coded = CodedGroup(network, values, codings, channels)
    data = [pack_group(coded, number, frames[0], tables, key=True)]
    data += [pack_frame(coded, number, k, frame, tables) for k, frame in enumerate(frames[1:], 1)]
    return data, network_bits(coded, tables) + sum(coded_bits(frame, channels, tables) for frame in frames)


def inr(architecture: str, width: int, height: int, threads: int, clock: Clock) -> str:
    network, tables = widest(architecture, width, height), InrTables(manifest.find_by_name("inr"))
    groups = [group_of(network, number, tables) for number in range(GROUPS)]
    packets = [
        [Packet(0, GROUP * g + k, data, 1, is_keyframe=k == 0) for k, data in enumerate(group)]
        for g, (group, _) in enumerate(groups)
    ]
    header = header_of("inr", width, height)
    decoder = Decoder(header, threads=threads)
    decoder.push(packets[0][0])
    one = [milliseconds(lambda p=p: decoder.push(p), clock) for p in packets[0][1:] * 3]
    other = [
        milliseconds(lambda g=g: (decoder.skip(packets[g][0]), decoder.push(packets[g][3])), clock)
        for g in [1, 2, 3, 4, 5] * 2
    ]

    def cold(g: int) -> float:
        open_shared.cache_clear()

        def job() -> None:
            fresh = Decoder(header, threads=threads)
            fresh.skip(packets[g][0])
            fresh.push(packets[g][5])

        return milliseconds(job, clock)

    fresh = [cold(g) for g in [1, 2, 3, 4, 5] * 2]
    size = sum(len(data) for group, _ in groups for data in group)
    stated = sum(bits for _, bits in groups) / 8
    first, group, decoder_ = (statistics.median(times) for times in (one, other, fresh))
    return (
        f"{architecture}, {network.summary.parameters} weights: {1e3 / first:.1f} frames/s; a frame of the open "
        f"group {first:.0f} ms, of another {group:.0f} ms ({group / first:.2f}x), in a new decoder {decoder_:.0f} ms "
        f"({decoder_ / first:.2f}x); packets {size / stated - 1:+.2%} of what the tables state"
    )


def overfit(width: int, height: int, threads: int, clock: Clock) -> str:
    rng = np.random.default_rng(1)
    geometry = OverfitGeometry(width, height)
    model, grids = OverfitModel(manifest.find_by_name("overfit")), LatentGrids.zeros(geometry)
    coder = OverfitFrameCoder(model, geometry)
    for kind, found in (("luma", grids.luma), ("chroma", grids.chroma)):
        for mean, grid in zip(FULL[kind], found, strict=True):
            grid[:] = np.rint(rng.laplace(0, mean / 1.4, grid.shape))
    for plane in grids.lowpass:
        plane[:] = rng.integers(-100, 100, plane.shape)
    data = coder.pack(OverfitFrame(120, grids), None)
    decoder = Decoder(header_of("overfit", width, height), threads=threads)
    decoder.push(Packet(0, 0, data, 1))
    times = [milliseconds(lambda k=k: decoder.push(Packet(0, k, data, 1)), clock) for k in range(1, 6)]
    bits = 8 * len(data) / (width * height)
    return f"overfit, a keyframe of {bits:.2f} bits a pixel: {statistics.median(times) / 1e3:.2f} s"


def sides(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pixels", type=sides, default=(640, 360), help="WIDTHxHEIGHT of video")
    parser.add_argument("--still", type=sides, default=(768, 512), help="WIDTHxHEIGHT of a still image for overfit")
    parser.add_argument("--cpu", action="store_true", help="processor time in place of wall time")
    args = parser.parse_args()
    clock = time.process_time if args.cpu else time.perf_counter
    print(f"{args.threads} threads; video {args.pixels[0]}x{args.pixels[1]}, still {args.still[0]}x{args.still[1]}")
    for architecture in ARCHITECTURES:
        print(inr(architecture, *args.pixels, args.threads, clock), flush=True)
    print(overfit(*args.still, args.threads, clock))


if __name__ == "__main__":
    main()
