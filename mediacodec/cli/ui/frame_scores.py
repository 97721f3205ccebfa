"""Quality of video against its original, frame by frame, as `compare` and `roundtrip` show it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mediacodec.bench.audio.report import TITLES as AUDIO_TITLES
from mediacodec.errors import InputError
from mediacodec.frames import VideoFrame
from mediacodec.metrics.video import ms_ssim, psnr, psnr_611

FRAME_METRICS: Final[dict[str, Callable[[VideoFrame, VideoFrame], float]]] = {
    "psnr": lambda a, b: psnr_611((a.y, a.u, a.v), (b.y, b.u, b.v)),
    "psnr_y": lambda a, b: psnr(a.y, b.y),
    "ms_ssim": lambda a, b: ms_ssim(a.y, b.y),
}
TITLES: Final = {**AUDIO_TITLES, "psnr": "PSNR 6:1:1", "psnr_y": "PSNR Y", "ms_ssim": "MS-SSIM"}


@dataclass(frozen=True)
class FrameScores:
    """How two videos compare.

    Attributes:
        metrics: means over the frames, by name; None without any.
        frames: compared.
        reference, distorted: frames that there are.
        late: the most seconds between two that were compared.
    """

    metrics: dict[str, float | None]
    frames: int
    reference: int
    distorted: int
    late: float


@contextlib.contextmanager
def frames_of(source: str, *, start: float, duration: float | None) -> Iterator[Iterator[VideoFrame]]:
    """The frames of a media file, opened for as long as the block lasts. Raises InputError where there are none."""
    from mediacodec.media.media_source import MediaSource

    with MediaSource(source, audio=False, start=start, duration=duration) as media:
        yield (item for item in media.items() if isinstance(item, VideoFrame))


def score_frames(reference: Iterable[VideoFrame], distorted: Iterable[VideoFrame], names: Sequence[str]) -> FrameScores:
    """Compare two videos, the first frame with the first and so on, one at a time in memory.

    Args:
        reference, distorted: the frames.
        names: keys of FRAME_METRICS.

    Raises:
        InputError: their sizes differ.
        MissingExtraError: MS-SSIM cannot be computed here.
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
            raise InputError(f"frames of {a.width}x{a.height} and {b.width}x{b.height} cannot be compared")
        frames, late = frames + 1, max(late, abs(a.pts_seconds - b.pts_seconds))
        for name in names:
            sums[name] += FRAME_METRICS[name](a, b)
    means = {name: total / frames if frames else None for name, total in sums.items()}
    return FrameScores(means, frames, counts[0], counts[1], late)
