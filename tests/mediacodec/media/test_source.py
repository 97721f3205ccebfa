"""Reading: every format at its exact length, aligned, cut to the sample, from files, pipes and file objects."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mediacodec.errors import UsageError
from mediacodec.media import AudioSource

Samples = NDArray[np.float32]
Speech = Callable[..., Samples]
Encode = Callable[..., None]
Read = Callable[..., Samples]

# suffix, encoder, how exact: "bits" lossless, "aligned" lossy but trimmed, "start" trimmed in front only
KINDS = [
    ("wav", "pcm_s16le", "bits"),
    ("flac", "flac", "bits"),
    ("aiff", "pcm_s16be", "bits"),
    ("mp3", "libmp3lame", "aligned"),
    ("m4a", "aac", "aligned"),
    ("mp4", "aac", "aligned"),
    ("mov", "aac", "aligned"),
    ("ogg", "libopus", "aligned"),
    ("webm", "libopus", "aligned"),
    ("mka", "flac", "bits"),
    ("mkv", "libmp3lame", "aligned"),
    ("mkv", "aac", "start"),
]
SHAPES = [(8000, 1), (16000, 2), (22050, 1), (44100, 2), (48000, 1)]
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


def check(out: Samples, x: Samples, rate: int, exactness: str, lag: Callable[[Samples, Samples], int]) -> None:
    assert out.shape[0] == x.shape[0]
    if exactness == "bits":
        np.testing.assert_allclose(out, x, atol=1.01 / 32768)
        return
    if exactness == "start":
        assert x.shape[1] <= out.shape[1] < x.shape[1] + 1024
    else:
        assert out.shape[1] == x.shape[1]
    assert lag(x, out) == 0
    likeness = np.corrcoef(x.ravel(), out[:, : x.shape[1]].ravel())[0, 1]
    assert likeness > 0.85, "not the same audio"


@pytest.mark.parametrize(("rate", "channels"), SHAPES)
@pytest.mark.parametrize(("suffix", "codec", "exactness"), KINDS)
def test_every_format(
    suffix: str,
    codec: str,
    exactness: str,
    rate: int,
    channels: int,
    tmp_path: Path,
    speech: Speech,
    encode: Encode,
    lag: Callable[[Samples, Samples], int],
    read: Read,
) -> None:
    if codec == "libopus":
        rate = 48000  # the rate that it comes back at
    x = speech(1.2345, rate, channels)
    path = tmp_path / f"speech.{suffix}"
    encode(path, x, rate, codec, options={"strict": "-2"})
    with AudioSource(path) as audio:
        assert (audio.sample_rate, audio.channels) == (rate, channels)
        assert audio.codec_name == {"libmp3lame": "mp3", "libopus": "opus"}.get(codec, codec)
        assert audio.duration == pytest.approx(x.shape[1] / rate, abs=0.15)
    check(read(path), x, rate, exactness, lag)


@pytest.mark.parametrize(("rate", "times"), [(8000, 6), (16000, 3), (24000, 2)])
def test_opus_of_any_rate_comes_back_at_48_khz(
    rate: int, times: int, tmp_path: Path, speech: Speech, encode: Encode, read: Read
) -> None:
    encode(tmp_path / "a.opus", speech(1.2345, rate), rate, "libopus")
    assert read(tmp_path / "a.opus").shape == (1, round(1.2345 * rate) * times)


@pytest.mark.parametrize("seconds", [0.01, 0.0231, 1024 / 44100, 0.5, 2048 / 44100])
@pytest.mark.parametrize(("suffix", "codec"), [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("m4a", "aac")])
def test_short_files(
    suffix: str, codec: str, seconds: float, tmp_path: Path, speech: Speech, encode: Encode, read: Read
) -> None:
    x = speech(seconds, 44100)
    encode(tmp_path / f"a.{suffix}", x, 44100, codec)
    assert read(tmp_path / f"a.{suffix}").shape == x.shape


@pytest.mark.parametrize(
    ("suffix", "codec", "exactness"), [("mp4", "aac", "aligned"), ("mkv", "aac", "start"), ("mkv", "flac", "bits")]
)
def test_the_audio_of_a_clip(
    suffix: str,
    codec: str,
    exactness: str,
    tmp_path: Path,
    speech: Speech,
    encode: Encode,
    lag: Callable[[Samples, Samples], int],
    read: Read,
) -> None:
    x = speech(2.2, 44100, 2)
    encode(tmp_path / f"clip.{suffix}", x, 44100, codec, video=True)
    check(read(tmp_path / f"clip.{suffix}"), x, 44100, exactness, lag)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_sample_formats(subtype: str, tmp_path: Path, speech: Speech, read: Read) -> None:
    x = speech(0.3, 16000, 2)
    soundfile.write(tmp_path / "a.wav", x.T, 16000, subtype=subtype)
    step = {"PCM_U8": 1 / 128, "PCM_16": 1 / 32768, "PCM_24": 2**-23, "PCM_32": 2**-24}.get(subtype, 1e-7)
    np.testing.assert_allclose(read(tmp_path / "a.wav"), x, atol=1.01 * step)


def test_peaks_beyond_full_scale_are_kept(tmp_path: Path, speech: Speech, read: Read) -> None:
    x = 4 * speech(0.3, 16000)
    soundfile.write(tmp_path / "a.wav", x.T, 16000, subtype="FLOAT")
    np.testing.assert_array_equal(read(tmp_path / "a.wav"), x)


def test_six_channels(tmp_path: Path, speech: Speech, read: Read) -> None:
    x = speech(0.3, 48000, 6)
    soundfile.write(tmp_path / "a.flac", x.T, 48000)
    np.testing.assert_allclose(read(tmp_path / "a.flac"), x, atol=1 / 32768)


def test_no_audio_at_all(tmp_path: Path, read: Read) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 22050)
    assert read(tmp_path / "a.wav").shape == (2, 0)


@pytest.mark.parametrize(
    ("suffix", "codec", "video"),
    [
        ("wav", "pcm_s16le", False),
        ("aiff", "pcm_s16be", False),
        ("flac", "flac", False),
        ("mp3", "libmp3lame", False),
        ("ogg", "libopus", False),
        ("m4a", "aac", False),
        ("mp4", "aac", True),
        ("mkv", "flac", True),
    ],
)
def test_start_and_duration_are_exact(
    suffix: str,
    codec: str,
    video: bool,
    tmp_path: Path,
    speech: Speech,
    encode: Encode,
    lag: Callable[[Samples, Samples], int],
    read: Read,
) -> None:
    rate = 48000 if codec == "libopus" else 44100
    path = tmp_path / f"a.{suffix}"
    encode(path, speech(6.3, rate), rate, codec, video=video)
    whole = read(path)
    for start, duration in [(0, 1.0), (0.3333, 0.5), (2.5, None), (3.33333, 1.23456), (4.0, 99.0), (6.2, None)]:
        first = round(start * rate)
        last = whole.shape[1] if duration is None else min(whole.shape[1], first + round(duration * rate))
        options = {"start": start} | ({} if duration is None else {"duration": duration})
        part = read(path, **options)
        assert part.shape[1] == last - first, options
        if codec == "aac":  # its decoder fills noise in from a state that a running start does not restore
            assert lag(whole[:, first:last], part) == 0
            assert np.corrcoef(part, whole[:, first:last])[0, 1] > 0.98
        else:
            np.testing.assert_allclose(part, whole[:, first:last], atol=1e-5)
    assert read(path, start=99.0).shape == (1, 0)
    assert read(path, duration=0.0).shape == (1, 0)


def test_mp3_without_any_index_seeks_exactly(tmp_path: Path, speech: Speech, encode: Encode, read: Read) -> None:
    encode(tmp_path / "a.mp3", speech(5.0, 44100), 44100, "libmp3lame", options={"write_xing": "0"})
    whole = read(tmp_path / "a.mp3")
    np.testing.assert_allclose(read(tmp_path / "a.mp3", start=3.7), whole[:, round(3.7 * 44100) :], atol=1e-5)


def test_start_in_a_pipe(
    tmp_path: Path, speech: Speech, encode: Encode, pipe: Callable[[bytes], io.RawIOBase], read: Read
) -> None:
    encode(tmp_path / "a.flac", speech(4.0, 16000), 16000, "flac")
    whole = read(tmp_path / "a.flac")
    part = read(pipe((tmp_path / "a.flac").read_bytes()), start=2.5, duration=0.7)
    np.testing.assert_array_equal(part, whole[:, 40000:51200])


def test_duration_is_what_will_be_read(tmp_path: Path, speech: Speech, encode: Encode) -> None:
    encode(tmp_path / "a.flac", speech(4.0, 16000), 16000, "flac")
    for start, duration, expected in [(1.0, None, 3.0), (1.0, 2.0, 2.0), (3.5, 2.0, 0.5), (9.0, None, 0.0)]:
        with AudioSource(tmp_path / "a.flac", start=start, duration=duration) as audio:
            assert audio.duration == expected


@pytest.mark.parametrize("options", [{"start": -1.0}, {"start": float("nan")}, {"duration": -0.1}])
def test_times_that_make_no_sense(options: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="seconds"):
        AudioSource(tmp_path / "a.wav", **options)  # type: ignore[arg-type]


def itunes_atom(value: str) -> bytes:
    def atom(name: bytes, payload: bytes) -> bytes:
        return (8 + len(payload)).to_bytes(4, "big") + name + payload

    text = (
        atom(b"mean", b"\0\0\0\0com.apple.iTunes")
        + atom(b"name", b"\0\0\0\0iTunSMPB")
        + atom(b"data", b"\0\0\0\1\0\0\0\0" + value.encode())
    )
    handler = atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return atom(b"udta", atom(b"meta", bytes(4) + handler + atom(b"ilst", atom(b"----", text))))


@pytest.mark.parametrize("trust", [True, False])
def test_itunes_tag_tells_the_length_unless_it_is_far_off(
    trust: bool, tmp_path: Path, speech: Speech, encode: Encode, read: Read
) -> None:
    encode(tmp_path / "a.m4a", speech(1.2345, 44100), 44100, "aac")
    data = bytearray((tmp_path / "a.m4a").read_bytes())
    length = 54000 if trust else 20000
    tag = itunes_atom(f" 00000000 00000400 000001CA {length:016X} 00000000 00000000")
    start = data.index(b"moov") - 4
    data[start : start + 4] = (len(data) - start + len(tag)).to_bytes(4, "big")  # moov is the last box of the file
    assert read(io.BytesIO(bytes(data) + tag)).shape == (1, 54000 if trust else round(1.2345 * 44100))
