"""Mimi imported: its codes and its audio are those of an independent implementation, at any length, in any steps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("transformers", reason="transformers is not installed: pip install 'mediacodec[parity]'")

from support import checkpoints

from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_models.importers import import_model, mimi
from mediacodec_models.importers.checkpoint import Checkpoint, read_checkpoint

SMALL = checkpoints.SMALL_MIMI | {"upsampling_ratios": [3, 2]}
from support import runs

coded, in_steps = runs.coded, runs.in_steps
TOLERANCE = 1e-4
HOP = 12
WINDOW = SMALL["sliding_window"] // 2  # frames that one layer sees


@pytest.fixture(scope="module")
def oracle() -> Any:
    return checkpoints.random_mimi(**SMALL)


@pytest.fixture(scope="module")
def model(oracle: Any, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("mimi")
    oracle.save_pretrained(folder / "checkpoint")
    return import_model(folder / "checkpoint", name="tiny", folder=folder)


def noise(length: int) -> np.ndarray:
    return (0.3 * np.random.default_rng(length).standard_normal((1, length))).astype(np.float32)


def published_codes(oracle: Any, samples: np.ndarray) -> np.ndarray:
    """[codebooks, frames] of the oracle; zeros behind the end up to a whole frame, as the authors have it."""
    whole = np.pad(samples, ((0, 0), (0, -samples.shape[1] % HOP)))
    with torch.no_grad():
        return oracle.encode(torch.from_numpy(whole)[None]).audio_codes[0].numpy()


def published_audio(oracle: Any, codes: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return oracle.decode(torch.from_numpy(codes)[None]).audio_values[0].numpy()


STEPS = {"whole": (), "frame by frame": (1,) * 200, "in three": (WINDOW + 1, 2)}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("frames", [1, 2, 3, WINDOW, WINDOW + 1, 3 * WINDOW, 100])
def test_codes_and_audio_are_the_published_ones(oracle: Any, model: Manifest, frames: int, steps: Any) -> None:
    samples = noise(frames * HOP)
    wanted = published_codes(oracle, samples)
    codes = in_steps(model, "encoder", "samples", samples, [HOP * n for n in steps])
    assert np.array_equal(codes, wanted)
    audio = in_steps(model, "decoder", "codes", wanted, steps)
    assert np.abs(audio - published_audio(oracle, wanted)).max() < TOLERANCE
    assert frames < 100 or len(np.unique(wanted)) > 32, "codes that hardly vary would prove little"


@pytest.mark.parametrize("books", [1, 2, 5])
def test_fewer_codebooks_decode_as_published(oracle: Any, model: Manifest, books: int) -> None:
    codes = published_codes(oracle, noise(20 * HOP))[:books]
    audio = in_steps(model, "decoder", "codes", codes, (3,))
    assert np.abs(audio - published_audio(oracle, codes)).max() < TOLERANCE


def test_a_long_stream_is_as_exact_as_a_short_one(oracle: Any, model: Manifest) -> None:
    """What the network sees is finite, so a late piece equals the same piece of a stream that began shortly before."""
    frames, memory = 6000, model.settings["preroll_frames"]
    samples = noise(frames * HOP)
    codes = in_steps(model, "encoder", "samples", samples, (HOP,) * frames)
    late = in_steps(model, "encoder", "samples", samples[:, -300 * HOP :], ())[:, memory:]
    assert np.mean(codes[:, memory - 300 :] != late) < 0.001, "near ties alone may differ"
    audio = in_steps(model, "decoder", "codes", codes, (1,) * frames)
    fresh = in_steps(model, "decoder", "codes", codes[:, -300:], ())
    assert np.abs(audio[:, (memory - 300) * HOP :] - fresh[:, memory * HOP :]).max() < 1e-5
    early = in_steps(model, "decoder", "codes", codes[:, -300:], ())[:, (memory - 4) * HOP : (memory - 3) * HOP]
    assert np.abs(audio[:, (memory - 304) * HOP : (memory - 303) * HOP] - early).max() > 0, "it does remember so long"


@pytest.mark.parametrize("length", [1, 7, HOP - 1, HOP, HOP + 1, 12_007])
@pytest.mark.parametrize("packet_duration", [HOP / 24_000, 0.3])
def test_the_codec_gives_the_published_audio(oracle: Any, model: Manifest, packet_duration: float, length: int) -> None:
    samples = noise(length)
    codes, audio = coded(model, samples, packet_duration=packet_duration)
    wanted = published_codes(oracle, samples)
    assert codes.shape == wanted.shape
    assert np.mean(codes != wanted) < 0.001, "near ties alone may differ"
    assert np.abs(audio - published_audio(oracle, codes.astype(np.int64))).max() < TOLERANCE


def test_several_units_and_several_codebooks_apart(tmp_path: Path) -> None:
    oracle = checkpoints.random_mimi(**SMALL | {"num_residual_layers": 2, "num_semantic_quantizers": 2})
    oracle.save_pretrained(tmp_path / "checkpoint")
    model = import_model(tmp_path / "checkpoint", name="tiny", folder=tmp_path)
    samples = noise(30 * HOP)
    wanted = published_codes(oracle, samples)
    assert np.array_equal(in_steps(model, "encoder", "samples", samples, [HOP] * 40), wanted)
    audio = in_steps(model, "decoder", "codes", wanted, [1] * 40)
    assert np.abs(audio - published_audio(oracle, wanted)).max() < TOLERANCE


@pytest.mark.parametrize("joined", ["in_proj_weight", "in_projs.0.weight"])
def test_the_authors_layout(oracle: Any, tmp_path: Path, joined: str) -> None:
    """Every tensor of their file finds its place, and their rotary pairs become ours."""
    oracle.save_pretrained(tmp_path / "checkpoint")
    published = read_checkpoint(tmp_path / "checkpoint")
    config = mimi.config_of(published)
    named = dict(theirs(published.tensors, joined, config.heads))
    checkpoint = Checkpoint(tmp_path, named, {})
    assert mimi.recognises(checkpoint)
    assert "encoder.model.0.conv.conv.weight" in checkpoint
    assert checkpoint.shape("upsample.convtr.convtr.convtr.weight") == (32, 1, 4)
    ours, wanted = mimi.weights_of(checkpoint, config), mimi.weights_of(published, config)
    assert ours.keys() == wanted.keys()
    assert all(np.array_equal(ours[name], wanted[name]) for name in wanted)
    assert mimi.config_of(checkpoint) == mimi.MimiConfig(num_codebooks=6), "without a configuration, the published one"


def theirs(tensors: dict[str, Any], joined: str, heads: int) -> Iterable[tuple[str, Any]]:
    """Tensors under the authors' names, written apart from the importer's own renaming."""
    for key, value in tensors.items():
        if ".q_proj." in key:
            q, k, v = (tensors[key.replace("q_proj", f"{leaf}_proj")] for leaf in "qkv")
            size = len(q) // heads
            order = [h * size + half * size // 2 + i for h in range(heads) for i in range(size // 2) for half in (0, 1)]
            name = key.replace("q_proj.weight", joined).replace("layers", "transformer.layers")
            yield name, torch.cat([q[order], k[order], v])
        elif ".k_proj." not in key and ".v_proj." not in key:
            yield their_name(key), value


def their_name(key: str) -> str:
    for old, new in (
        ("transformer.layers", "transformer.transformer.layers"),
        ("encoder.layers", "encoder.model"),
        ("decoder.layers", "decoder.model"),
        ("semantic_residual_vector_quantizer.layers", "rvq_first.vq.layers"),
        ("acoustic_residual_vector_quantizer.layers", "rvq_rest.vq.layers"),
        ("semantic_residual_vector_quantizer", "rvq_first"),
        ("acoustic_residual_vector_quantizer", "rvq_rest"),
        ("codebook.initialized", "_codebook._initialized"),
        ("codebook.embed_sum", "_codebook.embedding_sum"),
        ("codebook.cluster_usage", "_codebook.cluster_usage"),
        ("downsample.conv", "downsample.conv.conv.conv"),
        ("upsample.conv", "upsample.convtr.convtr.convtr"),
        ("mlp.fc", "linear"),
        ("self_attn.o_proj", "self_attn.out_proj"),
        ("post_attention_layernorm", "norm2"),
        ("input_layernorm", "norm1"),
        ("self_attn_layer_scale", "layer_scale_1"),
        ("mlp_layer_scale", "layer_scale_2"),
    ):
        key = key.replace(old, new)
    if key.startswith(("encoder.model", "decoder.model")):
        upwards = key.startswith("decoder") and key.split(".")[2] in ("2", "5")
        key = key.replace(".conv.", ".convtr.convtr." if upwards else ".conv.conv.")
    return key


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pad_mode": "reflect"}, "pad_mode"),
        ({"audio_channels": 2}, "audio_channels"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"num_key_value_heads": 2}, "num_key_value_heads"),
        ({"vector_quantization_hidden_dimension": 32}, "vector_quantization"),
        ({"num_filters": 5}, "configuration says"),
        ({"num_filters": "many"}, "no sense"),
        ({"num_hidden_layers": 1 << 40}, "layers is"),
        ({"num_hidden_layers": 3}, "without the tensor"),
        ({"num_filters": float("inf")}, "no sense"),
        ({"num_attention_heads": 32}, "no sense"),
        ({"sliding_window": 1}, "context"),
        ({"upsampling_ratios": [1, 6]}, "ratios"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rotary"),
        ({"num_semantic_quantizers": 6}, "stand apart"),
        ({"frame_rate": 25.0}, "frame_rate"),
    ],
)
def test_what_is_not_this_network_is_refused(oracle: Any, tmp_path: Path, change: dict[str, Any], word: str) -> None:
    oracle.save_pretrained(tmp_path / "checkpoint")
    published = read_checkpoint(tmp_path / "checkpoint")
    checkpoint = Checkpoint(tmp_path, published.tensors, {**published.config, **change})
    assert mimi.recognises(checkpoint)
    with pytest.raises(ModelError, match=word):
        mimi.convert(checkpoint, "x", tmp_path)
