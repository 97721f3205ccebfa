"""Speech-like audio drawn by code: voiced syllables with a moving pitch and formants, hisses and pauses."""

import numpy as np
import pytest

RATE = 16_000


def _babble(seconds, seed):
    rng = np.random.default_rng(seed)
    syllables = []
    while sum(s.size for s in syllables) < seconds * RATE:
        n = int(rng.uniform(0.12, 0.3) * RATE)
        t = np.arange(n) / RATE
        pitch = rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 4) * t))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        formants = rng.uniform((300, 900, 2200), (800, 2000, 3000))
        voice = np.zeros(n)
        for k in range(1, 30):
            gains = np.exp(-(((k * pitch[:, None] - formants) / 180) ** 2)).sum(axis=1) + 0.02
            voice += gains * np.sin(k * phase)
        hiss = np.diff(rng.normal(size=int(0.06 * RATE)), prepend=0.0) * 0.4
        pause = np.zeros(int(rng.uniform(0.02, 0.12) * RATE))
        syllables += [voice * np.hanning(n), hiss * np.hanning(hiss.size), pause]
    x = np.concatenate(syllables)[: int(seconds * RATE)]
    x += 1e-4 * rng.normal(size=x.size)
    return (0.5 * x / np.abs(x).max()).astype(np.float32)


@pytest.fixture(scope="session")
def speech():
    """Three seconds of it: float32 [48000] at 16 kHz, peaks at 0.5."""
    return _babble(3.0, seed=1)


@pytest.fixture(scope="session")
def babble():
    """As much of it as is asked for: babble(seconds, seed)."""
    return _babble


@pytest.fixture(scope="session")
def moving():
    """FFmpeg's moving test frame as a clip of the bench: moving(frames, width, height) at 25 frames a second."""
    from fractions import Fraction

    import av

    from mediacodec.bench.video.clips import planes_of
    from mediacodec.bench.video.entries import VideoClip

    def draw(frames=8, width=192, height=176):
        graph = av.filter.Graph()
        source = graph.add("testsrc2", f"size={width}x{height}:rate=25")
        eight_bit, sink = graph.add("format", "pix_fmts=yuv420p"), graph.add("buffersink")
        source.link_to(eight_bit)
        eight_bit.link_to(sink)
        graph.configure()
        return VideoClip("moving", tuple(planes_of(graph.pull()) for _ in range(frames)), Fraction(25))

    return draw


@pytest.fixture(scope="session")
def write_video():
    """write_video(path, clip, codec, pixel format): a clip as a file, without loss."""
    import av

    def write(path, clip, codec="ffv1", pixels="yuv420p"):
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=clip.frame_rate)
            stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, pixels
            for planes in clip.frames:
                packed = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, clip.width)
                frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
                container.mux(stream.encode(frame.reformat(format=pixels)))
            container.mux(stream.encode(None))
        return path

    return write
