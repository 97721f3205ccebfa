"""Seeded fuzz of what is fitted: packets of `inr` and `overfit` with forged weights and any damage, half of them with a
check that holds, so that impossible numbers reach the networks. A frame or a BitstreamError comes out, soon and in
bounded memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest

import mediacodec
from mediacodec import manifest
from mediacodec.codecs.inr.decoder import InrDecoder
from mediacodec.codecs.inr.network import ARCHITECTURES, Network
from mediacodec.codecs.inr.packet import CodedGroup, pack_frame, pack_group
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.codecs.inr.tensors import TensorCoding, best_coding, weight_blocks
from mediacodec.codecs.options import VideoFormat
from mediacodec.codecs.overfit.decoder import OverfitDecoder
from mediacodec.codecs.overfit.latents import LatentGrids
from mediacodec.codecs.overfit.packet import OverfitFrame, OverfitFrameCoder
from mediacodec.codecs.overfit.settings import FOURCC, SCALES, UNIT, OverfitGeometry, OverfitModel
from mediacodec.codecs.overfit.weight_updates import SHIFTS, WeightUpdate
from mediacodec.frames import VideoFrame
from mediacodec.video_coding.stream import make_header
from mediacodec_bitstream import BitstreamError, FileHeader, Packet, Writer

WIDTH, HEIGHT, RATE = 64, 48, Fraction(25)
CASES = 150
SECONDS = 2.0  # of one packet, its allocations traced
MEMORY = 48 << 20
LARGEST = 32767

Push = Callable[[Packet], list[VideoFrame]]


VIDEO = VideoFormat(width=WIDTH, height=HEIGHT, frame_rate=RATE)


def inr_group(
    architecture: str, rng: np.random.Generator, *, forged: bool, begin: int = 0, distance: int = 0
) -> list[Packet]:
    """A group of three frames.

    forged: weights as large as a packet can say, and steps of any size; begin: pts; distance: ticks back to the
    reference keyframe, if there is one.
    """
    tables = InrTables(manifest.find_by_name("inr"))
    network = Network(architecture, HEIGHT, WIDTH, 3, 4, (4, 2), (8, 7, 6))
    size = LARGEST if forged else 6
    values = [rng.integers(-size, size + 1, block.size, dtype=np.int32) for block in weight_blocks(network)]
    embeddings = [rng.integers(-size, size + 1, network.embedding_shape, dtype=np.int32) for _ in range(3)]
    codings = [coding(v, int(rng.integers(0, 256)) if forged else 120, tables, forged=forged) for v in values]
    by_channel = np.stack(embeddings, axis=1)
    channels = [coding(v, int(rng.integers(0, 256)) if forged else 140, tables, forged=forged) for v in by_channel]
    coded = CodedGroup(network, values, codings, channels)
    data = [pack_group(coded, begin // 3, embeddings[0], tables, key=True, distance=distance)]
    data += [pack_frame(coded, begin // 3, position, embeddings[position], tables) for position in (1, 2)]
    return [Packet(0, begin + k, d, 1, is_keyframe=k == 0) for k, d in enumerate(data)]


def coding(values: np.ndarray, step: int, tables: InrTables, *, forged: bool) -> TensorCoding:
    return TensorCoding(len(tables.coefficients) - 1, step, 0) if forged else best_coding(values, step, tables)


def overfit_frames(rng: np.random.Generator, *, forged: bool) -> list[Packet]:
    """A keyframe and one that follows; forged: every tensor changed as far as a packet can say, latents as large."""
    model, geometry = OverfitModel(manifest.find_by_name("overfit")), OverfitGeometry(WIDTH, HEIGHT)
    coder, reference, packets = OverfitFrameCoder(model, geometry), None, []
    for kind in ("key", "inter"):
        grids = LatentGrids.zeros(geometry)
        for grid in (*grids.luma, *grids.chroma, *grids.lowpass):
            grid[:] = rng.integers(-3, 4, grid.shape)
            if forged:
                grid[..., 0] = LARGEST
        updates = {}
        for name in model.updatable(kind) if forged else []:
            values = rng.integers(-120, 121, model.weights[name].shape, dtype=np.int32)
            values.flat[0] = LARGEST  # escapes cost a packet's bytes, and time with them
            updates[name] = WeightUpdate(values, int(rng.integers(0, SHIFTS)), SCALES - 1)
        rows, columns = geometry.padded
        motion = None if kind == "key" else np.zeros((2, rows // 8, columns // 8), np.int16)
        frame = OverfitFrame(int(rng.integers(0, 256)), grids, updates, motion)
        packets.append(Packet(0, len(packets), coder.pack(frame, reference), 1, is_keyframe=kind == "key"))
        reference = coder.reconstruct(frame, reference)
    return packets


def damaged(data: bytes, other: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    at = rng.randrange(min(len(changed), 80)) if rng.randrange(2) else rng.randrange(len(changed))
    match rng.randrange(5):
        case 0:
            changed[at] ^= 1 << rng.randrange(8)
        case 1:
            del changed[at:]
        case 2:
            changed[at : at + 4] = bytes(rng.choice((0, 0x7F, 0x80, 0xFF)) for _ in range(4))
        case 3:
            changed[at:] = other[rng.randrange(len(other)) :]
        case _:
            changed[at:] = rng.randbytes(rng.choice((1, 40, 400)))
    return bytes(changed)


def tried(push: Push, packet: Packet, ends: Counter[str]) -> None:
    """One case, timed and measured."""
    began = time.process_time()
    tracemalloc.start()
    try:
        decoded = push(packet)
    except BitstreamError as error:
        ends[type(error).__name__] += 1
    else:
        ends["frame" if decoded else "nothing"] += 1
        assert all((frame.width, frame.height) == (WIDTH, HEIGHT) for frame in decoded)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - began < SECONDS
    assert most < MEMORY


@pytest.mark.parametrize("forged", [False, True], ids=["plain", "forged"])
def test_inr(monkeypatch: pytest.MonkeyPatch, forged: bool) -> None:
    model, numbers = manifest.find_by_name("inr"), np.random.default_rng(5)
    header = make_header(model, "inr1", VIDEO)
    groups = [inr_group(name, numbers, forged=forged) for name in ARCHITECTURES]
    ends: Counter[str] = Counter()
    for group in groups:
        for packet in group:  # whole: forged weights overflow, and a frame comes out all the same
            decoder = InrDecoder(model, header)
            decoder.skip(group[0])
            tried(decoder.push, packet, ends)
    assert ends == {"frame": 9}
    for number in range(CASES):
        rng = random.Random(f"inr {forged} {number}")
        group = rng.choice(groups)
        packet = rng.choice(group)
        decoder = InrDecoder(model, header)
        with monkeypatch.context() as patch:
            if number % 2:
                patch.setattr("mediacodec.codecs.inr.packet.check_crc", lambda *_: None)
            if rng.randrange(4):
                decoder.skip(group[0])
            tried(decoder.push, replace(packet, data=damaged(packet.data, rng.choice(groups)[1].data, rng)), ends)
    assert {"frame", "CorruptError", "DesyncError"} <= set(ends), ends


@pytest.mark.parametrize("forged", [False, True], ids=["plain", "forged"])
def test_inr_that_refers(monkeypatch: pytest.MonkeyPatch, forged: bool) -> None:
    """Groups predicted from each other, and what says so damaged, alone and as a file that is read from its end."""
    model, numbers = manifest.find_by_name("inr"), np.random.default_rng(7)
    header = make_header(model, "inr1", VIDEO)
    distances = (0, 3, 3, 6)
    groups = [
        inr_group("boost", numbers, forged=forged, begin=3 * i, distance=distance)
        for i, distance in enumerate(distances)
    ]
    ends: Counter[str] = Counter()
    for number in range(CASES // 2):
        rng = random.Random(f"refers {forged} {number}")
        place = rng.randrange(1, len(groups))
        decoder = InrDecoder(model, header)
        for group in groups[:place]:
            if rng.randrange(6):
                decoder.skip(group[0])
        packet = groups[place][0]
        data = damaged(packet.data, rng.choice(groups)[1].data, rng)
        if rng.randrange(2):  # only what it refers to
            data = packet.data[:2] + rng.choice((b"\0", b"\1", b"\x02", b"\x7f", b"\xff" * 9)) + packet.data[3:]
        with monkeypatch.context() as patch:
            if number % 2:
                patch.setattr("mediacodec.codecs.inr.packet.check_crc", lambda *_: None)
            tried(decoder.push, replace(packet, data=data), ends)
            tried_file([p for g in [*groups[:place], [replace(packet, data=data)], *groups[place + 1 :]] for p in g])
    assert {"frame", "nothing", "CorruptError"} <= set(ends), ends


def tried_file(packets: list[Packet]) -> None:
    """Such packets in a file that is read from its last group on."""
    model, file = manifest.find_by_name("inr"), BytesIO()
    header = make_header(model, "inr1", VIDEO)
    writer = Writer(file, FileHeader((header,)), packets_per_chunk=3)
    for packet in packets:
        writer.write(packet)
    writer.close()
    began = time.process_time()
    with mediacodec.open(file.getvalue()) as reader:
        assert all(frame.width == WIDTH for frame in reader.video.frames(start=(packets[-1].pts - 2) / 25))
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("forged", [False, True], ids=["plain", "forged"])
def test_overfit(monkeypatch: pytest.MonkeyPatch, forged: bool) -> None:
    model, numbers = manifest.find_by_name("overfit"), np.random.default_rng(6)
    header = make_header(model, FOURCC, VIDEO, block=UNIT)
    seeds = [overfit_frames(numbers, forged=forged) for _ in range(2)]
    ends: Counter[str] = Counter()
    for frames in seeds:
        decoder = OverfitDecoder(model, header)
        for packet in frames:
            tried(decoder.push, packet, ends)
    assert ends == {"frame": 4}
    decoder = OverfitDecoder(model, header)
    for number in range(CASES // 3):
        rng = random.Random(f"overfit {forged} {number}")
        packet = rng.choice(rng.choice(seeds))
        with monkeypatch.context() as patch:
            if number % 2:
                patch.setattr("mediacodec.codecs.overfit.packet.expect_crc", lambda *_: None)
            if not rng.randrange(4):
                decoder.push(seeds[0][0])
            tried(decoder.push, replace(packet, data=damaged(packet.data, rng.choice(seeds)[0].data, rng)), ends)
    assert {"frame", "CorruptError", "DesyncError"} <= set(ends), ends
