"""x264, x265 and SVT-AV1 as the bench runs them."""

import os

import numpy as np
import pytest

from mediacodec.bench.video.anchors import ANCHORS, AnchorEntry, _av_frame
from mediacodec.bench.video.entries import VideoClip
from mediacodec.errors import ParameterError
from mediacodec.metrics.video import psnr_611

LOW_DELAY = [name for name in ANCHORS if name.endswith("-ld")]


def quality(clip, result):
    return float(np.mean([psnr_611(a, b) for a, b in zip(clip.frames, result.frames, strict=True)]))


@pytest.mark.parametrize("name", ANCHORS)
def test_a_lower_crf_costs_bytes_and_buys_quality(moving, name, capfd):
    clip = moving(10)
    entry = AnchorEntry(name)
    fine, coarse = entry.run(clip, entry.points[1]), entry.run(clip, entry.points[-1])
    assert fine.packet_bytes > 1.2 * coarse.packet_bytes > 1000
    assert quality(clip, fine) > quality(clip, coarse) + 2
    assert quality(clip, coarse) > 25
    assert len(fine.frames) == len(coarse.frames) == 10
    for original, decoded in zip(clip.frames, fine.frames, strict=True):
        assert [plane.shape for plane in decoded] == [plane.shape for plane in original]
    assert fine.encode_seconds > 0
    assert fine.decode_seconds > 0
    assert capfd.readouterr() == ("", "")  # the libraries say nothing
    assert "SVT_LOG" not in os.environ


@pytest.mark.parametrize("name", ["x264", "svtav1"])
def test_frames_come_back_in_order_where_the_codec_reorders_them(moving, name):
    clip = moving(12)
    decoded = AnchorEntry(name).run(clip, 24).frames
    errors = np.array([[psnr_611(a, b) for b in decoded] for a in clip.frames])
    assert (errors.argmax(axis=1) == np.arange(12)).all()


@pytest.mark.parametrize("name", LOW_DELAY)
def test_low_delay_returns_a_packet_a_frame_and_keyframes_where_asked(moving, name):
    clip = moving(9)
    frames = [_av_frame(frame, index, clip.frame_rate) for index, frame in enumerate(clip.frames)]
    for gop, keyframes in ((None, [0]), (4, [0, 4, 8])):
        packets, _ = AnchorEntry(name, gop=gop)._encode(clip, frames, 32)
        assert [packet.pts for packet in packets] == list(range(9))
        assert [packet.dts for packet in packets] == sorted(packet.dts for packet in packets)
        assert [packet.pts for packet in packets if packet.is_keyframe] == keyframes


@pytest.mark.parametrize("name", LOW_DELAY)
def test_low_delay_looks_at_no_later_frame(moving, name):
    """Packets of the first frames are the same whatever comes after them."""
    clip, gop = moving(9), 64
    frames = [_av_frame(frame, index, clip.frame_rate) for index, frame in enumerate(clip.frames)]
    entry = AnchorEntry(name, gop=gop)
    whole, _ = entry._encode(clip, frames, 32)
    part, _ = entry._encode(clip, frames[:5], 32)
    assert [bytes(packet) for packet in whole[:5]] == [bytes(packet) for packet in part]


@pytest.mark.parametrize("name", ANCHORS)
def test_odd_sizes_come_back_as_they_were(moving, name):
    even = moving(3, 194, 178)
    cut = tuple((y[:177, :193], u, v) for y, u, v in even.frames)
    clip = VideoClip("odd", cut, even.frame_rate)
    entry = AnchorEntry(name)
    result = entry.run(clip, entry.points[1])
    assert {frame[0].shape for frame in result.frames} == {(177, 193)}
    assert quality(clip, result) > 30


def test_points_and_settings_are_checked():
    assert AnchorEntry("x264-ld").points == (20, 24, 28, 32, 36, 40)
    assert AnchorEntry("svtav1").points[0] == 24
    assert AnchorEntry("svtav1").points[-1] == 60
    assert all(len(AnchorEntry(name).points) >= 5 for name in ANCHORS)  # a BD-rate needs them
    for given, message in (
        ({"name": "x266"}, "x264-ld"),
        ({"name": "x264", "crfs": (60.0,)}, "0 to 51"),
        ({"name": "x264", "crfs": ()}, "at least one"),
        ({"name": "x264-ld", "gop": 0}, "gop"),
    ):
        with pytest.raises(ParameterError, match=message):
            AnchorEntry(**given)
