"""Seeded mutation fuzz: 24,000 damaged files, from which only BitstreamError may come.

Half of the cases get every checksum made right again after the mutation, so that impossible values, and not
only broken CRCs, reach the layers below: packet tables, parity, symbol decoding.
"""

from __future__ import annotations

import binascii
import contextlib
import io
import random
import time
import tracemalloc
import zlib
from collections import Counter
from typing import Any

import pytest
from support import vectors

from mediacodec_bitstream import BitstreamError, Reader, scan

CASES = 24_000
CASE_SECONDS = 2.0
CASE_MEMORY = 4 << 20  # bytes; the seeds have at most 7 kB, while a forged head can ask for 16 MiB


def seeds() -> list[bytes]:
    """Good files of every kind, the small ones more than once being no matter."""
    found = [path.read_bytes() for path in sorted(vectors.V1.glob("good/*.mcx"))]
    assert len(found) >= 10, "the vectors are missing"
    return found


def flip(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    for _i in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    at = rng.randrange(len(data))
    size = rng.choice((1, 2, 4, 16))
    data[at : at + size] = bytes([rng.choice((0, 0xFF, 0x7F, 0x80))]) * size


def truncate(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    del data[rng.randrange(len(data)) :]


def delete(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 64)]


def splice(data: bytearray, rng: random.Random, files: list[bytes]) -> None:
    other = rng.choice(files)
    start = rng.randrange(len(other))
    at = rng.randrange(len(data))
    data[at : at + rng.choice((0, 50))] = other[start : start + rng.randrange(1, 400)]


def forge(data: bytearray, rng: random.Random, _: list[bytes]) -> None:
    """Sizes, counts, durations and time stamps of a chunk's head, or the header's length."""
    heads = heads_of(data)
    if not heads or rng.random() < 0.1:
        data[12:16] = rng.choice((0, 20, 65_536, 0xFFFFFFFF, rng.randrange(400))).to_bytes(4, "little")
        return
    at = rng.choice(heads)
    start, size = rng.choice(((2, 1), (3, 1), (4, 1), (5, 2), (7, 3), (10, 5), (15, 3), (20, 1)))
    value = rng.choice((0, 1, (1 << 8 * size) - 1, rng.randrange(1 << 8 * size)))
    data[at + start : at + start + size] = value.to_bytes(size, "little")


MUTATIONS = (flip, overwrite, truncate, delete, splice, forge)


def heads_of(data: bytes | bytearray) -> list[int]:
    """Offsets of sync words."""
    found, at = [], data.find(b"\xf5\x4e")
    while at >= 0:
        found.append(at)
        at = data.find(b"\xf5\x4e", at + 2)
    return found


def reseal(data: bytearray) -> None:
    """Make every checksum right that a reader will check: the header's, and each chunk's two."""
    size = int.from_bytes(data[12:16], "little")
    position = 0
    if data[:8] == b"\x89MCX\r\n\x1a\n" and 24 <= size <= len(data):
        data[size - 4 : size] = zlib.crc32(data[: size - 4]).to_bytes(4, "little")
        position = size
    while (position := data.find(b"\xf5\x4e", position)) >= 0:
        if position + 24 > len(data):
            return
        data[position + 18 : position + 20] = binascii.crc_hqx(data[position : position + 18], 0xFFFF).to_bytes(
            2, "little"
        )
        end = position + 20 + int.from_bytes(data[position + 7 : position + 10], "little")
        if end + 4 > len(data):
            position += 2
            continue
        body = bytes(data[position + 20 : end])
        data[end : end + 4] = zlib.crc32(body).to_bytes(4, "little")
        position = end + 4


def mutated(number: int, files: list[bytes]) -> bytes:
    rng = random.Random(number)
    data = bytearray(rng.choice(files))
    for _ in range(rng.choice((1, 1, 2))):
        if data:
            rng.choice(MUTATIONS)(data, rng, files)
    if number % 2:
        reseal(data)
    return bytes(data)


def run(data: bytes, number: int) -> tuple[str, int]:
    """The way one case ends, and how many packets came to the symbol decoder."""
    reached = 0

    def count() -> None:
        nonlocal reached
        reached += 1

    try:
        if number % 8 == 2:
            scan(io.BytesIO(data))
        if number % 8 == 5:
            reader = Reader(io.BytesIO(data))
            reader.seek(reader.header.streams[0].stream_id, number * 997 % 90_000)
            for packet in reader:
                count()
                with contextlib.suppress(BitstreamError):
                    vectors.decode_packet_data(reader.header.stream(packet.stream_id), packet)
            return "sought", reached
        found = vectors.report(data, seekable=number % 3 != 0, on_symbols=count)
    except BitstreamError as error:
        return type(error).__name__, reached
    return ("decoding errors" if found["packet_errors"] else "gaps" if found["gaps"] else "good"), reached


def test_only_bitstream_errors_come_out(record_property: pytest.RecordProperty, capsys: Any) -> None:
    files = seeds()
    outcomes: Counter[str] = Counter()
    cases_reaching = {0: 0, 1: 0}
    packets = 0
    slowest = 0.0
    began = time.process_time()
    for number in range(CASES):
        started = time.process_time()
        outcome, reached = run(mutated(number, files), number)
        slowest = max(slowest, time.process_time() - started)
        outcomes[outcome] += 1
        packets += reached
        cases_reaching[number % 2] += reached > 0
    seconds = time.process_time() - began
    resealed = cases_reaching[1] / (CASES / 2)
    text = (
        f"{CASES} mutations in {seconds:.1f} s: {sum(cases_reaching.values())} reached symbol decoding "
        f"({packets} packets; {resealed:.0%} of the resealed half), slowest {slowest:.3f} s; "
        + ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
    )
    record_property("fuzz", text)
    with capsys.disabled():
        print("\n" + text)  # noqa: T201 - the figure is asked for with every run
    assert sum(cases_reaching.values()) > CASES // 2
    assert resealed > 0.6
    assert outcomes["decoding errors"] > CASES // 20, "resealed mutations no longer reach the symbols"
    assert min(outcomes[name] for name in ("CorruptError", "gaps", "UnsupportedFeatureError", "good")) > 100
    assert slowest < CASE_SECONDS


def test_mutations_take_bounded_memory() -> None:
    files = seeds()
    tracemalloc.start()
    try:
        for number in range(0, CASES, 60):
            data = mutated(number * 7 + 1, files)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            run(data, number)
            assert tracemalloc.get_traced_memory()[1] - before < CASE_MEMORY, number
    finally:
        tracemalloc.stop()


def test_many_false_heads_take_linear_time() -> None:
    """Each head's CRC holds and claims 128 KiB that do not check: trying all of them inside would be quadratic."""
    from mediacodec_bitstream.chunk import Head, pack_chunk

    good = seeds()[0]
    head = pack_chunk(Head(0, 0, 1, 0, 0, 0, 0), bytes(1 << 17))[:20]
    data = good[: int.from_bytes(good[12:16], "little")] + head * 200_000
    started = time.process_time()
    reader = Reader(io.BytesIO(data))
    assert list(reader) == []
    assert len(reader.gaps) <= 10_000
    assert time.process_time() - started < 10


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, 5000])
def test_noise_is_not_an_mcx(size: int) -> None:
    noise = random.Random(size).randbytes(size)
    with pytest.raises(BitstreamError):
        Reader(io.BytesIO(noise))
