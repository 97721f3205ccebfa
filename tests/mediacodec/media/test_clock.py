"""Files whose clock jumps: segments joined, recordings that went on after an interruption."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.media.clock import Clock
from mediacodec.media.media_source import MediaSource
from mediacodec.media.stream_copy import AudioPacket


def segment(path: Path, offset: float, *, audio_frames: int = 84, codec: str = "mpeg2video") -> bytes:
    """2 s of video and about as much audio in MPEG-TS, with nothing of the code under test."""
    with av.open(str(path), "w", format="mpegts", options={"output_ts_offset": str(offset)}) as out:
        video = out.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        audio = out.add_stream("mp2", rate=48000, layout="mono")
        packets = []
        for index in range(50):
            image = av.VideoFrame.from_ndarray(np.full((96, 96), 4 * index, np.uint8), format="yuv420p")
            image.pts, image.time_base = index, Fraction(1, 25)
            packets += video.encode(image)
        packets += video.encode(None)
        for index in range(audio_frames):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1152), 3000, np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, 1152 * index, Fraction(1, 48000)
            packets += audio.encode(frame)
        for packet in sorted([*packets, *audio.encode(None)], key=lambda packet: packet.dts * packet.time_base):
            out.mux(packet)
    return path.read_bytes()


def read(path: Path, **options: object) -> tuple[list[float], list[tuple[float, float]], list[str]]:
    """Times of frames, begins and ends of pieces of audio, and notes."""
    with MediaSource(path, **options) as media:  # type: ignore[arg-type]
        items = list(media.items())
        notes = media.notes()
    times = [item.pts_seconds for item in items if isinstance(item, VideoFrame)]
    audio = [(x.pts_seconds, x.pts_seconds + x.duration_seconds) for x in items if isinstance(x, AudioChunk)]
    audio += [
        (float(x.pts * x.time_base), float((x.pts + x.duration) * x.time_base))
        for x in items
        if isinstance(x, AudioPacket)
    ]
    return times, audio, notes


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
@pytest.mark.parametrize("offset", [0, 4000, 90000], ids=["begins again", "jumps ahead", "a day later"])
@pytest.mark.parametrize("copy", [False, True], ids=["decoded", "copied"])
def test_audio_and_video_stay_together_where_the_clock_jumps(
    codec: str, offset: float, *, copy: bool, tmp_path: Path
) -> None:
    parts = [segment(tmp_path / "a.ts", start, codec=codec) for start in (0, offset, 0)]
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    times, audio, notes = read(tmp_path / "joined.ts", audio="copy" if copy else True)
    steps = np.diff(times)
    assert len(times) == 150
    assert steps.min() > 0.039
    assert steps.max() < 0.15
    assert np.abs(steps - 0.04).max() < 0.11
    assert abs(times[-1] + 0.04 - audio[-1][1]) < 0.15
    assert times[-1] == pytest.approx(6, abs=0.2)
    assert max(abs(begin - end) for (_, end), (begin, _) in pairwise(audio)) < 0.1
    assert [note for note in notes if "the clock jumps 2 time(s), first near" in note] == notes


def test_no_lag_grows_over_many_joins(tmp_path: Path) -> None:
    one = segment(tmp_path / "a.ts", 0, audio_frames=86)  # longer than the video, by 64 ms
    (tmp_path / "joined.ts").write_bytes(one * 12)
    times, audio, _ = read(tmp_path / "joined.ts")
    assert len(times) == 600
    assert min(np.diff(times)) > 0.03
    assert abs(times[-1] + 0.04 - audio[-1][1]) < 0.25


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    (tmp_path / "joined.ts").write_bytes(segment(tmp_path / "a.ts", 0) + segment(tmp_path / "b.ts", 30))
    times, audio, notes = read(tmp_path / "joined.ts")
    assert times[50] - times[49] == pytest.approx(28, abs=0.1)
    assert audio[-1][1] == pytest.approx(32, abs=0.1)
    assert ["gaps" in note for note in notes] == [True]


def test_a_stream_that_stumbles_alone_takes_no_other_along() -> None:
    container = av.open(io.BytesIO(), "w", format="matroska")
    video, audio = container.add_stream("mpeg4", rate=25), container.add_stream("mp2", rate=48000)
    clock = Clock()

    def followed(stream: av.stream.Stream, seconds: float) -> float:
        packet = av.Packet(b"x")
        packet.time_base = stream.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = round(seconds * 1000)
        packet.duration = 40
        clock.follow(packet, stream)
        assert packet.pts == packet.dts
        return float(packet.pts / 1000)

    for at in (0.0, 0.04, 0.08):
        assert (followed(video, at), followed(audio, at)) == (at, at)
    assert followed(audio, -1.0) == pytest.approx(0.12)  # alone
    assert followed(video, 0.12) == 0.12
    assert followed(video, 5000.0) == pytest.approx(0.16)
    assert followed(audio, 5000.0) == pytest.approx(0.16)
    assert followed(video, 5000.04) == pytest.approx(0.2)
    assert clock.jumps == 2
