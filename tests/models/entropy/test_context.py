"""The context network learns, and what ships is what was trained: the same bits, in the runtime's integers."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'mediacodec[train]'")

from mediacodec import manifest
from mediacodec.codecs.rvq.context import ContextModel
from mediacodec.codecs.rvq.context_weights import ContextWeights
from mediacodec_models.entropy.context import CodedFrames, ContextNetwork, bisected
from mediacodec_models.entropy.train_context import ContextConfig, bits, install, train

RECIPE = Path(__file__).parents[3] / "models" / "recipes" / "speech.toml"
BOOKS, SIZE, DIM, PACKET = 3, 32, 8, 20


@pytest.fixture
def network() -> ContextNetwork:
    torch.manual_seed(0)
    codebooks = torch.randn(BOOKS, SIZE, DIM) * torch.tensor([8.0, 4.0, 2.0])[:, None, None]
    return ContextNetwork(codebooks, trunk=24, hidden=16, fine_symbols=8, dropout=0.0)


@pytest.fixture(scope="module")
def clips() -> Any:
    """Book 0 repeats itself, book 1 follows book 0, book 2 is noise."""
    random, result = np.random.default_rng(0), []
    for _ in range(8):
        first = np.repeat(random.integers(0, SIZE, 24), 5)
        second = (first * 3 + (random.random(120) < 0.1)) % SIZE
        result.append(np.stack([first, second, random.integers(0, SIZE, 120)]).astype(np.uint16))
    return result


def runtime(network: ContextNetwork) -> ContextModel:
    return ContextModel(ContextWeights(network.arrays() | {"bits": np.zeros((2, BOOKS), np.uint32)}))


@pytest.mark.parametrize("books", [1, 3])
def test_what_ships_is_what_was_trained(network: ContextNetwork, clips: Any, books: int) -> None:
    with torch.no_grad():  # as after training: tables that differ much, activations that leave zero
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    clip = clips[0][:books]
    trained = bits(network, CodedFrames([clip], network, PACKET))[:books].numpy() * clip.shape[1]
    model = runtime(network)
    shipped = sum(model.lengths(clip[:, t : t + PACKET]) for t in range(0, clip.shape[1], PACKET))
    # logits are rounded down to eighths of a nat, no more
    assert np.abs(shipped - trained).max() < 0.02 * trained.max()
    assert trained.sum() > 1.1 * 5 * clip.size or trained.sum() < 0.95 * 5 * clip.size, "uniform tables prove nothing"


def test_frames_alone_are_packets_of_one(network: ContextNetwork, clips: Any) -> None:
    frames, index = CodedFrames(clips[:1], network, PACKET), torch.tensor([7, 7, 0])
    batch = frames.batch(index, alone=1)
    assert batch.age.tolist() == [0, 3, 0]
    assert not batch.history[0].any()
    assert not batch.before[0].any()
    assert batch.history[1].any()
    assert torch.equal(batch.partial[0], batch.partial[1])


def test_it_learns_and_joins_a_model(network: ContextNetwork, clips: Any, tmp_path: Path) -> None:
    config = ContextConfig(passes=(), batch=256, learning_rate=1e-2, packet=PACKET, dropout=0.0)
    frames = CodedFrames(clips, network, PACKET)
    before = bits(network, frames)
    train(network, config, frames, {}, Namespace(minutes=0.1, out=tmp_path))
    after = bits(network, frames)
    assert (before > 4.5).all()
    assert after[0] < 3, "a repetition costs little"
    assert after[1] < 1.5, "and what follows from a lower codebook less"
    shutil.copy(manifest.find_by_name("speech").folder / "model.json", tmp_path)
    model = manifest.read_manifest(tmp_path)
    paths = [np.stack([clip.T, np.zeros_like(clip.T)])[..., None] for clip in clips[:2]]
    install(network.arrays(), model, paths, PACKET)
    joined = manifest.read_manifest(tmp_path)
    assert (joined.weights_sha256, joined.tables_sha256) == (model.weights_sha256, model.tables_sha256)
    assert joined.context_sha256 != model.context_sha256
    weights = ContextWeights(joined.context_arrays)
    assert weights.bits_first_frame[0] > weights.bits_per_frame[0] + 1, "a first frame has nothing to repeat"
    assert weights.bits_per_frame == sorted(weights.bits_per_frame)


def test_classes_hold_near_entries() -> None:
    torch.manual_seed(0)
    book = torch.randn(64, 5)
    parts = bisected(book, 8)
    assert sorted(torch.cat(parts).tolist()) == list(range(64))
    assert {len(part) for part in parts} == {8}
    spread = torch.stack([book[part].var(0).sum() for part in parts]).mean()
    assert spread < 0.7 * book.var(0).sum()


class TestRecipe:
    def test_of_the_shipped_model(self) -> None:
        config = ContextConfig.read(RECIPE)
        assert config.packet == 50
        assert all(1 <= n <= 17 for _, _, kept in config.passes for n in kept)

    def test_what_is_not_known_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "recipe.toml"
        path.write_text("[context]\npasses = []\nhiden = 5\n")
        with pytest.raises(ValueError, match="hiden"):
            ContextConfig.read(path)
