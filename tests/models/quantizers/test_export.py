"""A codec with any entry of QUANTIZERS becomes a model that the runtime runs, and can be trained on from."""

from __future__ import annotations

import argparse
import dataclasses
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'mediacodec[train]'")

import mediacodec
from mediacodec.codecs.registry import code_reader
from mediacodec_bitstream import canonical_hash
from mediacodec_models.audio.data import Segments
from mediacodec_models.audio.export import DecoderStep, export, shipped_weights
from mediacodec_models.audio.resume import load_shipped
from mediacodec_models.audio.spectral import SpectralCodec
from mediacodec_models.audio.train import TrainConfig, run_training
from mediacodec_models.quantizers import QUANTIZERS
from mediacodec_models.quantizers.base import AVERAGES

ABOUT = {
    "name": "tiny-1",
    "alias": "tiny",
    "generation": 1,
    "family": "rvq",
    "licence": "Apache-2.0",
    "description": "for tests",
}
SHAPES = {"fsq": (3, 240), "vq": (1, 64)}  # codebooks and entries, where 3 of 32 are not to be had
AHEAD = (1, 1)


@dataclass(frozen=True)
class Exported:
    """A codec as torch has it after the export, and the zoo that holds its model."""

    codec: SpectralCodec
    zoo: Path
    samples: Any

    @property
    def model(self) -> Path:
        return self.zoo / "tiny-1"


@pytest.fixture(scope="module", params=QUANTIZERS)
def exported(request: Any, tiny: Any, pack: Path, speech_batch: Any, tmp_path_factory: Any) -> Exported:
    torch.manual_seed(0)
    books, size = SHAPES.get(request.param, (3, 32))
    shape = dataclasses.replace(
        tiny, quantizer=request.param, num_codebooks=books, codebook_size=size, ahead=AHEAD, latent=16
    )
    codec = SpectralCodec(shape)
    batches = Segments(pack, length=15_360, dev=False, seed=0)
    with torch.no_grad():
        batch = batches.batch(8)
        codec.quantizer.initialise(codec.encoder.step(batch, codec.encoder.initial_state(8))[0].flatten(0, 1))
    optimiser = torch.optim.Adam([p for p in codec.parameters() if p.requires_grad], 1e-3)
    for _ in range(4):  # trained a little: what the quantizer started with must not be what is shipped
        batch = batches.batch(4)
        output, commitment = codec(batch, torch.tensor([1, 2, books, books]))
        optimiser.zero_grad()
        ((output - batch[:, : output.shape[1]]).abs().mean() + commitment).backward()
        optimiser.step()
    zoo = tmp_path_factory.mktemp("zoo")
    with warnings.catch_warnings():
        for kind in (FutureWarning, DeprecationWarning):  # torch's exporter warns of its own code
            warnings.simplefilter("ignore", kind)
        export(codec.eval(), {"model": ABOUT}, pack, zoo / "tiny-1")
    return Exported(codec, zoo, speech_batch[0].numpy())


def coded(exported: Exported, packet_duration: float) -> tuple[Any, Any]:
    """Header and packets of a second of speech."""
    encoder = mediacodec.AudioEncoder("tiny", models=exported.zoo, packet_duration=packet_duration)
    packets = encoder.push(exported.samples) + encoder.flush()
    return encoder.header, packets


def codes_of(exported: Exported, header: Any, packets: Any) -> Any:
    reader = code_reader(header, models=exported.zoo)
    return np.concatenate([reader.read(packet) for packet in packets], axis=1)


@torch.no_grad()
@pytest.mark.parametrize("packet_duration", [0.02, 1.0])
def test_codes_are_those_of_torch(exported: Exported, packet_duration: float) -> None:
    codec, size = exported.codec, exported.codec.config.frame_size
    found = codes_of(exported, *coded(exported, max(packet_duration, size / 16_000)))
    padded = np.pad(exported.samples, (0, found.shape[1] * size - len(exported.samples)))
    latent, _ = codec.encoder.step(torch.from_numpy(padded)[None], codec.encoder.initial_state(1))
    expected = codec.quantizer.encode(latent)[0].numpy()
    assert found.shape == expected.shape == (codec.config.num_codebooks, found.shape[1])
    assert np.mean(found != expected) < 0.01, "but for near ties they are the same"
    assert len(np.unique(found)) > 4, "a codec that has only one thing to say proves nothing"


