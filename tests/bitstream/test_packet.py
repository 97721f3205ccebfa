"""Packets, their seals and layers."""

from __future__ import annotations

from typing import Any

import pytest

from mediacodec_bitstream import (
    CorruptError,
    MediaCodecError,
    Packet,
    ParameterError,
    TruncatedError,
    drop_layers,
    join_layers,
    seal,
    split_layers,
    unseal,
)


def test_repr_prints_sizes() -> None:
    text = repr(Packet(1, 100, b"secret" * 9, 20, dts=90, discontinuity=True))
    assert text == "Packet(stream_id=1, pts=100, dts=90, duration=20, <54 bytes>, keyframe, discontinuity)"


@pytest.mark.parametrize(
    "change",
    [
        {"stream_id": 255},
        {"pts": -1},
        {"pts": 1 << 40},
        {"duration": 1 << 24},
        {"duration": -1},
        {"dts": 1 << 40},
        {"data": bytes(1 << 24)},
        {"data": bytearray(3)},
        {"pts": 1.5},
    ],
)
def test_validated_at_birth(change: dict[str, Any]) -> None:
    with pytest.raises(MediaCodecError):
        Packet(**{"stream_id": 0, "pts": 0, "data": b"", "duration": 0, **change})


@pytest.mark.parametrize("size", [0, 1, 2, 4])
def test_seal(size: int) -> None:
    data = seal(b"coded", 0x483A0330, size)
    assert data == b"coded" + bytes.fromhex("30033a48")[:size]
    assert unseal(data, size) == (b"coded", 0x483A0330 & ((1 << 8 * size) - 1))
    if size:
        with pytest.raises(TruncatedError):
            unseal(bytes(size - 1), size)


def test_seal_sizes() -> None:
    for call in (lambda: seal(b"", 0, 3), lambda: unseal(b"abcd", 3)):
        with pytest.raises(ParameterError):
            call()


def test_layers_drop_without_decoding() -> None:
    layers = [b"a" * 200, b"bb", b"c"]
    packet = Packet(0, 5, join_layers(layers), 7, is_keyframe=False)
    assert split_layers(packet.data, 3) == layers
    for keep in range(4):
        cut = drop_layers(packet, keep, layers=3)
        assert split_layers(cut.data, 3) == layers[:keep] + [b""] * (3 - keep)
        assert (cut.pts, cut.duration, cut.is_keyframe) == (5, 7, False)
    assert drop_layers(drop_layers(packet, 2, layers=3), 1, layers=3) == drop_layers(packet, 1, layers=3)
    with pytest.raises(ParameterError):
        drop_layers(packet, 4, layers=3)


@pytest.mark.parametrize("data", [b"", b"\1", b"\1\1a", b"\1\1abc", b"\0\1a", b"\xff\xff\xff\x7f\1a"])
def test_bad_layers(data: bytes) -> None:
    with pytest.raises(CorruptError):
        split_layers(data, 2)
