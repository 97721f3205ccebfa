"""Varints and the cursor."""

from __future__ import annotations

import pytest

from mediacodec_bitstream import CorruptError, ParameterError
from mediacodec_bitstream.wire import MAX_VARINT, Cursor, varint, zigzag


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 16_383, 16_384, MAX_VARINT])
def test_round_trip(value: int) -> None:
    data = varint(value)
    assert len(data) == max(1, -(-value.bit_length() // 7))
    assert Cursor(data, "test").varint() == value
    for signed in (value // 2, -(value // 2)):
        assert Cursor(zigzag(signed), "test").zigzag() == signed


def test_known_bytes() -> None:
    assert varint(300) == b"\xac\x02"
    assert [zigzag(n)[0] for n in (0, -1, 1, -2)] == [0, 1, 2, 3]


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 9, b"\xff\x80\x00"])
def test_bad_varints(data: bytes) -> None:
    with pytest.raises(CorruptError):
        Cursor(data, "test").varint()


def test_limits() -> None:
    for value in (-1, MAX_VARINT + 1):
        with pytest.raises(ParameterError):
            varint(value)


def test_the_cursor_stays_inside() -> None:
    cursor = Cursor(b"\x01\x02\x03", "test")
    assert cursor.uint(2) == 0x0201
    assert cursor.left == 1
    with pytest.raises(CorruptError, match="test: 2 bytes wanted, 1 left"):
        cursor.take(2)
    with pytest.raises(CorruptError):
        cursor.unpack("I")
