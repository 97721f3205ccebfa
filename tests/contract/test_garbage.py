"""A seeded fuzz of packets: whatever comes in, samples or a BitstreamError come out, soon and in bounded memory."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mediacodec_bitstream import BitstreamError, Packet, seal, symbol_crc, unseal
from mediacodec_bitstream.backends import VARIABLE

CASES = 300
SECONDS = 1.0  # for one packet, on a busy machine


def damage(packet: Packet, others: list[Packet], rng: random.Random, frame: int) -> Packet:
    data = bytearray(packet.data)
    match rng.randrange(7):
        case 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            del data[rng.randrange(len(data)) :]
        case 2:
            data += rng.randbytes(rng.choice((1, 4, 100)))
        case 3:
            data = bytearray(rng.randbytes(rng.choice((0, 1, 4, 20, 1000))))
        case 4:
            data[: len(data) // 2] = rng.choice(others).data[: len(data) // 2]
        case 5:
            return replace(packet, duration=rng.choice((0, 1, frame, 7 * frame, 500 * frame, 501 * frame, 1 << 23)))
        case 6:
            data = bytearray(bytes([rng.choice((0, 0xFF))]) * rng.choice((1, 5, len(data), 5000)))
    return replace(packet, data=bytes(data))


def sealed(reader: Any, packet: Packet, size: int) -> Packet:
    """The packet with the check that fits whatever its bytes decode to, so that they reach the network."""
    found: list[int] = []

    def note(symbols: Any, _crc: int, _size: int) -> None:
        found.append(symbols if isinstance(symbols, int) else symbol_crc(symbols))

    module = __import__(type(reader).__module__, fromlist=["check_symbols"])
    name = "check_symbols" if hasattr(module, "check_symbols") else "check_symbol_crc"  # of symbols, or of their CRC
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, note)
            reader.read(packet)
    except BitstreamError:
        return packet
    return replace(packet, data=seal(unseal(packet.data, size)[0], found[0], size))


@pytest.mark.parametrize("backend", ["python", "constriction"])
def test_only_bitstream_errors_come_from_garbage(
    codec: Any, mode: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "constriction":
        pytest.importorskip("constriction", reason="the accelerator has no wheel here")
    monkeypatch.setenv(VARIABLE, backend)
    header, packets = codec.coded(mode, 2.3)
    rng = random.Random(f"{mode} {backend}")
    decoder, reader = codec.decoder(header), codec.code_reader(header)
    kinds: Counter[str] = Counter()
    for case in range(CASES):
        packet = damage(rng.choice(packets), list(packets), rng, codec.frame_size)
        if case % 2:
            packet = sealed(reader, packet, header.symbol_crc_size)
        began = time.perf_counter()
        try:
            chunk = decoder.push(packet)
        except BitstreamError as error:
            kinds[type(error).__name__] += 1
        else:
            kinds["decoded"] += 1
            assert np.isfinite(chunk.samples).all()
            assert np.abs(chunk.samples).max(initial=0) < 100
            assert chunk.num_samples <= 10 * codec.rate
        assert time.perf_counter() - began < SECONDS, packet
    # the fuzz is worth something only where it gets through the door as well
    assert kinds["decoded"] > CASES / 50, kinds
    assert kinds["CorruptError"] > CASES / 10, kinds
    assert set(kinds) <= {"decoded", "CorruptError", "DesyncError", "TruncatedError"}, kinds
