"""Seeded mutation fuzz: 24,000 damaged files, from which only BitstreamError may come.

Half of the cases get every checksum made right again after the mutation, so that impossible values, and not
only broken CRCs, reach the layers below: packet tables, parity, symbol decoding.
"""

from __future__ import annotations

import contextlib
import io
import random
import time
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from support import vectors
from support.mutations import mutated

from mediacodec_bitstream import BitstreamError, Reader, scan

CASES = 24_000
CASE_SECONDS = 2.0
CASE_MEMORY = 4 << 20  # bytes; the seeds have at most 7 kB, while a forged head can ask for 16 MiB


def seeds() -> list[bytes]:
    """Good files of every kind, the small ones more than once being no matter."""
    found = [path.read_bytes() for path in sorted(vectors.V1.glob("good/*.mcx"))]
    assert len(found) >= 10, "the vectors are missing"
    return found


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
        outcome, reached = run(mutated(number, files, resealed=number % 2 == 1), number)
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
            data = mutated(number * 7 + 1, files, resealed=number * 7 % 2 == 0)
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
