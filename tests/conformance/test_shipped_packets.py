"""Packets of shipped models are what the documents say: the second reader reads them, and finds their symbol CRCs."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest
from support import fitted_packets
from support.packet_reader import conditional, ecsq, inr, overfit, rvq
from support.paths import ROOT, ZOO, load_from_vectors

import mediacodec
from mediacodec import manifest
from mediacodec.codecs.registry import code_reader
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import Packet

DTYPES = {"u8": "tensor(uint8)", "i64": "tensor(int64)", "": "tensor(float)"}
WIDTH, HEIGHT = 60, 44


def arrays(name: str, file: str = "tables.npz") -> dict[str, Any]:
    with np.load(ZOO / name / file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive}


@pytest.mark.parametrize("entropy", ["static", "context"])
@pytest.mark.parametrize("bit_rate", [None, 3000])
def test_speech(entropy: str, bit_rate: int | None) -> None:
    encoder = mediacodec.AudioEncoder("speech", entropy=entropy, bit_rate=bit_rate, packet_duration=0.4)
    samples = np.random.default_rng(1).normal(scale=0.1, size=9600).astype(np.float32)
    packets = encoder.push(np.convolve(samples, np.ones(9) / 9, "same").astype(np.float32)) + encoder.flush()
    header = encoder.header
    model = manifest.find_by_name("speech")
    settings = {"least_codebooks": 1} | model.settings
    context = arrays(model.name, "context.npz") if entropy == "context" else {}
    extradata = bytes(header.fields["extradata"])
    stream = rvq.Stream(settings, arrays(model.name), extradata, header.symbol_crc_size, context)
    assert stream.counted == (bit_rate is not None)
    reader = code_reader(header)
    for packet in packets:
        assert np.array_equal(rvq.packet(stream, packet.data, packet.duration)["codes"], reader.read(packet))


@pytest.mark.parametrize("bit_rate", [None, 3000])
def test_scalar_speech(bit_rate: int | None) -> None:
    encoder = mediacodec.AudioEncoder("speech-2", bit_rate=bit_rate, packet_duration=0.2)
    samples = np.random.default_rng(2).normal(scale=0.1, size=6400).astype(np.float32)
    packets = encoder.push(np.convolve(samples, np.ones(9) / 9, "same").astype(np.float32)) + encoder.flush()
    header, model = encoder.header, manifest.find_by_name("speech-2")
    extradata = bytes(header.fields["extradata"])
    stream = ecsq.Stream(model.settings, arrays(model.name), extradata, header.symbol_crc_size)
    reader = code_reader(header)
    for packet in packets:
        symbols = ecsq.packet(stream, packet.data, packet.duration)["symbols"]
        assert np.array_equal(symbols.T + (1 << 14), reader.read(packet))


@cache
def graph(name: str) -> Any:
    folder = manifest.find_by_name("conditional").folder
    return onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])


def networks(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    session = graph(name)
    feed = {key: value if key == "quality" else value.astype(np.float32) for key, value in inputs.items()}
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, feed), strict=True))


def test_conditional() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    size = {"width": WIDTH, "height": HEIGHT}
    encoder = mediacodec.VideoEncoder("conditional", **size, frame_rate=25, time_base=Fraction(1, 25))
    packets = []
    for i in range(4):
        luma = (128 + 60 * np.sin((x + 3 * i) / 5) * np.cos(y / 7)).astype(np.uint8)
        half = np.full(((HEIGHT + 1) // 2, (WIDTH + 1) // 2), 120 + 2 * i, np.uint8)
        packets += encoder.push(VideoFrame(luma, half, half, i, Fraction(1, 25)))
    packets += encoder.flush()
    model = manifest.find_by_name("conditional")
    stream = conditional.Stream(model.settings, arrays(model.name), WIDTH, HEIGHT, networks)
    found = [stream.packet(packet.data, packet.is_keyframe) for packet in packets]
    assert [frame["inter"] for frame in found] == [False, True, True, True]
    assert any(frame.get("symbols", np.zeros(1)).any() for frame in found[1:])


def test_the_graphs_are_those_of_the_document() -> None:
    text = (ROOT / "bitstream" / "codecs" / "conditional.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", text.replace("KIND_", "key_"), re.MULTILINE)
    rows = [row for row in rows if row[0].split("_")[0] in ("key", "inter")]
    both = ("key_prior_first", "key_prior_second", "key_memory_update")
    rows += [(name.replace("key_", "inter_"), *io) for name, *io in rows if name in both]
    assert len(rows) == 11
    dtypes: dict[str, str] = {}
    for _, inputs, outputs in rows:
        for part in re.split(r"[,;] (?=`)", f"{inputs}; {outputs}"):
            name, dtype = re.match(r"`(\w+)`(?: \([^)]*\))? ?(u8|i64)?", part).groups()  # type: ignore[union-attr]
            dtypes[name] = dtype or dtypes.get(name, "")
    dtypes |= dict.fromkeys(("predicted_y", "predicted_u", "predicted_v", "y", "u", "v"), "u8")
    for name, inputs, outputs in rows:
        session = graph(name)
        for documented, values in ((inputs, session.get_inputs()), (outputs, session.get_outputs())):
            names = re.findall(r"`(\w+)`", documented)
            assert sorted(names) == sorted(value.name for value in values), name
            for value in values:
                assert value.type == DTYPES[dtypes[value.name]], (name, value.name)


def test_inr() -> None:
    shape = fitted_packets.network("boost")
    tables = fitted_packets.InrTables(manifest.find_by_name("inr"))
    made = fitted_packets.make(tables, shape)
    stream = inr.Stream(arrays(manifest.find_by_name("inr").name), shape.width, shape.height)
    for packet, embedding in zip(made.packets, made.embeddings, strict=True):
        found = stream.packet(packet.data, packet.pts, packet.is_keyframe)
        assert found is not None
        assert np.array_equal(found["embedding"], embedding)


def test_overfit() -> None:
    product, model = load_from_vectors("product"), manifest.find_by_name("overfit")
    coder = product.OverfitStream(model, 64, 48)
    stream = overfit.Stream(arrays(model.name), 64, 48)
    rng = np.random.default_rng(3)
    for kind in ("key", "inter"):
        luma = [np.rint(rng.laplace(0, 0.3, (3, 32 >> k, 32 >> k))) for k in range(6)]
        chroma = [np.rint(rng.laplace(0, 0.2, (6, 16 >> k, 16 >> k))) for k in range(5)]
        moving = rng.integers(-9, 9, (2, 8, 8)).astype(np.int16)
        frame = {"quality": 110, "luma": luma, "chroma": chroma, "low": [rng.integers(-40, 40, (1, 1))] * 3}
        frame |= {"updates": {}, "motion": moving if kind == "inter" else None}
        data = coder.pack(frame)
        packet = Packet(0, 0, data, 1, is_keyframe=kind == "key")
        expected, found = coder.read(packet), stream.packet(data, kind == "key")
        for name in ("luma", "chroma", "low"):
            assert all(np.array_equal(a, b) for a, b in zip(found[name], expected[name], strict=True)), name
        for one, other in zip(found["planes"], expected["planes"], strict=True):
            assert np.abs(one.astype(int) - other).max() <= 1
        stream.before["planes"] = expected["planes"]  # a level off would go on into the next frame
