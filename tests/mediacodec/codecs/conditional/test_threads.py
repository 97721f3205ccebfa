"""Two threads: the same frames one packet later, whatever happens to packets on the way."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.coding import video_decoder, video_encoder

import mediacodec
from mediacodec.errors import BitstreamError, ParameterError, ParameterTypeError
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import Packet, StreamHeader

WIDTH, HEIGHT, COUNT, RATE = 120, 210, 12, Fraction(25)  # high enough for frames to be computed in two tiles
TOLERANCE = 3  # grey levels: tiles round otherwise than the whole, and references are frames
CodedStream = tuple[StreamHeader, list[Packet]]


@pytest.fixture(scope="module")
def clip(make_frames: Callable[..., list[VideoFrame]]) -> list[VideoFrame]:
    rng = np.random.default_rng(5)
    return [
        VideoFrame(
            np.clip(f.y + rng.normal(0, 4, f.y.shape), 0, 255).astype(np.uint8), f.u, f.v, f.pts, f.time_base, f.colour
        )
        for f in make_frames(COUNT, WIDTH, HEIGHT)
    ]


@pytest.fixture(scope="module")
def coded(clip: list[VideoFrame]) -> CodedStream:
    encoder = video_encoder("conditional", width=WIDTH, height=HEIGHT, frame_rate=RATE, crf=30, gop=6, scene_cut=False)
    return encoder.header, [packet for frame in clip for packet in encoder.push(frame)]


def close(one: VideoFrame, other: VideoFrame) -> bool:
    planes = ((one.y, other.y), (one.u, other.u), (one.v, other.v))
    return all(np.abs(a.astype(int) - b).max() <= TOLERANCE for a, b in planes)


def test_a_decoder_with_two_threads_is_one_frame_behind(coded: CodedStream) -> None:
    one, two = video_decoder(coded[0], threads=1), video_decoder(coded[0], threads=2)
    expected = [frame for packet in coded[1] for frame in one.push(packet)]
    pushed = [two.push(packet) for packet in coded[1]]
    assert [len(frames) for frames in pushed] == [0] + [1] * (COUNT - 1)
    found = [frame for frames in pushed for frame in frames] + two.flush()
    assert [frame.pts for frame in found] == [frame.pts for frame in expected]
    assert all(close(a, b) for a, b in zip(found, expected, strict=True))
    assert two.flush() == []


@pytest.mark.parametrize("bad", [1, 5, 6, 11])
def test_a_damaged_packet_costs_no_frame_before_it(coded: CodedStream, bad: int) -> None:
    decoder = video_decoder(coded[0], threads=2)
    found, broken = [], 0
    for index, packet in enumerate(coded[1]):
        data = bytes([*packet.data[:-1], packet.data[-1] ^ 1]) if index == bad else packet.data
        try:
            found += decoder.push(Packet(0, packet.pts, data, packet.duration, is_keyframe=packet.is_keyframe))
        except BitstreamError:
            broken += 1
            found += decoder.push(None)
    found += decoder.flush()
    assert broken == 1
    assert [frame.pts for frame in found] == [packet.pts for packet in coded[1]]
    expected = video_decoder(coded[0])
    whole = [frame for packet in coded[1] for frame in expected.push(packet)]
    until = bad // 6 * 6 + 6
    for k in [*range(bad), *range(until, COUNT)]:
        assert close(found[k], whole[k]), k


def test_an_encoder_with_two_threads_gives_each_packet_with_the_next_frame(clip: list[VideoFrame]) -> None:
    options = {"width": WIDTH, "height": HEIGHT, "frame_rate": RATE, "crf": 30, "gop": 6}
    encoder = video_encoder("conditional", threads=2, **options)
    pushed = [encoder.push(frame) for frame in clip]
    assert [len(packets) for packets in pushed] == [0] + [1] * (COUNT - 1)
    packets = [packet for group in pushed for packet in group] + encoder.flush()
    assert [packet.pts for packet in packets] == [frame.pts for frame in clip]
    assert [packet.is_keyframe for packet in packets] == [k % 6 == 0 for k in range(COUNT)]
    decoder = video_decoder(encoder.header)
    presented = [frame for packet in packets for frame in decoder.push(packet)]
    error = np.mean([np.square(a.y.astype(float) - b.y).mean() for a, b in zip(presented, clip, strict=True)])
    assert 10 * np.log10(255**2 / error) > 28


def test_a_file_written_and_read_with_two_threads_is_complete(clip: list[VideoFrame], tmp_path: Path) -> None:
    target = tmp_path / "two.mcx"
    with mediacodec.open(target, "w", threads=2) as writer:
        stream = writer.add_video_stream("conditional", width=WIDTH, height=HEIGHT, frame_rate=RATE, crf=34, gop=5)
        for frame in clip:
            writer.mux(stream.encode(frame))
    with mediacodec.open(target, threads=2) as reader:
        presented = [frame.pts_seconds for frame in reader.video.frames()]
        assert presented == pytest.approx([k / 25 for k in range(COUNT)])
        assert next(f.pts_seconds for f in reader.video.frames(start=0.24)) == pytest.approx(0.24)
        assert len(list(reader.video.frames(keyframes_only=True))) == 3
        for options in ({"stop": 0.2}, {"start": 0.12, "stop": 0.28}, {"stop": 0.28, "keyframes_only": True}):
            with mediacodec.open(target) as other:
                expected = [f.pts for f in other.video.frames(**options)]
            assert [f.pts for f in reader.video.frames(**options)] == expected
    with mediacodec.open(target) as reader:
        assert len(list(reader.video.frames())) == COUNT


def test_a_failure_that_is_not_the_packets_waits_for_a_keyframe(
    coded: CodedStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for threads in (1, 2):
        decoder = video_decoder(coded[0], threads=threads)
        presented = [frame for packet in coded[1][:2] for frame in decoder.push(packet)] + decoder.flush()
        with monkeypatch.context() as patched:
            patched.setattr(decoder._networks, "synthesise", lambda *_: (_ for _ in ()).throw(MemoryError()))
            with pytest.raises(MemoryError):
                decoder.push(coded[1][2]) or decoder.flush()
        after = [frame for packet in coded[1][3:7] for frame in decoder.push(packet)] + decoder.flush()
        assert decoder.concealed == 3
        assert all(close(frame, presented[-1]) for frame in after[:3])
        assert [frame.pts for frame in after] == [3, 4, 5, 6]


def test_threads_end_with_what_opened_them(coded: CodedStream) -> None:
    gc.collect()  # what earlier tests opened
    time.sleep(0.1)
    before = threading.active_count()
    for _ in range(4):
        decoder = video_decoder(coded[0], threads=2)
        for packet in coded[1][:2]:
            decoder.push(packet)
        del decoder
    gc.collect()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


@pytest.mark.parametrize("threads", [0, -3, 2.5, "2"])
def test_threads_are_checked(coded: CodedStream, threads: object) -> None:
    with pytest.raises((ParameterError, ParameterTypeError), match="threads"):
        video_decoder(coded[0], threads=threads)


def test_a_file_with_a_damaged_frame_keeps_its_length_with_two_threads(clip: list[VideoFrame], tmp_path: Path) -> None:
    target = tmp_path / "two.mcx"
    with mediacodec.open(target, "w") as writer:
        stream = writer.add_video_stream("conditional", width=WIDTH, height=HEIGHT, frame_rate=RATE, crf=34, gop=6)
        for frame in clip:
            writer.mux(stream.encode(frame))
    data = bytearray(target.read_bytes())
    data[len(data) * 3 // 4] ^= 0x55
    target.write_bytes(data)
    presented = {}
    for threads in (1, 2):
        with mediacodec.open(target, threads=threads) as reader:
            presented[threads] = list(reader.video.frames())
    assert [f.pts for f in presented[2]] == [f.pts for f in presented[1]]
    assert all(close(a, b) for a, b in zip(presented[1], presented[2], strict=True))
