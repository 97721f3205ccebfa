"""What a conditional decoder makes of packets that are lost, damaged or forged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from support.coding import video_decoder, video_encoder

from mediacodec import manifest
from mediacodec.codecs.conditional.decoder import ConditionalDecoder
from mediacodec.errors import BitstreamError, CorruptError, DesyncError, TruncatedError
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import OPAQUE, AudioParameters, Packet, StreamHeader, VideoParameters

WIDTH, HEIGHT, GOP = 83, 50, 6
CodedStream = tuple[StreamHeader, list[Packet]]


@pytest.fixture(scope="module")
def coded(make_frames: Callable[..., list[VideoFrame]]) -> CodedStream:
    """Three groups of six frames."""
    rng = np.random.default_rng(1)
    size = {"width": WIDTH, "height": HEIGHT, "frame_rate": Fraction(25)}
    encoder = video_encoder("conditional", **size, crf=28, gop=GOP, scene_cut=False)
    packets = []
    for frame in make_frames(3 * GOP, WIDTH, HEIGHT):
        y = np.clip(frame.y + rng.normal(0, 4, frame.y.shape), 0, 255).astype(np.uint8)
        packets += encoder.push(VideoFrame(y, frame.u, frame.v, frame.pts, frame.time_base))
    return encoder.header, packets


@pytest.fixture(scope="module")
def whole(coded: CodedStream) -> list[VideoFrame]:
    decoder = make_decoder(coded)
    return [frame for packet in coded[1] for frame in decoder.push(packet)]


def make_decoder(coded: CodedStream) -> ConditionalDecoder:
    decoder = video_decoder(coded[0])
    assert isinstance(decoder, ConditionalDecoder)
    return decoder


def same(one: VideoFrame, other: VideoFrame) -> bool:
    return all(np.array_equal(a, b) for a, b in ((one.y, other.y), (one.u, other.u), (one.v, other.v)))


def test_after_a_loss_the_last_frame_is_repeated_until_a_keyframe(coded: CodedStream, whole: list[VideoFrame]) -> None:
    decoder, presented = make_decoder(coded), []
    for index, packet in enumerate(coded[1]):
        presented += decoder.push(None if index == 3 else packet)
    assert [frame.pts for frame in presented] == list(range(3 * GOP))
    assert all(same(presented[k], whole[k]) for k in range(3))
    assert all(same(presented[k], whole[2]) for k in range(3, GOP))
    assert all(same(presented[k], whole[k]) for k in range(GOP, 3 * GOP))
    assert decoder.concealed == GOP - 3


def test_a_gap_that_the_container_marks_counts_as_a_loss(coded: CodedStream, whole: list[VideoFrame]) -> None:
    decoder = make_decoder(coded)
    for packet in coded[1][:3]:
        decoder.push(packet)
    (presented,) = decoder.push(replace(coded[1][4], discontinuity=True))
    assert same(presented, whole[2])
    assert presented.pts == 4


def test_who_starts_in_the_middle_gets_the_next_keyframe_first(coded: CodedStream, whole: list[VideoFrame]) -> None:
    decoder = make_decoder(coded)
    assert decoder.push(None) == []
    for packet in coded[1][2:GOP]:
        assert decoder.push(packet) == []
    for index in range(GOP, 2 * GOP):
        (presented,) = decoder.push(coded[1][index])
        assert same(presented, whole[index])


def test_keyframes_decode_alone(coded: CodedStream, whole: list[VideoFrame]) -> None:
    decoder = make_decoder(coded)
    for index in (2 * GOP, 0, GOP):
        (presented,) = decoder.push(coded[1][index])
        assert same(presented, whole[index])


def test_an_unnoticed_loss_is_noticed(coded: CodedStream) -> None:
    """A packet that was coded against another frame does not decode to other symbols in silence."""
    decoder = make_decoder(coded)
    decoder.push(coded[1][0])
    with pytest.raises(BitstreamError):
        decoder.push(coded[1][2])


@pytest.mark.parametrize("index", [0, 2, GOP + 1])
def test_damage_raises_bitstream_errors_alone_and_ends_at_a_keyframe(
    coded: CodedStream, whole: list[VideoFrame], index: int
) -> None:
    rng = np.random.default_rng(index)
    packet, refused = coded[1][index], 0
    for _ in range(60):
        data = bytearray(packet.data)
        kind = rng.integers(4)
        if kind == 0:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        elif kind == 1:
            del data[rng.integers(len(data)) :]
        elif kind == 2:
            data[rng.integers(1, len(data)) :] = rng.bytes(rng.integers(1, 40))
        else:
            data[1:] = bytes(int(rng.integers(1, 200)))
        decoder = make_decoder(coded)
        for before in coded[1][index - index % GOP : index]:
            decoder.push(before)
        try:
            decoder.push(replace(packet, data=bytes(data)))
        except BitstreamError:
            refused += 1
            after = coded[1][index + 1] if index % GOP < GOP - 1 else None
            assert len(decoder.push(after)) == (1 if index % GOP else 0)
        (presented,) = decoder.push(coded[1][2 * GOP])
        assert same(presented, whole[2 * GOP])
    assert refused >= 55


def test_the_symbol_crc_is_compared(coded: CodedStream) -> None:
    decoder = make_decoder(coded)
    data = bytearray(coded[1][0].data)
    data[-1] ^= 1
    with pytest.raises(DesyncError):
        decoder.push(replace(coded[1][0], data=bytes(data)))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", TruncatedError),
        (b"\x10", TruncatedError),
        (b"\x10\x00", TruncatedError),
        (b"\x90\x00\x00\x00", CorruptError),  # a keyframe that claims to be a refresh
        (b"\x50\x00\x00\x00", CorruptError),  # an inter frame in a packet that claims to be a keyframe
    ],
)
def test_forged_heads(coded: CodedStream, data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        make_decoder(coded).push(Packet(0, 0, data, 1))


def test_headers_that_are_not_of_this_codec_are_corrupt(coded: CodedStream) -> None:
    header = coded[0]
    parameters = header.parameters
    assert isinstance(parameters, VideoParameters)
    wrong = [
        replace(header, parameters=replace(parameters, pad_right=0)),
        replace(header, parameters=replace(parameters, pad_bottom=30)),
        replace(header, parameters=AudioParameters(16000, 1, 0, 320)),
        replace(header, symbol_crc_size=4),
        replace(header, coder=0),
        replace(header, coder=OPAQUE, symbol_crc_size=0, fields=dict(header.fields) | {"foreign_codec": "h264"}),
        replace(header, parameters=VideoParameters(65535, 1000, Fraction(25), pad_right=1, pad_bottom=8)),
    ]
    for changed in wrong:
        with pytest.raises(CorruptError):
            video_decoder(changed)
    assert manifest.find_by_name("conditional").weights_hash == header.model_hash
