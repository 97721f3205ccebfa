"""DAC imported: its codes and its audio are those of an independent implementation, at any length, in any windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.coding import audio_decoder, audio_encoder

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
transformers = pytest.importorskip("transformers", reason="pip install 'mediacodec[parity]'")

from support import checkpoints
from support.runs import coded

from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_models.audio.dac import DacConfig, context_frames, tensors
from mediacodec_models.importers import dac, import_model
from mediacodec_models.importers.checkpoint import Checkpoint

random_dac, SMALL = checkpoints.random_dac, checkpoints.SMALL_DAC
TOLERANCE = 1e-4
HOP = 320
KINDS = {  # rates, Hz: those of the published models, and two that are odd everywhere
    "16 and 24 kHz": ([2, 4, 5, 8], 16_000),
    "44.1 kHz": ([2, 4, 8, 8], 44_100),
    "odd": ([3, 5], 16_000),
}
LENGTHS = [1, 319, 320, 321, 5 * HOP + 7, 50 * HOP, 60 * HOP - 1, 61 * HOP + 5, 190 * HOP + 3]


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Manifest]:
    """An oracle and the model made of its checkpoint."""
    rates, hertz = KINDS[request.param]
    oracle = random_dac(**{**SMALL, "downsampling_ratios": rates, "sampling_rate": hertz}, n_codebooks=5)
    folder = tmp_path_factory.mktemp("dac")
    oracle.save_pretrained(folder / "checkpoint")
    return oracle, import_model(folder / "checkpoint", name="tiny", folder=folder)


def noise(length: int) -> np.ndarray:
    return (0.3 * np.random.default_rng(length).standard_normal((1, length))).astype(np.float32)


def published_codes(oracle: Any, samples: np.ndarray) -> np.ndarray:
    """[codebooks, frames] of the oracle, for samples with zeros behind them up to a whole frame."""
    padded = np.pad(samples, ((0, 0), (0, -samples.shape[1] % oracle.config.hop_length)))
    with torch.no_grad():
        return oracle.encode(torch.from_numpy(padded)[None]).audio_codes[0].numpy()


def published_audio(oracle: Any, codes: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return oracle.decode(audio_codes=torch.from_numpy(codes.astype(np.int64))[None]).audio_values.numpy()


def check_audio(oracle: Any, codes: np.ndarray, audio: np.ndarray) -> None:
    """Odd strides leave the last samples out; they must be there, and silent."""
    wanted = published_audio(oracle, codes)
    assert audio.shape[1] == codes.shape[1] * oracle.config.hop_length
    assert 0 <= audio.shape[1] - wanted.shape[1] < oracle.config.hop_length
    assert np.abs(audio[:, : wanted.shape[1]] - wanted).max(initial=0) < TOLERANCE
    assert not audio[:, wanted.shape[1] :].any()


@pytest.mark.parametrize("packet_duration", [0.02, 1.0])
@pytest.mark.parametrize("length", LENGTHS)
def test_codes_and_audio_are_the_published_ones(
    pair: tuple[Any, Manifest], length: int, packet_duration: float
) -> None:
    oracle, model = pair
    samples = noise(length)
    wanted = published_codes(oracle, samples)
    codes, audio = coded(model, samples, packet_duration=packet_duration)
    assert codes.shape == wanted.shape
    assert np.mean(codes != wanted) < 0.001, "near ties alone may differ"
    check_audio(oracle, codes, audio)
    assert length < 10_000 or len(np.unique(wanted)) > 32, "codes that hardly vary would prove little"


def test_fewer_codebooks_decode_as_published(pair: tuple[Any, Manifest]) -> None:
    oracle, model = pair
    encoder: Any = audio_encoder(model)
    rates = [encoder._settings.bit_rate(n, encoder._packet_frames, 4) for n in (2, 3)]
    codes, audio = coded(model, noise(70 * HOP), packet_duration=0.1, bit_rate=1.2 * max(rates))
    assert 1 <= len(codes) < 5
    assert np.array_equal(codes, published_codes(oracle, noise(70 * HOP))[: len(codes)])
    check_audio(oracle, codes, audio)


def test_codebooks_that_come_and_go_within_a_window(pair: tuple[Any, Manifest]) -> None:
    """The decoder graph takes a codebook's absence for zero, frame by frame."""
    oracle, model = pair
    codes = published_codes(oracle, noise(20 * HOP))
    decoder: Any = audio_decoder(model, audio_encoder(model).header)
    absent = codes.copy()
    absent[2:, 5:9] = oracle.config.codebook_size
    outputs, _ = decoder._graph.step({"codes": absent[None]}, ())
    with torch.no_grad():
        latent = sum(
            quantizer.out_proj(quantizer.codebook(torch.from_numpy(book)[None]).transpose(1, 2))
            * torch.from_numpy((gone != oracle.config.codebook_size).astype(np.float32))
            for quantizer, book, gone in zip(oracle.quantizer.quantizers, codes, absent, strict=True)
        )
        wanted = oracle.decoder(latent).numpy()
    assert np.abs(outputs["samples"] - wanted).max() < TOLERANCE


