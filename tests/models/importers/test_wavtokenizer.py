"""WavTokenizer imported: its encoder against an independent implementation, its decoder against the formulas in torch.

No published implementation can be installed beside this program, so nothing here proves that these are the formulas of
the published checkpoints; the manifest says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.coding import audio_decoder, audio_encoder

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("transformers", reason="transformers is not installed: pip install 'mediacodec[parity]'")

from support import checkpoints
from torch import Tensor
from torch.nn import functional

from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_models.importers import import_model, wavtokenizer
from mediacodec_models.importers.checkpoint import Checkpoint

random_encodec = checkpoints.random_encodec
from support import runs

TOLERANCE = 1e-4
HOP, FFT, WIDTH, HIDDEN, LATENT = 320, 1280, 64, 96, 16
RATIOS = [8, 5, 4, 2]
WINDOW, CONTEXT = 600, 150  # frames


@pytest.fixture(scope="module")
def oracle() -> Any:
    """EnCodec without its causality and with one codebook."""
    shape = {"num_filters": 4, "hidden_size": LATENT, "codebook_size": 64, "upsampling_ratios": RATIOS}
    return random_encodec(use_causal_conv=False, target_bandwidths=[0.45], **shape)


@pytest.fixture(scope="module")
def state(oracle: Any) -> dict[str, Tensor]:
    """A checkpoint in the authors' layout."""
    return checkpoints.wavtokenizer_state(oracle, width=WIDTH, hidden=HIDDEN, blocks=2, fft=FFT)


