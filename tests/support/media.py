"""Audio and video made by code: all that speech has and no recording is needed for, and files in any format."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from mediacodec.frames import VideoFrame
from mediacodec.media import AudioSource
from mediacodec.media.media_source import MediaSource

Samples = NDArray[np.float32]


def make_speech(seconds: float, rate: int, channels: int = 1, seed: int = 0) -> Samples:
    """Voiced syllables with gliding pitch and formants, hissing consonants and pauses; float32 [channels, n]."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    t = np.arange(n) / rate
    pitch = 130 + 40 * np.sin(2 * np.pi * 0.6 * t + rng.uniform(0, 6)) + 5 * np.sin(2 * np.pi * 5.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = [
        600 + 200 * np.sin(2 * np.pi * 1.7 * t),
        1500 + 500 * np.sin(2 * np.pi * 1.1 * t + 1),
        2600 + 200 * np.sin(2 * np.pi * 0.8 * t + 2),
    ]
    voiced = np.zeros(n)
    for harmonic in range(1, 40):
        frequency = harmonic * pitch
        gain = sum(1 / (1 + ((frequency - formant) / 120) ** 2) for formant in formants) + 0.02
        voiced += np.where(frequency < 0.45 * rate, gain / harmonic**0.5, 0) * np.sin(harmonic * phase)
    hiss = np.diff(rng.standard_normal(n + 1))  # more energy in the high frequencies, as an s has
    syllable = 0.5 - 0.5 * np.cos(2 * np.pi * 3.1 * t)
    consonant = np.clip(np.sin(2 * np.pi * 3.1 * t + 0.8), 0, 1) ** 8
    speaking = (np.sin(2 * np.pi * 0.45 * t + 0.6) > -0.75).astype(float)
    x = speaking * (0.25 * voiced * syllable + 0.06 * hiss * consonant) + 1e-4 * rng.standard_normal(n)
    x *= 0.5 / max(float(np.abs(x).max(initial=0)), 1e-9)
    rows = [x] + [0.8 * np.roll(x, 7 * k) + 0.02 * hiss * consonant for k in range(1, channels)]
    return np.stack(rows).astype(np.float32)


def encode_file(
    target: Path | io.BytesIO,
    samples: Samples,
    rate: int,
    codec: str,
    *,
    muxer: str | None = None,
    video: bool = False,
    options: dict[str, str] | None = None,
) -> None:
    """Write samples with FFmpeg's own encoders and muxers, with nothing of the code under test."""
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    with av.open(target, "w", format=muxer, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        track = container.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p") if video else None
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        audio = [*stream.encode(frame), *stream.encode(None)]
        if track is not None:
            for index in range(samples.shape[1] * 25 // rate):
                image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), index % 200, np.uint8))
                image.pts = index
                container.mux(track.encode(image))
            container.mux(track.encode(None))
        container.mux(audio)


def find_lag(reference: Samples, other: Samples) -> int:
    """By how many samples the first channel of `other` comes later, from the peak of their cross-correlation."""
    a, b = reference[0].astype(float), other[0].astype(float)
    size = 1 << (len(a) + len(b)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    peak = int(np.argmax(correlation))
    return peak if peak < size // 2 else peak - size


def read_all(source: object, **options: float) -> Samples:
    with AudioSource(source, **options) as audio:  # type: ignore[arg-type]
        chunks = list(audio.blocks())
        position = 0
        for chunk in chunks:
            assert (chunk.pts, chunk.sample_rate, chunk.channels) == (position, audio.sample_rate, audio.channels)
            assert chunk.samples.flags.c_contiguous
            position += chunk.num_samples
        assert audio.notes() == []
        return np.concatenate([np.zeros((audio.channels, 0), np.float32), *(chunk.samples for chunk in chunks)], axis=1)


class Pipe(io.RawIOBase):
    """A file object that cannot seek and gives a little at a time, as pipes and sockets do; keeps what is written."""

    def __init__(self, data: bytes = b"", most: int = 777) -> None:
        self._data = io.BytesIO(data)
        self._most = most
        self.written = bytearray()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: memoryview) -> int:
        data = self._data.read(min(len(buffer), self._most))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes) -> int:
        self.written += bytes(data[:10_000])  # an unbuffered file may take less than it is given
        return min(len(data), 10_000)


