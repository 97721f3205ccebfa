"""Packets of fitted networks, made here of random integers: nothing of this needs torch."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.fitted_packets import HEIGHT, STEP, WIDTH, Made, decoder_for, header_for, make, network

from mediacodec import manifest
from mediacodec.codecs.inr.decoder import InrDecoder
from mediacodec.codecs.inr.network import ARCHITECTURES
from mediacodec.codecs.inr.packet import CodedGroup, PacketReader, network_bits, pack_group
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.codecs.inr.tensors import best_coding, coded_bits
from mediacodec.codecs.registry import CODECS
from mediacodec.errors import ParameterError
from mediacodec_bitstream import BitstreamError, CorruptError, DesyncError, Packet, TruncatedError
from mediacodec_bitstream.backends import VARIABLE

TOLERANCE = 1  # levels of 255 between thread counts


@pytest.fixture(scope="module")
def tables() -> InrTables:
    return InrTables(manifest.find_by_name("inr"))


def same(a: Any, b: Any, tolerance: int = 0) -> bool:
    return all(np.abs(x.astype(int) - y).max() <= tolerance for x, y in ((a.y, b.y), (a.u, b.u), (a.v, b.v)))


@pytest.fixture(scope="module")
def made(tables: InrTables) -> Made:
    return make(tables, network())


def test_the_family_is_registered() -> None:
    family = CODECS["inr"]
    assert (family.fourcc, family.kind, family.fits) == ("inr1", "video", True), "stands in files that exist"
    assert ARCHITECTURES == {"hnerv": 0, "boost": 1, "nerv++": 2}, "stand in files that exist"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_integers_come_back(tables: InrTables, architecture: str) -> None:
    shape = network(architecture)
    made = make(tables, shape)
    reader = PacketReader(made.packets[0].data)
    coded = reader.read_group(HEIGHT, WIDTH, None, tables)
    assert coded.network == shape
    assert (coded.codings, coded.channels) == (made.coded.codings, made.coded.channels)
    assert all(np.array_equal(a, b) for a, b in zip(coded.values, made.coded.values, strict=True))
    assert np.array_equal(reader.read_embedding(coded, tables), made.embeddings[0])
    for position, packet in enumerate(made.packets[1:], 1):
        reader = PacketReader(packet.data)
        assert reader.head.position == position
        assert np.array_equal(reader.read_embedding(coded, tables), made.embeddings[position])


@pytest.mark.parametrize("coder", ["python", "constriction"])
def test_both_range_coders_write_and_read_the_same(
    tables: InrTables, made: Made, coder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if coder == "constriction":
        pytest.importorskip("constriction")
    monkeypatch.setenv(VARIABLE, coder)
    assert make(tables, network()).packets == made.packets
    reader = PacketReader(made.packets[0].data)
    coded = reader.read_group(HEIGHT, WIDTH, None, tables)
    assert all(np.array_equal(a, b) for a, b in zip(coded.values, made.coded.values, strict=True))


def test_the_size_is_what_the_tables_state(tables: InrTables) -> None:
    made = make(tables, network(widths=(60, 50, 40), group=9), spread=3.0)
    stated = network_bits(made.coded, tables) + sum(coded_bits(e, made.coded.channels, tables) for e in made.embeddings)
    found = 8 * sum(len(packet.data) for packet in made.packets)
    assert stated < found < 1.01 * stated


def test_tables_fit_what_they_are_for(tables: InrTables) -> None:
    """A table is chosen that states little more than the best that integers of this kind allow."""
    rng = np.random.default_rng(1)
    for spread in (0.3, 1.0, 4.0, 20.0):
        for draw in (rng.laplace, rng.normal):
            values = np.rint(draw(2, spread, 40_000)).astype(np.int32)
            coding = best_coding(values, STEP, tables)
            counts = np.unique(values, return_counts=True)[1] / len(values)
            least = float(-(counts * np.log2(counts)).sum())
            assert coding.centre == 2
            assert coded_bits([values], [coding], tables) / len(values) < 1.03 * least + 0.01


def test_integers_that_are_all_alike_cost_nothing(tables: InrTables) -> None:
    values = np.full(1000, -7, np.int32)
    coding = best_coding(values, STEP, tables)
    assert (coding.table, coding.centre) == (None, -7)
    with pytest.raises(ParameterError, match="too fine"):
        best_coding(np.array([0, 0, 40_000], np.int32), STEP, tables)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("height", "width"), [(48, 64), (17, 33), (1, 1), (2, 90)])
def test_frames_of_any_size(tables: InrTables, architecture: str, height: int, width: int) -> None:
    shape = network(architecture, height=height, width=width)
    made = make(tables, shape)
    decoder = decoder_for(shape)
    for packet in made.packets:
        (frame,) = decoder.push(packet)
        assert (frame.height, frame.width, frame.pts, frame.colour) == (height, width, packet.pts, (1, 1, 1, 0))
    assert decoder.flush() == []


def test_any_frame_of_a_group_comes_alone(tables: InrTables, made: Made) -> None:
    whole, alone = decoder_for(network()), decoder_for(network())
    frames = [frame for packet in made.packets for frame in whole.push(packet)]
    assert not same(frames[3], frames[4], 2), "else this proves nothing"
    alone.skip(made.packets[0])
    for position in (4, 2, 3):
        (frame,) = alone.push(made.packets[position])
        assert same(frame, frames[position])


def test_threads_and_orders_change_no_pixel_beyond_the_tolerance(tables: InrTables, made: Made) -> None:
    one, two = decoder_for(network(), threads=1), decoder_for(network(), threads=2)
    for packet in made.packets:
        assert same(one.push(packet)[0], two.push(packet)[0], TOLERANCE)


def test_the_caller_may_write_into_its_frame(made: Made) -> None:
    decoder = decoder_for(network())
    (frame,) = decoder.push(made.packets[0])
    kept = frame.y.copy()
    frame.y[:] = 0
    (again,) = decoder.push(None)
    assert np.array_equal(again.y, kept)


class TestPredictedGroups:
    """A group's weights are added to those of the group before."""

    @pytest.fixture
    def groups(self, tables: InrTables) -> list[Made]:
        return [make(tables, network(), number, key=number == 0, seed=number, spread=0.4) for number in range(3)]

    def test_weights_add_up(self, groups: list[Made]) -> None:
        decoder, weights = decoder_for(network()), None
        for group in groups:
            decoder.skip(group.packets[0])
            weights = group.coded.weights(weights)
            assert decoder._group is not None
            assert all(np.array_equal(decoder._group.weights[name], value) for name, value in weights.items())

    def test_frames_of_a_lost_group_are_concealed_until_a_keyframe(self, tables: InrTables, groups: list[Made]) -> None:
        decoder = decoder_for(network())
        (last,) = [frame for packet in groups[0].packets for frame in decoder.push(packet)][-1:]
        packets = [*groups[1].packets[1:], *groups[2].packets]  # the network of the second group is missing
        for packet in packets:
            (frame,) = decoder.push(packet)
            assert same(frame, last)
            assert frame.pts == packet.pts
        assert decoder.concealed == len(packets)
        key = make(tables, network(), 3, seed=9)
        (frame,) = decoder.push(key.packets[0])
        assert not same(frame, last)
        assert decoder.concealed == len(packets)

    def test_a_lost_frame_costs_itself_alone(self, groups: list[Made]) -> None:
        decoder = decoder_for(network())
        decoder.push(groups[0].packets[0])
        decoder.push(None)
        decoder.push(groups[0].packets[2])
        assert decoder.concealed == 1

    def test_nothing_comes_before_the_first_keyframe(self, groups: list[Made]) -> None:
        decoder = decoder_for(network())
        assert decoder.push(groups[1].packets[0]) == []
        assert decoder.push(groups[1].packets[1]) == []
        assert decoder.push(None) == []


