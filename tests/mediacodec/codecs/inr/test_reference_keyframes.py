"""Keyframes of `inr` predicted from earlier ones, made of random integers: what they need, and where it is found."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from support import fitted_packets as packets_of

import mediacodec
from mediacodec import manifest
from mediacodec.codecs.base import ReferringDecoder
from mediacodec.codecs.inr import reference_keyframes
from mediacodec.codecs.inr.packet import REFERRING, PacketReader
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.frames import VideoFrame
from mediacodec.mcx import video_reader
from mediacodec_bitstream import CorruptError, FileHeader, Packet, Reader, Writer

make, network, decoder_for = packets_of.make, packets_of.network, packets_of.decoder_for
GROUP = 5
# a key group, one that follows it, then clips: the third refers to the second, which refers to the first group
DISTANCES = (None, 0, 10, 0, 10, 25)
LENGTH = GROUP * len(DISTANCES)


@pytest.fixture(scope="module")
def tables() -> InrTables:
    return InrTables(manifest.find_by_name("inr"))


@pytest.fixture(scope="module")
def groups(tables: InrTables) -> list[Any]:
    return [
        make(tables, network(), number, key=distance != 0, seed=number, spread=0.4, distance=distance or 0)
        for number, distance in enumerate(DISTANCES)
    ]


@pytest.fixture(scope="module")
def packets(groups: list[Any]) -> list[Packet]:
    return [packet for group in groups for packet in group.packets]


def written(packets: list[Packet]) -> bytes:
    file = BytesIO()
    writer = Writer(file, FileHeader((packets_of.header_for(network()),)), packets_per_chunk=3)
    for packet in packets:
        writer.write(packet)
    writer.close()
    return file.getvalue()


def read(file: Any, **options: Any) -> tuple[list[VideoFrame], list[Any]]:
    with mediacodec.open(file) as reader:
        frames = list(reader.video.frames(**options))
        return frames, reader.gaps


@pytest.fixture(scope="module")
def whole(packets: list[Packet]) -> list[VideoFrame]:
    frames, gaps = read(written(packets))
    assert [frame.pts for frame in frames] == list(range(LENGTH))
    assert not gaps
    return frames


class Pipe(BytesIO):
    def seekable(self) -> bool:
        return False


def equal(a: VideoFrame, b: VideoFrame) -> bool:
    return all(np.array_equal(x, y) for x, y in ((a.y, b.y), (a.u, b.u), (a.v, b.v)))


def test_weights_add_up_along_what_is_referred_to(groups: list[Any]) -> None:
    decoder, sums = decoder_for(network()), {}
    for number, (group, distance) in enumerate(zip(groups, DISTANCES, strict=True)):
        decoder.skip(group.packets[0])
        before = None if distance is None else sums[number - (distance // GROUP or 1)]
        sums[number] = group.coded.weights(before)
        assert all(np.array_equal(decoder._group.weights[name], value) for name, value in sums[number].items())
    assert isinstance(decoder, ReferringDecoder)
    assert PacketReader(groups[5].packets[0].data).head.kind == REFERRING == 3, "stands in files that exist"


@pytest.mark.parametrize("first", [10, 13, 17, 20, 24, 25, 29])
def test_from_a_seek_what_is_needed_is_found(packets: list[Packet], whole: list[VideoFrame], first: int) -> None:
    frames, gaps = read(written(packets), start=first / 25)
    assert [frame.pts for frame in frames] == list(range(first, LENGTH))
    assert all(equal(frame, whole[frame.pts]) for frame in frames)
    assert not gaps


def test_a_pipe_gives_the_same(packets: list[Packet], whole: list[VideoFrame]) -> None:
    frames, gaps = read(Pipe(written(packets)))
    assert len(frames) == LENGTH
    assert all(equal(a, b) for a, b in zip(frames, whole, strict=True))
    assert not gaps


def test_what_was_dropped_is_looked_up(
    packets: list[Packet], whole: list[VideoFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_keyframes, "MAX_KEPT_WEIGHTS", 1)
    frames, gaps = read(written(packets))
    assert all(equal(a, b) for a, b in zip(frames, whole, strict=True))
    assert not gaps
    frames, gaps = read(Pipe(written(packets)))
    assert [frame.pts for frame in frames if not equal(frame, whole[frame.pts])] == list(range(25, 30))
    assert {gap.reason for gap in gaps} == {"frame concealed: what it needs is missing"}


def test_what_is_looked_up_is_bounded(packets: list[Packet], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_reader, "MAX_FETCHED", 1)
    looked: list[int] = []
    plain = Reader.peek_keyframe
    monkeypatch.setattr(Reader, "peek_keyframe", lambda *given: (looked.append(given[2]), plain(*given))[1])
    _, gaps = read(written(packets), start=20 / 25, stop=25 / 25)
    assert looked == [10]
    assert gaps


def test_keyframes_alone(packets: list[Packet], whole: list[VideoFrame]) -> None:
    frames, gaps = read(written(packets), keyframes_only=True)
    assert [frame.pts for frame in frames] == [0, 10, 20, 25]
    assert all(equal(frame, whole[frame.pts]) for frame in frames)
    assert not gaps


def test_damage_to_what_is_referred_to_costs_what_refers(packets: list[Packet], whole: list[VideoFrame]) -> None:
    data = bytearray(written(packets))
    place = data.find(packets[10].data)
    data[place + 20] ^= 0xFF
    for options in ({}, {"start": 20 / 25}):
        frames, gaps = read(bytes(data), **options)
        assert [frame.pts for frame in frames] == list(range(0 if not options else 20, LENGTH))
        wrong = {frame.pts for frame in frames if not equal(frame, whole[frame.pts])}
        assert set(range(20, 25)) <= wrong
        assert not wrong & {*range(10), *range(25, 30)}, "what refers to the first group is whole"
        assert gaps


class TestForgedReferences:
    def packet(self, tables: InrTables, distance: int, *, number: int = 1) -> Packet:
        packet: Packet = make(tables, network(), number, distance=distance).packets[0]
        return packet

    @pytest.mark.parametrize("distance", [1, 4, 6, 1 << 30])
    def test_without_the_keyframe_nothing_is_decoded(self, tables: InrTables, groups: list[Any], distance: int) -> None:
        packet = self.packet(tables, distance)
        decoder = decoder_for(network())
        assert decoder.push(packet) == []
        decoder.push(groups[0].packets[0])
        assert equal(decoder.push(packet)[0], decoder.push(None)[0])
        assert decoder.concealed == 2
        frames, gaps = read(written([*groups[0].packets, packet]), start=GROUP / 25)
        assert len(frames) <= 1
        assert gaps

    def test_to_itself(self, tables: InrTables, groups: list[Any]) -> None:
        packet = self.packet(tables, 1)
        assert packet.data[2] == 1
        decoder = decoder_for(network())
        decoder.push(groups[0].packets[0])
        forged = replace(packet, data=packet.data[:2] + b"\0" + packet.data[3:])
        for use in (decoder.needs, decoder.push, decoder.skip):
            with pytest.raises(CorruptError, match="itself"):
                use(forged)

    def test_a_reference_in_what_is_no_keyframe(self, tables: InrTables) -> None:
        with pytest.raises(CorruptError, match="keyframe"):
            decoder_for(network()).push(replace(self.packet(tables, 5), is_keyframe=False))

    def test_more_in_a_row_than_allowed(self, tables: InrTables, groups: list[Any]) -> None:
        decoder = decoder_for(network())
        decoder.push(groups[0].packets[0])
        for number in range(1, reference_keyframes.MAX_DEPTH + 1):
            decoder.push(self.packet(tables, GROUP, number=number))
        with pytest.raises(CorruptError, match="9 keyframes are predicted from each other"):
            decoder.push(self.packet(tables, GROUP, number=reference_keyframes.MAX_DEPTH + 1))


def test_what_is_kept_is_bounded(tables: InrTables, groups: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    size = network().summary.parameters
    monkeypatch.setattr(reference_keyframes, "MAX_KEPT_WEIGHTS", 3 * (size + reference_keyframes.ENTRY_WEIGHTS))
    decoder = decoder_for(network())
    for number in range(6):
        decoder.skip(make(tables, network(), number).packets[0])
    assert [pts for pts in range(30) if decoder._keyframes.get(pts)] == [15, 20, 25]
