"""Reading from pipes and file objects: as exact as from a file, at once when it is live, and no error is lost."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mediacodec.errors import InputError
from mediacodec.media import AudioSource

Samples = NDArray[np.float32]
Speech = Callable[..., Samples]
Encode = Callable[..., None]
Read = Callable[..., Samples]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("flac", "flac"),
        ("mp3", "libmp3lame"),
        ("ogg", "libopus"),
        ("mka", "flac"),
        ("mkv", "aac"),
        ("mkv", "libmp3lame"),
    ],
)
def test_a_pipe_gives_what_the_file_gives(
    suffix: str,
    codec: str,
    tmp_path: Path,
    speech: Speech,
    encode: Encode,
    pipe: Callable[[bytes], io.RawIOBase],
    read: Read,
) -> None:
    encode(tmp_path / f"a.{suffix}", speech(1.2345, 48000, 2), 48000, codec)
    whole, data = read(tmp_path / f"a.{suffix}"), (tmp_path / f"a.{suffix}").read_bytes()
    np.testing.assert_array_equal(read(pipe(data)), whole)
    np.testing.assert_array_equal(read(io.BytesIO(data)), whole)


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_in_a_pipe_behind_a_large_id3_tag(
    rate: int,
    channels: int,
    tmp_path: Path,
    speech: Speech,
    encode: Encode,
    pipe: Callable[[bytes], io.RawIOBase],
    read: Read,
) -> None:
    x = speech(1.2345, rate, channels)
    encode(tmp_path / "a.mp3", x, rate, "libmp3lame", options={"id3v2_version": "0"})
    size = 100_000  # of an image in the tag
    tag = b"ID3\x04\x00\x00" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    assert read(pipe(tag + (tmp_path / "a.mp3").read_bytes())).shape == x.shape


def test_mp4_in_a_pipe_needs_its_index_in_front(
    tmp_path: Path, speech: Speech, encode: Encode, pipe: Callable[[bytes], io.RawIOBase], read: Read
) -> None:
    x = speech(20.0, 16000)
    encode(tmp_path / "late.mp4", x, 16000, "aac")
    encode(tmp_path / "early.mp4", x, 16000, "aac", options={"movflags": "+faststart"})
    assert read(pipe((tmp_path / "early.mp4").read_bytes())).shape == x.shape
    with pytest.raises(InputError, match="faststart"):
        read(pipe((tmp_path / "late.mp4").read_bytes()))


PROGRAM = """
import sys
from mediacodec.media import AudioSource
with AudioSource("-") as audio:
    for chunk in audio.blocks():
        sys.stdout.buffer.write(chunk.samples.T.tobytes())
"""


def test_standard_input(tmp_path: Path, speech: Speech, encode: Encode, read: Read) -> None:
    encode(tmp_path / "a.flac", speech(1.0, 16000, 2), 16000, "flac")
    expected = read(tmp_path / "a.flac")
    piped = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        input=(tmp_path / "a.flac").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert piped.stderr == b""
    np.testing.assert_array_equal(np.frombuffer(piped.stdout, np.float32).reshape(-1, 2).T, expected)


@pytest.mark.parametrize(("codec", "rate", "sent"), [("pcm_s16le", 16000, 9600), ("pcm_s24le", 48000, 21000)])
def test_live_audio_does_not_wait_for_more(
    codec: str, rate: int, sent: int, tmp_path: Path, speech: Speech, encode: Encode, read: Read
) -> None:
    encode(tmp_path / "a.wav", speech(3.0, rate), rate, codec)
    whole, data = read(tmp_path / "a.wav"), (tmp_path / "a.wav").read_bytes()
    receiving, sending = os.pipe()
    with os.fdopen(receiving, "rb") as reader, os.fdopen(sending, "wb", buffering=0) as writer:
        writer.write(
            data[: data.index(b"data") + 8 + sent]
        )  # and stay connected: whoever waits for more now waits for ever
        with AudioSource(reader) as audio:
            assert (audio.sample_rate, audio.codec_name) == (rate, codec)
            blocks = audio.blocks()
            first = next(blocks).samples
            np.testing.assert_array_equal(first, whole[:, : first.shape[1]])
            writer.close()
            assert list(blocks)
        assert not reader.closed, "what the caller opened the caller closes"


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "IMA_ADPCM")]
    + [(kind, "PCM_" + bits) for kind in ("WAV", "WAVEX") for bits in ("U8", "16", "24", "32")]
    + [(kind, name) for kind in ("WAV", "WAVEX") for name in ("FLOAT", "DOUBLE", "ULAW")],
)
def test_wav_in_a_pipe_is_as_in_a_file(
    subtype: str, container: str, tmp_path: Path, speech: Speech, pipe: Callable[[bytes], io.RawIOBase], read: Read
) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 22050, 2, subtype, format=container) as file:
        file.title = "chunks behind the samples are no samples"
        file.write(speech(1.0, 22050, 2).T)
    data = (tmp_path / "a.wav").read_bytes()
    whole = read(tmp_path / "a.wav")
    np.testing.assert_array_equal(read(pipe(data + b"LIST\4\0\0\0junk")), whole)
    np.testing.assert_array_equal(read(pipe(data), start=0.5), whole[:, 11025:])


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFF000])
def test_wav_of_unknown_length(
    size: int, tmp_path: Path, speech: Speech, encode: Encode, pipe: Callable[[bytes], io.RawIOBase], read: Read
) -> None:
    encode(tmp_path / "a.wav", speech(1.0, 16000), 16000, "pcm_s16le")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    start = data.index(b"data") + 4
    data[start : start + 4] = size.to_bytes(4, "little")
    np.testing.assert_array_equal(read(pipe(bytes(data))), read(tmp_path / "a.wav"))


class Interrupted(io.RawIOBase):
    """A pipe whose reader presses Ctrl-C."""

    def __init__(self, data: bytes, error: BaseException) -> None:
        self.data, self.error = io.BytesIO(data), error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        size = self.data.readinto(buffer)
        if not size:
            raise self.error
        return size


@pytest.mark.parametrize("size", [0, 30000])
def test_an_interrupt_while_reading_is_not_lost(
    size: int, tmp_path: Path, speech: Speech, encode: Encode, read: Read
) -> None:
    encode(tmp_path / "a.wav", speech(3.0, 16000), 16000, "pcm_s16le")
    data = (tmp_path / "a.wav").read_bytes()[:size]
    with pytest.raises(KeyboardInterrupt):
        read(Interrupted(data, KeyboardInterrupt()))
    with pytest.raises(InputError, match=r"Interrupted object.*Input/output"):
        read(Interrupted(data, OSError(5, "Input/output error")))