class TestRefused:
    """Bytes that no encoder writes."""

    def test_a_wrong_check_is_a_desync(self, made: Made) -> None:
        for packet in made.packets[:2]:
            decoder = decoder_for(network())
            decoder.skip(made.packets[0])
            data = packet.data[:-1] + bytes([packet.data[-1] ^ 1])
            with pytest.raises(DesyncError):
                decoder.push(replace(packet, data=data))

    def test_short_packets(self, made: Made) -> None:
        for data in (b"", b"\0", b"\0\0"):
            with pytest.raises(TruncatedError):
                decoder_for(network()).push(replace(made.packets[0], data=data))

    def test_keyframes_that_are_none(self, made: Made) -> None:
        for packet in made.packets[:2]:
            with pytest.raises(CorruptError, match="keyframe"):
                decoder_for(network()).push(replace(packet, is_keyframe=not packet.is_keyframe))

    @pytest.mark.parametrize(
        "changes",
        [
            {"widths": (1024, 1024, 1024)},
            {"group": 5000},
            {"embedding": 65},
            {"strides": (9, 2)},
            {"widths": (9, 8, 1025)},
            {"widths": (9, 0, 7)},
            {"strides": (), "widths": (3,)},
            {"strides": (2,) * 7, "widths": (3,) * 8},
            {"height": 4000, "width": 3000, "widths": (9, 8, 1000)},
        ],
        ids=str,
    )
    def test_impossible_networks(self, changes: dict[str, Any]) -> None:
        with pytest.raises(CorruptError, match="network"):
            network(**changes).check()

    def test_more_numbers_than_bytes_hold(self, tables: InrTables, made: Made) -> None:
        # a network of five million weights in a packet of some kilobytes: refused before anything is decoded
        large = network(widths=(100, 300, 200))
        large.check()
        coded = CodedGroup(large, made.coded.values, made.coded.codings, made.coded.channels)
        data = pack_group(coded, 0, made.embeddings[0], tables, key=True)
        decoder = decoder_for(large)
        decoder.skip(make(tables, network()).packets[0])  # what is loaded once
        tracemalloc.start()
        with pytest.raises(CorruptError, match="do not fit"):
            decoder.push(Packet(0, 0, data, 1))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()

    def test_headers_of_other_families(self) -> None:
        header = header_for(network())
        parameters = header.parameters
        wrong = [
            replace(header, symbol_crc_size=4),
            replace(header, parameters=replace(parameters, pad_right=2)),  # type: ignore[type-var]
            replace(header, parameters=replace(parameters, width=60_000, height=900)),  # type: ignore[type-var]
            replace(header, parameters=None),
        ]
        for header in wrong:
            with pytest.raises(CorruptError):
                InrDecoder(manifest.find_by_name("inr"), header)


