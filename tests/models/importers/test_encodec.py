"""EnCodec imported: its codes and its audio are those of an independent implementation, at any length, in any steps."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("transformers", reason="transformers is not installed: pip install 'mediacodec[parity]'")

from support import runs
from support.checkpoints import random_encodec

import mediacodec
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_models.importers import import_model
from mediacodec_models.importers.checkpoint import Checkpoint

coded, in_steps = runs.coded, runs.in_steps
TOLERANCE = 1e-4
HOP = 24
START = 7  # frames
SMALL = {"num_filters": 4, "hidden_size": 16, "codebook_size": 64, "upsampling_ratios": [4, 3, 2]}
LENGTHS = [1, 2, 5, 23, 24, 25, 67, 100, 7 * HOP - 1, 7 * HOP, 7 * HOP + 1, 8 * HOP + 13, 40 * HOP + 5]


@pytest.fixture(scope="module")
def oracle() -> Any:
    return random_encodec(target_bandwidths=[80.0], **SMALL)


@pytest.fixture(scope="module")
def model(oracle: Any, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("encodec")
    oracle.save_pretrained(folder / "checkpoint")
    return import_model(folder / "checkpoint", name="tiny", folder=folder)


def noise(length: int, channels: int = 1) -> np.ndarray:
    return (0.3 * np.random.default_rng(length).standard_normal((channels, length))).astype(np.float32)


def published_codes(oracle: Any, samples: np.ndarray) -> np.ndarray:
    """[codebooks, frames] of the oracle."""
    with torch.no_grad():
        return oracle.quantizer.encode(oracle.encoder(torch.from_numpy(samples)[None]))[:, 0].numpy()


def published_audio(oracle: Any, codes: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return oracle.decoder(oracle.quantizer.decode(torch.from_numpy(codes)[:, None]))[0].numpy()


STEPS = {"whole": (), "frame by frame": (START, *[1] * 200), "in three": (START + 4, 9)}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("length", LENGTHS)
def test_codes_and_audio_are_the_published_ones(oracle: Any, model: Manifest, length: int, steps: Any) -> None:
    samples = noise(length)
    wanted = published_codes(oracle, samples)
    codes = in_steps(model, "encoder", "samples", samples, [HOP * n for n in steps])
    assert np.array_equal(codes, wanted)
    audio = in_steps(model, "decoder", "codes", wanted, steps)
    assert np.abs(audio - published_audio(oracle, wanted)).max() < TOLERANCE
    assert length < 1000 or len(np.unique(wanted)) > 32, "codes that hardly vary would prove little"


@pytest.mark.parametrize("books", [1, 4, 5, 9])
def test_codebooks_that_nobody_wants_are_left_out(oracle: Any, model: Manifest, books: int) -> None:
    samples = noise(20 * HOP)
    codes = in_steps(model, "encoder", "samples", samples, (), books)
    assert books <= len(codes) < books + 4
    assert np.array_equal(codes, published_codes(oracle, samples)[: len(codes)])


def test_fewer_codebooks_decode_as_published(oracle: Any, model: Manifest) -> None:
    codes = published_codes(oracle, noise(20 * HOP))[:3]
    audio = in_steps(model, "decoder", "codes", codes, ())
    assert np.abs(audio - published_audio(oracle, codes)).max() < TOLERANCE


@pytest.mark.parametrize("packet_duration", [0.001, 0.3])
def test_the_codec_gives_the_published_audio(oracle: Any, model: Manifest, packet_duration: float) -> None:
    samples = noise(24_000 // 2 + 7)
    codes, audio = coded(model, samples, packet_duration=packet_duration)
    wanted = published_codes(oracle, samples)
    assert codes.shape == wanted.shape
    assert np.mean(codes != wanted) < 0.001, "near ties alone may differ"
    assert np.abs(audio - published_audio(oracle, codes.astype(np.int64))).max() < TOLERANCE


def test_a_file_is_decoded_from_anywhere(model: Manifest) -> None:
    samples = noise(24_000 * 4)[0]
    data = mediacodec.encode(samples, sample_rate=24_000, codec="tiny", models=model.folder.parent)
    with mediacodec.open(BytesIO(data), models=model.folder.parent) as reader:
        whole = reader.audio.read().samples
        assert whole.shape == (1, len(samples))
        # an LSTM never forgets all, but after the second that is decoded before it has forgotten enough
        part = reader.audio.get_samples_played_in_range(start=2.5, stop=3.0).samples
    assert np.abs(part - whole[:, 60_000:72_000]).max() < TOLERANCE


def test_units_without_a_shortcut_and_several_of_them(tmp_path: Path) -> None:
    oracle = random_encodec(target_bandwidths=[40.0], num_residual_layers=2, use_conv_shortcut=False, **SMALL)
    oracle.save_pretrained(tmp_path / "checkpoint")
    model = import_model(tmp_path / "checkpoint", name="tiny", folder=tmp_path)
    samples = noise(30 * HOP + 7)
    wanted = published_codes(oracle, samples)
    start = model.settings["start_frames"]
    codes = in_steps(model, "encoder", "samples", samples, [start * HOP, *[HOP] * 40])
    assert np.array_equal(codes, wanted)
    audio = in_steps(model, "decoder", "codes", wanted, [start, *[1] * 40])
    assert np.abs(audio - published_audio(oracle, wanted)).max() < TOLERANCE


def authors_keys() -> dict[str, tuple[int, ...]]:
    """Every tensor of the authors' 24 kHz file and its shape."""
    lines = (Path(__file__).parent / "encodec_24khz.keys").read_text().splitlines()
    return {key: tuple(map(int, shape.split("x"))) for key, shape in (line.split() for line in lines)}


