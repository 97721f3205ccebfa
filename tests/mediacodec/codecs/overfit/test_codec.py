"""The archive codec from end to end: fitting small drawn frames, packets, decoding, and what is made of damage."""

from __future__ import annotations

import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from support.coding import video_decoder, video_encoder

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec import manifest
from mediacodec.codecs.overfit.decoder import OverfitDecoder
from mediacodec.codecs.overfit.packet import OverfitFrameCoder
from mediacodec.codecs.overfit.settings import OverfitGeometry, OverfitModel
from mediacodec.errors import BitstreamError, CorruptError, DesyncError, ParameterError, TruncatedError
from mediacodec.frames import VideoFrame
from mediacodec.metrics.video import psnr
from mediacodec_bitstream import OPAQUE, Packet, StreamHeader, VideoParameters

WIDTH, HEIGHT, GOP = 83, 50, 3
CodedStream = tuple[StreamHeader, list[Packet]]
MakeFrames = Callable[..., list[VideoFrame]]


def encode(frames: list[VideoFrame], **options: object) -> CodedStream:
    first = frames[0]
    given = {"crf": 26, "gop": GOP, "preset": "superfast"} | options
    encoder = video_encoder("overfit", width=first.width, height=first.height, frame_rate=Fraction(25), **given)
    packets = [packet for frame in frames for packet in encoder.push(frame)]
    return encoder.header, packets + encoder.flush()


