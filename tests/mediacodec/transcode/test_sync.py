"""A click and a flash at the same moment are still together at the end of a minute, through write, read and write."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.media.media_sink import MediaSink
from mediacodec.media.media_source import MediaSource

SECONDS, RATE = 60, 44100
FRAME_RATE = Fraction(30000, 1001)
CLICKS = (1.0, 30.03, 59.4)
SIZE = (64, 48)


def scene() -> Iterator[VideoFrame | AudioChunk]:
    """A gradient that pans and is white for a frame at each click, over a soft tone; in pieces of about 0.5 s."""
    times = [index / FRAME_RATE for index in range(int(SECONDS * FRAME_RATE))]
    flashes = {min(range(len(times)), key=lambda k: abs(times[k] - click)) for click in CLICKS}
    x = (0.02 * np.sin(2 * np.pi * 330 * np.arange(SECONDS * RATE) / RATE)).astype(np.float32)[np.newaxis]
    for index in flashes:
        start = round(times[index] * RATE)
        x[:, start : start + 64] = 0.9 * np.sign(np.sin(np.arange(64)))
    chroma = np.full((SIZE[1] // 2, SIZE[0] // 2), 128, np.uint8)
    columns = np.arange(SIZE[0])[np.newaxis].repeat(SIZE[1], axis=0)
    sent = 0
    for index in range(len(times)):
        luma = 80 + (columns + index) % 64
        yield VideoFrame(
            (np.full_like(luma, 235) if index in flashes else luma).astype(np.uint8),
            chroma,
            chroma,
            index,
            1 / FRAME_RATE,
        )
        if index % 15 == 0:
            stop = min(x.shape[1], round(times[index] * RATE) + RATE // 2)
            yield AudioChunk(x[:, sent:stop], RATE, sent)
            sent = stop
    yield AudioChunk(x[:, sent:], RATE, sent)


def events(path: Path) -> tuple[list[float], list[float], int]:
    """Times of the flashes and of the clicks, s, and the number of frames; read with PyAV alone."""
    flashes, levels, frames = [], [], 0
    with av.open(path) as container:
        for frame in container.decode(video=0):
            frames += 1
            if np.frombuffer(frame.planes[0], np.uint8).reshape(-1, frame.planes[0].line_size)[:, :64].min() > 200:
                flashes.append(frame.time)
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            peak = np.abs(frame.to_ndarray()[0])
            levels += [(frame.time + k / RATE) for k in np.flatnonzero(peak > 0.4)]
    clicks = [t for k, t in enumerate(levels) if k == 0 or t - levels[k - 1] > 1]
    return flashes, clicks, frames


def sink_like(media: MediaSource, path: Path) -> MediaSink:
    return MediaSink(
        path,
        width=media.width,
        height=media.height,
        frame_rate=media.frame_rate,
        time_base=media.time_base,
        audio=media.audio_copy or (media.sample_rate, media.channels),
    )


@pytest.mark.parametrize("copy", [True, "copy"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_in_sync_to_the_end(suffix: str, copy: bool | str, tmp_path: Path, made: Path) -> None:
    first, second = made, tmp_path / f"b.{suffix}"
    with MediaSource(first, audio=copy) as media, sink_like(media, second) as sink:  # type: ignore[arg-type]
        for item in media.items():
            sink.write(item)
    for path in (first, second):
        flashes, clicks, frames = events(path)
        assert (len(flashes), len(clicks), frames) == (3, 3, int(SECONDS * FRAME_RATE))
        assert np.abs(np.array(flashes) - CLICKS).max() < 0.02
        assert np.abs(np.array(flashes) - clicks).max() < 0.004, "AAC smears a click over a few ms"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sync") / "a.mp4"
    with MediaSink(
        path, width=SIZE[0], height=SIZE[1], frame_rate=FRAME_RATE, time_base=1 / FRAME_RATE, audio=(RATE, 1)
    ) as sink:
        for item in scene():
            sink.write(item)
    return path
