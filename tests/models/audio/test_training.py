"""Losses, recipes, data, and a training run of a tiny network that learns, stops and goes on."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec import manifest
from mediacodec_models.audio import train
from mediacodec_models.audio.data import Segments
from mediacodec_models.audio.losses import MEL_SCALES, ReconstructionLoss, mel_filters
from mediacodec_models.audio.recordings import is_dev_speaker
from mediacodec_models.audio.spectral import SpectralCodec, SpectralConfig
from mediacodec_models.audio.train import Run, TrainConfig, learning_rate, read_recipe, run_training, train_step
from mediacodec_models.fit import FITTERS
from mediacodec_models.video.network import ConditionalConfig
from mediacodec_models.video.train import TrainConfig as VideoTrainConfig

RECIPES = sorted((Path(__file__).parents[3] / "models" / "recipes").glob("*.toml"))
FAMILIES = {path: tomllib.loads(path.read_text())["model"]["family"] for path in RECIPES}
AUDIO = [path for path in RECIPES if FAMILIES[path] == "rvq"]
VIDEO = [path for path in RECIPES if FAMILIES[path] == "conditional"]
SCALAR = [path for path in RECIPES if FAMILIES[path] == "ecsq"]
FITTED = [path for path in RECIPES if FAMILIES[path] in FITTERS]
ABOUT = ("name", "alias", "generation", "family", "licence", "description")


@pytest.fixture(scope="module")
def loss() -> Any:
    return ReconstructionLoss(16_000)


class TestLoss:
    def test_identical_audio_costs_nothing(self, loss: Any, speech_batch: Any) -> None:
        terms = loss(speech_batch, speech_batch.clone(), torch.ones(4))
        assert all(abs(float(term)) < 1e-6 for term in terms.values()), terms

    @pytest.mark.parametrize("change", ["noise", "quieter", "later", "inverted", "silent"])
    def test_any_other_costs_something(self, loss: Any, speech_batch: Any, change: str) -> None:
        torch.manual_seed(0)
        other = {
            "noise": speech_batch + 0.01 * torch.randn_like(speech_batch),
            "quieter": 0.7 * speech_batch,
            "later": speech_batch.roll(40, 1),
            "inverted": -speech_batch,
            "silent": torch.zeros_like(speech_batch),
        }[change]
        terms = loss(other, speech_batch, torch.ones(4))
        assert terms["total"] > 0.01
        assert terms["complex"] > 0.005
        # the mel term is blind to phase
        assert (terms["mel"] < 1e-6) == (change == "inverted")

    def test_worse_costs_more(self, loss: Any, speech_batch: Any) -> None:
        torch.manual_seed(0)
        noise = torch.randn_like(speech_batch)
        totals = [
            float(loss(speech_batch + a * noise, speech_batch, torch.ones(4))["total"]) for a in (0.003, 0.01, 0.1)
        ]
        assert totals == sorted(totals)

    def test_weights_are_per_sample(self, loss: Any, speech_batch: Any) -> None:
        other = 0.8 * speech_batch
        none, all_ = (loss(other, speech_batch, torch.full((4,), w)) for w in (0.0, 2.0))
        assert none["total"] == none["mel"]
        assert float(all_["total"]) == pytest.approx(float(all_["mel"] + 2 * all_["complex"]), rel=1e-5)

    @pytest.mark.parametrize("output", ["silence", "speech"])
    def test_gradient_is_finite_on_silence(self, loss: Any, speech_batch: Any, output: str) -> None:
        x = (torch.zeros(4, 16_000) if output == "silence" else speech_batch.clone()).requires_grad_()
        target = torch.zeros(4, 16_000)
        target[0] = speech_batch[0]  # a batch has audio somewhere
        loss(x, target, torch.ones(4))["total"].backward()
        assert torch.isfinite(x.grad).all()
        assert x.grad.abs().max() > 0

    @pytest.mark.parametrize(("window", "bands"), MEL_SCALES)
    def test_every_mel_band_responds(self, window: int, bands: int) -> None:
        filters = mel_filters(window, bands, 16_000)
        assert filters.shape == (window // 2 + 1, bands)
        assert (filters >= 0).all()
        assert torch.allclose(filters.sum(0), torch.ones(bands), atol=1e-4)


@pytest.mark.parametrize("path", AUDIO, ids=lambda path: path.stem)
def test_recipes_of_audio_are_whole(path: Path) -> None:
    network, config = read_recipe(path)
    assert isinstance(network, SpectralConfig)
    assert isinstance(config, TrainConfig)
    assert isinstance(hash(network), int), "lists would not hash"
    assert min(config.kept) >= 1
    assert max(config.kept) <= network.num_codebooks, "a rate that the network does not have"
    about = tomllib.loads(path.read_text())["model"]
    for key in (*ABOUT, *(("search_width", "rate_weight") if network.quantizer == "rvq" else ())):
        assert about[key], key
    assert config.segment % network.frame_size == 0, "a segment is whole frames"


@pytest.mark.parametrize("path", VIDEO, ids=lambda path: path.stem)
def test_recipes_of_video_are_whole(path: Path) -> None:
    recipe = tomllib.loads(path.read_text())
    assert set(recipe) == {"key", "inter", "train", "model"}
    key, inter = (ConditionalConfig(**recipe[kind]) for kind in ("key", "inter"))
    assert (key.inter, inter.inter) == (False, True)
    assert (key.hyper, key.memory) == (inter.hyper, inter.memory), "keyframes leave what the others go on from"
    assert set(recipe["train"]) <= {"key", "inter"}
    for settings in recipe["train"].values():
        config = VideoTrainConfig(**settings)
        assert config.size % 16 == 0, "crops are whole blocks"
        assert 0 <= config.lowest < config.highest < 64
        assert list(config.lengths) == sorted(config.lengths), "chains grow"
    for name in ABOUT:
        assert recipe["model"][name], name


@pytest.mark.parametrize("path", FITTED, ids=lambda path: path.stem)
def test_recipes_of_codecs_that_fit_are_those_of_what_ships(path: Path) -> None:
    about = tomllib.loads(path.read_text())["model"]
    shipped = manifest.find_by_name(about["name"])
    assert {name: getattr(shipped, name) for name in ABOUT} == {name: about[name] for name in ABOUT}
    assert manifest.find_by_name(about["alias"]).name == about["name"]


def test_every_recipe_is_read_here() -> None:
    assert AUDIO
    assert VIDEO
    assert SCALAR  # by tests/models/ecsq/test_training.py
    assert FITTED
    assert set(AUDIO + VIDEO + SCALAR + FITTED) == set(RECIPES), "a family whose recipes nothing checks"


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(AUDIO[0].read_text().replace("[train]", "[train]\nlearning_rat = 1"))
    with pytest.raises(TypeError, match="learning_rat"):
        read_recipe(path)


def test_dev_speakers_are_decided_by_their_names_alone() -> None:
    names = [f"speaker {i}" for i in range(4000)]
    chosen = [name for name in names if is_dev_speaker(name)]
    assert chosen == [name for name in names if is_dev_speaker(name)]
    assert 0.03 < len(chosen) / len(names) < 0.07
    assert chosen[:3] == ["speaker 2", "speaker 8", "speaker 9"], (
        "a change here would let the card's development speakers into training"
    )


def test_segments(pack: Path) -> None:
    segments = Segments(pack, length=8000, dev=False, seed=0)
    assert (len(segments.clips), len(Segments(pack, length=8000, dev=True, seed=0).clips)) == (6, 2)
    batch = segments.batch(16)
    assert batch.shape == (16, 8000)
    assert batch.dtype == torch.float32
    assert batch.abs().max() <= 1
    assert (batch.square().mean(1).sqrt() > 1e-3).all(), "speech, not its pauses"
    assert torch.equal(batch, Segments(pack, length=8000, dev=False, seed=0).batch(16))
    assert not torch.equal(batch, segments.batch(16))
    assert Segments(pack, length=100_000, dev=False, seed=0).batch(1).shape == (1, 100_000), "padded"


def test_schedule() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_steps=10, decay=0.5)
    assert learning_rate(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(config, 9, 0.0) == learning_rate(config, 500, 0.4) == 1
    assert learning_rate(config, 500, 0.75) == pytest.approx(0.5)
    assert learning_rate(config, 500, 1.0) == learning_rate(config, 500, 1.3) == 0


CONFIG = TrainConfig(
    batch=4, segment=9600, learning_rate=3e-3, warmup_steps=3, free_steps=10, restart_every=5, kept=(1, 2, 3)
)


def test_twenty_steps_learn(tiny: Any, pack: Path) -> None:
    torch.manual_seed(0)
    model, average = SpectralCodec(tiny), SpectralCodec(tiny)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    run, segments = Run(model, average, optimiser), Segments(pack, length=9600, dev=False, seed=0)
    loss, batch = ReconstructionLoss(16_000), segments.batch(4)
    totals = []
    for step in range(20):
        if step == CONFIG.free_steps:
            train.start_quantizer(run, segments, torch.device("cpu"))
        terms = train_step(run, CONFIG, batch, loss)
        assert all(np.isfinite(value) for value in terms.values()), terms
        totals.append(terms["total"])
    assert run.step == 20
    assert np.mean(totals[7:10]) < 0.95 * np.mean(totals[:3]), totals
    assert (average.quantizer.codebooks == model.quantizer.codebooks).all()
    assert any((a != b).any() for a, b in zip(average.parameters(), model.parameters(), strict=True))


def test_a_run_resumes_from_its_checkpoint(
    tiny: Any, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(CONFIG, free_steps=3)
    monkeypatch.setattr(train, "evaluate", lambda *_: {"mel@1": 0.0})
    ticks = iter(range(10_000))
    monkeypatch.setattr(train.time, "monotonic", lambda: float(next(ticks)))  # a second a look at the clock

    def go(minutes: float) -> dict[str, Any]:
        run_training(tiny, config, argparse.Namespace(device="cpu", data=pack, out=tmp_path, minutes=minutes))
        state: dict[str, Any] = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
        return state

    first = go(0.1)
    assert first["seconds"] >= 6
    again = go(0.1)
    assert again["step"] == first["step"], "its time was up"
    assert all(torch.equal(v, again["model"][k]) for k, v in first["model"].items())
    more = go(0.2)
    assert more["step"] > first["step"]
    assert more["seconds"] >= 12
    assert any(not torch.equal(v, more["model"][k]) for k, v in first["model"].items())
    with (tmp_path / "log.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == [first["step"], more["step"]]
    assert not list(tmp_path.glob("*.tmp"))


def test_packing(tmp_path: Path) -> None:
    import soundfile

    from mediacodec_models.audio.data import pack as pack_clips

    rows = ["file,split,category,speaker_or_piece"]
    for i, (split, rate) in enumerate([("train", 16_000), ("train", 48_000), ("eval", 16_000)]):
        tone = 0.3 * np.sin(np.arange(rate) * 2 * np.pi * 200 / rate)
        soundfile.write(tmp_path / f"{i}.wav", np.stack([tone, tone], 1), rate)
        rows.append(f"{i}.wav,{split},speech,s{i}")
    (tmp_path / "MANIFEST.csv").write_text("\n".join(rows) + "\n")
    clips = pack_clips(tmp_path, tmp_path / "out", category="speech", sample_rate=16_000)
    assert [clip.file for clip in clips] == ["0.wav", "1.wav"], "evaluation clips stay out"
    assert [clip.samples for clip in clips] == [16_000, 16_000]
    stored = np.load(tmp_path / "out" / "000.npy")
    assert stored.dtype == np.int16
    assert np.abs(stored[:16_000].astype(int) - stored[16_000:].astype(int))[500:-500].max() < 40
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [entry["dev"] for entry in index] == [True, False], "neither speaker is set aside by name: a recording is"
    speeds = pack_clips(tmp_path, tmp_path / "fast", category="speech", sample_rate=16_000, speeds=(1.0, 1.25))
    assert [clip.samples for clip in speeds] == [16_000, 16_000, 12_800], "what is set aside stays as recorded"
    fast = np.load(tmp_path / "fast" / "000.npy")[32_000:44_800].astype(float)
    assert np.argmax(np.abs(np.fft.rfft(fast))) == 200, "250 Hz for 0.8 s"