@pytest.fixture(scope="module")
def frames(make_frames: MakeFrames) -> list[VideoFrame]:
    return make_frames(2 * GOP, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def coded(frames: list[VideoFrame]) -> CodedStream:
    return encode(frames)


@pytest.fixture(scope="module")
def whole(coded: CodedStream) -> list[VideoFrame]:
    decoder = video_decoder(coded[0])
    return [frame for packet in coded[1] for frame in decoder.push(packet)]


def same(one: VideoFrame, other: VideoFrame) -> bool:
    return all(np.array_equal(a, b) for a, b in ((one.y, other.y), (one.u, other.u), (one.v, other.v)))


def make_decoder(coded: CodedStream) -> OverfitDecoder:
    decoder = video_decoder(coded[0])
    assert isinstance(decoder, OverfitDecoder)
    return decoder


def test_frames_come_back(coded: CodedStream, frames: list[VideoFrame], whole: list[VideoFrame]) -> None:
    assert [packet.is_keyframe for packet in coded[1]] == [True, False, False] * 2
    assert [frame.pts for frame in whole] == list(range(2 * GOP))
    for given, decoded in zip(frames, whole, strict=True):
        assert (decoded.width, decoded.height, decoded.u.shape) == (WIDTH, HEIGHT, given.u.shape)
        assert psnr(given.y, decoded.y) > 34
        assert psnr(given.u, decoded.u) > 34


def test_every_crf_has_its_place(frames: list[VideoFrame]) -> None:
    sizes, qualities = [], []
    for crf in (10, 22, 34, 46):
        header, (packet,) = encode(frames[:1], crf=crf, gop=1)
        sizes.append(len(packet.data))
        qualities.append(psnr(frames[0].y, video_decoder(header).push(packet)[0].y))
    assert sizes == sorted(sizes, reverse=True)
    assert qualities == sorted(qualities, reverse=True)
    assert sizes[0] > 4 * sizes[-1]


def test_slower_presets_cost_less(frames: list[VideoFrame]) -> None:
    losses: dict[str, float] = {}

    class Watching:
        stopped = False

        def report(self, progress: object) -> None:
            losses[preset] = progress.loss  # type: ignore[attr-defined]

    for preset in ("ultrafast", "fast"):
        encode(frames[:1], preset=preset, monitor=Watching())
    assert losses["fast"] < losses["ultrafast"]


def test_stopping_keeps_what_is_whole(frames: list[VideoFrame]) -> None:
    class Stopping:
        reports = 0

        @property
        def stopped(self) -> bool:
            return self.reports >= 2

        def report(self, _: object) -> None:
            self.reports += 1

    header, packets = encode(frames, preset="fast", monitor=Stopping())
    assert len(packets) == 1
    assert psnr(frames[0].y, video_decoder(header).push(packets[0])[0].y) > 30


def test_a_scene_begins_with_a_keyframe_where_that_is_wanted(make_frames: MakeFrames) -> None:
    tiles = np.kron(np.random.default_rng(7).integers(30, 220, (8, 12)), np.ones((8, 8))).astype(np.uint8)
    one, other = make_frames(4, 96, 64)[:2], make_frames(4, 96, 64)[2:]
    clip = [*one, *(VideoFrame(tiles, f.u, f.v, f.pts, f.time_base) for f in other)]
    for wanted, expected in ((True, [0, 2]), (False, [0])):
        _, packets = encode(clip, gop=10, preset="ultrafast", scene_cut=wanted)
        assert [packet.pts for packet in packets if packet.is_keyframe] == expected


def test_any_size_down_to_one_pixel(make_frames: MakeFrames) -> None:
    for width, height in ((1, 1), (2, 65), (64, 64)):
        header, packets = encode(make_frames(2, width, height), preset="ultrafast")
        decoder = video_decoder(header)
        decoded = [frame for packet in packets for frame in decoder.push(packet)]
        assert [(frame.width, frame.height) for frame in decoded] == [(width, height)] * 2


def test_a_bit_rate_is_kept_roughly(make_frames: MakeFrames) -> None:
    frames = make_frames(12, WIDTH, HEIGHT)
    low, high = (
        sum(len(p.data) for p in encode(frames, crf=None, bit_rate=rate, gop=6, preset="ultrafast")[1])
        for rate in (40_000, 160_000)
    )
    assert low < 0.6 * high


def test_both_coders_agree(coded: CodedStream, whole: list[VideoFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    model = manifest.find_by_name("overfit")
    for name in ("python", "constriction"):
        monkeypatch.setenv("MEDIACODEC_RANGE_CODER", name)
        decoder = make_decoder(coded)
        assert all(same(a, b) for a, b in zip(whole, [f for p in coded[1] for f in decoder.push(p)], strict=True))
        coder = OverfitFrameCoder(OverfitModel(model), OverfitGeometry(WIDTH, HEIGHT))
        frame = coder.unpack(coded[1][0].data, None)
        assert coder.pack(frame, None) == coded[1][0].data


def test_after_a_loss_the_last_frame_stays_until_a_keyframe(coded: CodedStream, whole: list[VideoFrame]) -> None:
    decoder, decoded = make_decoder(coded), []
    for index, packet in enumerate(coded[1]):
        decoded += decoder.push(None if index == 1 else packet)
    assert [frame.pts for frame in decoded] == list(range(2 * GOP))
    assert all(same(decoded[k], whole[0]) for k in range(GOP))
    assert all(same(decoded[k], whole[k]) for k in range(GOP, 2 * GOP))
    assert decoder.concealed == GOP - 1


def test_nothing_comes_before_a_keyframe(coded: CodedStream) -> None:
    decoder = make_decoder(coded)
    assert decoder.push(coded[1][1]) == []
    assert decoder.push(None) == []


def test_damage_raises_nothing_but_bitstream_errors(coded: CodedStream) -> None:
    rng = random.Random(1)
    packets = coded[1]
    kinds = set()
    for case in range(120):
        decoder = make_decoder(coded)
        decoder.push(packets[0])
        packet = packets[case % 2]
        data = bytearray(packet.data)
        for _ in range(rng.choice((1, 1, 3))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if case % 3 == 0:
            del data[rng.randrange(len(data)) :]
        try:
            decoder.push(replace(packet, data=bytes(data)))
        except BitstreamError as error:
            kinds.add(type(error))
    assert {CorruptError, TruncatedError, DesyncError} >= kinds >= {CorruptError}


def test_noise_takes_no_memory_and_no_time(coded: CodedStream) -> None:
    rng = np.random.default_rng(2)
    decoder = make_decoder(coded)
    decoder.push(coded[1][0])
    tracemalloc.start()
    try:
        for inter in (False, True):
            for _ in range(6):
                data = bytes([inter, 200, *rng.integers(0, 256, 400).tolist()])
                with pytest.raises(BitstreamError):
                    decoder.push(replace(coded[1][0], data=data, is_keyframe=not inter))
                decoder.push(coded[1][0])
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_headers_that_contradict_the_codec(coded: CodedStream) -> None:
    header = coded[0]
    video = header.parameters
    assert isinstance(video, VideoParameters)
    for wrong in (
        replace(header, coder=OPAQUE, symbol_crc_size=0, fields=dict(header.fields) | {"foreign_codec": "h264"}),
        replace(header, parameters=replace(video, pad_right=video.pad_right + 2)),
        replace(header, parameters=replace(video, width=60_000, height=1_000, pad_right=32, pad_bottom=24)),
    ):
        with pytest.raises(CorruptError):
            video_decoder(wrong)


def test_options_are_checked(make_frames: MakeFrames) -> None:
    with pytest.raises(ParameterError, match="preset"):
        encode(make_frames(1, 16, 16), preset="placebo")
    with pytest.raises(ParameterError, match="crf"):
        encode(make_frames(1, 16, 16), crf=70)


WALL = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "mediacodec_models", "onnxruntime"):
            raise ImportError(name)

sys.meta_path.insert(0, Wall())
"""


def test_decoding_needs_no_torch(coded: CodedStream, whole: list[VideoFrame]) -> None:
    program = WALL + (
        "from mediacodec.codecs.overfit import decoder\n"
        "from mediacodec.codecs.overfit.packet import OverfitFrameCoder\n"
        "from mediacodec.codecs.overfit.settings import OverfitGeometry, OverfitModel\n"
        "from mediacodec import manifest\n"
        "model = OverfitModel(manifest.find_by_name('overfit'))\n"
        f"coder = OverfitFrameCoder(model, OverfitGeometry({WIDTH}, {HEIGHT}))\n"
        "data = bytes.fromhex(sys.argv[1])\n"
        "found = coder.reconstruct(coder.unpack(data, None), None)\n"
        f"sys.stdout.write(found.planes[0][:{HEIGHT}, :{WIDTH}].tobytes().hex())\n"
    )
    command = [sys.executable, "-c", program, coded[1][0].data.hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bytes.fromhex(done.stdout) == whole[0].y.tobytes()
