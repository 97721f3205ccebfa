"""A network becomes a model that the runtime runs, and the runtime's audio is torch's."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'mediacodec[train]'")

import mediacodec
from mediacodec import manifest
from mediacodec.codecs.options import Runtime
from mediacodec.codecs.registry import code_reader
from mediacodec.codecs.rvq.analysis import backtrack, encoder_graph
from mediacodec_models.audio.data import Segments
from mediacodec_models.audio.export import DecoderStep, SearchStep, export, sampled_latents, shipped_weights
from mediacodec_models.audio.spectral import SpectralCodec
from mediacodec_models.entropy.code_tables import candidates, fit_tables, mean_bits
from mediacodec_models.entropy.search import beam_search, rate_penalties

ABOUT = {
    "name": "tiny-1",
    "alias": "tiny",
    "generation": 1,
    "family": "rvq",
    "licence": "Apache-2.0",
    "description": "for tests",
    "search_width": 2,
    "rate_weight": 0.5,
}
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def codec(tiny: Any, pack: Path) -> SpectralCodec:
    torch.manual_seed(0)
    codec = SpectralCodec(tiny).eval()
    batch = Segments(pack, length=16_000, dev=False, seed=0).batch(8)
    with torch.no_grad():
        latent, _ = codec.encoder.step(batch, codec.encoder.initial_state(8))
    codec.quantizer.initialise(latent.flatten(0, 1))
    return codec


@pytest.fixture(scope="module")
def zoo(codec: SpectralCodec, pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("zoo")
    with warnings.catch_warnings():
        for kind in (FutureWarning, DeprecationWarning):  # torch's exporter warns of its own code
            warnings.simplefilter("ignore", kind)
        export(codec, {"model": ABOUT}, pack, folder / "tiny-1")
    return folder


@pytest.fixture(scope="module")
def samples(speech_batch: Any) -> Any:
    return speech_batch[0].numpy()


def test_the_runtime_finds_it_whole(zoo: Path, codec: SpectralCodec) -> None:
    model = manifest.find_by_name("tiny", zoo)
    assert (model.name, model.folder) == ("tiny-1", zoo / "tiny-1")
    assert model.verify() == []
    assert model.settings["frame_size"] == codec.config.frame_size == 320
    assert model.settings["pre_skip"] == codec.config.delay == 160
    raw = (zoo / "tiny-1" / "encoder.onnx").read_bytes()
    assert str(Path(__file__).parents[3]).encode() not in raw, "the exporter's stack traces name this machine"


def test_codes_are_those_of_torch(zoo: Path, codec: SpectralCodec, pack: Path, samples: Any) -> None:
    encoder = mediacodec.AudioEncoder("tiny", models=zoo)
    packets = encoder.push(samples) + encoder.flush()
    reader = code_reader(encoder.header, models=zoo)
    found = np.concatenate([reader.read(packet) for packet in packets], axis=1)
    with torch.no_grad():
        penalty = rate_penalties(sampled_latents(codec, pack), codec.quantizer.codebooks, ABOUT["rate_weight"])
        step = SearchStep(codec, penalty, 2)
        padded = np.pad(samples, (0, found.shape[1] * 320 - len(samples)))
        entries, parents, *_ = step(torch.from_numpy(padded)[None], codec.encoder.initial_state(1))
    expected = backtrack(torch.stack([entries[0], parents[0]]).numpy(), 3)
    assert found.shape == expected.shape
    assert np.mean(found != expected) < 0.01, "but for near ties they are the same"
    assert len(np.unique(found[0])) > 4, "a codec that has only one thing to say proves nothing"


@torch.no_grad()
def test_silence_is_coded_as_torch_codes_it(zoo: Path, codec: SpectralCodec, pack: Path, samples: Any) -> None:
    """Digital silence, then speech: a floor that the exporter dropped once made both of it NaN."""
    graph = encoder_graph(manifest.find_by_name("tiny", zoo), Runtime())
    quiet = np.concatenate([np.zeros(6400, np.float32), samples[:6400]])
    outputs, state = graph.step({"samples": quiet[None]}, graph.initial_state())
    assert all(np.isfinite(value).all() for value in state)
    penalty = rate_penalties(sampled_latents(codec, pack), codec.quantizer.codebooks, ABOUT["rate_weight"])
    entries, *_ = SearchStep(codec, penalty, 2)(torch.from_numpy(quiet)[None], codec.encoder.initial_state(1))
    assert np.mean(outputs["entries"] != entries.numpy()) < 0.05  # all candidates, near ties among them


@pytest.mark.parametrize("packet_duration", [0.02, 1.0])
def test_audio_is_that_of_torch(zoo: Path, codec: SpectralCodec, samples: Any, packet_duration: float) -> None:
    encoder = mediacodec.AudioEncoder("tiny", models=zoo, packet_duration=packet_duration)
    packets = encoder.push(samples) + encoder.flush()
    decoder = mediacodec.AudioDecoder(encoder.header, models=zoo)
    found = np.concatenate([decoder.push(packet).samples[0] for packet in packets])
    reader = code_reader(encoder.header, models=zoo)
    codes = torch.from_numpy(np.concatenate([reader.read(packet) for packet in packets], axis=1).astype(np.int64))
    with torch.no_grad():
        latent = codec.quantizer.decode(codes[None])
        expected, _ = codec.decoder.step(latent, codec.decoder.initial_state(1))
    expected = expected[0, codec.config.delay :].numpy()
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 1e-2
    assert np.abs(found - expected).max() < TOLERANCE


def test_a_dropped_codebook_adds_nothing(zoo: Path, codec: SpectralCodec) -> None:
    torch.manual_seed(0)
    codes = torch.randint(32, (1, 3, 5))
    codes[:, 2] = 32  # "no code"
    with torch.no_grad():
        found, *_ = DecoderStep(codec)(codes, codec.decoder.initial_state(1))
        expected, _ = codec.decoder.step(codec.quantizer.decode(codes[:, :2]), codec.decoder.initial_state(1))
    assert (found - expected).abs().max() < 1e-6


def test_lower_rates_work(zoo: Path, samples: Any) -> None:
    sizes = []
    for bit_rate in (400, 700, None):
        data = mediacodec.encode(samples, sample_rate=16_000, codec="tiny", bit_rate=bit_rate, models=zoo)
        assert mediacodec.decode(data, models=zoo).num_samples == len(samples)
        sizes.append(len(data))
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_the_hash_is_that_of_the_weights(zoo: Path, codec: SpectralCodec) -> None:
    from mediacodec_bitstream import canonical_hash

    raw = json.loads((zoo / "tiny-1" / "model.json").read_text())
    weights = shipped_weights(codec)
    assert raw["weights_sha256"] == canonical_hash(weights).hex()
    assert any(name.startswith("encoder") for name in weights)
    assert any(name.startswith("decoder") for name in weights)
    changed = weights | {"quantizer.codebooks": weights["quantizer.codebooks"] + np.float32(1)}
    assert canonical_hash(changed).hex() != raw["weights_sha256"]


class TestSearch:
    def test_a_width_of_one_is_the_plain_search(self, codec: SpectralCodec) -> None:
        torch.manual_seed(0)
        books = codec.quantizer.codebooks
        latent = torch.randn(1, 40, 8) * books.std() + books[0].mean(0)
        entries, parents = beam_search(latent, books, torch.zeros(3, 32), 1)
        _, _, codes = codec.quantizer(latent, torch.tensor([3]))
        assert (codes[0] == entries[0, :, :, 0].T).all()
        assert not parents.any()

    @torch.no_grad()
    def test_a_wider_one_is_nearer(self, codec: SpectralCodec) -> None:
        torch.manual_seed(0)
        books = codec.quantizer.codebooks
        latent = books[0][torch.randint(32, (200,))][None] + books[1][torch.randint(32, (200,))][None]
        errors = []
        for width in (1, 4, 16):
            entries, parents = beam_search(latent, books, torch.zeros(3, 32), width)
            codes = backtrack(torch.stack([entries[0], parents[0]]).numpy(), 3).astype(np.int64)
            errors.append(float((codec.quantizer.decode(torch.from_numpy(codes)[None]) - latent).square().sum()))
        assert errors[2] <= errors[1] <= errors[0]
        assert errors[2] < errors[0]

    @torch.no_grad()
    def test_dear_entries_are_avoided(self, codec: SpectralCodec) -> None:
        torch.manual_seed(0)
        books = codec.quantizer.codebooks
        latent = books[0][None, :20].clone()
        penalty = torch.zeros(3, 32)
        penalty[0, 7] = 1e6
        entries, parents = beam_search(latent, books, penalty, 2)
        codes = backtrack(torch.stack([entries[0], parents[0]]).numpy(), 1)
        assert 7 not in codes
        assert (codes[0, [0, 1, 2]] == [0, 1, 2]).all()

    def test_rare_entries_are_dear(self) -> None:
        torch.manual_seed(0)
        books = torch.tensor([[[0.0, 0.0], [5.0, 5.0]]])
        latents = torch.cat([0.1 * torch.randn(900, 2), 5 + 0.1 * torch.randn(100, 2)])
        (often, rare) = rate_penalties(latents, books, 1.0)[0].tolist()
        assert 0 < often < rare
        assert (rate_penalties(latents, books, 0.0) == 0).all()


@pytest.fixture(scope="module")
def clips() -> Any:
    """Codes in which book 0 repeats itself and book 1 follows book 0; book 2 is noise."""
    random = np.random.default_rng(0)
    clips = []
    for _ in range(12):
        first = np.repeat(random.integers(0, 32, 60), 5)
        second = (first * 3 + (random.random(300) < 0.1)) % 32
        clips.append(np.stack([first, second, random.integers(0, 32, 300)]))
    return clips


class TestTables:
    def test_the_context_that_helps_is_found(self, clips: Any) -> None:
        books = np.random.default_rng(1).normal(size=(3, 32, 4)).astype(np.float32)
        tables = fit_tables(clips[:8], clips[8:], books)
        assert (tables.source[0], tables.lag[0]) == (0, 1)
        assert (tables.source[1], tables.lag[1]) == (0, 0)
        first, later = mean_bits(clips[8:], tables)
        assert later == sorted(later)
        assert later[0] < 4 < first[0], "a repetition costs little, a first frame all of it"
        assert later[2] - later[1] == pytest.approx(5, abs=0.4), "noise costs what it must"

    def test_candidates_are_there_at_every_rate(self) -> None:
        for k in range(6):
            assert all(s <= k if lag else s < k for s, lag in candidates(k))

    def test_a_codebook_that_uses_few_codes(self) -> None:
        """Fewer than there are classes of context, as in a network that has hardly begun to learn."""
        clips = [np.random.default_rng(seed).integers(0, 3, (2, 50)) for seed in range(4)]
        books = np.random.default_rng(1).normal(size=(2, 32, 4)).astype(np.float32)
        tables = fit_tables(clips[:2], clips[2:], books)
        assert mean_bits(clips[2:], tables)[1][0] < 3
