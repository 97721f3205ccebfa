"""Which files the video bench takes for clips, and what it reads of them."""

from fractions import Fraction

import numpy as np
import pytest
import soundfile

from mediacodec.bench.video.clips import find_videos, read_video
from mediacodec.errors import InputError, ParameterError
from mediacodec.metrics.video import psnr_611


@pytest.fixture(scope="module")
def clip(moving):
    return moving(6)


@pytest.fixture(scope="module")
def file(clip, write_video, tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("clips") / "moving.mkv", clip)


def test_videos_are_found_by_suffix(tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("b.mp4", "more/a.MKV", ".hidden.mp4", "notes.txt", "c.wav"):
        (tmp_path / name).write_bytes(b"x")
    assert [name for _, name in find_videos(tmp_path)] == ["b.mp4", "more/a.MKV"]
    assert find_videos(tmp_path / "notes.txt") == [(tmp_path / "notes.txt", "notes.txt")]


def test_folders_without_clips_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no video file"):
        find_videos(tmp_path)
    with pytest.raises(InputError, match="neither a folder"):
        find_videos(tmp_path / "absent")


def test_the_first_frames_are_read_as_they_are(clip, file):
    read = read_video(file, name="x/y.mkv", frames=4)
    assert (read.name, len(read.frames), read.frame_rate) == ("x/y.mkv", 4, Fraction(25))
    assert (read.width, read.height) == (192, 176)
    assert read.seconds == pytest.approx(0.16)
    for got, drawn in zip(read.frames, clip.frames, strict=False):
        assert all(np.array_equal(a, b) for a, b in zip(got, drawn, strict=True))
    assert len(read_video(file).frames) == 6  # fewer than asked for is no error


def test_other_formats_become_8_bit_420(clip, write_video, tmp_path):
    deep = read_video(write_video(tmp_path / "deep.mkv", clip, pixels="yuv422p10le"))
    assert [plane.shape for plane in deep.frames[0]] == [(176, 192), (88, 96), (88, 96)]
    assert psnr_611(clip.frames[0], deep.frames[0]) > 35


def test_every_frame_is_scaled_to_the_size(clip, file):
    scaled = read_video(file, size=(97, 89))
    assert {tuple(plane.shape for plane in frame) for frame in scaled.frames} == {((89, 97), (45, 49), (45, 49))}
    assert scaled.frames[0][0].mean() == pytest.approx(clip.frames[0][0].mean(), abs=3)


def test_what_is_no_video_is_refused(tmp_path, babble):
    audio, text = tmp_path / "audio.wav", tmp_path / "text.mp4"
    soundfile.write(audio, babble(0.5, seed=1), 16_000)
    text.write_text("This is no clip. " * 100)
    with pytest.raises(InputError, match="holds no video"):
        read_video(audio)
    with pytest.raises(InputError, match=r"text\.mp4' cannot be read"):
        read_video(text)
    with pytest.raises(InputError, match="does not exist"):
        read_video(tmp_path / "absent.mp4")


def test_numbers_are_checked(file):
    for given in ({"frames": 0}, {"size": (0, 90)}):
        with pytest.raises(ParameterError, match="at least 1"):
            read_video(file, **given)
