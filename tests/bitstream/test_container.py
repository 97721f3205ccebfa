"""Writer and Reader: files, pipes, live streams, seeking, continuing."""

from __future__ import annotations

import io
import os
import threading
from fractions import Fraction
from typing import Any, BinaryIO

import pytest

from mediacodec_bitstream import (
    AudioParameters,
    BitstreamError,
    CorruptError,
    FileHeader,
    NotAnMcxError,
    Packet,
    ParameterError,
    ParameterTypeError,
    Reader,
    StreamHeader,
    TruncatedError,
    UnsupportedVersionError,
    VideoParameters,
    Writer,
    scan,
)
from mediacodec_bitstream.chunk import OVERHEAD

RATE = 16_000
FRAMING = 30  # bytes a chunk at most


def audio(stream_id: int = 0, **options: Any) -> StreamHeader:
    parameters = AudioParameters(RATE, 1, 320, 320)
    return StreamHeader(stream_id, "test", parameters, Fraction(1, RATE), packet_duration=RATE, **options)


def video(stream_id: int = 1, **options: Any) -> StreamHeader:
    parameters = VideoParameters(64, 48, Fraction(25))
    return StreamHeader(stream_id, "test", parameters, Fraction(1, 25), **options)


def packets(count: int, *, duration: int = RATE, start: int = 0) -> list[Packet]:
    numbers = range(start, start + count)
    return [Packet(0, i * duration, bytes([i % 251]) * (i % 40), duration) for i in numbers]


def written(header: FileHeader, items: list[Packet], lengths: dict[int, int] | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, header, **options)
    for packet in items:
        writer.write(packet)
    writer.close(lengths)
    return file.getvalue()


def read(data: bytes, **options: Any) -> tuple[Reader, list[Packet]]:
    reader = Reader(io.BytesIO(data), **options)
    return reader, list(reader)


class Trickle(io.RawIOBase):
    """A pipe that delivers a few bytes at a time and cannot seek."""

    def __init__(self, data: bytes, step: int) -> None:
        self._file, self._step = io.BytesIO(data), step

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._step) if size >= 0 else self._step)


@pytest.mark.parametrize("per_chunk", [1, 2, 7, 4096])
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_round_trip_through_any_pipe(per_chunk: int, step: int) -> None:
    items = [*packets(10), Packet(0, 10 * RATE, b"last", 77)]
    data = written(FileHeader((audio(),)), items, {0: 10 * RATE}, packets_per_chunk=per_chunk)
    reader = Reader(Trickle(data, step), strict=True)  # type: ignore[arg-type]
    assert list(reader) == items
    assert reader.gaps == []
    assert not reader.truncated
    assert reader.end is not None
    assert reader.end.streams[0] == (10 * RATE, 11, sum(len(p.data) for p in items))


def test_framing_stays_below_thirty_bytes() -> None:
    header = FileHeader((audio(),), header_interval=0)
    one = len(written(header, packets(1), index=False))
    two = len(written(header, packets(2), index=False))
    assert two - one - 1 == OVERHEAD == 24
    reordered = FileHeader((video(0, fields={"reorder": 1}),), header_interval=0)
    sizes = [
        len(written(reordered, [Packet(0, i, b"x" * 50, 1, dts=i - 1) for i in range(count)], index=False))
        for count in (1, 2)
    ]
    assert sizes[1] - sizes[0] - 50 <= FRAMING
    table = written(header, packets(1000), index=False, packets_per_chunk=10)
    framing = len(table) - one + 0 - sum(len(p.data) for p in packets(1000))
    assert framing < 100 * (OVERHEAD + 12)  # a packet in a table costs its size and nothing more


def test_reordered_video_keeps_dts_and_flags() -> None:
    order = [0, 3, 1, 2, 6, 4, 5, 9]
    items = [
        Packet(1, pts, b"p" * pts, 1, dts=i - 2, is_keyframe=pts in (0, 6), discontinuity=pts == 9)
        for i, pts in enumerate(order)
    ]
    for per_chunk in (1, 3, 100):
        reader, found = read(written(FileHeader((video(fields={"reorder": 2}),)), items, packets_per_chunk=per_chunk))
        assert found == items
        assert reader.gaps == []


def test_a_chunk_begins_at_a_keyframe_and_at_a_discontinuity() -> None:
    items = [Packet(1, i, b"", 1, is_keyframe=i % 4 == 0, discontinuity=i == 6) for i in range(12)]
    reader = Reader(io.BytesIO(written(FileHeader((video(),)), items, packets_per_chunk=100)))
    assert list(reader) == items
    for target in range(12):
        assert reader.seek(1, target) == target // 4 * 4


