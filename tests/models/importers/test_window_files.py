"""Files of a codec that looks both ways: places, lengths, damage, memory. Audio comes later than its packets."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

import mediacodec
from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.codecs.options import AudioOptions
from mediacodec.codecs.rvq.encoder import RvqEncoder
from mediacodec.codecs.rvq.window import WindowSettings
from mediacodec.codecs.rvq.window_decoder import WindowDecoder
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec.session import StepGraph
from mediacodec_bitstream import Packet, Reader, Writer
from mediacodec_models.importers import import_model

TESTS = Path(__file__).parents[1]
from support.checkpoints import CHECKPOINTS
from support.media import make_speech

RATE, SECONDS, TOLERANCE = 16_000, 6.3, 1e-4
CONTEXT = 3200  # samples


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("window")
    return import_model(CHECKPOINTS["dac"].save(folder / "checkpoint"), name="small", folder=folder)


@pytest.fixture(scope="module")
def data(model: Manifest) -> bytes:
    samples = make_speech(SECONDS, RATE)
    return bytes(mediacodec.encode(samples, sample_rate=RATE, codec="small", models=model.folder.parent))


@pytest.fixture(scope="module")
def whole(data: bytes, opened: Callable[..., Any]) -> Any:
    """The full decode, [n]."""
    with opened(data) as file:
        return file.audio.read().samples[0]


@pytest.fixture(scope="module")
def opened(model: Manifest) -> Callable[..., Any]:
    return lambda data, **options: mediacodec.open(data, models=model.folder.parent, **options)


def rewritten(data: bytes, change: Callable[[int, Packet], Packet | None]) -> bytes:
    """The file with other packets, or without some, all CRCs of bytes right."""
    reader, buffer = Reader(io.BytesIO(data)), io.BytesIO()
    writer = Writer(buffer, reader.header)
    for i, packet in enumerate(list(reader)):
        if (changed := change(i, packet)) is not None:
            writer.write(changed)
    assert reader.end is not None
    writer.close({0: reader.end.streams[0].length})
    return buffer.getvalue()


def test_length_is_exact(whole: Any) -> None:
    assert len(whole) == round(SECONDS * RATE)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 0.01), (0.5, 1.0), (2.03, 4.9), (5.999, None), (6.29, 9.0)])
def test_any_stretch_is_that_of_the_whole(opened: Any, data: bytes, whole: Any, start: float, stop: Any) -> None:
    with opened(data) as file:
        chunk = file.audio.get_samples_played_in_range(start, stop)
    first, last = round(start * RATE), len(whole) if stop is None else min(len(whole), round(stop * RATE))
    assert (chunk.pts, chunk.num_samples) == (first, last - first)
    assert np.abs(chunk.samples[0] - whole[first:last]).max() < TOLERANCE


def test_a_pipe_gives_the_same(opened: Any, data: bytes, whole: Any) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with opened(Pipe(data)) as file:
        blocks = list(file.audio.blocks())
    assert [b.pts for b in blocks] == np.cumsum([0, *[b.num_samples for b in blocks[:-1]]]).tolist()
    assert np.array_equal(np.concatenate([b.samples[0] for b in blocks]), whole)


@pytest.mark.parametrize("lost", [(0,), (2,), (2, 3, 4), (6,), (0, 1, 2, 3, 4, 5, 6)])
def test_missing_packets(opened: Any, data: bytes, whole: Any, lost: tuple[int, ...]) -> None:
    with opened(rewritten(data, lambda i, packet: None if i in lost else packet)) as file:
        found = file.audio.read()
    assert (found.pts, found.num_samples) == (0, len(whole))
    mine = found.samples[0]
    start, stop = lost[0] * RATE, (lost[-1] + 1) * RATE
    assert np.abs(mine[: max(0, start - CONTEXT)] - whole[: max(0, start - CONTEXT)]).max(initial=0) < TOLERANCE
    assert np.abs(mine[stop + CONTEXT :] - whole[stop + CONTEXT :]).max(initial=0) < TOLERANCE
    faded = mine[start + RATE * 160 // 1000 : min(stop, len(mine))]
    assert not faded.any(), "a long gap ends in silence"


@pytest.mark.parametrize("index", [0, 2, 6])
def test_wrong_symbols_cost_their_packet(opened: Any, data: bytes, whole: Any, index: int) -> None:
    def change(i: int, packet: Packet) -> Packet:
        wrong = packet.data[:-4] + bytes(b ^ 0xFF for b in packet.data[-4:])
        return replace(packet, data=wrong) if i == index else packet

    with opened(rewritten(data, change)) as file:
        found = file.audio.read()
        (gap,) = file.gaps
    assert gap.pts_start == index * RATE
    assert found.num_samples == len(whole)
    after = (index + 1) * RATE + CONTEXT
    assert np.abs(found.samples[0][after:] - whole[after:]).max(initial=0) < TOLERANCE


@pytest.mark.parametrize("short", [1, 3])
def test_a_short_packet_with_wrong_symbols_stays_short(opened: Any, data: bytes, short: int) -> None:
    """In the middle of a file that was joined of two: what follows must stay in its place."""
    moved = RATE - 3200

    def change(i: int, packet: Packet) -> Packet:
        if i == short:
            return replace(packet, duration=3200, data=b"garbage")
        return replace(packet, pts=packet.pts - moved * (i > short))

    with opened(rewritten(data, change)) as file:
        blocks = list(file.audio.blocks())
    assert [b.pts for b in blocks] == np.cumsum([0, *[b.num_samples for b in blocks[:-1]]]).tolist()


def test_a_leap_in_time_ends_one_stretch_and_begins_another(model: Manifest) -> None:
    encoder = RvqEncoder(model, AudioOptions())
    packets = encoder.push(make_speech(4.0, RATE)) + encoder.flush()
    alone = WindowDecoder(model, encoder.header)
    decoder = WindowDecoder(model, encoder.header)
    chunks = [decoder.push(packet) for packet in (*packets[:2], replace(packets[2], pts=9 * RATE))]
    wanted = np.concatenate([*(alone.push(packet).samples for packet in packets[:2]), alone.flush().samples], axis=1)
    assert np.array_equal(np.concatenate([chunk.samples for chunk in chunks], axis=1), wanted)
    rest = decoder.flush()
    assert (rest.pts, rest.num_samples) == (9 * RATE, RATE)


def test_what_is_held_does_not_grow(model: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is pushed at once, and however long a gap: windows and their context are all that is kept."""
    runs: list[int] = []
    monkeypatch.setattr(StepGraph, "step", watched(runs, StepGraph.step))
    encoder = RvqEncoder(model, AudioOptions())
    decoder = WindowDecoder(model, encoder.header)
    for _ in range(4):
        for packet in encoder.push(make_speech(10.0, RATE)):
            decoder.push(packet)
    decoder.push(None)
    calls = len(runs)
    for _ in range(100):
        decoder.push(None)
    settings = WindowSettings(model, CodebookSettings(model).frame_rate)
    most = settings.window_frames + 2 * settings.context_frames
    assert max(runs) <= most
    assert len(runs) <= calls + 2, "silence needs no network"


