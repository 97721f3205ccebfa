"""SNAC imported: its codes and its audio are those of its authors' package, at any length, in any windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.coding import audio_decoder, audio_encoder

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
package = pytest.importorskip("snac", reason="snac is not installed: pip install 'mediacodec[parity]'")

from support import runs
from support.checkpoints import random_snac

from mediacodec.codecs.rvq.packet import RvqCodeWriter
from mediacodec.errors import BitstreamError, ModelError, ParameterError
from mediacodec.manifest import Manifest
from mediacodec_models.audio.snac import SnacConfig, context_frames, tensors
from mediacodec_models.importers import import_model, snac
from mediacodec_models.importers.checkpoint import Checkpoint, read_checkpoint

TOLERANCE = 1e-4
SMALL = {"encoder_dim": 4, "decoder_dim": 64, "codebook_size": 64, "codebook_dim": 8, "latent_dim": None}
SMALL |= {"noise": True, "depthwise": True}
KINDS: dict[str, dict[str, Any]] = {
    "24 kHz": {
        "sampling_rate": 24_000,
        "encoder_rates": [2, 4, 8, 8],
        "decoder_rates": [8, 8, 4, 2],
        "attn_window_size": None,
        "vq_strides": [4, 2, 1],
    },
    "32 and 44 kHz": {
        "encoder_dim": 8,  # attention heads have 64 channels
        "sampling_rate": 32_000,
        "encoder_rates": [2, 3, 8],
        "decoder_rates": [8, 3, 2],
        "attn_window_size": 32,
        "vq_strides": [8, 4, 2, 1],
    },
    "odd, dense, without noise": {
        "sampling_rate": 16_000,
        "encoder_rates": [3, 5],
        "decoder_rates": [5, 3],
        "attn_window_size": None,
        "vq_strides": [2, 1],
        "noise": False,
        "depthwise": False,
    },
}


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Manifest]:
    """An oracle and the model made of its checkpoint."""
    folder = tmp_path_factory.mktemp("snac")
    oracle = random_snac(folder / "checkpoint", **{**SMALL, **KINDS[request.param]})
    return oracle, import_model(folder / "checkpoint", name="tiny", folder=folder)


def noise(length: int) -> np.ndarray:
    return (0.3 * np.random.default_rng(length).standard_normal((1, length))).astype(np.float32)


def published_codes(oracle: Any, samples: np.ndarray) -> list[np.ndarray]:
    """[n] of each codebook."""
    with torch.no_grad():
        return [codes[0].numpy() for codes in oracle.encode(torch.from_numpy(samples)[None])]


def published_audio(oracle: Any, codes: list[np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return oracle.decode([torch.from_numpy(book)[None] for book in codes])[0].numpy()


def by_codebook(slots: np.ndarray, model: Manifest) -> list[np.ndarray]:
    """Slots [slots, frames] as one row of codes a codebook, in the order of time."""
    ends = np.cumsum(model.settings["slots"])[:-1]
    return [rows.T.reshape(-1).astype(np.int64) for rows in np.split(slots, ends)]


def coded(model: Manifest, samples: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Codes by codebook and audio [1, n] of the codec, packet by packet."""
    codes, audio = runs.coded(model, samples)
    return by_codebook(codes, model), audio


@pytest.mark.parametrize("frames", [0.001, 0.5, 1, 3.2, 12, 31.7])
def test_codes_and_audio_are_the_published_ones(pair: tuple[Any, Manifest], frames: float) -> None:
    oracle, model = pair
    samples = noise(max(1, int(frames * model.settings["frame_size"])))
    wanted = published_codes(oracle, samples)
    codes, audio = coded(model, samples)
    assert [book.shape for book in codes] == [book.shape for book in wanted]
    differ = [float(np.mean(mine != theirs)) for mine, theirs in zip(codes, wanted, strict=True)]
    assert max(differ) < 0.001, f"near ties alone may differ, not {differ}"
    assert np.abs(audio - published_audio(oracle, codes)).max() < TOLERANCE
    assert frames < 12 or len(np.unique(np.concatenate(wanted))) > 20, "codes that hardly vary would prove little"


def test_windows_are_many(pair: tuple[Any, Manifest]) -> None:
    """A signal of several windows and a part of one: each begins where a frame does, and so attention does."""
    oracle, model = pair
    size, window = model.settings["frame_size"], model.settings["window_frames"]
    samples = noise(int(3.4 * window * size))
    wanted = published_codes(oracle, samples)
    codes, audio = coded(model, samples)
    assert max(float(np.mean(mine != theirs)) for mine, theirs in zip(codes, wanted, strict=True)) < 0.001
    assert np.abs(audio - published_audio(oracle, codes)).max() < TOLERANCE


