"""The adversarial stage: what discriminators see, and that only the decoder moves."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec_models.audio import adversarial, train
from mediacodec_models.audio.discriminators import Discriminators, discriminator_loss, generator_losses
from mediacodec_models.audio.losses import ReconstructionLoss
from mediacodec_models.audio.spectral import SpectralCodec

SMALL = adversarial.AdversarialConfig(windows=(256, 64), channels=4, alone=2, warmup_steps=2, ema=0.5)


@pytest.fixture
def judges() -> Any:
    torch.manual_seed(0)
    return Discriminators((256, 64), 4)


def test_a_verdict_for_every_resolution(judges: Any, speech_batch: Any) -> None:
    coarse, fine = judges(speech_batch)
    assert coarse.logits.shape == (4, (16_000 - 256) // 64 + 1, 17), "129 bins, halved three times"
    assert fine.logits.shape == (4, (16_000 - 64) // 16 + 1, 5)
    assert len(coarse.features) == 5
    assert all(torch.isfinite(feature).all() for feature in (*coarse.features, *fine.features))


def test_silence_has_a_gradient(judges: Any) -> None:
    silence = torch.zeros(1, 1000, requires_grad=True)
    real = judges(torch.randn(1, 1000))
    sum(generator_losses(real, judges(silence))).backward()
    assert torch.isfinite(silence.grad).all()


def test_what_is_the_same_cannot_be_told_apart(judges: Any, speech_batch: Any) -> None:
    real, same, other = judges(speech_batch), judges(speech_batch), judges(speech_batch.roll(1, 0))
    assert float(discriminator_loss(real, same).detach()) == pytest.approx(2, abs=0.2)
    assert float(generator_losses(real, same)[1].detach()) == 0
    assert float(generator_losses(real, other)[1].detach()) > 0.01


def test_discriminators_learn_to_detect_muffling(judges: Any, speech_batch: Any) -> None:
    spectrum = torch.fft.rfft(speech_batch)
    spectrum[:, spectrum.shape[1] // 4 :] = 0  # nothing above 2 kHz
    muffled = torch.fft.irfft(spectrum)
    optimiser = torch.optim.Adam(judges.parameters(), 3e-3)
    for _ in range(60):
        loss = discriminator_loss(judges(speech_batch), judges(muffled))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 1
    assert float(generator_losses(judges(speech_batch), judges(muffled))[0].detach()) > 1.2


def test_only_the_decoder_learns(tiny: Any, speech_batch: Any) -> None:
    torch.manual_seed(0)
    codec = SpectralCodec(tiny)
    before = {name: value.clone() for name, value in codec.state_dict().items()}
    stage = adversarial.open_stage(codec, SMALL)
    loss, kept = ReconstructionLoss(16_000), torch.tensor([1, 2, 3, 3])
    for step in range(4):
        terms = adversarial.stage_step(stage, SMALL, speech_batch, kept, loss)
        assert ("adversarial" in terms) == (step >= SMALL.alone)
    moved = {name for name, value in codec.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("decoder.") for name in moved)
    assert all(p.requires_grad for p in stage.discriminators.parameters())
    ours, theirs = stage.average.state_dict(), codec.state_dict()
    assert any(not torch.equal(ours[name], theirs[name]) for name in moved), "the average lags behind"


def test_a_stage_goes_on_from_its_checkpoint(
    tiny: Any, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = train.TrainConfig(batch=2, segment=8000, kept=(1, 3))
    monkeypatch.setattr(adversarial, "read_recipe", lambda _: (tiny, config))
    monkeypatch.setattr(adversarial, "read_config", lambda _: dataclasses.replace(SMALL, alone=0))
    given = SpectralCodec(tiny)
    before = {name: value.clone() for name, value in given.state_dict().items()}
    states = []
    for minutes in (0.02, 0.02, 0.04):
        args = argparse.Namespace(out=tmp_path / "out", data=pack, minutes=minutes)
        adversarial.run_stage(given, tmp_path / "recipe.toml", args)
        states.append(torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True))
        given = SpectralCodec(tiny)  # what the checkpoint holds counts, not this one
    first, same, more = states
    assert 0 < first["step"] == same["step"] < more["step"], "time spent before counts"
    assert more["optimiser of decoder"]["state"][0]["step"] == more["step"], "optimisers go on too"
    codec = SpectralCodec(tiny)
    codec.load_state_dict(more["average"])  # what an export reads
    kept = {name: value for name, value in codec.state_dict().items() if not name.startswith("decoder.")}
    assert all(torch.equal(value, before[name]) for name, value in kept.items()), "codes stay what they were"
    assert not torch.equal(codec.decoder.head.weight, before["decoder.head.weight"])


def test_recipes_name_what_there_is() -> None:
    for path in sorted(Path(train.__file__).parents[1].glob("recipes/*.toml")):
        assert adversarial.read_config(path).windows, path
