"""Damaged, cut and joined files with video: what is lost, what stands in for it, and that it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import plain_video as plain

import mediacodec
from mediacodec.errors import BitstreamError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.mcx.reader import FileReader
from mediacodec.transcode.decode import decode_file
from mediacodec.transcode.options import DecodeOptions
from mediacodec_bitstream import Reader
from mediacodec_bitstream.chunk import DATA, END, Head

SIZE, RATE, GOP, COUNT = 32, 10, 10, 150
AUDIO_RATE = 16_000


@pytest.fixture(scope="module", autouse=True)
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with plain.with_family(tmp_path_factory.mktemp("models")):
        yield


def made(make_frames: Callable[..., Any], speech: Callable[..., Any], *, live: bool) -> bytes:
    """Fifteen seconds, a keyframe every second, packets of audio of a second (live: a tenth)."""
    frames = make_frames(COUNT, SIZE, SIZE, time_base=Fraction(1, RATE))
    samples = speech(COUNT / RATE, AUDIO_RATE)
    buffer = BytesIO()
    with mediacodec.open(buffer, "w", live=live) as file:
        video = file.add_video_stream(width=SIZE, height=SIZE, frame_rate=RATE, crf=0, gop=GOP)
        audio = file.add_audio_stream(sample_rate=AUDIO_RATE, bit_rate=3000, packet_duration=0.1 if live else 1.0)
        for index, frame in enumerate(frames):
            file.mux(video.encode(frame))
            file.mux(audio.encode(samples[:, index * 1600 : (index + 1) * 1600]))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def data(make_frames: Callable[..., Any], speech: Callable[..., Any]) -> bytes:
    return made(make_frames, speech, live=False)


@pytest.fixture(scope="module")
def live(make_frames: Callable[..., Any], speech: Callable[..., Any]) -> bytes:
    return made(make_frames, speech, live=True)


@pytest.fixture(scope="module")
def whole(data: bytes) -> tuple[list[VideoFrame], Any]:
    return decoded(data)[:2]


def decoded(data: Any, **options: Any) -> tuple[list[VideoFrame], Any, FileReader]:
    """Frames, samples [n], and the reader that gave them, in one pass."""
    with FileReader(data, **options) as file:
        items = list(file.items())
    frames = [item for item in items if isinstance(item, VideoFrame)]
    parts = [item.samples[0] for item in items if isinstance(item, AudioChunk)]
    return frames, np.concatenate([*parts, np.zeros(0, np.float32)]), file


def chunks_of(data: bytes) -> list[tuple[Head, int]]:
    """Head and offset of every data chunk and of the end."""
    reader, found = Reader(BytesIO(data)), []
    while (chunk := reader._next_chunk()) is not None:
        if chunk.head.type in (DATA, END):
            found.append((chunk.head, chunk.offset))
    return found


def hit(data: bytes, places: list[int]) -> bytes:
    damaged = bytearray(data)
    for place in places:
        damaged[place] ^= 0x41
    return bytes(damaged)


def lost_to(data: bytes, places: list[int]) -> tuple[set[int], list[tuple[int, int]]]:
    """Frames from each damaged chunk up to the next keyframe, and ranges of samples of damaged packets."""
    frames: set[int] = set()
    audio = []
    for head, offset in chunks_of(data):
        if head.type == DATA and any(offset <= place < offset + head.total for place in places):
            if head.stream_id == 0:
                frames |= set(range(head.pts, (head.pts // GOP + 1) * GOP))
            else:
                audio.append((head.pts, head.end))
    return frames, audio


def check(data: bytes, places: list[int], whole: tuple[list[VideoFrame], Any]) -> FileReader:
    """Decode with bytes at these places changed: all is there, and all but what was hit is as it was."""
    presented, audio, file = decoded(hit(data, places))
    lost, silent = lost_to(data, places)
    assert [f.pts for f in presented] == list(range(COUNT))
    wrong = {f.pts for f, good in zip(presented, whole[0], strict=True) if not np.array_equal(f.y, good.y)}
    assert wrong <= lost
    assert audio.shape == whole[1].shape
    good = np.ones(audio.shape, bool)
    for begin, end in silent:
        good[max(0, begin - 3200) : end + 6400] = False  # concealment fades out, and the codec comes back
    assert np.abs(audio - whole[1])[good].max(initial=0) < 2e-3
    if lost or silent:
        assert file.gaps
    return file


def test_twenty_places(data: bytes, whole: tuple[list[VideoFrame], Any]) -> None:
    rng = np.random.default_rng(5)
    places = sorted(int(p) for p in rng.choice(np.arange(300, len(data) - 200), 20, replace=False))
    lost, _ = lost_to(data, places)
    assert 20 < len(lost) < COUNT
    check(data, places, whole)


@pytest.mark.parametrize("part", range(20))
def test_each_of_twenty_places(data: bytes, whole: tuple[list[VideoFrame], Any], part: int) -> None:
    """One place at a time: heads, tables and payloads, of frames mostly."""
    chunks = [(head, offset) for head, offset in chunks_of(data) if head.type == DATA and head.stream_id == 0]
    head, offset = chunks[len(chunks) * part // 20]
    place = offset + (part * 7) % 30 if part % 2 else offset + 20 + (part * 131) % head.size
    presented = list(FileReader(hit(data, [place])).video.frames())
    assert [f.pts for f in presented] == list(range(COUNT))
    wrong = {f.pts for f, good in zip(presented, whole[0], strict=True) if not np.array_equal(f.y, good.y)}
    assert 0 < len(wrong) <= GOP
    assert wrong <= lost_to(data, [place])[0]


def test_a_packet_whose_symbols_are_wrong(make_frames: Any) -> None:
    """Its bytes are as they were written: only decoding shows it."""
    frames, buffer = make_frames(30, SIZE, SIZE, time_base=Fraction(1, RATE)), BytesIO()
    with mediacodec.open(buffer, "w") as file:
        video = file.add_video_stream(width=SIZE, height=SIZE, frame_rate=RATE, crf=0, gop=GOP)
        for frame in frames:
            packets = video.encode(frame)
            if frame.pts == 14:  # the packet before comes now
                packets = [type(p)(p.stream_id, p.pts, p.data[:-2] + b"xx", p.duration, None, False) for p in packets]
            file.mux(packets)
    with FileReader(buffer.getvalue()) as reader:
        presented = list(reader.video.frames())
    assert len(presented) == 30
    frozen = [f.pts for f in presented if np.array_equal(f.y, presented[12].y)]
    assert frozen == [12, *range(13, 20)]
    assert [(g.pts_start, g.pts_end) for g in reader.gaps] == [(13, 14), (13, 20)]
    assert "undecodable" in reader.gaps[0].reason
    assert "concealed up to the next keyframe" in reader.gaps[1].reason
    with FileReader(buffer.getvalue(), strict=True) as reader, pytest.raises(BitstreamError):
        list(reader.video.frames())


def test_frames_before_the_first_good_one_show_that_one(data: bytes, whole: tuple[list[VideoFrame], Any]) -> None:
    (_, offset), *_ = chunks_of(data)
    presented, _, file = decoded(hit(data, [offset + 40]))
    assert len(presented) == COUNT
    assert all(np.array_equal(f.y, whole[0][GOP].y) for f in presented[: GOP + 1])
    assert np.array_equal(presented[GOP + 1].y, whole[0][GOP + 1].y)
    assert file.gaps


def test_a_start_in_damage(data: bytes, whole: tuple[list[VideoFrame], Any]) -> None:
    """The keyframe that a start needs is damaged."""
    offset = next(o for h, o in chunks_of(data) if h.stream_id == 0 and h.pts == 50)
    with FileReader(hit(data, [offset + 60])) as file:
        presented = list(file.video.frames(start=5.3, stop=7.0))
    assert [f.pts for f in presented] == list(range(53, 70))
    assert np.array_equal(presented[-1].y, whole[0][69].y)
    assert file.gaps


def test_a_chunk_that_is_gone(data: bytes, whole: tuple[list[VideoFrame], Any]) -> None:
    head, offset = next((h, o) for h, o in chunks_of(data) if h.stream_id == 0 and h.pts == 35)
    presented, audio, file = decoded(data[:offset] + data[offset + head.total :])
    assert [f.pts for f in presented] == list(range(COUNT))
    assert all(np.array_equal(f.y, whole[0][34].y) for f in presented[35:40])
    assert np.array_equal(presented[40].y, whole[0][40].y)
    assert np.array_equal(audio, whole[1])
    assert len(file.gaps) == 1


def test_packets_missing_before_the_end(data: bytes) -> None:
    chunks = chunks_of(data)
    _, end = next((h, o) for h, o in chunks if h.type == END)
    begin = next(o for h, o in chunks if h.stream_id == 0 and h.pts >= 130)
    with FileReader(data[:begin] + data[end:]) as file:
        presented = list(file.video.frames())
        assert file.gaps
    assert [f.pts for f in presented] == list(range(COUNT))


def test_a_file_that_was_cut(data: bytes) -> None:
    presented, audio, file = decoded(data[: len(data) // 2])
    assert 60 < len(presented) < 90
    assert 4 < len(audio) / AUDIO_RATE < 9
    assert file.truncated


class TestLive:
    def test_a_listener_who_joins_sees_the_next_keyframe(self, live: bytes, pipe: Any) -> None:
        """The header came 10 s into the stream: what is there before its copy is not to be had."""
        place = next(o for h, o in chunks_of(live) if h.stream_id == 0 and h.pts == 93)
        for source in (live[place:], pipe(live[place:])):
            presented, audio, file = decoded(source)
            assert presented[0].pts % GOP == 0
            assert [f.pts for f in presented] == list(range(presented[0].pts, COUNT))
            assert presented[0].pts in (100, 110)
            assert len(audio) > 3 * AUDIO_RATE
            assert file.gaps == []

    def test_frames_lost_on_the_way(self, live: bytes) -> None:
        """Every packet is a chunk: only what follows until the keyframe is lost with it."""
        head, offset = next((h, o) for h, o in chunks_of(live) if h.stream_id == 0 and h.pts == 47)
        presented, _, file = decoded(live[:offset] + live[offset + head.total :])
        good, _, _ = decoded(live)
        assert [f.pts for f in presented] == list(range(COUNT))
        wrong = [f.pts for f, g in zip(presented, good, strict=True) if not np.array_equal(f.y, g.y)]
        assert wrong == [47, 48, 49]
        assert len(file.gaps) == 2


def test_a_forged_time_makes_no_hours_of_frames(make_frames: Any) -> None:
    frames = make_frames(4, SIZE, SIZE, times=[0, 1, 2, 1 << 33], time_base=Fraction(1, RATE))
    buffer = BytesIO()
    with mediacodec.open(buffer, "w", live=True) as file:
        video = file.add_video_stream(width=SIZE, height=SIZE, frame_rate=RATE, gop=1)
        for frame in frames:
            file.mux(video.encode(frame))
    data = buffer.getvalue()
    head, offset = [c for c in chunks_of(data) if c[0].type == DATA][2]
    presented = list(FileReader(data[:offset] + data[offset + head.total :]).video.frames())
    assert [f.pts for f in presented] == [0, 1, 1 << 33]


def test_the_pipeline_says_it_and_goes_on(data: bytes, tmp_path: Path) -> None:
    report = decode_file(hit(data, [len(data) // 2]), tmp_path / "a.y4m", DecodeOptions())
    assert (report.frames, report.damaged, report.truncated) == (COUNT, True, False)
    assert (tmp_path / "a.y4m").read_bytes().count(b"FRAME\n") == COUNT
