"""Generated audio and video as fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.media import (
    Pipe,
    Samples,
    encode_file,
    encode_video,
    find_lag,
    make_frames,
    make_speech,
    measure_psnr,
    read_all,
    read_media,
)

from mediacodec.frames import VideoFrame
from mediacodec.media.media_source import MediaSource


@pytest.fixture(scope="session")
def speech() -> Callable[..., Samples]:
    return make_speech


@pytest.fixture(scope="session")
def encode() -> Callable[..., None]:
    return encode_file


@pytest.fixture(scope="session")
def lag() -> Callable[[Samples, Samples], int]:
    return find_lag


@pytest.fixture(scope="session")
def read() -> Callable[..., Samples]:
    return read_all


@pytest.fixture(scope="session")
def pipe() -> type[Pipe]:
    return Pipe


@pytest.fixture(scope="session", name="make_frames")
def _make_frames() -> Callable[..., list[VideoFrame]]:
    return make_frames


@pytest.fixture(scope="session")
def make_video() -> Callable[..., None]:
    return encode_video


@pytest.fixture(scope="session")
def psnr() -> Callable[[VideoFrame, VideoFrame], float]:
    return measure_psnr


@pytest.fixture(scope="session", name="read_media")
def _read_media() -> Callable[..., tuple[list[VideoFrame], list[object], MediaSource]]:
    return read_media