@pytest.mark.parametrize(
    "bad",
    [
        Packet(1, RATE, b"", RATE),
        Packet(0, RATE - 1, b"", RATE),
        Packet(0, RATE, b"", RATE + 1),
        Packet(0, RATE, b"", RATE, dts=0),
        Packet(0, (1 << 40) - 1, b"", 1),
    ],
)
def test_the_writer_refuses_and_writes_nothing_of_it(bad: Packet) -> None:
    file = io.BytesIO()
    writer = Writer(file, FileHeader((audio(),)))
    writer.write(packets(1)[0])
    before = file.getvalue()
    with pytest.raises(ParameterError):
        writer.write(bad)
    assert file.getvalue() == before
    writer.write(packets(1, start=1)[0])
    writer.close()
    with pytest.raises(ParameterError, match="closed"):
        writer.write(packets(1, start=2)[0])
    assert read(file.getvalue(), strict=True)[1] == packets(2)


def test_reordering_streams_need_dts_that_increase() -> None:
    writer = Writer(io.BytesIO(), FileHeader((video(fields={"reorder": 1}),)))
    with pytest.raises(ParameterError):
        writer.write(Packet(1, 0, b"", 1))
    writer.write(Packet(1, 0, b"", 1, dts=0))
    with pytest.raises(ParameterError):
        writer.write(Packet(1, 1, b"", 1, dts=0))
    with pytest.raises(ParameterError):
        writer.close({9: 1})


def test_a_packet_of_the_largest_size() -> None:
    items = [Packet(0, 0, bytes((1 << 24) - 1), RATE), Packet(0, RATE, b"x", RATE)]
    assert read(written(FileHeader((audio(),)), items), strict=True)[1] == items
    with pytest.raises(ParameterError):
        written(FileHeader((video(fields={"reorder": 1}),)), [Packet(1, 0, bytes((1 << 24) - 1), 1, dts=0)])


def test_a_live_pipe_delivers_each_packet_at_once() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb", buffering=0) as sink:
        writer = Writer(sink, FileHeader((audio(),), live=True))  # type: ignore[arg-type]
        reader = Reader(source)
        for packet in packets(30):
            writer.write(packet)
            assert next(reader) == packet  # would wait for ever if either side held it back
        thread = threading.Thread(target=lambda: (writer.close(), sink.close()))
        thread.start()
        assert list(reader) == []
        thread.join()
        assert reader.end is not None


def test_a_buffered_pipe_is_flushed_when_live() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as source, os.fdopen(write_end, "wb") as sink:
        writer = Writer(sink, FileHeader((audio(),), live=True))
        writer.write(packets(1)[0])
        assert next(Reader(source)) == packets(1)[0]  # type: ignore[arg-type]


class NoSeek(io.BytesIO):
    def seek(self, *_: int) -> int:
        raise AssertionError("the writer must not seek")

    def tell(self) -> int:
        raise AssertionError("the writer must not tell")


def test_the_writer_never_seeks() -> None:
    file = NoSeek()
    writer = Writer(file, FileHeader((audio(),)))
    for packet in packets(100):
        writer.write(packet)
    writer.write_tags({"title": "t"})
    writer.flush()
    writer.close()
    reader = Reader(io.BytesIO(file.getvalue()))
    assert len(list(reader)) == 100
    assert reader.tags == {"title": "t"}