@pytest.mark.parametrize("rates", [(2, 4, 5, 8), (2, 4, 8, 8)])
def test_context_is_as_long_as_it_must_be(rates: tuple[int, ...]) -> None:
    """A change of one frame reaches as far as the context says, and no further."""
    config = DacConfig(encoder_rates=rates, decoder_rates=rates[::-1])
    assert context_frames(config) == 10
    oracle = random_dac(**{**SMALL, "downsampling_ratios": list(rates)}, n_codebooks=2)
    frames, hop, middle = 41, oracle.config.hop_length, 20
    latent = torch.zeros(2, oracle.config.hidden_size, frames, dtype=torch.float64)
    latent[1, :, middle] = 1e6
    samples = torch.zeros(2, 1, frames * hop, dtype=torch.float64)
    samples[1, 0, middle * hop : (middle + 1) * hop] = 1e6
    with torch.no_grad():
        samples_changed = (oracle.double().decoder(latent).diff(dim=0)[0, 0].abs() > 0).numpy()
        codes_changed = (oracle.encoder(samples).diff(dim=0)[0].abs().sum(0) > 0).numpy()
    places = [np.flatnonzero(samples_changed) // hop, np.flatnonzero(codes_changed)]
    assert max(abs(place - middle).max() for place in places) == 10


def authors_name(key: str, oracle: Any) -> str:
    """Their name for a tensor of Hugging Face, told by which module it belongs to and not by how it is called."""
    blocks = len(oracle.config.downsampling_ratios)
    modules: dict[int, str] = {}
    for root, part, first, names in (
        ("encoder.block", oracle.encoder, 0, ("res_unit1", "res_unit2", "res_unit3", "snake1", "conv1")),
        ("decoder.model", oracle.decoder, 2, ("snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3")),
    ):
        for n, module in ((0, part.conv1), (blocks + 1, part.snake1), (blocks + 2, part.conv2)):
            modules[id(module)] = f"{root}.{n}"
        for i, block in enumerate(part.block, 1):
            for j, name in enumerate(names):
                modules[id(getattr(block, name))] = f"{root}.{i}.block.{j}"
            for j, unit in enumerate((block.res_unit1, block.res_unit2, block.res_unit3), first):
                for k, module in enumerate((unit.snake1, unit.conv1, unit.snake2, unit.conv2)):
                    modules[id(module)] = f"{root}.{i}.block.{j}.block.{k}"
    owner, _, leaf = key.rpartition(".")
    return f"{modules.get(id(oracle.get_submodule(owner)), owner)}.{leaf}"


def test_the_authors_layout_gives_the_same_model(pair: tuple[Any, Manifest], tmp_path: Path) -> None:
    """The same weights under their names, weight normalisation not folded, as `torch.save` writes them."""
    oracle, model = pair
    state = {}
    for key, value in oracle.state_dict().items():
        name = authors_name(key, oracle)
        if value.ndim == 3 and name.endswith(".weight"):
            size = value.flatten(1).norm(dim=1).view(-1, 1, 1)
            state |= {f"{name}_g": size, f"{name}_v": 2 * value}  # how long the direction is does not matter
        else:
            state[name] = value
    config = oracle.config
    kwargs = {
        "encoder_dim": config.encoder_hidden_size,
        "encoder_rates": list(config.downsampling_ratios),
        "decoder_dim": config.decoder_hidden_size,
        "decoder_rates": list(config.upsampling_ratios),
        "latent_dim": None,
        "n_codebooks": config.n_codebooks,
        "codebook_size": config.codebook_size,
        "codebook_dim": config.codebook_dim,
        "quantizer_dropout": 0.5,
        "sample_rate": config.sampling_rate,
    }
    torch.save({"state_dict": state, "metadata": {"kwargs": kwargs}}, tmp_path / "weights_tiny.pth")
    mine = import_model(tmp_path / "weights_tiny.pth", folder=tmp_path)
    assert mine.name == "weights_tiny"
    assert mine.settings == model.settings
    samples = noise(30 * HOP)
    codes, audio = coded(mine, samples)
    assert np.mean(codes != published_codes(oracle, samples)) < 0.005, "folding rounds"
    check_audio(oracle, codes, audio)


def test_every_tensor_of_the_published_model_has_its_place() -> None:
    """At full size, by shape alone."""
    with torch.device("meta"):
        oracle = transformers.DacModel(transformers.DacConfig(sampling_rate=44_100))
    config = DacConfig()
    state = {dac.canonical(key, config): tuple(value.shape) for key, value in oracle.state_dict().items()}
    assert state == tensors(config)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"encoder_hidden_size": 5}, "configuration says"),
        ({"encoder_hidden_size": "many"}, "no sense"),
        ({"n_codebooks": 0}, "num_codebooks is 0"),
        ({"n_codebooks": 7}, "without the tensor"),
        ({"downsampling_ratios": [1 << 40]}, "rates"),
        ({"upsampling_ratios": [2]}, "rates"),
        ({"sampling_rate": 0}, "sample rate"),
        ({"decoder_hidden_size": 33}, "decoder_dim"),
    ],
)
def test_what_is_not_this_network_is_refused(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    oracle = random_dac(**SMALL, n_codebooks=5)
    checkpoint = Checkpoint(tmp_path, dict(oracle.state_dict()), {**oracle.config.to_dict(), **change})
    assert dac.recognises(checkpoint)
    with pytest.raises(ModelError, match=word):
        dac.convert(checkpoint, "x", tmp_path)


def test_weights_without_a_word_on_their_shape(tmp_path: Path) -> None:
    oracle = random_dac(**SMALL, n_codebooks=2)
    state = {authors_name(key, oracle): value for key, value in oracle.state_dict().items()}
    checkpoint = Checkpoint(tmp_path, state, {})
    assert dac.recognises(checkpoint)
    with pytest.raises(ModelError, match="metadata"):
        dac.convert(checkpoint, "x", tmp_path)
