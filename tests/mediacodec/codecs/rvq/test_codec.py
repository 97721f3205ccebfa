"""What is particular to the RVQ family: its rates, its search, its settings, and a concealment that settles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mediacodec import manifest
from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.audio_coding.rate_cap import RateCap
from mediacodec.codecs.base import LOUDEST, channel_samples
from mediacodec.codecs.options import AudioOptions
from mediacodec.codecs.registry import code_reader
from mediacodec.codecs.rvq.analysis import backtrack
from mediacodec.codecs.rvq.decoder import RvqDecoder
from mediacodec.codecs.rvq.encoder import RvqEncoder
from mediacodec.codecs.rvq.packet import RvqCodeReader
from mediacodec.codecs.streaming import AudioDecoder, AudioEncoder
from mediacodec.entropy_coding.code_tables import CodeTables, encode_codes
from mediacodec.errors import ModelError, ParameterError, UnsupportedFeatureError
from mediacodec.manifest import Manifest
from mediacodec.session import StepGraph
from mediacodec_bitstream import CorruptError, Packet, seal, symbol_crc

SETTINGS = {
    "sample_rate": 16000,
    "frame_size": 320,
    "pre_skip": 320,
    "algorithmic_delay": 640,
    "preroll_frames": 49,
    "num_codebooks": 3,
    "codebook_size": 1024,
    "bits_first_frame": [10, 20, 30],
    "bits_per_frame": [8, 16, 24],
}


@pytest.fixture(scope="module")
def model() -> Manifest:
    return manifest.find_by_name("speech")


def settings(model: Manifest, **changes: Any) -> CodebookSettings:
    return CodebookSettings(replace(model, settings={**SETTINGS, **changes}))


class TestBitRate:
    def test_of_packets(self, model: Manifest) -> None:
        s = settings(model)
        # one frame: its bits, half a byte of rounding, a byte of check, fifty times a second
        assert s.bit_rate(1, 1, 1) == (10 + 4 + 8) * 50
        # a second: one first frame and 49 others
        assert s.bit_rate(2, 50, 4) == 20 + 49 * 16 + 4 + 32

    @pytest.mark.parametrize(
        ("bit_rate", "expected"), [(None, 3), (10_000, 3), (2100, 3), (2099, 2), (1600, 2), (1599, 1), (1100, 1)]
    )
    def test_takes_the_most_that_fit(self, model: Manifest, bit_rate: float | None, expected: int) -> None:
        s = settings(model)
        assert [s.bit_rate(n, 1, 1) for n in (1, 2, 3)] == [1100, 1600, 2100]
        assert s.codebooks_for(bit_rate, 1, 1) == expected

    def test_too_low(self, model: Manifest) -> None:
        with pytest.raises(ParameterError, match=r"bit_rate 1099 is too low.* 1100 at least"):
            settings(model).codebooks_for(1099, 1, 1)


@pytest.mark.parametrize("key", SETTINGS)
def test_settings_that_are_missing(model: Manifest, key: str) -> None:
    with pytest.raises(ModelError, match=key):
        CodebookSettings(replace(model, settings={k: v for k, v in SETTINGS.items() if k != key}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("frame_size", "x"),
        ("frame_size", 0),
        ("bits_per_frame", 3),
        ("bits_per_frame", [1, 2]),
        ("bits_first_frame", []),
        ("channels", 3),
        ("channels", 0),
        ("start_frames", 0),
        ("start_frames", 501),
        ("preroll_frames", -2),
    ],
)
def test_settings_that_are_wrong(model: Manifest, key: str, value: Any) -> None:
    with pytest.raises(ModelError, match=model.name):
        settings(model, **{key: value})


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0.02, 1), (0.011, 1), (0.06, 3), (0.1, 5), (1.0, 50), (1, 50), (10, 500)]
)
def test_packet_frames(model: Manifest, seconds: float, frames: int) -> None:
    assert settings(model).packet_frames(seconds) == frames


def test_tables_of_another_number_of_codebooks(model: Manifest) -> None:
    more = model.settings["num_codebooks"] + 1
    bits = {key: [*model.settings[key], 1e3] for key in ("bits_first_frame", "bits_per_frame")}
    wrong = replace(model, settings={**model.settings, **bits, "num_codebooks": more})
    with pytest.raises(ModelError, match="tables"):
        RvqEncoder(wrong, AudioOptions())


def test_a_model_without_its_graphs(model: Manifest) -> None:
    with pytest.raises(ModelError, match="'encoder'"):
        RvqEncoder(replace(model, graphs={}), AudioOptions())
    with pytest.raises(ModelError, match="'decoder'"):
        RvqDecoder(replace(model, graphs={}), RvqEncoder(model, AudioOptions()).header)


class TestBacktrack:
    def test_follows_parents(self) -> None:
        # one frame, three stages, two candidates: the winner of stage 2 extends candidate 1, that one candidate 0
        paths = np.array([[[[5, 6], [7, 8], [9, 10]]], [[[0, 0], [1, 0], [1, 0]]]])
        assert backtrack(paths, 3).tolist() == [[5], [8], [9]]
        # a prefix has best codes of its own
        assert backtrack(paths, 2).tolist() == [[6], [7]]
        assert backtrack(paths, 1).tolist() == [[5]]

    def test_is_an_exhaustive_search_where_the_beam_is_wide(self) -> None:
        random = np.random.default_rng(0)
        books, target = random.normal(size=(3, 4, 2)), random.normal(size=2)
        paths = np.stack(beam(books, target, 64))[:, None]
        for count in (1, 2, 3):
            every = np.stack(np.meshgrid(*[range(4)] * count, indexing="ij"), -1).reshape(-1, count)
            error = [np.sum((target - sum(books[k, c] for k, c in enumerate(path))) ** 2) for path in every]
            assert backtrack(paths, count)[:, 0].tolist() == every[np.argmin(error)].tolist()


def beam(books: Any, target: Any, width: int) -> tuple[Any, Any]:
    """A beam search in plain Python: (entries, parents), [stages, width]."""
    paths = [((), target, 0)]
    entries, parents = np.zeros((len(books), width), int), np.zeros((len(books), width), int)
    for k, book in enumerate(books):
        options = [((*path, c), rest - book[c], i) for i, (path, rest, _) in enumerate(paths) for c in range(len(book))]
        paths = sorted(options, key=lambda option: float(np.sum(option[1] ** 2)))[:width]
        for w, (path, _, parent) in enumerate(paths):
            entries[k, w], parents[k, w] = path[-1], parent
    return entries, parents


def test_codebooks_stand_in_the_header(model: Manifest) -> None:
    for bit_rate, packet_duration, counted in ((1500, 1.0, 1), (3000, 0.02, 0), (None, 1.0, 0)):
        header = AudioEncoder(model.name, bit_rate=bit_rate, packet_duration=packet_duration).header
        count, flag = header.fields["extradata"]
        assert flag == counted
        assert code_reader(header).num_codebooks == count
        assert (header.model_hash, header.tables_hash) == (model.weights_hash, model.tables_hash)
        assert header.fields["model_name"] == model.name


class TestRateCap:
    def test_what_is_saved_may_be_spent_later_but_only_so_much_of_it(self) -> None:
        cap = RateCap(1000)
        cap.spend(400, 1.0)
        assert cap.room(1.0) == 1600
        for _ in range(10):
            cap.spend(0, 1.0)
        assert cap.room(1.0) == 3000

    def test_what_was_overspent_is_paid_back(self) -> None:
        cap = RateCap(1000)
        cap.spend(1500, 1.0)
        assert cap.room(1.0) == 500


def test_a_bit_rate_is_a_cap_at_every_moment(model: Manifest, speech: Callable[..., Any]) -> None:
    """Also for a voice that the tables do not know: here noisy, which costs more bits than speech."""
    random = np.random.default_rng(1)
    samples = speech(6.0, 16_000) + 0.02 * random.standard_normal(96_000).astype(np.float32)
    for bit_rate in (1500, 3000, 6000):
        encoder = AudioEncoder(bit_rate=bit_rate)
        packets = encoder.push(samples) + encoder.flush()
        spent = np.cumsum([8 * len(packet.data) for packet in packets])
        ends = np.array([packet.pts + packet.duration - 320 for packet in packets]) / 16_000
        assert (spent[:-1] <= bit_rate * ends[:-1]).all()
        assert 0.85 * bit_rate * 6 < spent[-1] < 1.01 * bit_rate * 6  # used; the last frame, all padding, may exceed it
        counts = {code_reader(encoder.header).read(packet).shape[0] for packet in packets}
        assert max(counts) <= code_reader(encoder.header).num_codebooks


def test_short_packets_carry_a_short_check(model: Manifest) -> None:
    sizes = {seconds: AudioEncoder(packet_duration=seconds).header.symbol_crc_size for seconds in (0.02, 0.18, 0.2, 1)}
    assert sizes == {0.02: 1, 0.18: 1, 0.2: 4, 1: 4}


def test_delay_is_stated_and_small(model: Manifest) -> None:
    header = AudioEncoder().header
    assert header.algorithmic_delay * header.time_base <= 0.04
    assert header.packet_duration * header.time_base == 1


def test_unknown_codec(model: Manifest) -> None:
    header = replace(AudioEncoder().header, codec="xyz9")
    with pytest.raises(UnsupportedFeatureError, match=r"'xyz9'.*rvq1"):
        AudioDecoder(header)


def test_a_long_loss_stops_the_network_when_it_has_settled(
    model: Manifest, speech: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of loss must not take an hour, and the network must come back as if it had run all the time."""
    samples = speech(1.6, 16_000)
    encoder = AudioEncoder(packet_duration=0.02)
    packets = encoder.push(samples) + encoder.flush()
    decoder = RvqDecoder(model, encoder.header)
    for packet in packets[:40]:
        decoder.push(packet)
    frames = decoder.preroll // model.settings["frame_size"] + 8
    for _ in range(frames):
        decoder.push(None)
    settled, step = decoder._synthesis._state, decoder._synthesis._graph.step

    def refused(*_: Any) -> Any:
        raise AssertionError("the network runs on")

    monkeypatch.setattr(decoder._synthesis._graph, "step", refused)
    chunks = [decoder.push(None) for _ in range(1000)]
    assert all(chunk.num_samples == 320 and not chunk.samples.any() for chunk in chunks)
    assert chunks[-1].pts == (40 + frames + 999) * 320 - 320
    monkeypatch.undo()
    last = np.full((1, model.settings["num_codebooks"], 1), model.settings["codebook_size"])
    assert decoder._last is not None
    last[0, : len(decoder._last)] = decoder._last
    _, onwards = step({"codes": last}, settled)
    assert all(np.abs(a - b).max() < 1e-4 for a, b in zip(settled, onwards, strict=True)), "it had not settled"


