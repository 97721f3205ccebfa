"""Quality of pictures against their originals, as `compare` and `roundtrip` show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mediacodec.bench.audio.report import TITLES as SOUND_TITLES
from mediacodec.errors import InputError
from mediacodec.frames import VideoFrame
from mediacodec.metrics.video import ms_ssim, psnr, psnr_611

PICTURE_METRICS: Final[dict[str, Callable[[VideoFrame, VideoFrame], float]]] = {
    "psnr": lambda a, b: psnr_611((a.y, a.u, a.v), (b.y, b.u, b.v)),
    "psnr_y": lambda a, b: psnr(a.y, b.y),
    "ms_ssim": lambda a, b: ms_ssim(a.y, b.y),
}
TITLES: Final = {**SOUND_TITLES, "psnr": "PSNR 6:1:1", "psnr_y": "PSNR Y", "ms_ssim": "MS-SSIM"}


@dataclass(frozen=True)
class PictureScores:
    """metrics: means over the pictures, by name, None without any; frames: pictures compared; reference,
    distorted: pictures that there are; late: the most seconds between two that were compared."""

    metrics: dict[str, float | None]
    frames: int
    reference: int
    distorted: int
    late: float


def score_pictures(
    reference: Iterable[VideoFrame], distorted: Iterable[VideoFrame], names: Sequence[str]
) -> PictureScores:
    """Compare two runs of pictures, the first with the first and so on, one at a time in memory.

    Raises InputError where their sizes differ, MissingExtraError where MS-SSIM cannot be computed.
    """
    left, right = iter(reference), iter(distorted)
    sums = dict.fromkeys(names, 0.0)
    counts, frames, late = [0, 0], 0, 0.0
    while True:
        a, b = next(left, None), next(right, None)
        counts = [counts[0] + (a is not None), counts[1] + (b is not None)]
        if a is None and b is None:
            break
        if a is None or b is None:
            continue
        if a.y.shape != b.y.shape:
            raise InputError(f"pictures of {a.width}x{a.height} and {b.width}x{b.height} cannot be compared")
        frames, late = frames + 1, max(late, abs(a.pts_seconds - b.pts_seconds))
        for name in names:
            sums[name] += PICTURE_METRICS[name](a, b)
    means = {name: total / frames if frames else None for name, total in sums.items()}
    return PictureScores(means, frames, counts[0], counts[1], late)
