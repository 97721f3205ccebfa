"""A keyframe looked up while others are read."""

from __future__ import annotations

import io
from fractions import Fraction

import pytest

from mediacodec_bitstream import (
    AudioParameters,
    FileHeader,
    Packet,
    ParameterError,
    Reader,
    StreamHeader,
    Writer,
    seeking,
)

RATE = 16_000
STREAM = StreamHeader(0, "test", AudioParameters(RATE, 1, 320, 320), Fraction(1, RATE), packet_duration=RATE)


class Pipe(io.BytesIO):
    """Bytes that come one way."""

    def seekable(self) -> bool:
        return False


def packets(count: int) -> list[Packet]:
    return [Packet(0, i * RATE, bytes([i]) * (i % 40), RATE) for i in range(count)]


def written(items: list[Packet], *, index: bool) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, FileHeader((STREAM,)), index=index)
    for packet in items:
        writer.write(packet)
    writer.close()
    return file.getvalue()


@pytest.mark.parametrize("index", [True, False])
def test_a_keyframe_is_looked_up_while_others_are_read(index: bool) -> None:
    items = packets(30)
    data = written(items, index=index)
    reader = Reader(io.BytesIO(data))
    for number, packet in enumerate(reader):
        assert packet == items[number]
        wanted = items[7 * number % 30]
        assert reader.peek_keyframe(0, wanted.pts) == wanted
    assert reader.end is not None
    assert reader.gaps == []
    assert reader.peek_keyframe(0, RATE + 1) is None
    with pytest.raises(ParameterError):
        reader.peek_keyframe(3, 0)
    assert Reader(Pipe(data)).peek_keyframe(0, 0) is None
    at = data.index(items[5].data)
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert Reader(io.BytesIO(damaged)).peek_keyframe(0, items[5].pts) is None


@pytest.mark.parametrize("index", [True, False])
def test_looking_a_keyframe_up_does_not_read_the_whole_file(index: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged files may ask for many keyframes that are not there, or far from where the index says."""
    monkeypatch.setattr(seeking, "LOOKUP_LIMIT", 8)
    items = packets(30)
    reader = Reader(io.BytesIO(written(items, index=index)))
    assert reader.peek_keyframe(0, items[3].pts) == items[3]
    assert (reader.peek_keyframe(0, items[25].pts) == items[25]) is index


def test_an_index_is_read_once_until_the_file_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    items = packets(30)
    file = io.BytesIO(written(items, index=True))
    reader, loads = Reader(file), []

    def unpack(payload: bytes) -> object:
        loads.append(len(payload))
        return original(payload)

    original = seeking.Index.unpack
    monkeypatch.setattr(seeking.Index, "unpack", unpack)
    for number in (3, 25, 14):
        assert reader.another().seek(0, items[number].pts) == items[number].pts
    assert len(loads) == 1
    file.seek(0, io.SEEK_END)
    file.write(b"more")
    reader.seek(0, items[7].pts)
    assert len(loads) <= 2
