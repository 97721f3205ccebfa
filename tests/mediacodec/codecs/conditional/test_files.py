"""The `conditional` codec in files: what the tests with a plain codec claim holds for the one that ships."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from support.coding import encode_options

import mediacodec
from mediacodec.frames import VideoFrame
from mediacodec.mcx.reader import FileReader
from mediacodec.transcode.decode import decode_file
from mediacodec.transcode.encode import encode_file
from mediacodec.transcode.options import DecodeOptions
from mediacodec_bitstream import Reader
from mediacodec_bitstream.chunk import DATA, Head

WIDTH, HEIGHT, COUNT, GOP = 67, 45, 24, 6


@pytest.fixture(scope="module")
def frames(make_frames: Callable[..., Any]) -> list[VideoFrame]:
    made: list[VideoFrame] = make_frames(COUNT, WIDTH, HEIGHT, time_base=Fraction(1, 10))
    return made


def written(frames: list[VideoFrame], *, live: bool) -> bytes:
    buffer = BytesIO()
    with mediacodec.open(buffer, "w", live=live) as file:
        options: dict[str, Any] = {"crf": 20, "gop": GOP, "preset": "fast", "scene_cut": False}
        video = file.add_video_stream("conditional", width=WIDTH, height=HEIGHT, frame_rate=10, **options)
        for frame in frames:
            file.mux(video.encode(frame))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def data(frames: list[VideoFrame]) -> bytes:
    return written(frames, live=False)


@pytest.fixture(scope="module")
def whole(data: bytes) -> list[VideoFrame]:
    with FileReader(data) as file:
        return list(file.video.frames())


def chunks_of(data: bytes) -> list[tuple[Head, int]]:
    reader, found = Reader(BytesIO(data)), []
    while (chunk := reader._next_chunk()) is not None:
        if chunk.head.type == DATA:
            found.append((chunk.head, chunk.offset))
    return found


def differing(presented: list[VideoFrame], good: list[VideoFrame]) -> set[int]:
    by_time = {frame.pts: frame for frame in good}
    return {frame.pts for frame in presented if not np.array_equal(frame.y, by_time[frame.pts].y)}


def test_frames_come_back(whole: list[VideoFrame], frames: list[VideoFrame], psnr: Any) -> None:
    assert [f.pts_seconds for f in whole] == [f.pts_seconds for f in frames]
    assert np.mean([psnr(a, b) for a, b in zip(whole, frames, strict=True)]) > 28


@pytest.mark.parametrize("start", [0.6, 1.1, 2.3])
def test_a_start_gives_the_same_frames(data: bytes, whole: list[VideoFrame], start: float) -> None:
    with FileReader(data) as file:
        presented = list(file.video.frames(start=start))
    assert [f.pts for f in presented] == list(range(round(10 * start), COUNT))
    assert differing(presented, whole) == set()


def test_keyframes_only(data: bytes, whole: list[VideoFrame]) -> None:
    with FileReader(data) as file:
        presented = list(file.video.frames(keyframes_only=True))
    assert [f.pts for f in presented] == [0, 6, 12, 18]
    assert differing(presented, whole) == set()


@pytest.mark.parametrize("part", range(4))
def test_damage_ends_at_the_next_keyframe(data: bytes, whole: list[VideoFrame], part: int) -> None:
    chunks = chunks_of(data)
    head, offset = chunks[len(chunks) * part // 4]
    damaged = bytearray(data)
    damaged[offset + 20 + head.size * (part + 1) // 6] ^= 0x10
    with FileReader(bytes(damaged)) as file:
        presented = list(file.video.frames())
        assert file.gaps
    assert [f.pts for f in presented] == list(range(COUNT))
    lost = differing(presented, whole)
    assert lost
    assert lost <= set(range(head.pts, (head.pts // GOP + 1) * GOP))


def test_live_loss_and_joining(frames: list[VideoFrame], whole: list[VideoFrame]) -> None:
    """Live each packet is a chunk of its own, and the same bytes."""
    data = written(frames, live=True)
    head, offset = chunks_of(data)[8]
    with FileReader(data[:offset] + data[offset + head.total :]) as file:
        presented = list(file.video.frames())
    assert [f.pts for f in presented] == list(range(COUNT))
    assert differing(presented, whole) == {8, 9, 10, 11}


def test_the_pipeline(
    frames: list[VideoFrame], make_video: Callable[..., None], speech: Any, read_media: Any, psnr: Any
) -> None:
    """An MP4 there and back, with its audio."""
    source, coded, out = BytesIO(), BytesIO(), BytesIO()
    even = [VideoFrame(f.y[:44, :66], f.u[:22, :33], f.v[:22, :33], f.pts, f.time_base) for f in frames]
    make_video(source, even, muxer="mp4", rate=Fraction(10), audio=(speech(2.4, 16_000), 16_000, "aac"))
    source.seek(0)
    report = encode_file(source, coded, encode_options(crf=20, bit_rate=3000, preset="fast"))
    back = decode_file(coded.getvalue(), out, DecodeOptions(format="mp4"))
    assert (report.frames, back.frames, back.gaps) == (COUNT, COUNT, [])
    presented, audio, _ = read_media(out)
    assert [f.pts_seconds for f in presented] == [f.pts_seconds for f in frames]
    assert min(psnr(a, b) for a, b in zip(presented, even, strict=True)) > 24
    assert sum(chunk.num_samples for chunk in audio) == 38_400