@pytest.fixture(scope="module")
def model(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("wavtokenizer")
    torch.save({"state_dict": state, "epoch": 3, "global_step": 7}, folder / "tiny.ckpt")
    return import_model(folder / "tiny.ckpt", folder=folder)


def published_audio(state: dict[str, Tensor], oracle: Any, codes: np.ndarray) -> np.ndarray:
    """[n] of codes [frames], whole."""
    with torch.no_grad():
        x = functional.embedding(torch.from_numpy(codes.astype(np.int64)), oracle.quantizer.layers[0].codebook.embed).T[
            None
        ]
        return head(state, backbone(state, x))[0].numpy()


def backbone(state: dict[str, Tensor], x: Tensor) -> Tensor:
    def conv(name: str, x: Tensor, **options: int) -> Tensor:
        return functional.conv1d(x, state[f"backbone.{name}.weight"], state[f"backbone.{name}.bias"], **options)

    def norm(name: str, x: Tensor) -> Tensor:
        return functional.group_norm(x, 32, state[f"backbone.{name}.weight"], state[f"backbone.{name}.bias"], eps=1e-6)

    def adaptive(name: str, x: Tensor) -> Tensor:
        scale, shift = (state[f"backbone.{name}.{leaf}.weight"][0] for leaf in ("scale", "shift"))
        return functional.layer_norm(x, (WIDTH,), eps=1e-6) * scale + shift

    x = conv("embed", x, padding=3)
    for i in range(5):
        name = f"pos_net.{i}"
        if i == 2:
            q, k, v = (conv(f"{name}.{part}", norm(f"{name}.norm", x)).transpose(1, 2) for part in "qkv")
            x = x + conv(f"{name}.proj_out", functional.scaled_dot_product_attention(q, k, v).transpose(1, 2))
            continue
        h = conv(f"{name}.conv1", functional.silu(norm(f"{name}.norm1", x)), padding=1)
        x = x + conv(f"{name}.conv2", functional.silu(norm(f"{name}.norm2", h)), padding=1)
    x = adaptive("norm", norm("pos_net.5", x).transpose(1, 2)).transpose(1, 2)
    for i in range(2):
        name = f"convnext.{i}"
        h = adaptive(f"{name}.norm", conv(f"{name}.dwconv", x, padding=3, groups=WIDTH).transpose(1, 2))
        h = functional.gelu(
            functional.linear(h, state[f"backbone.{name}.pwconv1.weight"], state[f"backbone.{name}.pwconv1.bias"])
        )
        h = functional.linear(h, state[f"backbone.{name}.pwconv2.weight"], state[f"backbone.{name}.pwconv2.bias"])
        x = x + (state[f"backbone.{name}.gamma"] * h).transpose(1, 2)
    last = (state["backbone.final_layer_norm.weight"], state["backbone.final_layer_norm.bias"])
    return functional.layer_norm(x.transpose(1, 2), (WIDTH,), *last, eps=1e-6)


def head(state: dict[str, Tensor], x: Tensor) -> Tensor:
    size, phase = functional.linear(x, state["head.out.weight"], state["head.out.bias"]).transpose(1, 2).chunk(2, dim=1)
    frames = torch.fft.irfft(torch.polar(size.exp().clip(max=1e2), phase), FFT, dim=1)
    window = state["head.istft.window"]
    length = (x.shape[1] - 1) * HOP + FFT

    def added(frames: Tensor) -> Tensor:
        return functional.fold(frames, (1, length), kernel_size=(1, FFT), stride=(1, HOP))[:, 0, 0]

    cut = slice((FFT - HOP) // 2, length - (FFT - HOP) // 2)
    weight = added(window.square()[None, :, None].expand(1, FFT, x.shape[1]))
    return added(frames * window[None, :, None])[:, cut] / weight[:, cut]


def noise(length: int) -> np.ndarray:
    time = np.arange(length)
    loud = np.abs(np.sin(time / 5000))
    return (0.3 * loud * np.random.default_rng(length).standard_normal((1, length))).astype(np.float32)


def published_codes(oracle: Any, samples: np.ndarray) -> np.ndarray:
    """[frames], of samples with zeros behind them up to a whole frame."""
    padded = torch.from_numpy(np.pad(samples, ((0, 0), (0, -samples.shape[1] % HOP))))
    with torch.no_grad():
        return oracle.quantizer.encode(oracle.encoder(padded[None]))[0, 0].numpy()


def coded(model: Manifest, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes [frames] and audio [n]."""
    codes, audio = runs.coded(model, samples)
    return codes[0], audio[0]


@pytest.mark.parametrize("length", [1, HOP, 3 * HOP + 1, 100 * HOP, WINDOW * HOP])
def test_one_window_is_the_whole(model: Manifest, oracle: Any, state: Any, length: int) -> None:
    samples = noise(length)
    wanted = published_codes(oracle, samples)
    codes, audio = coded(model, samples)
    assert codes.shape == wanted.shape
    assert np.mean(codes != wanted) < 0.005, "near ties alone may differ"
    assert np.abs(audio - published_audio(state, oracle, codes)).max() < TOLERANCE
    assert length < 100 * HOP or len(np.unique(wanted)) > 16, "codes that hardly vary would prove little"


def test_what_windows_change(model: Manifest, oracle: Any, state: Any, record_property: Any) -> None:
    """How far windows are from the whole, where they meet and elsewhere; in the report of `pytest --junitxml`.

    Measured: no code differs, and audio by -9.6 dB, alike at seams and elsewhere. These are random weights, by which
    phases hang on every statistic; what published weights do is not known here.
    """
    samples = noise(int(3.3 * WINDOW) * HOP)
    wanted = published_codes(oracle, samples)
    codes, audio = coded(model, samples)
    whole = published_audio(state, oracle, codes)
    near = np.zeros(len(audio), dtype=bool)
    for seam in range(WINDOW * HOP, len(audio), WINDOW * HOP):
        near[seam - HOP : seam + HOP] = True
    error = np.square(audio - whole) / np.mean(np.square(whole))
    seams, elsewhere = (float(10 * np.log10(np.mean(error[part]))) for part in (near, ~near))
    steps = np.abs(np.diff(audio))
    clicks = steps[np.arange(WINDOW * HOP - 1, len(steps), WINDOW * HOP)].max() / steps.max()
    record_property("share of codes that differ", float(np.mean(codes != wanted)))
    record_property("error in dB at seams and elsewhere, largest step at a seam", (seams, elsewhere, clicks))
    assert np.mean(codes != wanted) < 0.01
    assert max(seams, elsewhere) < -6, "audio in another place would be 3 dB away"
    assert seams < elsewhere + 1, "windows are no worse where they meet"
    assert clicks < 0.5


def test_seeking_finds_the_audio_of_a_whole_decode(model: Manifest) -> None:
    """Windows lie where they lie, wherever decoding starts."""
    encoder: Any = audio_encoder(model)
    packets = encoder.push(noise(int(3.3 * WINDOW) * HOP)) + encoder.flush()
    whole, late = (audio_decoder(model, encoder.header) for _ in range(2))
    audio = np.concatenate([chunk.samples for chunk in (*map(whole.push, packets), whole.flush())], axis=1)
    chunks = [*map(late.push, packets[5:]), late.flush()]
    start = packets[5].pts
    found = np.concatenate([chunk.samples for chunk in chunks], axis=1)
    assert chunks[0].pts == start
    assert late.preroll == (WINDOW + CONTEXT) * HOP
    assert np.abs(found[:, late.preroll :] - audio[:, start + late.preroll :]).max() < TOLERANCE


def test_its_manifest_says_what_is_not_proved(model: Manifest) -> None:
    assert model.settings["parity"].startswith("unproved")
    assert (model.settings["window_frames"], model.settings["context_frames"]) == (WINDOW, CONTEXT)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("backbone.embed.weight", torch.zeros(33, LATENT, 7), "33 channels"),
        ("backbone.convnext.0.pwconv1.weight", torch.zeros(3), "pwconv1"),
        ("head.istft.window", torch.zeros(100), "no WavTokenizer"),
        ("backbone.pos_net.2.q.weight", torch.zeros(WIDTH, WIDTH), "pos_net.2.q"),
        ("feature_extractor.encodec.quantizer.vq.layers.0._codebook.embed", None, "embed"),
    ],
)
def test_what_is_not_this_network_is_refused(state: Any, tmp_path: Path, key: str, value: Any, word: str) -> None:
    changed = {name: tensor for name, tensor in {**state, key: value}.items() if tensor is not None}
    checkpoint = Checkpoint(tmp_path, changed, {})
    assert wavtokenizer.recognises(checkpoint)
    with pytest.raises(ModelError, match=word):
        wavtokenizer.convert(checkpoint, "x", tmp_path)