def test_context_is_long_enough_and_attention_asks_for_it(pair: tuple[Any, Manifest]) -> None:
    """A change of one frame reaches as far as the context says, and no further."""
    oracle, model = pair
    context, size = model.settings["context_frames"], model.settings["frame_size"]
    frames, middle = 4 * context + 1, 2 * context
    latent = torch.zeros(2, oracle.latent_dim, frames * model.settings["slots"][-1], dtype=torch.float64)
    latent[1].view(oracle.latent_dim, frames, -1)[:, middle] = 1
    samples = torch.zeros(2, 1, frames * size, dtype=torch.float64)
    samples[1].view(frames, size)[middle] = 1
    try:
        with torch.no_grad():
            samples_changed = (oracle.double().decoder(latent).diff(dim=0)[0, 0].abs() > 0).numpy()
            codes_changed = (oracle.encoder(samples).diff(dim=0)[0].abs().sum(0) > 0).numpy()
    finally:
        oracle.float()
    places = np.flatnonzero(samples_changed) // size, np.flatnonzero(codes_changed) // model.settings["slots"][-1]
    assert max(int(abs(place - middle).max()) for place in places) == context


def test_fewer_codebooks_are_refused(pair: tuple[Any, Manifest]) -> None:
    _, model = pair
    with pytest.raises(ParameterError, match="too low"):
        audio_encoder(model, bit_rate=10)
    header = audio_encoder(model, bit_rate=1e6).header
    assert header.fields["extradata"] == bytes([model.settings["num_codebooks"], 0])
    few = type(header)(**{**vars(header), "fields": {**header.fields, "extradata": b"\x01\x00"}})
    with pytest.raises(BitstreamError, match="1 codebooks of"):
        audio_decoder(model, few)
    slots = np.zeros((model.settings["num_codebooks"], 9), dtype=np.uint16)
    assert len(RvqCodeWriter(model, slots).packets()) >= 1
    with pytest.raises(ParameterError, match="codebooks, frames"):
        RvqCodeWriter(model, slots[:-1])
    slots[-1, 3] = model.settings["codebook_size"]
    with pytest.raises(ParameterError, match="at least"):
        RvqCodeWriter(model, slots)


@pytest.mark.parametrize(
    ("config", "context", "millions"),
    [
        ({}, None, 19.8),
        (
            {
                "sample_rate": 44_100,
                "encoder_dim": 64,
                "encoder_rates": (2, 3, 8, 8),
                "decoder_dim": 1536,
                "decoder_rates": (8, 8, 3, 2),
                "window": 32,
                "vq_strides": (8, 4, 2, 1),
            },
            2,
            54.5,
        ),
    ],
)
def test_the_published_shapes(config: dict[str, Any], context: int | None, millions: float) -> None:
    """At full size, by shape alone: every tensor of the package's model but the noise, and nothing else."""
    shape = SnacConfig(**config)
    names = {field: name for field, name in snac.NUMBERS.items() if field != "latent"}
    given = {name: getattr(shape, field) for field, name in names.items()} | {"attn_window_size": shape.window or None}
    given |= {name: list(getattr(shape, name)) for name in snac.LISTS}
    with torch.device("meta"):
        oracle = package.SNAC(**given)
    state = oracle.state_dict()
    theirs = {}
    for key, value in state.items():
        if key.endswith("original1"):
            theirs[key.replace("parametrizations.weight.original1", "weight")] = tuple(value.shape)
        elif not key.endswith("original0"):
            theirs[key] = tuple(value.shape)
    theirs = {key: shape for key, shape in theirs.items() if not key.endswith(("linear.weight", "rel_pos.inv_freq"))}
    assert theirs == tensors(shape)
    assert sum(value.numel() for value in oracle.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert context is None or context_frames(shape) == context


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"encoder_dim": 5}, "configuration says"),
        ({"encoder_dim": "many"}, "no sense"),
        ({"vq_strides": []}, "vq_strides"),
        ({"vq_strides": [4, 3]}, "vq_strides"),
        ({"vq_strides": [64, 1], "attn_window_size": 1023}, "codes"),
        ({"attn_window_size": 32, "encoder_dim": 2}, "attention over"),
        ({"decoder_rates": [3, 3]}, "rates"),
        ({"latent_dim": 7}, "latent_dim"),
        ({"vq_strides": [4, 2, 2, 1]}, "without the tensor"),
    ],
)
def test_what_is_not_this_network_is_refused(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    config = {**SMALL, **KINDS["24 kHz"]}
    random_snac(tmp_path / "checkpoint", **config)
    read = read_checkpoint(tmp_path / "checkpoint")
    checkpoint = Checkpoint(tmp_path, read.tensors, {**config, **change})
    assert snac.recognises(checkpoint)
    with pytest.raises(ModelError, match=word):
        snac.convert(checkpoint, "x", tmp_path)


def test_a_configuration_that_says_little(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, {}, {"vq_strides": [1], "encoder_rates": [2]})
    with pytest.raises(ModelError, match="attn_window_size"):
        snac.convert(checkpoint, "x", tmp_path)
