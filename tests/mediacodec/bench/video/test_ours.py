"""Our codecs' entry, with a codec of the test's own behind the two names that it calls."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest

from mediacodec.bench.video import ours as video_ours
from mediacodec.bench.video.ours import OurVideoEntry, decode_video, encode_video
from mediacodec.errors import MediaCodecError, ParameterError
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import Packet


@dataclass
class StoringEncoder:
    """Keeps luma in steps of `crf`, chroma as it is, and returns each frame a push late."""

    options: dict
    waiting: list = field(default_factory=list)

    @property
    def header(self):
        return self.options

    def push(self, frame):
        ready, self.waiting = self.waiting, [frame]
        return [self._packet(frame) for frame in ready]

    def flush(self):
        return [self._packet(frame) for frame in self.waiting]

    def _packet(self, frame):
        step = int(self.options["crf"])
        planes = (frame.y // step * step, frame.u, frame.v)
        return Packet(0, frame.pts, b"".join(plane.tobytes() for plane in planes), 1)


@dataclass
class StoringDecoder:
    """The inverse, also a push late; loses the last frame on demand."""

    header: dict
    waiting: list = field(default_factory=list)

    def push(self, packet):
        height, width = self.header["height"], self.header["width"]
        half = (height + 1) // 2, (width + 1) // 2
        flat = np.frombuffer(packet.data, np.uint8)
        y, u, v = np.split(flat, [height * width, height * width + half[0] * half[1]])
        frame = VideoFrame(
            y.reshape(height, width), u.reshape(half), v.reshape(half), packet.pts, 1 / self.header["frame_rate"]
        )
        ready, self.waiting = self.waiting, [frame]
        return ready

    def flush(self):
        return [] if self.header["codec"] == "lossy" else self.waiting


@pytest.fixture
def opened(monkeypatch):
    """The options of every encoder that was opened."""
    seen = []

    def encoder(codec, options, *, threads, **video):
        assert threads == 1, "speeds are those of one thread"
        seen.append({"codec": codec, "crf": options.crf, "gop": options.gop, "preset": options.preset, **video})
        return StoringEncoder(seen[-1])

    monkeypatch.setattr(video_ours, "VideoEncoder", encoder)
    monkeypatch.setattr(video_ours, "VideoDecoder", lambda header, **_: StoringDecoder(header))
    return seen


def test_a_clip_through_the_entry(moving, opened):
    clip = moving(5)
    result = OurVideoEntry("conditional", (16.0,), "slow").run(clip, 16.0)
    assert result.packet_bytes == 5 * 192 * 176 * 3 // 2
    assert len(result.frames) == 5
    for (y, u, _), (decoded_y, decoded_u, _) in zip(clip.frames, result.frames, strict=True):
        assert np.array_equal(decoded_y, y // 16 * 16)
        assert np.array_equal(decoded_u, u)
    assert opened == [
        {
            "codec": "conditional",
            "width": 192,
            "height": 176,
            "frame_rate": Fraction(25),
            "crf": 16.0,
            "gop": 5,
            "preset": "slow",
        }
    ]


def test_the_gop_is_one_clip_unless_given(moving, opened):
    clip = moving(3)
    OurVideoEntry().run(clip, 22)
    OurVideoEntry(gop=48).run(clip, 22)
    assert [options["gop"] for options in opened] == [3, 48]


def test_encode_and_decode(moving, opened):
    frames = [VideoFrame(*planes, pts=i, time_base=Fraction(1, 25)) for i, planes in enumerate(moving(4).frames)]
    header, packets = encode_video(iter(frames), frame_rate=Fraction(25), crf=8)
    assert [packet.pts for packet in packets] == [0, 1, 2, 3]
    decoded = list(decode_video(header, packets))
    assert [frame.pts for frame in decoded] == [0, 1, 2, 3]
    assert np.array_equal(decoded[3].v, frames[3].v)
    with pytest.raises(ParameterError, match="no frame"):
        encode_video([], frame_rate=Fraction(25))


def test_a_codec_that_loses_a_frame_is_no_result(moving, opened):
    with pytest.raises(MediaCodecError, match="4 frames of 5"):
        OurVideoEntry("lossy").run(moving(5), 22)


def test_names_and_settings():
    assert OurVideoEntry().name == "conditional-fast"
    assert OurVideoEntry("conditional-2", preset="slow").name == "conditional-2-slow"
    assert len(OurVideoEntry().points) >= 5
    for given in ({"crfs": ()}, {"gop": 0}):
        with pytest.raises(ParameterError):
            OurVideoEntry(**given)
