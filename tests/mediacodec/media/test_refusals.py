"""What the reader refuses and what it says: one clear line that names the file."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
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


def test_errors_name_the_file_and_the_trouble(tmp_path: Path, speech: Speech, encode: Encode, read: Read) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "notes.txt").write_text("just some text, line after line\n" * 20)
    (tmp_path / "text.wav").write_text("just some text, line after line\n" * 20)
    (tmp_path / "noise.mp3").write_bytes(np.random.default_rng(0).bytes(20_000))
    encode(tmp_path / "whole.m4a", speech(1.0, 16000), 16000, "aac")
    (tmp_path / "cut.m4a").write_bytes((tmp_path / "whole.m4a").read_bytes()[:6000])
    with av.open(tmp_path / "silent.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    for name, reason in [
        ("missing.wav", "does not exist"),
        (".", "is a directory"),
        ("empty.wav", r"is empty \(0 bytes\)"),
        ("notes.txt", "has no audio|no media file"),
        ("text.wav", "damaged, or no media file"),
        ("noise.mp3", "damaged, or no media file|none of its audio"),
        ("cut.m4a", "damaged, or no media file"),
        ("silent.mp4", "has no audio"),
    ]:
        with pytest.raises(InputError, match=reason) as caught:
            read(tmp_path / name)
        assert f"'{tmp_path / name}'" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_empty_pipe_and_impossible_names(pipe: Callable[[bytes], io.RawIOBase]) -> None:
    with pytest.raises(InputError, match="Pipe object is empty"):
        AudioSource(pipe(b""))
    with pytest.raises(InputError, match="null byte"):
        AudioSource("a\0b")


def test_names_that_ffmpeg_would_take_for_protocols(
    tmp_path: Path, speech: Speech, encode: Encode, monkeypatch: pytest.MonkeyPatch, read: Read
) -> None:
    x = speech(0.2, 16000)
    encode(tmp_path / "a.wav", x, 16000, "pcm_s16le")
    (tmp_path / "a.wav").rename(tmp_path / "http:%d x:'ö.wav")
    monkeypatch.chdir(tmp_path)
    assert read("http:%d x:'ö.wav").shape == x.shape


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {}\n"]
)
def test_a_playlist_cannot_make_us_open_other_files(
    text: str, tmp_path: Path, speech: Speech, encode: Encode, read: Read
) -> None:
    encode(tmp_path / "other.flac", speech(0.5, 16000), 16000, "flac")
    (tmp_path / "list.m3u8").write_text(text.format("other.flac"))
    with pytest.raises(InputError):
        read(tmp_path / "list.m3u8")


def test_a_change_on_the_way_is_refused(tmp_path: Path, speech: Speech, encode: Encode, read: Read) -> None:
    encode(tmp_path / "a.aac", speech(1.0, 44100, 2), 44100, "aac")
    encode(tmp_path / "b.aac", speech(1.0, 16000, 1), 16000, "aac")
    both = io.BytesIO((tmp_path / "a.aac").read_bytes() + (tmp_path / "b.aac").read_bytes())
    with pytest.raises(InputError, match=r"from 44100 Hz and 2 channel\(s\) to 16000 Hz and 1"):
        read(both)


def test_damage_is_passed_over_and_told(tmp_path: Path, speech: Speech, encode: Encode) -> None:
    x = speech(4.0, 44100)
    for suffix, codec in [("m4a", "aac"), ("flac", "flac"), ("mp3", "libmp3lame")]:
        encode(tmp_path / f"a.{suffix}", x, 44100, codec)
        data = bytearray((tmp_path / f"a.{suffix}").read_bytes())
        data[20000:26000] = np.random.default_rng(0).bytes(6000)
        (tmp_path / f"a.{suffix}").write_bytes(data)
        with AudioSource(tmp_path / f"a.{suffix}") as audio:
            received = sum(chunk.num_samples for chunk in audio.blocks())
            assert 0.7 * x.shape[1] < received <= x.shape[1]
            loud = [note for note in audio.notes() if note.startswith("WARNING: ")]
            assert loud
            assert all(str(tmp_path) in note for note in loud)
            assert all("silence" in note for note in audio.notes() if note not in loud)


PROGRAM = """
from mediacodec.media import AudioSource
with AudioSource("-") as audio:
    print(sum(chunk.num_samples for chunk in audio.blocks()))
"""


def test_ffmpeg_keeps_its_chatter_to_itself(tmp_path: Path) -> None:
    (tmp_path / "noise.mp3").write_bytes(b"\xff\xfb\x90\x00" + np.random.default_rng(0).bytes(50_000))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], input=(tmp_path / "noise.mp3").read_bytes(),
        capture_output=True, check=False,
    )  # fmt: skip
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 0 or lines[-1].startswith("mediacodec.errors.InputError: ")
    assert not any(line.startswith("[") for line in lines), lines


def test_blocks_once_and_not_after_close(tmp_path: Path, speech: Speech, encode: Encode) -> None:
    encode(tmp_path / "a.wav", speech(0.2, 16000), 16000, "pcm_s16le")
    with AudioSource(tmp_path / "a.wav") as audio:
        assert list(audio.blocks())
        with pytest.raises(InputError, match="read already"):
            list(audio.blocks())
    with AudioSource(tmp_path / "a.wav") as audio:
        pass
    with pytest.raises(InputError, match="closed"):
        list(audio.blocks())


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 48000, 2, "FLOAT") as file:
        for _ in range(60):
            file.write(np.zeros((48000, 2), np.float32))
    tracemalloc.start()
    try:
        with AudioSource(tmp_path / "a.wav") as audio:
            assert sum(chunk.num_samples for chunk in audio.blocks()) == 60 * 48000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000  # the file has 23 MB
    finally:
        tracemalloc.stop()