CASES, SECONDS, MEMORY = 400, 2.0, 24 << 20


def damaged(data: bytes, other: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    match rng.randrange(5):
        case 0:
            changed[rng.randrange(min(len(changed), 60))] ^= 1 << rng.randrange(8)
        case 1:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        case 2:
            del changed[rng.randrange(len(changed)) :]
        case 3:
            at = rng.randrange(min(len(changed), 60))
            changed[at : at + 3] = bytes(rng.choice((0, 0x7F, 0x80, 0xFF)) for _ in range(3))
        case _:
            at = rng.randrange(len(changed))
            changed[at:] = other[rng.randrange(len(other)) :]
    return bytes(changed)


def test_fuzz(tables: InrTables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes in, a frame or a BitstreamError comes out, soon and in bounded memory; half the cases have a
    right check, so that impossible numbers reach the layers behind it."""
    seeds = [make(tables, network(name), seed=n) for n, name in enumerate(ARCHITECTURES)]
    follows = make(tables, network(), 1, key=False, seed=7)
    ends: Counter[str] = Counter()
    for number in range(CASES):
        rng = random.Random(number)
        group = rng.choice(seeds)
        packet = rng.choice([*group.packets[:2], follows.packets[0]])
        decoder = decoder_for(network())
        with monkeypatch.context() as patch:
            if number % 2:
                patch.setattr("mediacodec.codecs.inr.packet.check_symbol_crc", lambda *_: None)
            if rng.randrange(4):
                decoder.skip(group.packets[0])
            data = damaged(packet.data, group.packets[1].data, rng)
            began = time.monotonic()
            tracemalloc.start()
            try:
                ends["frame" if decoder.push(replace(packet, data=data)) else "nothing"] += 1
            except BitstreamError as error:
                ends[type(error).__name__] += 1
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert time.monotonic() - began < SECONDS, number
        assert most < MEMORY, number
    assert {"frame", "CorruptError", "DesyncError"} <= set(ends), ends


def test_a_decoder_goes_on_behind_damage(made: Made, tables: InrTables) -> None:
    decoder = decoder_for(network())
    decoder.push(made.packets[0])
    with pytest.raises(BitstreamError):
        decoder.push(replace(made.packets[1], data=made.packets[1].data[:-4]))
    assert decoder.push(made.packets[2])
    assert decoder.concealed == 0
