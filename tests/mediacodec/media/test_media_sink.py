"""Writing media files and reading them back: every container, odd sizes, uneven times, audio beside the video."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.errors import OutputExistsError, ParameterError, UsageError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.media.media_sink import MEDIA_FORMATS, MediaSink, media_format_of
from mediacodec.media.media_source import MediaSource

Make = Callable[..., list[VideoFrame]]
ReadMedia = Callable[..., tuple[list[VideoFrame], list[AudioChunk], MediaSource]]
Psnr = Callable[[VideoFrame, VideoFrame], float]
BT709, BT2020_FULL = (1, 1, 1, 0), (9, 16, 9, 1)

# file name, codec, what is guaranteed: dB
KINDS = [
    ("a.mp4", None, 44),
    ("a.mov", None, 44),
    ("a.mkv", None, 44),
    ("a.mkv", "ffv1", 100),
    ("a.y4m", None, 100),
    ("a%04d.png", None, 38),
]


def write(target: object, frames: list[VideoFrame], **options: object) -> MediaSink:
    first = frames[0]
    settings = {"time_base": first.time_base, "colour": first.colour} | options
    with MediaSink(target, width=first.width, height=first.height, **settings) as sink:  # type: ignore[arg-type]
        for frame in frames:
            sink.write(frame)
    return sink


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(frames: list[VideoFrame], back: list[VideoFrame], least: float, psnr: Psnr) -> None:
    assert len(back) == len(frames)
    assert [(f.width, f.height) for f in back] == [(f.width, f.height) for f in frames]
    for a, b in zip(frames, back, strict=True):
        assert psnr(a, b) >= least
        assert abs(a.pts_seconds - frames[0].pts_seconds - b.pts_seconds) <= 0.001


@pytest.mark.parametrize(("width", "height"), [(160, 96), (351, 287), (33, 1), (1, 2)])
@pytest.mark.parametrize(("name", "codec", "least"), KINDS)
def test_round_trip(
    name: str,
    codec: str | None,
    least: float,
    width: int,
    height: int,
    tmp_path: Path,
    make_frames: Make,
    read_media: ReadMedia,
    psnr: Psnr,
) -> None:
    frames = make_frames(5, width, height, colour=BT709)
    sink = write(tmp_path / name, frames, video_codec=codec)
    back, audio, media = read_media(tmp_path / name)
    if name.endswith("png"):
        least = 30 if width < 160 else least  # of a strip the chroma is mostly edge
    same(frames, back, least, psnr)
    assert (audio, media.has_audio, media.frame_rate) == ([], False, 25)
    odd = bool(width % 2 or height % 2) and codec is None and name[2:] in ("mp4", "mov", "mkv")
    assert bool(sink.notes()) == odd
    assert names(tmp_path) == ([f"a000{index}.png" for index in range(1, 6)] if "%" in name else [name])


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", None), ("a.mov", None), ("a.mkv", None), ("a.mkv", "ffv1")])
def test_colour_description_and_range(
    name: str, codec: str | None, tmp_path: Path, make_frames: Make, read_media: ReadMedia, psnr: Psnr
) -> None:
    for colour in ((1, 1, 1, 0), BT2020_FULL):
        frames = make_frames(2, 64, 48, colour=colour)
        write(tmp_path / name, frames, video_codec=codec, overwrite=True)
        back, _, media = read_media(tmp_path / name)
        assert media.colour == back[1].colour == colour
        same(frames, back, 40, psnr)


def test_y4m_says_its_range_and_raw_planes_lie_in_turn(
    tmp_path: Path, make_frames: Make, read_media: ReadMedia
) -> None:
    frames = make_frames(3, 35, 19, colour=(2, 2, 2, 1))
    write(tmp_path / "a.y4m", frames, frame_rate=Fraction(30000, 1001))
    back, _, media = read_media(tmp_path / "a.y4m")
    assert (media.colour[3], media.frame_rate) == (1, Fraction(30000, 1001))
    write(tmp_path / "a.yuv", frames)
    data = b"".join(plane.tobytes() for f in frames for plane in (f.y, f.u, f.v))
    assert (tmp_path / "a.yuv").read_bytes() == data
    assert b"".join(plane.tobytes() for f in back for plane in (f.y, f.u, f.v)) == data


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize(
    ("times", "time_base"),
    [([0, 40, 73, 200, 233, 1000], Fraction(1, 1000)), ([0, 1001, 3003, 9009], Fraction(1, 30000))],
)
def test_variable_frame_rate(
    times: list[int],
    time_base: Fraction,
    name: str,
    tmp_path: Path,
    make_frames: Make,
    read_media: ReadMedia,
    psnr: Psnr,
) -> None:
    frames = make_frames(len(times), 64, 48, times=times, time_base=time_base)
    write(tmp_path / name, frames)
    same(frames, read_media(tmp_path / name)[0], 40, psnr)
    if name != "a.mkv":  # which counts milliseconds
        assert [f.pts * f.time_base for f in read_media(tmp_path / name)[0]] == [t * time_base for t in times]
    sink = write(tmp_path / "a.y4m", frames)
    assert ["no time stamps" in note for note in sink.notes()] == [True]


@pytest.mark.parametrize(("name", "codec", "least"), KINDS)
def test_a_clip_of_one_frame(
    name: str, codec: str | None, least: float, tmp_path: Path, make_frames: Make, read_media: ReadMedia, psnr: Psnr
) -> None:
    frames = make_frames(1, 64, 48, colour=BT709)
    write(tmp_path / name, frames, video_codec=codec)
    same(frames, read_media(tmp_path / name)[0], least, psnr)
    if name == "a.mp4":
        with av.open(tmp_path / name) as container:
            assert container.duration == pytest.approx(40_000, abs=1000), "a frame lasts as long as the rate says"


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2)])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", None), ("a.mov", None), ("a.mkv", None), ("a.mkv", "ffv1")])
def test_audio_stays_aligned(
    name: str,
    codec: str | None,
    rate: int,
    channels: int,
    tmp_path: Path,
    make_frames: Make,
    speech: Callable[..., NDArray[np.float32]],
    lag: Callable[..., int],
    read_media: ReadMedia,
) -> None:
    x = speech(1.2345, rate, channels)
    with MediaSink(tmp_path / name, width=64, height=48, audio=(rate, channels), video_codec=codec) as sink:
        for frame in make_frames(31, 64, 48):
            sink.write(frame)
        for start in range(0, x.shape[1], 5000):
            sink.write(AudioChunk(x[:, start : start + 5000], rate, start))
    back, audio, media = read_media(tmp_path / name)
    out = np.concatenate([chunk.samples for chunk in audio], axis=1)
    assert (len(back), media.sample_rate, media.channels, audio[0].pts) == (31, rate, channels, 0)
    assert lag(x, out) == 0
    if name == "a.mkv" and codec is None:  # AAC in Matroska carries no word about its end
        assert x.shape[1] <= out.shape[1] < x.shape[1] + 1024
    else:
        assert out.shape == x.shape
    if codec == "ffv1":
        np.testing.assert_allclose(out, x, atol=1 / 32768)


def test_gaps_in_the_audio_become_silence_and_overlaps_go(
    tmp_path: Path, speech: Callable[..., NDArray[np.float32]], read_media: ReadMedia
) -> None:
    x = speech(2.0, 16000)
    parts = [(4000, x[:, :8000]), (20000, x[:, 8000:16000]), (27000, x[:, 16000:24000])]
    with MediaSink(tmp_path / "a.mp4", audio=(16000, 1)) as sink:
        for pts, samples in parts:
            sink.write(AudioChunk(samples, 16000, pts))
    back, audio, media = read_media(tmp_path / "a.mp4")
    out = np.concatenate([chunk.samples for chunk in audio], axis=1)
    expected = np.zeros((1, 35000), np.float32)
    for pts, samples in reversed(parts):
        expected[:, pts : pts + 8000] = samples
    assert (back, media.has_video, out.shape) == ([], False, expected.shape)
    assert np.corrcoef(out[0], expected[0])[0, 1] > 0.95
    assert np.abs(out[:, 13200:18800]).max() < 1e-3


def test_a_pipe_out(make_frames: Make, pipe: Callable[..., io.RawIOBase], read_media: ReadMedia, psnr: Psnr) -> None:
    frames = make_frames(20, 64, 48)
    for kind, codec in (("mp4", None), ("mkv", "ffv1"), ("mov", None), ("y4m", None)):
        target = pipe()
        write(target, frames, format=kind, video_codec=codec)
        same(frames, read_media(io.BytesIO(bytes(target.written)))[0], 40, psnr)  # type: ignore[attr-defined]
        same(frames, read_media(pipe(bytes(target.written), 5000))[0], 40, psnr)  # type: ignore[attr-defined]


PROGRAM = """
import sys
from mediacodec.frames import VideoFrame
from mediacodec.media.media_sink import MediaSink
from mediacodec.media.media_source import MediaSource
with MediaSource("-") as media:
    size = dict(width=media.width, height=media.height, frame_rate=media.frame_rate)
    audio = (media.sample_rate, media.channels) if media.has_audio else None
    with MediaSink("-", format=sys.argv[1], audio=audio, **size) as sink:
        for item in media.items():
            sink.write(item)
