"""What ships for `overfit` is trained on packs and exported, and then codes keyframes and inter frames."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.coding import video_decoder, video_encoder

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'mediacodec[train]'")

from support.media import ffmpeg_frames

from mediacodec.codecs.overfit.settings import OverfitModel
from mediacodec.frames import VideoFrame
from mediacodec.manifest import read_manifest
from mediacodec_models.overfit import export, train
from mediacodec_models.overfit.export import from_integers
from mediacodec_models.video.clips import Crops
from mediacodec_models.video.data import ShardWriter, find_motion
from mediacodec_models.video.pack import read_pack

RECIPE = Path(__file__).parents[3] / "models" / "recipes" / "overfit.toml"
SHIPPED = Path(__file__).parents[3] / "mediacodec" / "zoo" / "overfit-1"
# of training: a crop whose latents of chroma are all 0 moves none of its biases, since the lowest table is the last
STEPS = 6


class StepClock:
    """A clock by which a minute of training takes so many steps on any processor."""

    def __init__(self, steps: int) -> None:
        self._tick, self._now = 60 / (steps + 0.5), 0.0

    def monotonic(self) -> float:
        self._now += self._tick
        return self._now


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of one moving clip, as large as the crops that are learnt from."""
    folder: Path = tmp_path_factory.mktemp("pack")
    writer = ShardWriter(folder)
    planes = ffmpeg_frames("mandelbrot=size=256x256:rate=25", 5)
    writer.add("mandelbrot", planes, find_motion(planes, effort="fast"), dev=False)
    writer.close()
    return folder


@pytest.fixture(scope="module")
def zoo(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that both commands made: some steps of each kind from what ships."""
    folder: Path = tmp_path_factory.mktemp("zoo")
    weights, before = folder / "weights.pt", train.COUNTED_CROPS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "COUNTED_CROPS", 1)
        patch.setattr(train, "time", StepClock(STEPS))
        arguments = ["--data", clips, "--out", weights, "--start", SHIPPED, "--minutes", 1]
        patch.setattr(sys, "argv", ["train", str(RECIPE), *map(str, arguments)])
        train.main()
    assert before == train.COUNTED_CROPS
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["--weights", weights, "--out", folder / "overfit-1"]
        patch.setattr(sys, "argv", ["export", str(RECIPE), *map(str, arguments)])
        export.main()
    return folder


def test_one_command_makes_a_model_of_nothing_but_a_pack(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "COUNTED_CROPS", 1)
    monkeypatch.setattr(train, "time", StepClock(1))
    arguments = ["--data", clips, "--out", tmp_path / "run.pt", "--minutes", 1, "--zoo", tmp_path / "overfit-9"]
    monkeypatch.setattr(sys, "argv", ["train", str(RECIPE), *map(str, arguments)])
    train.main()
    made, shipped = (OverfitModel(read_manifest(folder)) for folder in (tmp_path / "overfit-9", SHIPPED))
    assert {name: array.shape for name, array in made.weights.items()} == {
        name: array.shape for name, array in shipped.weights.items()
    }


def test_both_kinds_learn(zoo: Path) -> None:
    before, after = (OverfitModel(read_manifest(folder)) for folder in (SHIPPED, zoo / "overfit-1"))
    for name, weights in before.weights.items():
        if name.endswith((".third_bias", ".weight")):
            assert (weights != after.weights[name]).any(), f"{name} did not move"


@pytest.mark.parametrize("kind", ["key", "inter"])
def test_steps_lower_the_loss(clips: Path, kind: str) -> None:
    """From networks that know nothing, on one crop at one quality."""
    torch.manual_seed(0)
    networks = {k: train.FrameNetworks(k, hidden=6, hidden_chroma=4, width=8) for k in ("key", "inter")}
    trainer = train.Trainer(networks, Crops(read_pack(clips, dev=False), size=train.SIZE, seed=1))
    adam = torch.optim.Adam(networks[kind].parameters(), 5e-3)
    bits = []
    for _ in range(25):
        trainer.crops.random = np.random.default_rng(3)
        loss, (rate, _) = trainer.loss(kind)
        adam.zero_grad()
        loss.backward()
        adam.step()
        bits.append(rate)
    assert bits[-1] < 0.8 * bits[0], bits


def test_references_are_as_old_as_in_use(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame is predicted from up to two others, and the temporal context fades."""
    shipped = OverfitModel(read_manifest(SHIPPED))
    networks = {kind: from_integers(shipped.weights, kind) for kind in ("key", "inter")}
    trainer = train.Trainer(networks, Crops(read_pack(clips, dev=False), size=train.SIZE, seed=1))
    coded: list[str] = []
    code = trainer.code

    def noted(kind: str, *arguments: Any) -> Any:
        coded.append(kind)
        return code(kind, *arguments)

    monkeypatch.setattr(trainer, "code", noted)
    ages = set()
    for _ in range(12):
        coded.clear()
        trainer.inter(30.0)
        assert coded[0] == "key"
        assert set(coded[1:]) == {"inter"}
        ages.add(len(coded) - 1)
    assert ages == set(range(1, train.MAX_AGE + 1))


def test_the_exported_model_codes_frames(zoo: Path) -> None:
    planes = ffmpeg_frames("testsrc2=size=96x64:rate=25", 3)
    tick = Fraction(1, 25)
    options = {"width": 96, "height": 64, "frame_rate": Fraction(25), "crf": 30, "preset": "ultrafast"}
    encoder = video_encoder("overfit", models=zoo, **options)
    frames = [
        VideoFrame(p[:64], p[64:80].reshape(32, 48), p[80:].reshape(32, 48), index, tick)
        for index, p in enumerate(planes)
    ]
    packets = [packet for frame in frames for packet in encoder.push(frame)] + encoder.flush()
    decoder = video_decoder(encoder.header, models=zoo)
    decoded = [frame for packet in packets for frame in decoder.push(packet)] + decoder.flush()
    assert [packet.is_keyframe for packet in packets] == [True, False, False]
    for frame, other in zip(frames, decoded, strict=True):
        error = np.square(frame.y.astype(float) - other.y).mean()
        assert 10 * np.log10(255**2 / error) > 28