def make_frames(
    count: int,
    width: int,
    height: int,
    *,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    colour: tuple[int, int, int, int] = (2, 2, 2, 0),
) -> list[VideoFrame]:
    """A textured scene that pans under a disc that crosses it, 8-bit 4:2:0 in limited range."""
    frames = []
    for index in range(count):
        y, x = np.mgrid[:height, :width].astype(np.float32)
        scene = 110 + 40 * np.sin((x + 2 * index) / 9) * np.cos(y / 7) + 30 * np.sin((x + y + index) / 31)
        disc = (x - width * (0.2 + 0.6 * index / max(count, 8))) ** 2 + (y - height / 2) ** 2 < (height / 5) ** 2
        luma = np.where(disc, 200, scene)
        u = 128 + 30 * np.sin((x[::2, ::2] + 2 * index) / 25)
        v = np.where(disc[::2, ::2], 170, 120 + 20 * np.cos(y[::2, ::2] / 20))
        planes = [np.rint(plane).clip(16, 235).astype(np.uint8) for plane in (luma, u, v)]
        pts = index if times is None else times[index]
        frames.append(VideoFrame(*planes, pts, time_base, colour))
    return frames


def encode_video(
    target: Path | io.BytesIO,
    frames: Sequence[VideoFrame],
    codec: str = "libx264",
    *,
    muxer: str | None = None,
    audio: tuple[Samples, int, str] | None = None,
    pix_fmt: str = "yuv420p",
    rate: Fraction = Fraction(25),
    rotation: int | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Write frames, and samples as (samples, Hz, codec), with nothing of the code under test."""
    first = frames[0]
    with av.open(target, "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, pix_fmt
        stream.time_base = stream.codec_context.time_base = first.time_base
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if audio is not None:
            samples, hertz, audio_codec = audio
            layout = "mono" if samples.shape[0] == 1 else "stereo"
            track = container.add_stream(audio_codec, rate=hertz, layout=layout)
            whole = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            whole.sample_rate, whole.pts, whole.time_base = hertz, 0, Fraction(1, hertz)
            packets = [*track.encode(whole), *track.encode(None)]
        for frame in frames:
            image = av.VideoFrame(frame.width, frame.height, "yuv420p")
            for plane, values in zip(image.planes, (frame.y, frame.u, frame.v), strict=True):
                lines = np.zeros((plane.height, plane.line_size), np.uint8)
                lines[:, : plane.width] = values
                plane.update(lines.tobytes()[: plane.buffer_size].ljust(plane.buffer_size, b"\0"))
            if pix_fmt != "yuv420p":
                image = image.reformat(format=pix_fmt)
            image.pts, image.time_base, image.pict_type = frame.pts, frame.time_base, 0
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
        if audio is not None:
            container.mux(packets)


def measure_psnr(a: VideoFrame, b: VideoFrame) -> float:
    """Of Y, U and V together, dB, at most 100."""
    errors = [np.square(x.astype(float) - y).ravel() for x, y in zip((a.y, a.u, a.v), (b.y, b.u, b.v), strict=True)]
    return float(min(100, 10 * np.log10(255**2 / max(np.concatenate(errors).mean(), 1e-9))))


def read_media(source: object, **options: object) -> tuple[list[VideoFrame], list[object], MediaSource]:
    """Frames, audio and the (closed) source of all that a MediaSource gives, checked to be in the order of time."""
    if isinstance(source, io.BytesIO):
        source.seek(0)
    with MediaSource(source, **options) as media:  # type: ignore[arg-type]
        items = list(media.items())
    times = [item.pts_seconds for item in items]
    assert times == sorted(times)
    frames = [item for item in items if isinstance(item, VideoFrame)]
    assert all(frame.time_base == media.time_base for frame in frames)
    assert all((frame.width, frame.height) == (media.width, media.height) for frame in frames)
    return frames, [item for item in items if not isinstance(item, VideoFrame)], media


def ffmpeg_frames(source: str, count: int) -> np.ndarray:
    """uint8 [count, 3 h / 2, w] of one of FFmpeg's sources, 4:2:0."""
    graph = av.filter.Graph()
    start, name = graph.add(*source.split("=", 1)), graph.add("format", "yuv420p")
    end = graph.add("buffersink")
    start.link_to(name)
    name.link_to(end)
    graph.configure()
    return np.stack([graph.pull().to_ndarray() for _ in range(count)])