"""


@pytest.mark.parametrize("name", ["a.y4m", "a.mkv"])
def test_standard_input_and_output(
    name: str,
    tmp_path: Path,
    make_frames: Make,
    speech: Callable[..., NDArray[np.float32]],
    read_media: ReadMedia,
    psnr: Psnr,
) -> None:
    frames, kind = make_frames(30, 64, 48), name[2:]
    x = speech(1.2, 16000)
    with MediaSink(tmp_path / name, width=64, height=48, audio=(16000, 1) if kind == "mkv" else None) as sink:
        for frame in frames:
            sink.write(frame)
        if kind == "mkv":
            sink.write(AudioChunk(x, 16000))
    command = [sys.executable, "-W", "error", "-c", PROGRAM, kind]
    done = subprocess.run(command, input=(tmp_path / name).read_bytes(), capture_output=True, check=True)
    assert done.stderr == b""
    back, audio, _ = read_media(io.BytesIO(done.stdout))
    same(frames, back, 100 if kind == "y4m" else 40, psnr)
    assert sum(chunk.num_samples for chunk in audio) >= (x.shape[1] if kind == "mkv" else 0)


def test_y4m_frames_leave_at_once(make_frames: Make) -> None:
    frames = make_frames(2, 320, 240)
    receiving, sending = os.pipe()
    with os.fdopen(receiving, "rb") as reader, os.fdopen(sending, "wb") as writer:
        got: list[bytes] = []
        thread = threading.Thread(target=lambda: got.append(reader.read(1000 + frames[0].y.size)), daemon=True)
        thread.start()
        sink = MediaSink(writer, width=320, height=240, format="y4m")
        sink.write(frames[0])
        writer.flush()
        thread.join(10)
        assert got
        assert got[0].startswith(b"YUV4MPEG2 W320 H240 F25:1 ")
        sink.abort()


def interrupted(sink: MediaSink, frame: VideoFrame) -> None:
    sink.write(frame)
    raise KeyboardInterrupt


def test_nothing_half_written_appears(tmp_path: Path, make_frames: Make) -> None:
    frames = make_frames(3, 64, 48)
    for name in ("a.mp4", "a.mkv", "a.y4m", "a.yuv"):
        sink = MediaSink(tmp_path / name, width=64, height=48)
        with pytest.raises(KeyboardInterrupt), sink:
            interrupted(sink, frames[0])
        assert names(tmp_path) == []
        with pytest.raises(ParameterError, match="closed"):
            sink.write(frames[1])


def test_existing_files_are_kept(tmp_path: Path, make_frames: Make) -> None:
    frames = make_frames(2, 64, 48)
    for name in ("a.mp4", "a.y4m", "a0002.png", "a.png"):
        (tmp_path / name).write_bytes(b"mine")
    for name in ("a.mp4", "a.y4m", "a%04d.png"):
        with pytest.raises(OutputExistsError, match="already exists"):
            write(tmp_path / name, frames)
    with pytest.raises(OutputExistsError, match="already exists"):
        write(tmp_path / "a.png", frames[:1])
    assert (tmp_path / "a0002.png").read_bytes() == (tmp_path / "a.mp4").read_bytes() == b"mine"
    write(tmp_path / "a.mp4", frames, overwrite=True)
    write(tmp_path / "a.png", frames[:1], overwrite=True)
    assert min((tmp_path / name).stat().st_size for name in ("a.mp4", "a.png")) > 4


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"target": "a.gif"}, UsageError, "suffix"),
        ({"format": "avi"}, UsageError, "unknown format"),
        ({"width": None}, UsageError, "neither audio nor"),
        ({"width": None, "format": "y4m"}, UsageError, "there is none"),
        ({"format": "y4m", "audio": (16000, 1)}, UsageError, "-an"),
        ({"audio": (16000, 9)}, UsageError, "channels"),
        ({"video_codec": "ffv1"}, UsageError, "mkv"),
        ({"video_codec": "vp9"}, UsageError, "vp9"),
        ({"format": "y4m", "video_codec": "h264"}, UsageError, "no choice"),
        ({"frame_rate": Fraction(0)}, ParameterError, "frame_rate"),
        ({"width": 0}, ParameterError, "width"),
        ({"target": "-", "format": "png"}, UsageError, "file name"),
    ],
)
def test_refusals(
    options: dict[str, object], error: type[Exception], match: str, tmp_path: Path, make_frames: Make
) -> None:
    settings = {"target": "a.mp4", "width": 64, "height": 48} | options
    target = str(settings.pop("target"))
    with pytest.raises(error, match=match):
        MediaSink(target if target == "-" else tmp_path / target, **settings)  # type: ignore[arg-type]
    assert names(tmp_path) == []


def test_items_must_fit(tmp_path: Path, make_frames: Make) -> None:
    frames = make_frames(2, 64, 48)
    with MediaSink(tmp_path / "a.mp4", width=64, height=48) as sink:
        with pytest.raises(ParameterError, match="frames of"):
            sink.write(make_frames(1, 48, 64)[0])
        with pytest.raises(ParameterError, match="expected None"):
            sink.write(AudioChunk(np.zeros((1, 9), np.float32), 16000))
        sink.write(frames[1])
    with pytest.raises(ParameterError, match="order"):
        write(tmp_path / "b.mp4", frames[::-1])
    assert names(tmp_path) == ["a.mp4"]


def test_formats_by_name_and_suffix() -> None:
    for name, suffixes in MEDIA_FORMATS.items():
        assert media_format_of("-", name) == name
        assert all(media_format_of("x" + suffix.upper()) == name for suffix in suffixes)
    assert media_format_of("-", "matroska") == "mkv"