@pytest.mark.parametrize("graph", ["encoder", "decoder"])
def test_digital_silence_is_audio_like_any_other(model: Manifest, graph: str) -> None:
    """Zeros are not near zero: a power or a logarithm of them must not become NaN and stay in the state."""
    step = StepGraph(model.graph_path(graph), model.graph(graph))
    state = step.initial_state()
    frames, size = 4, model.settings["frame_size"]
    inputs = {
        "encoder": {"samples": np.zeros((1, frames * size), np.float32)},
        "decoder": {"codes": np.full((1, model.settings["num_codebooks"], frames), model.settings["codebook_size"])},
    }[graph]
    outputs, state = step.step(inputs, state)
    assert all(np.isfinite(value).all() for value in (*outputs.values(), *state))


def test_packets_with_too_few_codebooks_are_corrupt(model: Manifest) -> None:
    header = AudioEncoder("speech", bit_rate=1500).header
    most, size = header.fields["extradata"][0], header.symbol_crc_size
    needy = replace(model, settings={**model.settings, "least_codebooks": most})
    for count in (most, most - 1):
        codes = np.zeros((count, 50), dtype=np.uint16)
        coded = encode_codes(codes, CodeTables.of(model), max_codebooks=most)
        packet = Packet(0, 0, seal(coded, symbol_crc(codes), size), 50 * 320)
        if count == most:
            assert np.array_equal(RvqCodeReader(needy, header).read(packet), codes)
        else:
            with pytest.raises(CorruptError, match=f"{count} codebooks, which decode from {most} on"):
                RvqCodeReader(needy, header).read(packet)


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_rate": float("inf")},
        {"pre_skip": 1 << 40},
        {"num_codebooks": 256, "bits_first_frame": [1] * 256, "bits_per_frame": [1] * 256},
        {"codebook_size": 1 << 16},
        {"codebook_size": 0},
    ],
)
def test_settings_that_no_stream_can_have(model: Manifest, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="model speech-1: "):
        settings(model, **changes)


def test_samples_that_are_no_numbers_are_silent() -> None:
    good = np.array([[0.5, -3.0, 40_000.0]], dtype=np.float32)
    assert channel_samples(good, 16_000, 1) is good
    bad = np.array([[np.nan, np.inf, -np.inf, 0.5, 3e38, -3e38]], dtype=np.float32)
    found = channel_samples(bad, 16_000, 1)
    assert found.dtype == np.float32
    assert found[0].tolist() == [0, 0, 0, 0.5, LOUDEST, -LOUDEST]
    assert np.isnan(bad[0, 0]), "the caller's own"
    assert channel_samples(np.zeros(0, np.float32), 16_000, 1).shape == (1, 0)
