"""What a file holds, without decoding a thing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import mediacodec
from mediacodec import manifest
from mediacodec.errors import InputError, NotAnMcxError, TruncatedError
from mediacodec.mcx.probe import open_path, opened
from mediacodec_bitstream import Reader

RATE = 44_100
SECONDS = 3.3


@pytest.fixture(scope="module")
def data(speech: Callable[..., Any]) -> bytes:
    return mediacodec.encode(speech(SECONDS, RATE, channels=2), sample_rate=RATE, bit_rate=3000)


def test_values_are_the_truth(data: bytes) -> None:
    info = mediacodec.info(data)
    packets = list(Reader(BytesIO(data), strict=True))
    payload = sum(len(packet.data) for packet in packets)
    (stream,) = info.streams
    assert (info.version, info.live, info.truncated, info.gaps) == ("1.0", False, False, ())
    assert (info.file_bytes, info.payload_bytes, info.duration) == (len(data), payload, SECONDS)
    assert info.bit_rate == pytest.approx(8 * len(data) / SECONDS)
    assert (stream.codec, stream.kind, stream.model) == ("rvq1", "audio", manifest.find_by_name("speech").name)
    assert (stream.sample_rate, stream.channels) == (16_000, 1)
    assert (stream.packets, stream.payload_bytes, stream.duration) == (len(packets), payload, SECONDS)
    assert stream.bit_rate == pytest.approx(8 * payload / SECONDS)
    assert (stream.algorithmic_delay, stream.packet_duration) == (0.04, 1.0)
    assert stream.header.fields["source_sample_rate"] == RATE
    assert stream.header.fields["source_channels"] == 2


def test_every_way_in(data: bytes, tmp_path: Path, pipe: Any) -> None:
    path = tmp_path / "a.mcx"
    path.write_bytes(data)
    expected = mediacodec.info(data)
    for source in (path, str(path), os.fsencode(path).decode(), BytesIO(data), bytearray(data), pipe(data)):
        assert mediacodec.info(source) == expected


def test_files_opened_here_are_closed_and_others_are_not(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mcx"
    path.write_bytes(data)
    with opened(path) as handle:
        pass
    assert handle.closed
    mine = BytesIO(data)
    with opened(mine):
        pass
    assert not mine.closed


def test_a_cut_file_says_so(data: bytes) -> None:
    info = mediacodec.info(data[:-10])
    assert info.truncated
    assert info.duration == pytest.approx(SECONDS, abs=0.02)  # what its packets hold
    half = mediacodec.info(data[: len(data) // 2])
    assert half.truncated
    assert 0 < half.streams[0].packets < info.streams[0].packets
    assert half.duration < info.duration


def test_an_empty_stream() -> None:
    data = mediacodec.encode([], sample_rate=16_000)
    info = mediacodec.info(data)
    assert (info.duration, info.bit_rate, info.streams[0].bit_rate, info.streams[0].packets) == (0, 0, 0, 0)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.mcx: No such file"):
        mediacodec.info(tmp_path / "missing.mcx")
    with pytest.raises(InputError, match="is a directory"):
        mediacodec.info(tmp_path)
    with pytest.raises(InputError, match="is a directory"):
        open_path(str(tmp_path))
    for content in (b"text, not audio\n" * 100, b"RIFF" + bytes(100)):
        with pytest.raises(NotAnMcxError):
            mediacodec.info(content)
    with pytest.raises((TruncatedError, NotAnMcxError)):
        mediacodec.info(b"")


PROBE = """
import sys
import mediacodec
info = mediacodec.info(sys.argv[1])
heavy = {"onnxruntime", "av", "soundfile", "torch", "onnx", "click", "constriction"} & set(sys.modules)
assert not heavy, heavy
print(info.streams[0].packets, info.duration)
"""


def test_loads_no_engine(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mcx"
    path.write_bytes(data)
    environment = os.environ | {"MEDIACODEC_CACHE": str(tmp_path)}  # nor does it need the model
    command = [sys.executable, "-W", "error", "-c", PROBE, str(path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert out.split() == ["4", str(SECONDS)]