class Grudging(io.RawIOBase):
    """Takes at most five bytes a time, as a raw pipe may."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: Any) -> int:
        self.data += bytes(data[:5])
        return len(data[:5])


def test_short_writes_are_continued() -> None:
    file = Grudging()
    writer = Writer(file, FileHeader((audio(),)))  # type: ignore[arg-type]
    for packet in packets(5):
        writer.write(packet)
    writer.close()
    assert read(file.data, strict=True)[1] == packets(5)


@pytest.mark.parametrize("seekable", [True, False])
def test_joining_a_live_stream_anywhere(seekable: bool) -> None:
    header = FileHeader((audio(),), live=True, header_interval=5)
    data = written(header, packets(60))
    for cut in range(100, data.rindex(header.pack()) - 20, 97):
        file: Any = io.BytesIO(data[cut:]) if seekable else Trickle(data[cut:], 1000)
        reader = Reader(file)
        assert reader.header == header
        assert reader.joined
        found = list(reader)
        assert found[0].discontinuity
        assert [p.pts for p in found] == [p.pts for p in packets(60)][-len(found) :]
        assert reader.gaps == []  # to join is no damage
        assert reader.end is not None
        with pytest.raises(NotAnMcxError):
            Reader(io.BytesIO(data[cut:]), strict=True)


def test_header_copies_come_at_the_stated_interval() -> None:
    magic = b"\x89MCX\r\n\x1a\n"
    for interval, copies in ((0, 0), (1, 99), (10, 9), (60, 1)):
        data = written(FileHeader((audio(),), header_interval=interval), packets(100))
        assert data.count(magic) == 1 + copies


def test_a_damaged_header_is_replaced_by_a_copy() -> None:
    data = bytearray(written(FileHeader((audio(),), header_interval=10), packets(30)))
    for at in (9, 13, 30, 60):
        damaged = bytes(data[:at]) + bytes([data[at] ^ 0x55]) + bytes(data[at + 1 :])
        reader, found = read(damaged)
        assert [p.data for p in found] == [p.data for p in packets(30)]
        assert reader.gaps
        with pytest.raises(BitstreamError):
            read(damaged, strict=True)


@pytest.mark.parametrize("index", [True, False])
def test_seek_lands_on_the_chunk_that_holds_the_time(index: bool) -> None:
    data = written(FileHeader((audio(),)), packets(300), index=index)
    reader = Reader(io.BytesIO(b"before" + data))
    assert isinstance(reader, Reader)
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    reader = Reader(file)
    for second in (299, 0, 150, 151, 7, 1000):
        expected = min(second, 299)
        assert reader.seek(0, second * RATE + 77) == expected * RATE
        packet = next(reader)
        assert (packet.pts, packet.discontinuity) == (expected * RATE, True)
        assert reader.gaps == []
    rest = [reader.seek(0, 290 * RATE), *(p.pts for p in reader)]
    assert rest[1:] == [i * RATE for i in range(290, 300)]
    assert reader.end is not None
    assert reader.gaps == []


def test_seek_survives_a_lying_index() -> None:
    data = written(FileHeader((audio(),)), packets(100))
    start = data.rindex(b"\xf5\x4e\x01\xff")
    damaged = data[:start] + b"\xf5\x4e\x01\xff" + bytes(200) + data[start + 204 :]
    assert Reader(io.BytesIO(damaged)).seek(0, 55 * RATE) == 55 * RATE
    with pytest.raises(ParameterError):
        Reader(io.BytesIO(data)).seek(3, 0)
    with pytest.raises(ParameterError, match="pipe"):
        Reader(Trickle(data, 999)).seek(0, 0)  # type: ignore[arg-type]


def test_a_damaged_payload_costs_one_packet() -> None:
    items = [Packet(0, i * RATE, bytes([i]) * 100, RATE) for i in range(20)]
    data = bytearray(written(FileHeader((audio(),)), items))
    at = data.index(bytes([7]) * 100)
    data[at + 50] ^= 1
    reader, found = read(bytes(data))
    assert [p.pts // RATE for p in found] == [i for i in range(20) if i != 7]
    assert [p.pts // RATE for p in found if p.discontinuity] == [8]
    (gap,) = reader.gaps
    assert (gap.stream_id, gap.pts_start, gap.pts_end, gap.offset) == (0, 7 * RATE, 8 * RATE, at - 20)
    with pytest.raises(CorruptError):
        read(bytes(data), strict=True)


def test_cut_anywhere_delivers_what_is_whole() -> None:
    items = [Packet(0, i * RATE, bytes([i]) * 30, RATE) for i in range(5)]
    header = FileHeader((audio(),))
    data = written(header, items)
    start = len(header.pack())
    for size in range(start, len(data)):
        reader, found = read(data[:size])
        whole = min((size - start) // 54, 5)
        assert found == items[:whole]
        assert reader.truncated
        assert reader.end is None
        assert reader.gaps[-1].pts_start == whole * RATE
        with pytest.raises(TruncatedError):
            read(data[:size], strict=True)


def test_lost_bytes_inside_a_chunk_do_not_take_the_next_one() -> None:
    items = [Packet(0, i * RATE, bytes([i]) * 100, RATE) for i in range(6)]
    data = written(FileHeader((audio(),)), items)
    at = data.index(bytes([2]) * 100)
    _, found = read(data[: at + 10] + data[at + 40 :])
    assert [p.pts // RATE for p in found] == [0, 1, 3, 4, 5]


def test_bursts_of_damage_and_junk() -> None:
    import random

    items = [Packet(0, i * RATE, random.Random(i).randbytes(300), RATE) for i in range(300)]
    data = written(FileHeader((audio(),)), items)
    rng = random.Random(1)
    for _ in range(20):
        damaged = bytearray(data)
        for _burst in range(10):
            at = rng.randrange(100, len(data) - 500)
            damaged[at : at + 200] = rng.randbytes(rng.choice((200, 0, 5000)))
        _, found = read(bytes(damaged))
        assert len(found) >= 300 - 10 * 2
        known = {p.pts: p.data for p in items}
        assert all(known[p.pts] == p.data for p in found)


def test_append_continues_a_complete_and_a_cut_file() -> None:
    whole = written(FileHeader((audio(),)), packets(25))
    for data, good in ((whole, 25), (whole[: whole.rindex(b"\xf5\x4e\x01")], 25), (whole[:-170], None)):
        file = io.BytesIO(data)
        writer = Writer.append(file)
        start = writer._streams[0].next_pts // RATE
        assert good is None or start == good
        for packet in packets(20, start=start):
            writer.write(packet)
        writer.close()
        assert file.getvalue().startswith(data)
        reader, found = read(file.getvalue())
        assert [p.data for p in found] == [p.data for p in packets(start + 20)]
        assert reader.end is not None
        assert reader.end.streams[0].packets == start + 20
        assert reader.seek(0, 33 * RATE) == 33 * RATE
        if data is whole:
            assert reader.gaps == []
        result = scan(io.BytesIO(file.getvalue()))
        assert result.streams[0].packets == start + 20


@pytest.mark.parametrize("per_chunk", [1, 4])
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("seekable", [False, True])
def test_scan(per_chunk: int, cut: bool, seekable: bool) -> None:
    items = packets(40)
    data = written(FileHeader((audio(), video())), items, {0: 39 * RATE}, packets_per_chunk=per_chunk)
    if cut:
        data = data[: data.rindex(b"\xf5\x4e\x01")]
    result = scan(io.BytesIO(data) if seekable else Trickle(data, 5000))  # type: ignore[arg-type]
    assert result.truncated is cut
    assert result.streams[0].packets == 40
    assert result.streams[0].payload_bytes == sum(len(p.data) for p in items)
    assert result.streams[0].duration == (40 * RATE - 320 if cut else 39 * RATE)
    assert result.streams[1].packets == 0
    assert result.file_bytes == len(data)


def test_scan_reads_heads_only() -> None:
    items = [Packet(0, i * RATE, bytes(1 << 20), RATE) for i in range(8)]
    whole = written(FileHeader((audio(),)), items)

    class CountingFile(io.BytesIO):
        count = 0

        def read1(self, size: int | None = -1) -> bytes:
            data = super().read1(size)
            self.count += len(data)
            return data

    for data in (whole, whole[:-60]):
        file = CountingFile(data)
        assert scan(file).streams[0].payload_bytes == 8 << 20
        assert file.count < 1 << 20


def test_a_forged_size_allocates_only_what_is_there() -> None:
    import tracemalloc

    header = FileHeader((audio(),)).pack()
    head = written(FileHeader((audio(),)), [Packet(0, 0, bytes((1 << 24) - 1), RATE)])[len(header) :][:20]
    tracemalloc.start()
    try:
        reader, found = read(header + head + b"x" * 1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == []
    assert reader.truncated
    assert peak < 1 << 20


def test_memory_does_not_grow_with_the_file() -> None:
    import tracemalloc

    class Endless(io.RawIOBase):
        """A long file that is never in memory."""

        def __init__(self, count: int) -> None:
            self._items = self._bytes(count)
            self._buffer = b""

        def _bytes(self, count: int) -> Any:
            sink = io.BytesIO()
            writer = Writer(sink, FileHeader((audio(),)))
            for number in range(count):
                writer.write(packets(1, start=number)[0])
                yield sink.getvalue()
                sink.seek(0)
                sink.truncate()
            writer.close()
            yield sink.getvalue()

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            while not self._buffer:
                self._buffer = next(self._items, b"eof")
            if self._buffer == b"eof":
                return b""
            data, self._buffer = self._buffer[:size], self._buffer[size:]
            return data

    peaks = []
    for count in (300, 6000):
        tracemalloc.start()
        reader = Reader(Endless(count))  # type: ignore[arg-type]
        assert sum(1 for _ in reader) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 60_000


@pytest.mark.parametrize("bad", ["text", None, 5])
def test_what_is_no_binary_file(bad: Any) -> None:
    with pytest.raises(ParameterTypeError):
        Reader(io.StringIO(bad) if isinstance(bad, str) else bad)


def test_a_writer_that_is_not_closed_leaves_a_truncated_file() -> None:
    file: BinaryIO = io.BytesIO()
    writer = Writer(file, FileHeader((audio(),)), packets_per_chunk=10)
    for packet in packets(25):
        writer.write(packet)
    file.seek(0)
    reader = Reader(file)
    assert len(list(reader)) == 20
    assert reader.truncated


def test_another_major_version_is_said_even_where_the_crc_is_not_its_own() -> None:
    """As after a patch of that byte alone; only where no header copy of this version proves it damage."""
    sink = io.BytesIO()
    Writer(sink, FileHeader((audio(),))).close()
    data = bytearray(sink.getvalue())
    data[8] = 2
    with pytest.raises(UnsupportedVersionError, match=r"2\.0"):
        Reader(io.BytesIO(bytes(data)))
