"""WAV files whose header FFmpeg takes for something else, and compressed ones."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Read = Callable[..., Samples]
RATE = 8000


def wav(form: bytes, data: bytes, *, before: bytes = b"", magic: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(form)) + form
    size = 0xFFFFFFFF if magic == b"RF64" else len(data)
    body += b"data" + struct.pack("<I", size) + data
    return magic + struct.pack("<I", min(len(body), 0xFFFFFFFF)) + body


def extensible(tag: int, channels: int, bits: int, valid: int) -> bytes:
    align = channels * bits // 8
    form = struct.pack("<HHIIHHHHIH", 0xFFFE, channels, RATE, align * RATE, align, bits, 22, valid, 0, tag)
    return form + bytes.fromhex("000000001000800000aa00389b71")


def tone(seconds: float) -> NDArray[np.float64]:
    t = np.arange(round(seconds * RATE)) / RATE
    return 0.3 * np.sin(2 * np.pi * (200 + 20 * t) * t)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("bits", "valid"), [(32, 24), (32, 20), (32, 16), (24, 20), (24, 16), (16, 12), (16, 16)])
def test_fewer_valid_bits_than_a_sample_has(
    bits: int, valid: int, channels: int, tmp_path: Path, read: Read, pipe: Callable[[bytes], io.RawIOBase]
) -> None:
    x = np.repeat(tone(1.0), channels)
    integers = (np.rint(x * 2 ** (valid - 1)).astype("<i8") << (bits - valid)).astype("<i8")
    data = b"".join(value.tobytes()[: bits // 8] for value in integers)
    path = tmp_path / "a.wav"
    path.write_bytes(wav(extensible(1, channels, bits, valid), data))
    y = read(path)
    np.testing.assert_allclose(y, np.tile(tone(1.0), (channels, 1)), atol=2.0 ** (1 - valid))
    np.testing.assert_array_equal(read(pipe(path.read_bytes())), y)


def test_floats_with_fewer_valid_bits(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.wav").write_bytes(wav(extensible(3, 1, 32, 24), tone(1.0).astype("<f4").tobytes()))
    np.testing.assert_allclose(read(tmp_path / "a.wav")[0], tone(1.0), atol=1e-6)


@pytest.mark.parametrize("byte_rate", [0, 4000, 16000, 64000])
@pytest.mark.parametrize("magic", [b"RIFF", b"RF64"])
def test_a_start_in_pcm_does_not_hang_on_the_byte_rate(
    byte_rate: int, magic: bytes, tmp_path: Path, read: Read
) -> None:
    data = np.rint(tone(20.0) * 2**15).astype("<i2").tobytes()
    sizes = struct.pack("<QQQI", len(data) + 100, len(data), len(data) // 2, 0)
    before = b"ds64" + struct.pack("<I", len(sizes)) + sizes if magic == b"RF64" else b"LIST\x05\0\0\0abcde\0"
    form = struct.pack("<HHIIHH", 1, 1, RATE, byte_rate, 2, 16)
    (tmp_path / "a.wav").write_bytes(wav(form, data, before=before, magic=magic))
    whole = read(tmp_path / "a.wav")
    assert whole.shape == (1, 20 * RATE)
    for start in (5.0, 17.77):
        np.testing.assert_array_equal(read(tmp_path / "a.wav", start=start), whole[:, round(start * RATE) :])


@pytest.mark.parametrize(
    ("codec", "muxer", "rate"),
    [
        ("adpcm_ima_wav", "wav", 8000),
        ("adpcm_ms", "wav", 8000),
        ("g722", "wav", 16000),
        ("pcm_mulaw", "wav", 8000),
        ("pcm_alaw", "aiff", 8000),
        ("adpcm_ima_qt", "aiff", 8000),
    ],
)
@pytest.mark.parametrize("bit_rate", [None, 128_000])
def test_a_start_in_compressed_audio_is_exact(
    codec: str, muxer: str, rate: int, bit_rate: int | None, tmp_path: Path, read: Read
) -> None:
    path = tmp_path / f"a.{muxer}"
    samples = np.rint(tone(20.0) * 2**15).astype(np.int16)[None]
    with av.open(str(path), "w", format=muxer) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        if bit_rate is not None:
            stream.bit_rate = bit_rate  # as the ffmpeg command writes it into the header, whatever the codec takes
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        size = stream.codec_context.frame_size or 320
        fixed = av.AudioResampler(stream.codec_context.format.name, "mono", rate, frame_size=size)
        for part in [*fixed.resample(frame), *fixed.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    whole = read(path)
    assert abs(whole.shape[1] - 20 * rate) < 4096
    for start in (5.0, 17.77):
        np.testing.assert_array_equal(read(path, start=start), whole[:, round(start * rate) :])
