"""Parity chunks rebuild any one chunk of a group."""

from __future__ import annotations

import io
from fractions import Fraction

import pytest

from mediacodec_bitstream import AudioParameters, FileHeader, Packet, ParameterError, Reader, StreamHeader, Writer
from mediacodec_bitstream.chunk import DATA, PARITY, pack_chunk, parse_head

RATE = 16_000


def stream(group: int = 4) -> StreamHeader:
    fields = {"parity": group}
    return StreamHeader(0, "test", AudioParameters(RATE, 1, 0, 320), Fraction(1, RATE), fields=fields)


def packets(count: int = 10) -> list[Packet]:
    return [Packet(0, i * RATE, bytes([i + 1]) * (10 + 37 * i % 50), RATE) for i in range(count)]


def chunks(group: int = 4, count: int = 10, per_chunk: int = 1) -> tuple[bytes, list[bytes]]:
    file = io.BytesIO()
    writer = Writer(file, FileHeader((stream(group),), header_interval=0), packets_per_chunk=per_chunk)
    for packet in packets(count):
        writer.write(packet)
    writer.close()
    data = file.getvalue()
    position = int.from_bytes(data[12:16], "little")
    header, parts = data[:position], []
    while position < len(data):
        head = parse_head(data, position)
        assert head is not None
        parts.append(data[position : position + head.total])
        position += head.total
    return header, parts


def kinds(parts: list[bytes]) -> list[int]:
    return [part[2] for part in parts]


def read(header: bytes, parts: list[bytes]) -> tuple[Reader, list[Packet]]:
    reader = Reader(io.BytesIO(header + b"".join(parts)))
    return reader, list(reader)


def test_layout() -> None:
    _, parts = chunks()
    assert kinds(parts)[:12] == [DATA] * 4 + [PARITY] + [DATA] * 4 + [PARITY] + [DATA] * 2
    assert kinds(parts)[12] == PARITY
    assert PARITY not in kinds(chunks(count=1)[1])


def test_nothing_lost_nothing_changed() -> None:
    reader, found = read(*chunks())
    assert found == packets()
    assert reader.gaps == []


@pytest.mark.parametrize("lost", [i for i in range(12) if i not in (4, 9)])
@pytest.mark.parametrize("how", ["removed", "damaged"])
def test_any_one_lost_chunk_comes_back_in_order(lost: int, how: str) -> None:
    header, parts = chunks()
    damaged = bytearray(parts[lost])
    damaged[22] ^= 1
    parts[lost] = b"" if how == "removed" else bytes(damaged)
    reader, found = read(header, parts)
    assert found == packets()
    assert [gap.recovered for gap in reader.gaps] == [True]


def test_one_in_every_group() -> None:
    header, parts = chunks()
    for lost in (1, 8, 10):
        parts[lost] = b""
    reader, found = read(header, parts)
    assert found == packets()
    assert [gap.recovered for gap in reader.gaps] == [True] * 3


def test_two_in_a_group_are_lost() -> None:
    header, parts = chunks()
    parts[1] = parts[2] = b""
    reader, found = read(header, parts)
    assert [p.pts // RATE for p in found] == [0, 3, 4, 5, 6, 7, 8, 9]
    assert [p.pts // RATE for p in found if p.discontinuity] == [3]
    assert [gap.recovered for gap in reader.gaps] == [False]


def test_a_burst_at_the_end_of_a_group_does_not_keep_the_next_from_repair() -> None:
    header, parts = chunks()
    parts[2] = parts[3] = parts[6] = b""
    reader, found = read(header, parts)
    assert [p.pts // RATE for p in found] == [0, 1, 4, 5, 6, 7, 8, 9]
    assert [p.pts // RATE for p in found if p.discontinuity] == [4]
    assert sorted(gap.recovered for gap in reader.gaps) == [False, True]


def test_nor_does_one_that_took_the_parity_chunk_along() -> None:
    header, parts = chunks()
    parts[2] = parts[3] = parts[4] = parts[6] = b""
    reader, found = read(header, parts)
    assert [p.pts // RATE for p in found] == [0, 1, 4, 5, 6, 7, 8, 9]
    assert sorted(gap.recovered for gap in reader.gaps) == [False, True]


@pytest.mark.parametrize("repeated", [0, 1, 3])
def test_repeated_chunks_do_not_stand_in_the_way_of_a_repair(repeated: int) -> None:
    header, parts = chunks()
    again = [parts[repeated]] * 3
    at = max(repeated + 1, 3)
    reader, found = read(header, [*parts[:2], *parts[3:at], *again, *parts[at:]])
    assert found == packets()
    assert [gap.recovered for gap in reader.gaps].count(True) == 1
    assert [gap.reason for gap in reader.gaps if not gap.recovered] == ["a chunk is repeated"] * 3


def test_a_chunk_that_breaks_a_rule_takes_no_held_ones_along() -> None:
    header, parts = chunks()
    head = parse_head(parts[2])
    assert head is not None
    backwards = pack_chunk(head._replace(pts=0), parts[2][20:-4])
    reader, found = read(header, [parts[0], backwards, *parts[3:4], *parts[5:]])
    assert [p.pts // RATE for p in found] == [0, 3, 4, 5, 6, 7, 8, 9]
    assert any("lies before" in gap.reason for gap in reader.gaps)


def test_a_lost_parity_chunk_holds_nothing_back_for_ever() -> None:
    header, parts = chunks()
    parts[1] = parts[4] = b""
    reader, found = read(header, parts)
    assert [p.pts // RATE for p in found] == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert not any(gap.recovered for gap in reader.gaps)


def test_a_parity_chunk_that_does_not_fit_is_not_believed() -> None:
    header, parts = chunks()
    _, others = chunks(count=7)
    parts[1] = b""
    parts[4] = others[-3]
    assert parts[4][2] == PARITY
    _, found = read(header, parts)
    assert {p.data for p in found} <= {p.data for p in packets()}


def test_joining_inside_a_group_invents_nothing() -> None:
    header, parts = chunks()
    reader = Reader(io.BytesIO(header + b"".join(parts)))
    reader.seek(0, RATE)
    assert [p.pts // RATE for p in reader] == list(range(1, 10))
    assert reader.gaps == []


def test_with_packet_tables() -> None:
    header, parts = chunks(count=20, per_chunk=3)
    parts[2] = b""
    reader, found = read(header, parts)
    assert found == packets(20)
    assert [gap.recovered for gap in reader.gaps] == [True]


@pytest.mark.parametrize("group", [0, 1, 17])
def test_group_limits(group: int) -> None:
    with pytest.raises(ParameterError):
        stream(group)
