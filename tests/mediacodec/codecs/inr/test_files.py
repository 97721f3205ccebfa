"""Files of fitted networks made of random integers: any frame alone, and damage that costs what it hit."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from support import fitted_packets as packets_of
from support.coding import video_decoder

import mediacodec
from mediacodec import manifest
from mediacodec.codecs.inr.decoder import InrDecoder
from mediacodec.codecs.inr.graph import FrameSynthesis
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import FileHeader, Packet, Writer

GROUP, GROUPS = 5, 6  # frames, groups; every third group is a key group
PER_CHUNK = 2


@pytest.fixture(scope="module")
def packets() -> list[Packet]:
    tables, shape = InrTables(manifest.find_by_name("inr")), packets_of.network()
    made = [
        packets_of.make(tables, shape, number, key=number % 3 == 0, seed=number, spread=0.5) for number in range(GROUPS)
    ]
    return [packet for group in made for packet in group.packets]


def written(packets: list[Packet]) -> bytes:
    file = BytesIO()
    writer = Writer(file, FileHeader((packets_of.header_for(packets_of.network()),)), packets_per_chunk=PER_CHUNK)
    for packet in packets:
        writer.write(packet)
    writer.close({0: GROUP * GROUPS})
    return file.getvalue()


def read(data: bytes, **options: Any) -> tuple[list[VideoFrame], list[Any]]:
    with mediacodec.open(data) as file:
        frames = list(file.video.frames(**options))
        return frames, file.gaps


@pytest.fixture(scope="module")
def whole(packets: list[Packet]) -> list[VideoFrame]:
    frames, gaps = read(written(packets))
    assert [frame.pts for frame in frames] == list(range(GROUP * GROUPS))
    assert not gaps
    return frames


def equal(a: VideoFrame, b: VideoFrame) -> bool:
    return all(np.array_equal(x, y) for x, y in ((a.y, b.y), (a.u, b.u), (a.v, b.v)))


@pytest.mark.parametrize("first", [0, 3, 7, 14, 15, 23, 29])
def test_a_frame_in_the_middle_is_made_alone(
    packets: list[Packet], whole: list[VideoFrame], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, sessions = [], []
    plain, build = FrameSynthesis.frame, FrameSynthesis.__init__
    monkeypatch.setattr(FrameSynthesis, "frame", lambda *given: (made.append(1), plain(*given))[1])
    monkeypatch.setattr(
        FrameSynthesis, "__init__", lambda *given, **more: (sessions.append(1), build(*given, **more))[1]
    )
    frames, gaps = read(written(packets), start=first / 25, stop=(first + 1) / 25)
    assert [frame.pts for frame in frames] == [first]
    assert equal(frames[0], whole[first])
    assert (len(made), len(sessions), gaps) == (1, 1, [])


def test_keyframes_alone(packets: list[Packet], whole: list[VideoFrame]) -> None:
    frames, _ = read(written(packets), keyframes_only=True)
    assert [frame.pts for frame in frames] == [0, 15]
    assert equal(frames[1], whole[15])


def damaged(packets: list[Packet], pts: int) -> bytes:
    """A file whose chunk with the packet at `pts` has a wrong byte in it."""
    data = bytearray(written(packets))
    place = data.find(packets[pts].data)
    data[place + len(packets[pts].data) // 2] ^= 0xFF
    return bytes(data)


def test_damage_to_frames_costs_those_alone(packets: list[Packet], whole: list[VideoFrame]) -> None:
    frames, gaps = read(damaged(packets, 7))
    assert [frame.pts for frame in frames] == [frame.pts for frame in whole]
    wrong = [a.pts for a, b in zip(frames, whole, strict=True) if not equal(a, b)]
    assert 7 in wrong
    assert set(wrong) <= {6, 7, 8}, "no more than a chunk"
    assert gaps


def test_damage_to_a_network_is_concealed_up_to_the_next_keyframe(
    packets: list[Packet], whole: list[VideoFrame]
) -> None:
    frames, gaps = read(damaged(packets, 5))
    assert [frame.pts for frame in frames] == [frame.pts for frame in whole]
    wrong = [a.pts for a, b in zip(frames, whole, strict=True) if not equal(a, b)]
    assert set(range(5, 15)) <= set(wrong) <= set(range(4, 15))
    assert any("concealed" in gap.reason for gap in gaps)


def test_a_packet_that_decodes_to_garbage_costs_itself(packets: list[Packet], whole: list[VideoFrame]) -> None:
    broken = list(packets)
    data = bytearray(broken[8].data)
    data[-1] ^= 1
    broken[8] = Packet(0, 8, bytes(data), 1, is_keyframe=False)
    frames, gaps = read(written(broken))
    assert [a.pts for a, b in zip(frames, whole, strict=True) if not equal(a, b)] == [8]
    assert any("undecodable" in gap.reason for gap in gaps)


def test_the_decoder_is_one_that_knows_what_it_needs(packets: list[Packet]) -> None:
    from mediacodec.codecs.base import RandomAccessDecoder

    decoder = video_decoder(packets_of.header_for(packets_of.network()))
    assert isinstance(decoder, InrDecoder)
    assert isinstance(decoder, RandomAccessDecoder)


def test_what_is_lost_where_reading_begins_shows_the_next_good_frame(
    packets: list[Packet], whole: list[VideoFrame]
) -> None:
    frames, gaps = read(damaged(packets, 5), start=8 / 25, stop=17 / 25)
    assert [frame.pts for frame in frames] == list(range(8, 17))
    assert all(equal(frame, whole[15]) for frame in frames[:8])
    assert gaps
