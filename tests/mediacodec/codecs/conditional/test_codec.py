"""The conditional codec through its two classes: what an encoder promises, what a decoder makes of good packets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from support.coding import video_decoder, video_encoder

from mediacodec import manifest, session
from mediacodec.codecs.conditional.decoder import ConditionalDecoder
from mediacodec.codecs.conditional.encoder import ConditionalEncoder
from mediacodec.codecs.registry import CODECS, code_reader
from mediacodec.errors import ParameterError, ParameterTypeError, UnsupportedFeatureError
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import RC24, Packet, StreamHeader, VideoParameters

WIDTH, HEIGHT = 147, 91  # not whole blocks, and an odd number of them each way
RATE = Fraction(25)
Frames = Callable[..., list[VideoFrame]]
CodedStream = tuple[StreamHeader, list[Packet]]


def encoder_for(frame: VideoFrame, **options: Any) -> ConditionalEncoder:
    options = {"frame_rate": RATE, "time_base": frame.time_base, "colour": frame.colour} | options
    encoder = video_encoder("conditional", width=frame.width, height=frame.height, **options)
    assert isinstance(encoder, ConditionalEncoder)
    return encoder


def encode(frames: Sequence[VideoFrame], **options: Any) -> CodedStream:
    encoder = encoder_for(frames[0], **options)
    packets = [packet for frame in frames for packet in encoder.push(frame)]
    assert encoder.flush() == []
    assert encoder.num_frames == len(frames)
    return encoder.header, packets


def decode(coded: CodedStream, **options: Any) -> list[VideoFrame]:
    decoder = video_decoder(coded[0], **options)
    assert isinstance(decoder, ConditionalDecoder)
    frames = [frame for packet in coded[1] for frame in decoder.push(packet)]
    assert decoder.concealed == 0
    return frames + decoder.flush()


def levels(packets: Sequence[Packet]) -> list[int]:
    return [packet.data[0] & 63 for packet in packets]


def keys(packets: Sequence[Packet]) -> list[int]:
    return [index for index, packet in enumerate(packets) if packet.is_keyframe]


def size(packets: Sequence[Packet]) -> int:
    return sum(len(packet.data) for packet in packets)


@pytest.fixture(scope="module")
def clip(make_frames: Frames) -> list[VideoFrame]:
    return textured(make_frames(12, WIDTH, HEIGHT))


def textured(frames: Sequence[VideoFrame], seed: int = 0) -> list[VideoFrame]:
    """The frames with grain of their own, so that a codec has something left to code in each."""
    rng = np.random.default_rng(seed)
    return [
        VideoFrame(
            *(np.clip(p + rng.normal(0, 3, p.shape), 0, 255).astype(np.uint8) for p in (f.y, f.u, f.v)),
            f.pts,
            f.time_base,
            f.colour,
        )
        for f in frames
    ]


@pytest.fixture(scope="module")
def coded(clip: list[VideoFrame]) -> CodedStream:
    return encode(clip, crf=24)


def test_the_family_is_registered_as_video() -> None:
    family = CODECS["conditional"]
    assert (family.fourcc, family.kind) == ("cond", "video"), "stands in files that exist"
    assert CODECS["rvq"].kind == "audio"
    assert manifest.find_by_name("conditional").family == "conditional"


def test_its_other_name_is_live(clip: list[VideoFrame]) -> None:
    options = {"width": WIDTH, "height": HEIGHT, "frame_rate": RATE, "crf": 24}
    one, other = video_encoder("live", **options), video_encoder("conditional", **options)
    assert one.header == other.header
    assert one.header.codec == "cond"
    assert one.push(clip[0]) == other.push(clip[0])


def test_the_header_says_what_a_decoder_needs(coded: CodedStream) -> None:
    header, model = coded[0], manifest.find_by_name("conditional")
    assert header.parameters == VideoParameters(WIDTH, HEIGHT, RATE, (2, 2, 2, 0), 13, 5)
    assert (header.codec, header.coder, header.symbol_crc_size) == ("cond", RC24, 2)
    assert (header.model_hash, header.tables_hash) == (model.weights_hash, model.tables_hash)
    assert (header.packet_duration, header.algorithmic_delay) == (1, 0)
    assert header.fields["model_name"] == model.name
    with pytest.raises(UnsupportedFeatureError):
        code_reader(header)


def test_one_packet_a_frame_and_one_frame_a_packet(clip: list[VideoFrame], coded: CodedStream) -> None:
    assert [packet.pts for packet in coded[1]] == [frame.pts for frame in clip]
    frames = decode(coded)
    assert [frame.pts for frame in frames] == [frame.pts for frame in clip]
    for frame, source in zip(frames, clip, strict=True):
        assert (frame.width, frame.height, frame.time_base) == (WIDTH, HEIGHT, source.time_base)


@pytest.mark.parametrize("preset", ["fast", "medium", "slow"])
def test_the_decoder_presents_exactly_what_the_encoder_predicts_from(
    clip: list[VideoFrame], preset: str, psnr: Callable[..., float]
) -> None:
    encoder = encoder_for(clip[0], crf=26, preset=preset)
    decoder = video_decoder(encoder.header)
    for source in clip[:6]:
        (frame,) = decoder.push(encoder.push(source)[0])
        assert isinstance(frame, VideoFrame)
        state = encoder._state
        assert state is not None
        y, u, v = state.reconstruction.planes
        assert np.array_equal(frame.y, y[:HEIGHT, :WIDTH])
        assert np.array_equal(frame.u, u[:46, :74])
        assert np.array_equal(frame.v, v[:46, :74])
        assert psnr(frame, source) > 30


def test_a_slower_preset_pays(clip: list[VideoFrame]) -> None:
    cost = {}
    for preset in ("fast", "slow"):
        header, packets = encode(clip[:6], crf=30, preset=preset)
        frames = decode((header, packets))
        error = sum(squared_error(a, b) for a, b in zip(frames, clip, strict=False))
        cost[preset] = error + 0.12 * 2 ** (2 * 31.5 / 8) * 8 * size(packets)
    assert cost["slow"] < cost["fast"]


def squared_error(a: VideoFrame, b: VideoFrame) -> float:
    parts = [np.square(x.astype(float) - y).sum() for x, y in zip((a.y, a.u, a.v), (b.y, b.u, b.v), strict=True)]
    return float(parts[0] + 2 * (parts[1] + parts[2]))


def test_a_lower_crf_is_larger_and_better(clip: list[VideoFrame], psnr: Callable[..., float]) -> None:
    sizes, qualities = [], []
    for crf in (8, 20, 32, 44, 56):
        header, packets = encode(clip[:5], crf=crf)
        frames = decode((header, packets))
        sizes.append(size(packets))
        qualities.append(np.mean([psnr(a, b) for a, b in zip(frames, clip, strict=False)]))
    assert sizes == sorted(sizes, reverse=True)
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[0] - qualities[-1] > 8


def test_equal_frames_make_equal_packets_whatever_runs_in_parallel(clip: list[VideoFrame], coded: CodedStream) -> None:
    first, second = encoder_for(clip[0], crf=24), encoder_for(clip[0], crf=40)
    found = []
    for frame in clip:
        found += first.push(frame)
        second.push(frame)
    assert found == coded[1]


def test_the_caller_may_write_into_what_it_gave_and_got(clip: list[VideoFrame], coded: CodedStream) -> None:
    encoder, decoder = encoder_for(clip[0], crf=24), video_decoder(coded[0])
    for source, packet, expected in zip(clip, coded[1], decode(coded), strict=True):
        frame = VideoFrame(source.y.copy(), source.u.copy(), source.v.copy(), source.pts, source.time_base)
        assert encoder.push(frame) == [packet]
        frame.y[:] = 0
        (presented,) = decoder.push(packet)
        assert isinstance(presented, VideoFrame)
        assert np.array_equal(presented.y, expected.y)
        presented.y[:] = 255


@pytest.mark.parametrize(("width", "height"), [(16, 16), (1, 1), (33, 17), (64, 18)])
def test_small_and_odd_sizes(make_frames: Frames, width: int, height: int) -> None:
    clip = make_frames(3, width, height)
    frames = decode(encode(clip, crf=20))
    assert [(frame.width, frame.height) for frame in frames] == [(width, height)] * 3
    assert max(np.abs(a.y.astype(int) - b.y).mean() for a, b in zip(frames, clip, strict=True)) < 6


def test_colour_and_time_stamps_are_carried(make_frames: Frames) -> None:
    times, base, colour = [0, 2, 7, 900, 901], Fraction(1, 90000), (1, 13, 6, 1)
    clip = make_frames(5, 48, 32, times=times, time_base=base, colour=colour)
    header, packets = encode(clip, frame_rate=Fraction(30000, 1001))
    assert header.packet_duration == 3003
    assert all(packet.duration == 0 for packet in packets), "nearer frames may follow"
    frames = decode((header, packets))
    assert [(frame.pts, frame.time_base, frame.colour) for frame in frames] == [(t, base, colour) for t in times]
    odd = encoder_for(clip[0], frame_rate=Fraction(30000, 1001), time_base=Fraction(1, 1000))
    assert odd.header.packet_duration == 0


def test_keyframes_come_where_asked_for(make_frames: Frames) -> None:
    clip = textured(make_frames(11, 48, 32))
    assert keys(encode(clip, gop=4, scene_cut=False)[1]) == [0, 4, 8]
    assert keys(encode(clip, gop=1)[1]) == list(range(11))
    two_seconds = encode(clip, frame_rate=Fraction(2), scene_cut=False)[1]
    assert keys(two_seconds) == [0, 4, 8]


def test_quality_follows_the_position(make_frames: Frames) -> None:
    packets = encode(textured(make_frames(10, 48, 32)), crf=30, gop=100, scene_cut=False)[1]
    assert levels(packets) == [19, 34, 33, 34, 30, 34, 33, 34, 26, 34]
    best = encode(textured(make_frames(3, 48, 32)), crf=1)[1]
    worst = encode(textured(make_frames(3, 48, 32)), crf=63)[1]
    assert levels(best) == [0, 5, 4]
    assert levels(worst) == [52, 63, 63]


def test_features_are_refreshed_every_so_often(make_frames: Frames) -> None:
    period = manifest.find_by_name("conditional").settings["refresh"]
    clip = textured(make_frames(period + 3, 32, 32))
    header, packets = encode(clip, gop=1000, scene_cut=False)
    assert [index for index, packet in enumerate(packets) if packet.data[0] & 128] == [period]
    assert len(decode((header, packets))) == len(clip)


def test_a_cut_begins_with_a_keyframe_and_a_pan_does_not(make_frames: Frames) -> None:
    one, other = make_frames(25, 64, 48), make_frames(35, 64, 48)[25:]
    tiles = np.kron(np.random.default_rng(7).integers(30, 220, (12, 24)), np.ones((4, 4))).astype(np.uint8)
    tiled = [VideoFrame(tiles[:, k : k + 64], f.v, f.u, f.pts, f.time_base) for k, f in enumerate(other)]
    clip = textured([*one, *tiled])
    assert keys(encode(clip, gop=100)[1]) == [0, 25]
    assert keys(encode(clip, gop=100, scene_cut=False)[1]) == [0]


@pytest.mark.parametrize("preset", ["fast", "medium"])
def test_a_static_scene_costs_almost_nothing(make_frames: Frames, preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (static,) = make_frames(1, WIDTH, HEIGHT)
    clip = [VideoFrame(static.y, static.u, static.v, k, static.time_base) for k in range(6)]
    encoder = encoder_for(clip[0], crf=30, preset=preset)
    packets = encoder.push(clip[0])
    decoder = video_decoder(encoder.header)
    (presented,) = decoder.push(packets[0])
    packets += encoder.push(clip[1])  # the keyframe may leave something to mend
    decoder.push(packets[1])

    def refuse(*_: object) -> None:
        raise AssertionError("a network ran for a frame that is skipped whole")

    monkeypatch.setattr(session.StepGraph, "step", refuse)
    for frame in clip[2:]:
        (packet,) = encoder.push(frame)
        assert len(packet.data) <= 4
        assert len(decoder.push(packet)) == 1
    assert isinstance(presented, VideoFrame)


def test_a_bit_rate_is_kept(make_frames: Frames) -> None:
    clip = textured(make_frames(75, 64, 48))
    for bit_rate in (30_000, 120_000):
        packets = encode(clip, bit_rate=bit_rate)[1]
        assert 8 * size(packets) * 25 / len(clip) == pytest.approx(bit_rate, rel=0.06)
    assert packets == encode(clip, bit_rate=bit_rate)[1]
    assert len(set(levels(packets))) > 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crf": 64}, "crf"),
        ({"crf": float("nan")}, "crf"),
        ({"crf": 20, "bit_rate": 1e5}, "exclude"),
        ({"bit_rate": float("inf")}, "bit_rate"),
        ({"bit_rate": 10}, "bit_rate"),
        ({"gop": 0}, "gop"),
        ({"preset": "placebo"}, "preset"),
        ({"width": 0}, "width must be at least 1"),
        ({"width": 40_000, "height": 4000}, "too large"),
        ({"frame_rate": Fraction(-1)}, "frame_rate"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        video_encoder("conditional", **({"width": 64, "height": 48, "frame_rate": RATE} | options))
    with pytest.raises(ParameterTypeError, match="frame_rate"):
        video_encoder("conditional", width=64, height=48, frame_rate=29.97)


def test_a_whole_frame_rate_needs_no_fraction() -> None:
    whole = video_encoder("conditional", width=64, height=48, frame_rate=25)
    assert whole.header == video_encoder("conditional", width=64, height=48, frame_rate=Fraction(25)).header


def test_frames_that_do_not_fit_are_refused(clip: list[VideoFrame], make_frames: Frames) -> None:
    encoder = encoder_for(clip[0])
    encoder.push(clip[1])
    for frame in (
        clip[0],
        clip[1],
        make_frames(1, 64, 64)[0],
        make_frames(1, WIDTH, HEIGHT, time_base=Fraction(1, 9))[0],
    ):
        with pytest.raises(ParameterError):
            encoder.push(frame)
    with pytest.raises(ParameterTypeError):
        encoder.push(clip[2].y)  # type: ignore[arg-type]
    encoder.push(clip[2])
    encoder.flush()
    with pytest.raises(ParameterError, match="flushed"):
        encoder.push(clip[3])


LEVELS = {
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", LEVELS)
def test_symbols_are_the_same_however_the_graphs_run(
    coded: CodedStream, level: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A symbol or a table off by one would fail the CRC of the packet; frames may differ by rounding."""
    expected = decode(coded)
    plain = onnxruntime.SessionOptions

    def options() -> Any:
        result = plain()
        result.graph_optimization_level = LEVELS[level]
        return result

    monkeypatch.setattr(onnxruntime, "SessionOptions", options)
    session.shared_graph.cache_clear()
    try:
        found = decode(coded, threads=threads)
    finally:
        session.shared_graph.cache_clear()
    worst: list[NDArray[Any]] = [np.abs(a.y.astype(int) - b.y) for a, b in zip(found, expected, strict=True)]
    assert max(int(difference.max()) for difference in worst) <= 4
    assert max(float(difference.mean()) for difference in worst) < 0.25