def test_the_authors_layout_of_the_published_model(tmp_path: Path) -> None:
    """Every tensor of their file finds its place: the same weights under Hugging Face's names give the same model."""
    torch.manual_seed(0)
    oracle = random_encodec()
    plain = dict(oracle.state_dict())
    renamed = {key: plain[theirs(key)] for key in authors_keys()}
    assert {key: tuple(value.shape) for key, value in renamed.items()} == authors_keys()
    torch.save(renamed, tmp_path / "encodec_24khz.th")
    oracle.save_pretrained(tmp_path / "checkpoint")
    mine = import_model(tmp_path / "encodec_24khz.th", folder=tmp_path)
    other = import_model(tmp_path / "checkpoint", name="other", folder=tmp_path)
    assert mine.name == "encodec_24khz"
    assert mine.weights_sha256 == other.weights_sha256
    assert mine.settings == other.settings
    samples = noise(4803)
    wanted = published_codes(oracle, samples)
    assert wanted.shape == (32, 16)
    assert np.mean(in_steps(mine, "encoder", "samples", samples, [7 * 320, 320]) != wanted) < 0.005
    audio = in_steps(mine, "decoder", "codes", wanted, [7, 1])
    assert np.abs(audio - published_audio(oracle, wanted)).max() < TOLERANCE


def theirs(key: str) -> str:
    """Hugging Face's name for a tensor of the authors, written apart from the importer's own renaming."""
    for old, new in (
        ("encoder.model.", "encoder.layers."),
        ("decoder.model.", "decoder.layers."),
        ("convtr.convtr.", "conv."),
        ("conv.conv.", "conv."),
        ("quantizer.vq.layers", "quantizer.layers"),
        ("_codebook", "codebook"),
        ("weight_g", "parametrizations.weight.original0"),
        ("weight_v", "parametrizations.weight.original1"),
    ):
        key = key.replace(old, new)
    return key


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pad_mode": "constant"}, "pad_mode"),
        ({"trim_right_ratio": 0.5}, "trim_right_ratio"),
        ({"num_filters": 5}, "configuration says"),
        ({"num_filters": "many"}, "no sense"),
        ({"num_filters": -4}, "filters is -4"),
        ({"num_residual_layers": 1 << 40}, "residual_layers"),
        ({"num_residual_layers": 2}, "without the tensor"),
        ({"num_filters": float("inf")}, "no sense"),
        ({"chunk_length_s": 1.0, "sampling_rate": None}, "no sense"),
        ({"sampling_rate": 0}, "sample rate"),
        ({"upsampling_ratios": []}, "ratios"),
    ],
)
def test_what_is_not_this_network_is_refused(oracle: Any, tmp_path: Path, change: dict[str, Any], word: str) -> None:
    import mediacodec_models.importers.encodec as importer

    config = {**oracle.config.to_dict(), **change}
    checkpoint = Checkpoint(tmp_path, dict(oracle.state_dict()), config)
    assert importer.recognises(checkpoint)
    with pytest.raises(ModelError, match=word):
        importer.convert(checkpoint, "x", tmp_path)
