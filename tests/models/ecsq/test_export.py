"""What is exported codes real audio, computes the same integers as torch, and can be trained on from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from support.coding import audio_decoder, audio_encoder
from support.ecsq import Tiny
from support.media import make_speech

from mediacodec.codecs.ecsq.context import FRACTIONS, ContextWeights
from mediacodec.codecs.ecsq.packet import EcsqCodeReader
from mediacodec.codecs.ecsq.settings import MAX_SYMBOL, EcsqSettings
from mediacodec.codecs.ecsq.symbols import EcsqTables, decode_beyond, encode_beyond
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import CorruptError, open_decoder, open_encoder
from mediacodec_models.ecsq.resume import load_shipped
from mediacodec_models.ecsq.symbol_tables import SymbolCounts, log_scales, masses, reaches
from mediacodec_models.ecsq.symbols import PacketSymbols, active_channels


def coded(model: Manifest, **options: float) -> tuple[list[bytes], np.ndarray]:
    speech = make_speech(3.0, 16_000, seed=9)[0]
    encoder = audio_encoder(model, **options)
    packets = [*encoder.push(speech), *encoder.flush()]
    decoder = audio_decoder(model, encoder.header)
    return [p.data for p in packets], np.concatenate([decoder.push(p).samples[0] for p in packets])


def test_more_bits_are_better(tiny_model: Manifest) -> None:
    speech = make_speech(3.0, 16_000, seed=9)[0]
    best, audio = coded(tiny_model)
    rate = 8 * sum(map(len, best)) / 3
    low, rough = coded(tiny_model, bit_rate=0.8 * rate)
    assert len(audio) >= len(speech)
    assert sum(map(len, low)) <= 0.8 * sum(map(len, best)) + 8  # the last packet may be at the lowest rate there is
    errors = [float(np.mean((each[: len(speech)] - speech) ** 2)) for each in (audio, rough)]
    assert errors[0] < errors[1]


def test_rates_grow_with_the_quality(tiny_model: Manifest) -> None:
    settings = EcsqSettings(tiny_model)
    assert settings.kbps == sorted(settings.kbps)
    assert settings.quality_for(None) == 63
    assert settings.quality_for(1.0) == 0
    assert settings.quality_for(1000 * settings.kbps[30] + 1) >= 30


def test_symbols_are_read_back_as_codes(tiny_model: Manifest) -> None:
    encoder = audio_encoder(tiny_model)
    packets = [*encoder.push(make_speech(2.0, 16_000, seed=2)[0]), *encoder.flush()]
    reader = EcsqCodeReader(tiny_model, encoder.header)
    codes = [reader.read(packet) for packet in packets]
    assert codes[0].shape == (12, 50)
    assert all(abs(int(np.median(each)) - MAX_SYMBOL) < 3 for each in codes)
    assert max(int(each.max()) for each in codes) < reader.codebook_size


@pytest.mark.parametrize("backend", ["python", "constriction"])
def test_what_lies_beyond_a_table_comes_back(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIACODEC_RANGE_CODER", backend)
    numbers = [0, 1, 2, 3, 62, 63, 64, 1000, (1 << 16) - 1]
    encoder = open_encoder()
    encode_beyond(encoder, numbers)
    decoder = open_decoder(encoder.finish())
    assert [decode_beyond(decoder) for _ in numbers] == numbers
    encoder = open_encoder()
    encode_beyond(encoder, [1 << 17])
    with pytest.raises(CorruptError, match="longer"):
        decode_beyond(open_decoder(encoder.finish()))


def test_a_sum_beyond_float32_is_refused(tiny_model: Manifest) -> None:
    settings = EcsqSettings(tiny_model)
    for name in ("join", "expand1", "contract0", "hidden1", "head0"):
        arrays = dict(tiny_model.arrays)
        bias = name if name == "contract0" else f"{name}_bias"
        if name == "contract0":
            wide = np.full((len(arrays[name]), 1 << 11), 127, np.int8)
            arrays |= {name: wide, "expand0": np.zeros((1 << 11, arrays["expand0"].shape[1]), np.int8),
                       "expand0_bias": np.zeros((64, 1 << 11), np.int32)}  # fmt: skip
        else:
            arrays[bias] = arrays[bias] + (1 << 24)
        with pytest.raises(ModelError, match="beyond what float32 holds"):
            ContextWeights(arrays, settings.shape)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gains", np.zeros((64, 12), np.float32)),
        ("gains", np.ones((64, 12), np.float64)),
        ("frequencies", np.full((3, 2), 1 << 23, np.uint32)),
        ("frequencies", np.full((4, 2), 1 << 23, np.uint32)),
        ("steps", np.zeros((64, 12), np.int32)),
        ("join", np.zeros((16, 12), np.int16)),
        ("head1", np.zeros((3, 12), np.int8)),
    ],
)
def test_tables_that_cannot_be_are_refused(tiny_model: Manifest, name: str, value: np.ndarray) -> None:
    arrays = dict(tiny_model.arrays) | {name: value}
    model = replace(tiny_model)
    object.__setattr__(model, "arrays", arrays)  # as if they had been read
    with pytest.raises(ModelError):
        EcsqTables(model, EcsqSettings(tiny_model))


def test_masses_are_those_of_the_distribution() -> None:
    for scale, reach in zip(log_scales(), reaches(), strict=True):
        for fraction in range(FRACTIONS):
            found = masses(float(scale), fraction, int(reach))
            assert len(found) == 2 * reach + 3
            assert found.sum() == pytest.approx(1)
            assert found.min() >= 0
            if reach == reaches().max():
                continue  # cut off: an escape stands for all beyond it
            centre = float(np.dot(found, np.arange(-reach - 1, reach + 2)))
            assert centre == pytest.approx(fraction / FRACTIONS, abs=0.26)


def test_tables_follow_what_was_counted() -> None:
    counts = SymbolCounts()
    random = np.random.default_rng(0)
    symbols = random.integers(-2, 3, 50_000)
    counts.add(symbols, np.zeros_like(symbols), np.full_like(symbols, 18))
    row = counts.tables()[18 * FRACTIONS]
    share = row.frequencies[row.size // 2 - 2 : row.size // 2 + 3] / (1 << 24)
    assert np.allclose(share, 0.2, atol=0.02)


def test_channels_that_never_matter_are_left_out() -> None:
    symbols = np.zeros((640, 50, 3), np.int16)
    quality = np.arange(640) % 64
    symbols[:, :, 0] = 1
    symbols[quality > 40, ::5, 1] = -1
    active = active_channels(PacketSymbols(symbols, quality.astype(np.int64), np.ones(3, np.float32)))
    assert active[:, 0].all()
    assert not active[:35, 1].any()
    assert active[45:, 1].all()
    assert not active[:, 2].any()


def test_training_goes_on_from_what_ships(tiny_run: Tiny, tiny_model: Manifest) -> None:
    run = tiny_run.run()
    other = type(run)(
        run.model.config, __import__("mediacodec_models.ecsq.train", fromlist=["TrainConfig"]).TrainConfig()
    )
    load_shipped(other.model, other.steering, tiny_model.folder)
    shipped, found = run.average.state_dict(), other.model.state_dict()
    for name, value in shipped.items():
        assert torch.allclose(found[name], value, rtol=2e-3, atol=2e-3), name
    assert torch.equal(other.steering.log_price, run.steering.log_price)


def test_the_manifest_says_what_the_graphs_need(tiny_model: Manifest, tmp_path: Path) -> None:
    raw = json.loads((tiny_model.folder / "model.json").read_text())
    assert raw["training"]["file"] == "training.npz"
    assert len(raw["settings"]["kbps"]) == 64
    assert (raw["settings"]["latent"], raw["settings"]["groups"], raw["settings"]["dilations"]) == (12, [4, 8], [1, 2])
