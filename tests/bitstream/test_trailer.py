"""End and index payloads."""

from __future__ import annotations

import pytest

from mediacodec_bitstream import CorruptError, End, StreamEnd
from mediacodec_bitstream.trailer import MAX_INDEX, Index, pack_end, unpack_end


def test_end_round_trip() -> None:
    end = End({0: StreamEnd(100, 5, 999), 7: StreamEnd(None, 0, 0)}, 12_345)
    payload = pack_end(end)
    assert unpack_end(payload) == end
    assert int.from_bytes(payload[-2:], "little") == len(payload) + 24


def test_end_refuses() -> None:
    payload = pack_end(End({0: StreamEnd(100, 5, 999)}, 0))
    for bad in (b"", payload[:-1], payload + b"\0", b"\x0f" + payload[1:], b"\x10\x11" + payload[2:]):
        with pytest.raises(CorruptError):
            unpack_end(bad)
    twice = pack_end(End({0: StreamEnd(1, 1, 1), 1: StreamEnd(1, 1, 1)}, 0))
    with pytest.raises(CorruptError, match="twice"):
        unpack_end(twice[:18] + b"\0" + twice[19:])


def test_index_finds_the_entry_before() -> None:
    index = Index()
    for i in range(10):
        index.add(0, i * 100, 1000 + i, spacing=200)
        index.add(1, i * 100, 2000 + i)
    again = Index.unpack(index.pack())
    assert len(again) == 15
    assert [again.find(0, pts) for pts in (0, 199, 200, 99_999)] == [1000, 1000, 1002, 1008]
    assert again.find(1, 150) == 2001
    assert again.find(2, 0) is None
    assert Index().find(0, 5) is None


def test_an_index_ascends_even_where_time_stands_still() -> None:
    index = Index()
    for offset in (10, 20, 30):
        index.add(0, 5, offset)
    assert Index.unpack(index.pack()).find(0, 5) == 10


def test_index_is_bounded() -> None:
    index = Index()
    for i in range(3 * MAX_INDEX):
        index.add(0, i * 10, i)
    assert MAX_INDEX // 4 < len(index) <= MAX_INDEX
    found = index.find(0, 2 * MAX_INDEX * 10)
    assert found is not None
    assert 2 * MAX_INDEX - 16 < found <= 2 * MAX_INDEX


@pytest.mark.parametrize("entries", [[(5, 1), (5, 2)], [(5, 2), (6, 1)], [(5, 1), (4, 2)]])
def test_index_must_ascend(entries: list[tuple[int, int]]) -> None:
    payload = b"\x0c" + b"".join(b"\0" + p.to_bytes(5, "little") + o.to_bytes(6, "little") for p, o in entries)
    with pytest.raises(CorruptError):
        Index.unpack(payload)
    for bad in (b"", b"\x0b" + bytes(11), b"\x0c" + bytes(13)):
        with pytest.raises(CorruptError):
            Index.unpack(bad)
