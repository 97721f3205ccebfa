"""Errors of FFmpeg never come out as they are: each public class of media raises one of ours instead, in one line."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
import pytest

from mediacodec.errors import InputError, MediaCodecError, OutputError, ParameterError, ParameterTypeError, UsageError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.media import (
    AudioCopy,
    AudioSink,
    AudioSource,
    MediaSink,
    MediaSource,
    Resampler,
    audio_sink,
    container_writer,
    plane_writer,
    resample,
    resample_audio,
)
from mediacodec.media.avio import AvioFile
from mediacodec.media.frame_converter import FrameConverter
from mediacodec.media.packet_decoder import open_packet_decoder

CHUNK = AudioChunk(np.zeros((1, 16_000), np.float32), 16_000)


class Failing(av.error.FFmpegError):
    """Whatever FFmpeg may say."""

    def __init__(self, *_: object) -> None:
        super().__init__(22, "it failed\nfor a reason")


@contextmanager
def ours(kind: type[MediaCodecError]) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value).__module__.startswith("mediacodec")


def fails(*_: Any, **__: Any) -> Any:
    raise Failing


@pytest.fixture
def wav(encode: Callable[..., None]) -> bytes:
    buffer = io.BytesIO()
    encode(buffer, CHUNK.samples, 16_000, "pcm_s16le", muxer="wav")
    return buffer.getvalue()


@pytest.fixture
def clip(make_video: Callable[..., None], make_frames: Callable[..., list[VideoFrame]]) -> bytes:
    buffer = io.BytesIO()
    make_video(buffer, make_frames(3, 64, 48), muxer="matroska")
    return buffer.getvalue()


def test_opening_an_input(monkeypatch: pytest.MonkeyPatch, wav: bytes) -> None:
    monkeypatch.setattr(av, "open", fails)
    for source in (AudioSource, MediaSource):
        with ours(InputError):
            source(io.BytesIO(wav))


def test_converting_a_frame(monkeypatch: pytest.MonkeyPatch, clip: bytes) -> None:
    with MediaSource(io.BytesIO(clip)) as media:
        monkeypatch.setattr(FrameConverter, "convert", fails)
        with ours(InputError):
            list(media.items())
    with ours(InputError):
        MediaSource(io.BytesIO(clip))


def test_a_jump_that_fails_reads_from_the_start(encode: Callable[..., None], speech: Callable[..., Any]) -> None:
    class Stuck(io.BytesIO):
        """Seeks to the start alone, once it is open."""

        opened = False

        def seek(self, offset: int, whence: int = 0, /) -> int:
            if self.opened and offset:
                raise OSError(5, "Input/output error")
            return super().seek(offset, whence)

    buffer = io.BytesIO()
    encode(buffer, speech(4.0, 16_000), 16_000, "flac", muxer="flac")
    file = Stuck(buffer.getvalue())
    with AudioSource(file, start=3.0) as audio:
        file.opened = True
        assert sum(chunk.num_samples for chunk in audio.blocks()) == 16_000


@pytest.mark.parametrize("name", ["wav", "ogg", "m4a"])
def test_opening_an_output(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(audio_sink.av, "open", fails)
    with ours(OutputError):
        AudioSink(io.BytesIO(), sample_rate=16_000, channels=1, format=name)


def test_an_encoder_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {**audio_sink.FORMATS, "wav": audio_sink.AudioFormat("wav", "no_such_encoder", "s16", (".wav",))}
    monkeypatch.setattr(audio_sink, "FORMATS", kinds)
    with ours(OutputError):
        AudioSink(io.BytesIO(), sample_rate=16_000, channels=1, format="wav")


def test_writing_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    with AudioSink(io.BytesIO(), sample_rate=16_000, channels=1, format="wav") as sink:
        monkeypatch.setattr(audio_sink, "arranged", fails)
        with ours(OutputError):
            sink.write(CHUNK)


@pytest.mark.parametrize("name", ["mp4", "mkv", "y4m", "png"])
def test_writing_video(
    monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Any, make_frames: Callable[..., list[VideoFrame]]
) -> None:
    (frame,) = make_frames(1, 64, 48)
    sink = MediaSink(tmp_path / f"a.{name}", width=64, height=48)
    for module in (container_writer, plane_writer):
        monkeypatch.setattr(module, "to_frame", fails)
    if name == "y4m":
        monkeypatch.setattr(AvioFile, "write", fails)
    with ours(OutputError):
        sink.write(frame)
    assert list(tmp_path.iterdir()) == []


def test_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    with ours(ParameterError):
        resample_audio(np.zeros((200, 4000)), 16_000, 8_000)  # FFmpeg has no name for so many channels
    monkeypatch.setattr(resample.Resampler, "_make_graph", fails)
    with ours(ParameterError):
        Resampler(48_000, 16_000).push(np.zeros((1, 48_000), np.float32))


@pytest.mark.parametrize("codec", ["no such codec", "pcm_s16xx", "vorbis", "alac", "flac"])
def test_packets_of_a_codec_that_cannot_be_set_up(codec: str) -> None:
    copy = AudioCopy(codec, b"\1\2\3", 48_000, 2, Fraction(1, 48_000))
    try:
        with open_packet_decoder(copy) as decoder:
            decoder.decode(b"garbage", 0, Fraction(1, 48_000))
            decoder.decode(None, 0, Fraction(1, 48_000))
    except (UsageError, InputError):
        return


@pytest.mark.parametrize("target", [None, 42, io.StringIO(), b"bytes"])
def test_what_is_no_output(target: Any) -> None:
    with ours(ParameterTypeError):
        AudioSink(target, sample_rate=16_000, channels=1, format="wav")
    for name in ("mp4", "y4m"):
        with ours(ParameterTypeError):
            MediaSink(target, width=64, height=48, format=name)


@pytest.mark.parametrize("source", [None, 42, io.StringIO("text"), [b"bytes"]])
def test_what_is_no_input(source: Any) -> None:
    for kind in (AudioSource, MediaSource):
        with ours(ParameterTypeError):
            kind(source)
