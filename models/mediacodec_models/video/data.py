"""Training data: clips and stills packed as I420 planes with the motion between frames, in shards that can be mapped.

A pack is a folder of `NNN.npy` (flat uint8, at most 30 MB each, so that it travels in slices) and `index.json`, a list
of pieces: {"name", "dev", "frames", "height", "width", "shard", "planes", "motion"}. With h, w, n of a piece and its
shard as `bytes`, without a copy:

    planes = bytes[piece.planes :][: n * h * 3 // 2 * w].reshape(n, h * 3 // 2, w)
    y = planes[:, :h]                                          # [n, h, w]
    u = planes[:, h : h + h // 4].reshape(n, h // 2, w // 2)   # its rows lie two to a row of w
    v = planes[:, h + h // 4 :].reshape(n, h // 2, w // 2)
    motion = bytes[piece.motion :][: n * k * h * w // 16].view("<i2").reshape(n, k, 2, h // 8, w // 8)

Sides are multiples of 16, cut off at the right and at the bottom. Motion is in quarter samples, x then y, from each
frame to the one before; zeros for the first of a piece. There are vectors of k = len(LEVELS) searches a frame, each at
the price that the encoder puts on vectors at one of the quality levels LEVELS: a decoder trained on motion finer than
it is sent at low rates meets worse predictions in use than in training. A long clip may be several pieces.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.frame_coder import MOTION_WEIGHT
from mediacodec.codecs.conditional.rate_distortion import step_size
from mediacodec.video_coding.motion.search import search
from mediacodec.video_coding.motion.search_preset import SearchPreset
from mediacodec_models.video.clips import LEVELS

SHARD_BYTES = 30_000_000
SHORTEST = 8  # frames in a piece, unless the whole clip has fewer
DEV_SCENES = ("davis_bear", "edgetam_magic", "mdn_frog", "sam2_coffee")

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Piece:
    """Where frames lie; planes and motion are offsets in bytes."""

    name: str
    dev: bool
    frames: int
    height: int
    width: int
    shard: int
    planes: int
    motion: int


class ShardWriter:
    """Fills shards one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pieces: list[Piece] = []
        self._parts: list[Bytes] = []
        self._used = self._shard = 0

    def add(self, name: str, planes: Bytes, motion: npt.NDArray[np.int16], *, dev: bool) -> None:
        """planes uint8 [n, 3 h / 2, w], motion int16 [n, k, 2, h/8, w/8]."""
        start = 0
        while start < len(planes):
            count = self._fitting(len(planes) - start, planes[0].nbytes + motion[0].nbytes)
            if count == 0:
                self.close()
                continue
            span = slice(start, start + count)
            vectors = motion[span].astype("<i2")
            vectors[0] = 0
            at = self._used, self._used + planes[span].nbytes
            height, width = planes.shape[1] * 2 // 3, planes.shape[2]
            self.pieces.append(Piece(name, dev, count, height, width, self._shard, *at))
            for part in (planes[span], vectors):
                self._parts.append(part.reshape(-1).view(np.uint8))
                self._used += part.nbytes
            start += count

    def close(self) -> None:
        """Write what has gathered, and the index of all so far."""
        if self._parts:
            np.save(self.folder / f"{self._shard:03d}.npy", np.concatenate(self._parts))
            self._parts, self._used, self._shard = [], 0, self._shard + 1
        (self.folder / "index.json").write_text(json.dumps([asdict(piece) for piece in self.pieces], indent=0))

    def _fitting(self, wanted: int, size: int) -> int:
        room = (SHARD_BYTES - self._used) // size
        if room >= wanted or not self._parts:
            return min(room, wanted)
        room = min(room, wanted - SHORTEST)
        return room if room >= SHORTEST else 0


def is_dev(name: str, *, still: bool) -> bool:
    """Whether a clip is set aside: whole scenes by name, stills by a hash of the name."""
    if still:
        return hashlib.sha256(name.encode()).digest()[0] < 12
    return name.startswith(DEV_SCENES)


def read_planes(path: Path) -> Bytes:
    """All frames of a file as uint8 [n, 3 h / 2, w]: 8-bit 4:2:0 in the limited range, cut to multiples of 16."""
    with av.open(str(path)) as container:
        return np.stack([_i420(frame) for frame in container.decode(video=0)])


def _i420(frame: av.VideoFrame) -> Bytes:
    if frame.format.name != "yuv420p":
        frame = frame.reformat(format="rgb24").reformat(format="yuv420p")  # by way of RGB whatever range it has
    height, width = frame.height // 16 * 16, frame.width // 16 * 16
    parts = []
    for plane, scale in zip(frame.planes, (1, 2, 2), strict=True):
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
        parts.append(rows[: height // scale, : width // scale].reshape(-1, width))
    return np.concatenate(parts)


def find_motion(planes: Bytes, *, preset: SearchPreset) -> npt.NDArray[np.int16]:
    """The motion of each frame from the one before, int16 [n, k, 2, h/8, w/8]; zeros for the first."""
    count, height, width = planes.shape[0], planes.shape[1] * 2 // 3, planes.shape[2]
    motion = np.zeros((count, len(LEVELS), 2, height // 8, width // 8), np.int16)
    for index in range(1, count):
        current, reference = planes[index, :height], planes[index - 1, :height]
        for k, level in enumerate(LEVELS):
            weight = MOTION_WEIGHT * step_size(level)
            before = motion[index - 1, k]
            motion[index, k] = search(current, reference, previous=before, preset=preset, rate_weight=weight)
    return motion


def _files(clips: Path, stills: Path) -> Iterator[tuple[Path, bool]]:
    for folder, still in ((clips, False), (stills, True)):
        yield from ((path, still) for path in sorted(folder.iterdir()) if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack clips and stills, with their motion, into shards.")
    parser.add_argument("clips", type=Path, help="folder of clips")
    parser.add_argument("stills", type=Path, help="folder of still images")
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", choices=("fast", "medium", "slow"), default="medium", help="of the motion search")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    writer = ShardWriter(args.out)
    for path, still in _files(args.clips, args.stills):
        mark = time.monotonic()
        planes = read_planes(path)
        writer.add(path.stem, planes, find_motion(planes, preset=args.preset), dev=is_dev(path.stem, still=still))
        if not still:
            print(f"{path.stem}: {len(planes)} frames in {time.monotonic() - mark:.1f} s", flush=True)
    writer.close()
    for dev in (False, True):
        some = [piece for piece in writer.pieces if piece.dev == dev]
        print(f"{'dev' if dev else 'train'}: {len(some)} pieces, {sum(piece.frames for piece in some)} frames")


if __name__ == "__main__":
    main()
