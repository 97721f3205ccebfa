"""Scalar codecs: recipes, augmented data, and a run of a tiny network that learns, stops and goes on."""

from __future__ import annotations

import argparse
import csv
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("scipy", reason="scipy is not installed: pip install 'mediacodec[train]'")

from support.ecsq import TINY, Tiny

from mediacodec_models.audio.losses import ReconstructionLoss
from mediacodec_models.ecsq.context import ContextConfig
from mediacodec_models.ecsq.data import AugmentedSegments, Corpus
from mediacodec_models.ecsq.network import PACKET_FRAMES, ScalarConfig, logistic_bits
from mediacodec_models.ecsq.rates import RateSteering
from mediacodec_models.ecsq.train import Run, TrainConfig, evaluate, plain, read_recipe, run_training

RECIPES = [
    path
    for path in sorted((Path(__file__).parents[3] / "models" / "recipes").glob("*.toml"))
    if tomllib.loads(path.read_text())["model"]["family"] == "ecsq"
]
ABOUT = ("name", "alias", "generation", "family", "licence", "description")


def arguments(pack: Path, out: Path, **changes: Any) -> argparse.Namespace:
    given = {"data": pack, "noise": None, "out": out, "minutes": None, "steps": 4, "fall": 1.0, "report": 0.0}
    return argparse.Namespace(**{**given, "init": None, "eager": True, **changes})


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_whole(path: Path) -> None:
    network, config = read_recipe(path)
    recipe = tomllib.loads(path.read_text())
    assert set(recipe) == {"network", "train", "model", "context"}
    assert isinstance(network, ScalarConfig)
    assert config.segment % network.hop == 0, "a segment is whole frames"
    assert 0 < config.rates[0] < config.rates[1]
    assert ContextConfig(**plain(recipe["context"])).minutes > 0
    for name in ABOUT:
        assert recipe["model"][name], name


def test_a_logistic_distribution_spends_all_of_its_mass() -> None:
    distance = torch.arange(-4000.0, 4001.0)
    for mean, log_scale in ((0.0, -1.0), (0.4, 0.5), (-3.2, 2.0)):
        bits = logistic_bits(distance - mean, torch.full_like(distance, log_scale))
        mass = torch.exp2(-bits[bits < 15.9].double()).sum()  # the rest is held up so that it has a gradient
        assert mass == pytest.approx(1, abs=0.01)
    assert float(logistic_bits(torch.tensor([0.0]), torch.tensor([-4.5]))) < 1e-6


def test_prices_rise_where_too_much_is_spent() -> None:
    network = ScalarConfig(**TINY)
    steering = RateSteering(network, (1.0, 8.0), 0.05)
    quality = torch.tensor([0.0, 1.0])
    before = steering.price(quality)
    for _ in range(20):
        steering.learn(quality, torch.tensor([60.0, 60.0]), 4)  # 3 kbit/s: too much at the lowest, too little above
    after = steering.price(quality)
    assert after[0] > 1.5 * before[0]
    assert after[1] < before[1] / 1.5


def test_segments_are_speech_of_the_split(pack: Path) -> None:
    train, dev = (Corpus(pack, dev=dev, sample_rate=16_000) for dev in (False, True))
    assert {clip.speaker for clip in train.clips}.isdisjoint({clip.speaker for clip in dev.clips})
    one, two = (AugmentedSegments(train, dev, size=16_000, seed=3).batch(12) for _ in range(2))
    assert torch.equal(one, two), "a seed decides"
    assert one.dtype == torch.float32
    assert one.shape == (12, 16_000)
    assert float(one.abs().max()) <= 1
    assert all(float(each.square().mean()) > 1e-8 for each in one)
    longer = AugmentedSegments(train, None, size=160_000, seed=3).batch(2)
    assert longer.shape == (2, 160_000), "short clips are joined"


def test_a_run_learns_stops_and_goes_on(tiny_run: Tiny, pack: Path, speech_batch: Any, tmp_path: Path) -> None:
    run, loss = tiny_run.run(), ReconstructionLoss(16_000)
    assert run.step == 60
    fresh = Run(run.model.config, TrainConfig())
    learnt, unlearnt = (evaluate(each.average, speech_batch, loss) for each in (run, fresh))
    assert learnt["complex@0.5"] < 0.9 * unlearnt["complex@0.5"]
    (tmp_path / "checkpoint.pt").write_bytes((tiny_run.folder / "checkpoint.pt").read_bytes())
    run_training(tiny_run.recipe, arguments(pack, tmp_path, steps=63))
    run.load(tmp_path / "checkpoint.pt")
    assert run.step == 63
    assert not list(tmp_path.glob("*.tmp"))
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["61", "62", "63"]
    assert all(math.isfinite(float(row["total"])) for row in rows)
    assert all(None not in row for row in rows), "every row has the header's columns"


def test_noise_stands_for_rounding_and_gradients_reach_everything(tiny_run: Tiny, speech_batch: Any) -> None:
    run = tiny_run.run()
    coded = run.model(speech_batch, torch.tensor([0.0, 0.3, 0.7, 1.0]), noisy=True)
    assert coded.samples.shape == (4, 16_000 - run.model.config.delay)
    assert coded.bits.shape == coded.latent.shape == (4, PACKET_FRAMES, run.model.config.latent)
    (coded.samples.square().mean() + coded.bits.mean()).backward()
    missing = [name for name, p in run.model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not missing
    # a packet's bits do not depend on the one before
    quality = torch.tensor([0.5])
    with torch.no_grad():
        coded = run.model(speech_batch[:1].repeat(1, 2), quality, noisy=False)
        bits = run.model.packet_bits(
            (coded.latent * 3).round(), coded.latent, torch.ones(1, 8) / 8, torch.zeros(1, run.model.config.latent)
        )
        alone = run.model.packet_bits(
            (coded.latent * 3).round()[:, PACKET_FRAMES:],
            coded.latent[:, PACKET_FRAMES:],
            torch.ones(1, 8) / 8,
            torch.zeros(1, run.model.config.latent),
        )
    assert torch.allclose(bits[:, PACKET_FRAMES:], alone, atol=1e-4)


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(RECIPES[0].read_text().replace("[train]", "[train]\nlearning_rat = 1"))
    with pytest.raises(TypeError, match="learning_rat"):
        read_recipe(path)


def test_steps_take_the_settings_of_the_recipe(tiny_run: Tiny) -> None:
    network, config = read_recipe(tiny_run.recipe)
    assert network == ScalarConfig(**TINY)
    assert config == TrainConfig(batch=4, segment=16_000, warmup_steps=5, bfloat16=False, rates=(1.0, 8.0))
    assert np.isfinite(tiny_run.run().seconds)
