"""Concealment is bounded by 60 s and what was decoded, in every output; a stream joined late begins at once."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import mediacodec
from mediacodec.mcx.fill_budget import FILL_SECONDS, FillBudget
from mediacodec.transcode.decode import decode_file
from mediacodec.transcode.options import DecodeOptions
from mediacodec_bitstream import FileHeader, Packet, Reader, Writer

RATE = 16_000


@pytest.fixture(scope="module")
def packets(speech: Callable[..., Any]) -> tuple[FileHeader, list[Packet]]:
    reader = Reader(io.BytesIO(mediacodec.encode(speech(2.0, RATE), sample_rate=RATE, packet_duration=0.2)))
    return reader.header, list(reader)


def file_of(header: FileHeader, packets: list[Packet]) -> bytes:
    buffer = io.BytesIO()
    writer = Writer(buffer, header)
    for packet in packets:
        writer.write(packet)
    writer.close()
    return buffer.getvalue()


def moved(packets: list[Packet], seconds: int, since: int = 0) -> list[Packet]:
    return packets[:since] + [replace(packet, pts=packet.pts + seconds * RATE) for packet in packets[since:]]


def test_what_was_decoded_may_be_concealed_again() -> None:
    budget = FillBudget(10)
    assert budget.spend(6)
    assert not budget.spend(5)
    budget.earn(1)
    assert budget.spend(5)
    assert not budget.spend(1)


@pytest.mark.parametrize(("seconds", "since", "fills"), [(50, 5, True), (70, 5, False), (1 << 25, 0, False)])
@pytest.mark.parametrize("suffix", ["wav", "mkv", "mp4"])
def test_a_forged_time_makes_no_hours_of_silence(
    packets: tuple[FileHeader, list[Packet]], tmp_path: Path, suffix: str, seconds: int, since: int, fills: bool
) -> None:
    header, whole = packets
    data = file_of(header, moved(whole, seconds, since))
    with mediacodec.open(data) as reader:
        chunks = list(reader.audio.blocks())
        assert any("closed up" in gap.reason for gap in reader.gaps) != fills
    assert [chunk.pts for chunk in chunks[1:]] == [chunk.pts + chunk.num_samples for chunk in chunks[:-1]]
    expected = 2.0 + seconds * fills
    assert abs(sum(chunk.num_samples for chunk in chunks) / RATE - expected) < 0.1
    target = tmp_path / f"out.{suffix}"
    decode_file(data, target, DecodeOptions())
    assert abs(length(target) - expected) < 0.2


@pytest.mark.parametrize("suffix", ["wav", "mkv", "mp4"])
def test_a_stream_that_is_joined_begins_with_its_first_packet(
    packets: tuple[FileHeader, list[Packet]], tmp_path: Path, suffix: str
) -> None:
    header, whole = packets
    live = replace(header, live=True, header_interval=1)
    data = file_of(live, moved(whole, 600))
    joined = data[len(live.pack()) + 7 :]  # in the middle of the first chunk
    with mediacodec.open(joined) as reader:
        assert reader.joined
        first = next(reader.audio.blocks())
        assert first.pts_seconds > 599  # who reads it as samples learns the true time
        left = 2.0 - (first.pts_seconds - 600)
    target = tmp_path / f"out.{suffix}"
    decode_file(joined, target, DecodeOptions())
    assert abs(length(target) - left) < 0.2


def length(path: Path) -> float:
    """Seconds of audio, from time 0 on."""
    with av.open(str(path)) as container:
        ends = [
            float(frame.pts * frame.time_base) + frame.samples / frame.sample_rate
            for frame in container.decode(audio=0)
            if frame.pts is not None and frame.time_base is not None
        ]
    return max(ends)


def test_frames_that_cannot_be_decoded_are_concealed_for_a_minute_only() -> None:
    """A file of 2,000 packets without a byte is no video."""
    buffer = io.BytesIO()
    with mediacodec.open(buffer, "w") as writer:
        stream = writer.add_video_stream("conditional", width=64, height=48, frame_rate=10, crf=40)
        gray = np.full((24, 32), 128, np.uint8)
        frame = mediacodec.VideoFrame(np.full((48, 64), 90, np.uint8), gray, gray, 0, stream.header.time_base)
        writer.mux(stream.encode(frame))
    reader = Reader(io.BytesIO(buffer.getvalue()))
    (first,) = list(reader)
    step = round(1 / (10 * reader.header.streams[0].time_base))
    empty = [Packet(0, first.pts + step * i, b"", step, is_keyframe=False) for i in range(1, 2000)]
    with mediacodec.open(file_of(reader.header, [replace(first, duration=step), *empty])) as file:
        count = sum(1 for _ in file.video.frames())
    assert count <= FILL_SECONDS * 10 + 2
