"""Headers and fields: frozen, validated, round-tripped."""

from __future__ import annotations

import dataclasses
import pickle
import struct
import zlib
from fractions import Fraction
from typing import Any

import pytest

from mediacodec_bitstream import (
    FIELDS,
    AudioParameters,
    CorruptError,
    Fields,
    FileHeader,
    MediaCodecError,
    NotAnMcxError,
    ParameterError,
    StreamHeader,
    TruncatedError,
    VideoParameters,
)
from mediacodec_bitstream.fields import pack_fields, unpack_fields
from mediacodec_bitstream.wire import Cursor

AUDIO = AudioParameters(16_000, 1, 320, 320)
VIDEO = VideoParameters(1920, 1080, Fraction(30_000, 1001), (1, 13, 6, 1), 0, 8)


def stream(**options: Any) -> StreamHeader:
    values = {"stream_id": 0, "codec": "spch", "parameters": AUDIO, "time_base": Fraction(1, 16_000), **options}
    return StreamHeader(**values)


def test_round_trip() -> None:
    fields = {"model_name": "speech-2", "source_sample_rate": 44_100, "layers": 8, "extradata": b"\0\1", "0x0abc": b"?"}
    full = stream(packet_duration=16_000, algorithmic_delay=640, symbol_crc_size=4, model_hash=b"m" * 32, fields=fields)
    moving = StreamHeader(7, "vid1", VIDEO, Fraction(1, 90_000), tables_hash=b"t" * 32, fields={"reorder": 2})
    data = StreamHeader(254, "data", None, Fraction(1), coder=0)
    header = FileHeader((full, moving, data), live=True, fields={"title": "日本"})
    again = FileHeader.unpack(header.pack())
    assert again == header
    assert [s.kind for s in again.streams] == ["audio", "video", "data"]
    assert again.stream(7).reorders
    assert (again.stream(0).layers, again.stream(0).pre_skip, again.header_interval) == (8, 320, 10)
    assert pickle.loads(pickle.dumps(header)) == header  # noqa: S301 - our own bytes
    assert hash(header) == hash(again)


def test_pre_skip_is_in_ticks() -> None:
    assert stream(time_base=Fraction(1, 48_000)).pre_skip == 960
    assert StreamHeader(0, "vid1", VIDEO, Fraction(1, 25)).pre_skip == 0


@pytest.mark.parametrize(
    "options",
    [
        {"stream_id": 255},
        {"stream_id": -1},
        {"codec": "abc"},
        {"codec": "abc\n"},
        {"codec": "abcé"},
        {"time_base": Fraction(0)},
        {"time_base": Fraction(1, 1 << 32)},
        {"time_base": 0.5},
        {"packet_duration": 1 << 24},
        {"algorithmic_delay": -1},
        {"coder": 3},
        {"coder": 2},
        {"coder": 2, "symbol_crc_size": 0},
        {"symbol_crc_size": 3},
        {"symbol_crc_size": 0, "fields": {"layers": 2}},
        {"model_hash": b"short"},
        {"fields": {"nonsense": 1}},
        {"fields": {"0x8abc": b""}},
        {"fields": {"0x0001": b""}},
        {"fields": {"encoder": "of the file"}},
        {"fields": {"layers": 0}},
        {"fields": {"layers": "2"}},
        {"fields": {"model_name": "n" * 256}},
        {"fields": {"model_name": "a\0b"}},
        {"fields": {"extradata": bytes(60_001)}},
    ],
)
def test_streams_refuse_nonsense_at_birth(options: dict[str, Any]) -> None:
    with pytest.raises(MediaCodecError):
        stream(**options)


@pytest.mark.parametrize(
    "values", [(0, 1, 0, 1), (384_001, 1, 0, 1), (8000, 0, 0, 1), (8000, 9, 0, 1), (8000, 1, -1, 1), (8000, 1, 0, 0)]
)
def test_audio_limits(values: tuple[int, int, int, int]) -> None:
    with pytest.raises(ParameterError):
        AudioParameters(*values)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"height": 65_536},
        {"width": 65_535, "height": 1025},
        {"frame_rate": Fraction(0)},
        {"colour": (1, 1, 1, 2)},
        {"colour": (1, 1, 1)},
        {"colour": (256, 1, 1, 0)},
        {"pad_right": -1},
        {"width": 8192, "height": 8192, "pad_bottom": 1},
    ],
)
def test_video_limits(change: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        dataclasses.replace(VIDEO, **change)


def test_file_limits() -> None:
    with pytest.raises(ParameterError):
        FileHeader(())
    with pytest.raises(ParameterError):
        FileHeader((stream(), stream()))
    with pytest.raises(ParameterError):
        FileHeader(tuple(stream(stream_id=i) for i in range(17)))
    with pytest.raises(ParameterError, match="65536"):
        FileHeader(tuple(stream(stream_id=i, fields={"extradata": bytes(40_000)}) for i in range(2)))
    with pytest.raises(ParameterError):
        FileHeader((stream(),), header_interval=65_536)
    FileHeader(tuple(stream(stream_id=i) for i in range(16)))


def test_truncation_and_damage_anywhere_are_noticed() -> None:
    data = FileHeader((stream(),)).pack()
    for size in range(len(data)):
        with pytest.raises((TruncatedError, NotAnMcxError)):
            FileHeader.unpack(data[:size])
    for at in range(len(data)):
        with pytest.raises((CorruptError, NotAnMcxError, TruncatedError)):
            FileHeader.unpack(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(CorruptError):
        FileHeader.unpack(data + b"\0")


def test_a_stream_record_cannot_run_over() -> None:
    data = bytearray(FileHeader((stream(),)).pack())
    data[20:22] = struct.pack("<H", 60_000)
    data[-4:] = struct.pack("<I", zlib.crc32(data[:-4]))
    with pytest.raises(CorruptError):
        FileHeader.unpack(bytes(data))


def test_the_table_of_fields_is_consistent() -> None:
    assert len({field.id for field in FIELDS}) == len({field.name for field in FIELDS}) == len(FIELDS)
    assert all(field.stream or field.file for field in FIELDS)
    assert [field.id for field in FIELDS] == sorted(field.id for field in FIELDS)


def test_fields_are_written_in_order_of_id() -> None:
    packed = pack_fields({"title": "t", "model_name": "m", "0x0777": b"x"}, scope="stream")
    assert [packed[i : i + 2].hex() for i in (0, 5, 10)] == ["0100", "2000", "7707"]
    assert unpack_fields(Cursor(packed, "f"), scope="stream") == {"model_name": "m", "title": "t", "0x0777": b"x"}


@pytest.mark.parametrize(
    "raw",
    [
        b"\x01\x00",
        b"\x01\x00\x05\x00ab",
        b"\x01\x00\x01\x00a" * 2,
        b"\x01\x00\x01\x00\xff",
        b"\x02\x00\x01\x00a",
        b"\x02\x00\x04\x00\0\0\0\0",
        b"\x10\x00\x01\x00a",
    ],
)
def test_malformed_fields(raw: bytes) -> None:
    with pytest.raises(CorruptError):
        unpack_fields(Cursor(raw, "f"), scope="stream")


def test_fields_print_sizes_not_bytes() -> None:
    assert repr(Fields({"extradata": bytes(5000), "layers": 2})) == "Fields({'extradata': '<5000 bytes>', 'layers': 2})"
