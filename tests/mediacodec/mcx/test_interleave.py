"""Several streams in one pass: the order of time, bounded waiting, and where a seek lands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from io import BytesIO

import pytest

from mediacodec.errors import ParameterError
from mediacodec.mcx import interleave
from mediacodec.mcx.interleave import in_time_order
from mediacodec_bitstream import AudioParameters, FileHeader, Packet, Reader, StreamHeader, VideoParameters, Writer

VIDEO, AUDIO, OTHER = 0, 1, 2


def packets(stream: int, times: Iterable[int], size: int = 100) -> list[Packet]:
    return [Packet(stream, pts, bytes(size), 1) for pts in times]


class Counted:
    """A run that gives what it takes, up to a number of packets."""

    def __init__(self, most: int = 10**6) -> None:
        self.position, self.done, self._left = 0, False, most

    def push(self, packet: Packet) -> Iterator[Packet]:
        self._left -= 1
        self.done = self._left <= 0
        yield packet

    def finish(self) -> Iterator[Packet]:
        yield Packet(OTHER, 999, b"", 0)


def merged(given: Iterable[Packet], **most: int) -> list[tuple[int, int]]:
    runs = {VIDEO: Counted(most.get("video", 10**6)), AUDIO: Counted(most.get("audio", 10**6))}
    return [(packet.stream_id, packet.pts) for packet in in_time_order(given, runs, lambda packet: packet.pts)]


END = (OTHER, 999)


def test_the_order_of_time_whatever_the_order_of_the_file() -> None:
    video, audio = packets(VIDEO, range(0, 40, 2)), packets(AUDIO, range(1, 41, 10))
    other = packets(OTHER, range(5))
    for given in ([*video, *other, *audio], [*audio, *video], [*video[:7], *audio, *video[7:]]):
        found = merged(given)
        assert found[-2:] == [END, END]
        assert len(found) == 26
        assert [pts for _, pts in found] == sorted(pts for _, pts in found)
        assert [pts for stream, pts in found if stream == AUDIO] == [1, 11, 21, 31]


def test_one_stream_may_be_empty() -> None:
    assert merged(packets(AUDIO, range(3))) == [(AUDIO, 0), (AUDIO, 1), (AUDIO, 2), END, END]
    assert merged([]) == [END, END]


def test_memory_goes_before_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """All frames come first in the file: of them no more wait than may."""
    monkeypatch.setattr(interleave, "MAX_WAITING", 1000)
    read = []

    def source() -> Iterator[Packet]:
        for packet in [*packets(VIDEO, range(100)), *packets(AUDIO, range(100))]:
            read.append(packet)
            yield packet

    found: list[tuple[int, int]] = []
    runs = {VIDEO: Counted(), AUDIO: Counted()}
    for packet in in_time_order(source(), runs, lambda packet: packet.pts):
        found.append((packet.stream_id, packet.pts))
        assert len(read) - len(found) <= 11
    for stream in (VIDEO, AUDIO):
        assert [pts for each, pts in found if each == stream] == list(range(100))


def test_who_has_enough_lets_nothing_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends early is not waited for, and what comes for it is dropped."""
    monkeypatch.setattr(interleave, "MAX_WAITING", 1000)
    given = [p for pair in zip(packets(VIDEO, range(200)), packets(AUDIO, range(200)), strict=True) for p in pair]
    found = merged(given, audio=3)
    assert [pts for stream, pts in found if stream == AUDIO] == [0, 1, 2]
    assert [pts for stream, pts in found if stream == VIDEO] == list(range(200))
    assert found[-1] == END
    assert found.count(END) == 1
    assert len(merged(iter(given), audio=3, video=2)) == 5, "nothing is read on for nobody"


def header(stream: int) -> StreamHeader:
    second = Fraction(1, 10)
    parameters = VideoParameters(16, 16, Fraction(10)) if stream == VIDEO else AudioParameters(10, 1, 0, 1)
    return StreamHeader(stream, "test", parameters, second)


def test_a_seek_for_several_streams_misses_nothing() -> None:
    buffer = BytesIO()
    writer = Writer(buffer, FileHeader((header(VIDEO), header(AUDIO))))
    for pts in range(100):
        writer.write(Packet(VIDEO, pts, b"v", 1, is_keyframe=pts % 20 == 0))
        if pts % 10 == 9:  # audio of a second, once it is over
            writer.write(Packet(AUDIO, pts - 9, b"s", 10))
    writer.close()
    reader = Reader(BytesIO(buffer.getvalue()))
    for video, audio, expected in ((45, 45, (40, 40)), (60, 55, (60, 50)), (59, 75, (40, 70)), (0, 0, (0, 0))):
        assert reader.seek_streams({VIDEO: video, AUDIO: audio}) == {VIDEO: expected[0], AUDIO: expected[1]}
        seen = [(packet.stream_id, packet.pts) for packet in reader]
        assert {(VIDEO, expected[0]), (AUDIO, expected[1])} <= set(seen)
        assert reader.seek(VIDEO, video) == expected[0]
        assert next(reader).pts == expected[0]
    with pytest.raises(ParameterError, match="no stream 7"):
        reader.seek_streams({7: 0})
    assert reader.gaps == []