@torch.no_grad()
@pytest.mark.parametrize("packet_duration", [0.02, 1.0])
def test_audio_is_that_of_torch(exported: Exported, packet_duration: float) -> None:
    codec = exported.codec
    header, packets = coded(exported, max(packet_duration, codec.config.frame_size / 16_000))
    decoder = mediacodec.AudioDecoder(header, models=exported.zoo)
    found = np.concatenate([decoder.push(packet).samples[0] for packet in packets])
    codes = torch.from_numpy(codes_of(exported, header, packets).astype(np.int64))[None]
    decoded, _ = codec.decoder.step(codec.quantizer.decode(codes), codec.decoder.initial_state(1))
    expected = decoded[0, codec.config.delay :].numpy()
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 1e-2
    assert np.abs(found - expected).max() < 1e-4


@torch.no_grad()
def test_a_dropped_codebook_adds_nothing(exported: Exported) -> None:
    codec = exported.codec
    books, size = codec.config.num_codebooks, codec.config.codebook_size
    codes = torch.randint(size, (1, books, 5), generator=torch.Generator().manual_seed(0))
    codes[:, 1:] = size
    found, *_ = DecoderStep(codec)(codes, codec.decoder.initial_state(1))
    expected, _ = codec.decoder.step(codec.quantizer.decode(codes[:, :1]), codec.decoder.initial_state(1))
    assert (found - expected).abs().max() < 1e-5


def test_the_output_is_aligned_and_the_delay_is_that_of_the_graphs(exported: Exported) -> None:
    config = exported.codec.config
    settings = json.loads((exported.model / "model.json").read_text())["settings"]
    assert settings["pre_skip"] == config.delay == 160 + sum(AHEAD) * config.latent_size
    assert settings["algorithmic_delay"] == config.frame_size + config.delay
    data = mediacodec.encode(exported.samples, sample_rate=16_000, codec="tiny", models=exported.zoo)
    assert mediacodec.decode(data, models=exported.zoo).num_samples == len(exported.samples)


def test_after_the_preroll_audio_is_as_from_the_start(exported: Exported) -> None:
    header, packets = coded(exported, exported.codec.config.frame_size / 16_000)
    whole, late = (mediacodec.AudioDecoder(header, models=exported.zoo) for _ in range(2))
    begin = 5
    expected = np.concatenate([whole.push(packet).samples[0] for packet in packets[:40]])
    found = np.concatenate([late.push(packet).samples[0] for packet in packets[begin:40]])
    from_sample = begin * exported.codec.config.frame_size + late.preroll - header.pre_skip
    left = len(expected) - from_sample
    assert 0 < left < len(found)
    assert np.abs(expected[-left:] - found[-left:]).max() < 1e-5


def test_the_hash_covers_what_the_quantizer_is_made_of(exported: Exported) -> None:
    raw = json.loads((exported.model / "model.json").read_text())
    weights = shipped_weights(exported.codec)
    assert raw["weights_sha256"] == canonical_hash(weights).hex()
    own = [name for name in exported.codec.state_dict() if name.startswith("quantizer.")]
    learnt = [name for name in own if name.rpartition(".")[2] not in AVERAGES]
    assert learnt
    for name in learnt:
        assert canonical_hash(weights | {name: weights[name] + np.float16(1)}).hex() != raw["weights_sha256"]


def test_training_goes_on_from_it(exported: Exported, pack: Path, tmp_path: Path) -> None:
    again = SpectralCodec(exported.codec.config)
    assert load_shipped(again, exported.model), "its quantizer is there too"
    for name, value in exported.codec.state_dict().items():
        if name.rpartition(".")[2] not in AVERAGES:
            assert torch.equal(again.state_dict()[name], value), name
    args = argparse.Namespace(data=pack, out=tmp_path, minutes=0.01, init=exported.model, device="cpu")
    run_training(exported.codec.config, TrainConfig(batch=2, segment=7_680, kept=(1,)), args)
    assert (tmp_path / "checkpoint.pt").exists()


def test_blocks_that_look_less_far_keep_the_taps_that_still_meet_their_frames(exported: Exported) -> None:
    plain = SpectralCodec(dataclasses.replace(exported.codec.config, ahead=(0, 0)))
    load_shipped(plain, exported.model)
    ours, theirs = plain.decoder.stacks[0].blocks[0].depthwise, exported.codec.decoder.stacks[0].blocks[0].depthwise
    assert torch.equal(ours[..., 1:], theirs[..., :-1])
    assert not ours[..., 0].any()
    later = plain.decoder.stacks[1].blocks[0].depthwise
    assert torch.equal(later, exported.codec.decoder.stacks[1].blocks[0].depthwise)