def watched(runs: list[int], step: Any) -> Any:
    def run(self: Any, inputs: dict[str, Any], state: Any) -> Any:
        name, value = next(iter(inputs.items()))
        runs.append(value.shape[-1] // (320 if name == "samples" else 1))
        return step(self, inputs, state)

    return run


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"context_frames": None}, "window"),
        ({"context_frames": -1}, "context_frames"),
        ({"window_frames": 0}, "window_frames"),
        ({"window_frames": 10**9}, "window_frames"),
    ],
)
def test_settings_that_are_wrong(model: Manifest, change: dict[str, Any], word: str) -> None:
    with pytest.raises(ModelError, match=word):
        WindowSettings(replace(model, settings={**model.settings, **change}), 50.0)


def test_no_more_codebooks_are_needed_than_there_are(model: Manifest) -> None:
    with pytest.raises(ModelError, match="17 codebooks of 16"):
        CodebookSettings(replace(model, settings={**model.settings, "least_codebooks": 17}))


def test_a_model_that_needs_all_its_codebooks(model: Manifest) -> None:
    fixed = replace(model, settings={**model.settings, "least_codebooks": 16})
    encoder = RvqEncoder(fixed, AudioOptions(bit_rate=100_000))
    assert encoder.header.fields["extradata"] == bytes([16, 0])
    with pytest.raises(mediacodec.errors.ParameterError, match="too low"):
        RvqEncoder(fixed, AudioOptions(bit_rate=1000))
    few = RvqEncoder(model, AudioOptions(bit_rate=1000)).header
    with pytest.raises(mediacodec.errors.BitstreamError, match="codebooks of 16"):
        WindowDecoder(fixed, few)
