"""EnCodec's variant for whole segments imported: codes, loudness and audio are those of another implementation."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.coding import audio_decoder, audio_encoder

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("transformers", reason="transformers is not installed: pip install 'mediacodec[parity]'")

from support.checkpoints import random_encodec

import mediacodec
from mediacodec.codecs.segment.packet import SegmentCodeReader, SegmentSettings
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import CorruptError
from mediacodec_models.audio.encodec import PUBLISHED_48K, shapes
from mediacodec_models.importers import import_model
from mediacodec_models.importers.checkpoint import Checkpoint
from mediacodec_models.importers.encodec import config_of, weights_of

TOLERANCE = 1e-4
SEGMENT, STRIDE, HOP = 4800, 4752, 24  # 0.1 s of 200 frames, of which two are shared
SHAPE = {"num_filters": 4, "hidden_size": 16, "codebook_size": 64, "upsampling_ratios": [4, 3, 2]}
KIND = {"norm_type": "time_group_norm", "use_causal_conv": False, "normalize": True, "audio_channels": 2}


@pytest.fixture(scope="module")
def oracle() -> Any:
    cut = {"chunk_length_s": 0.1, "overlap": 0.01}
    return random_encodec(sampling_rate=48_000, target_bandwidths=[96.0], **SHAPE, **KIND, **cut)


@pytest.fixture(scope="module")
def model(oracle: Any, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("encodec")
    oracle.save_pretrained(folder / "checkpoint")
    return import_model(folder / "checkpoint", name="tiny", folder=folder)


def noise(length: int) -> np.ndarray:
    """Two channels that get louder and softer."""
    shape = 0.3 * np.sin(np.arange(length) / 3000) ** 2 + 1e-3
    return (shape * np.random.default_rng(length).standard_normal((2, length))).astype(np.float32)


@pytest.mark.parametrize("packet_duration", [0.1, 1.0])
@pytest.mark.parametrize(
    "length", [1, 5, 24, 1000, 4751, 4752, 4753, 4775, 4800, 4801, 9504 + 40, 3 * 4752 + 2000, 60_000]
)
def test_codes_loudness_and_audio_are_the_published_ones(
    oracle: Any, model: Manifest, length: int, packet_duration: float
) -> None:
    samples = noise(length)
    with torch.no_grad():
        coded = oracle.encode(torch.from_numpy(samples)[None], bandwidth=96.0)
        published = oracle.decode(
            coded.audio_codes, coded.audio_scales, last_frame_pad_length=coded.last_frame_pad_length
        )
    encoder: Any = audio_encoder(model, packet_duration=packet_duration)
    packets = [p for at in range(0, length, 1234) for p in encoder.push(samples[:, at : at + 1234])] + encoder.flush()
    reader = SegmentCodeReader(model, encoder.header)
    segments = [segment for packet in packets for segment in reader.segments(packet)]
    assert len(segments) == len(coded.audio_codes)
    for i, (mine, codes, scale) in enumerate(zip(segments, coded.audio_codes, coded.audio_scales, strict=True)):
        short = int(coded.last_frame_pad_length) if i == len(segments) - 1 else 0
        wanted = codes[0, :, : codes.shape[2] - short].numpy()
        assert mine.codes.shape == wanted.shape
        assert np.mean(mine.codes != wanted) < 0.001, "near ties alone may differ"
        assert mine.scale == pytest.approx(scale.item(), rel=1e-5)
    decoder: Any = audio_decoder(model, encoder.header)
    audio = np.concatenate([decoder.push(packet).samples for packet in packets], axis=1)[:, :length]
    assert audio.shape == samples.shape
    assert np.abs(audio - published.audio_values[0].numpy()[:, :length]).max() < TOLERANCE


def test_stereo_goes_through_a_file(oracle: Any, model: Manifest) -> None:
    samples = noise(30_001)
    data = mediacodec.encode(samples, sample_rate=48_000, codec="tiny", packet_duration=0.1, models=model.folder.parent)
    with torch.no_grad():
        published = oracle(torch.from_numpy(samples)[None], bandwidth=96.0).audio_values[0].numpy()
    with mediacodec.open(BytesIO(data), models=model.folder.parent) as reader:
        whole = reader.audio.read()
        part = reader.audio.get_samples_played_in_range(start=0.25, stop=0.5).samples
    assert whole.samples.shape == samples.shape
    assert np.abs(whole.samples - published).max() < TOLERANCE
    assert np.array_equal(part, whole.samples[:, 12_000:24_000])


@pytest.mark.parametrize(
    "change", [{"segment": 0}, {"segment_stride": 9000}, {"segment_stride": None}, {"pre_skip": 3}]
)
def test_settings_that_make_no_sense_are_refused(model: Manifest, change: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        SegmentSettings(replace(model, settings={**model.settings, **change}))


@pytest.mark.parametrize("head", [b"\xc8\0\0\x80?", b"\x05\0\0\x80?", b"\0\0\0\xc0\x7f", b"\0\0\0\0\0", b"\0\0\0\xc8B"])
def test_forged_heads_of_segments_are_refused(model: Manifest, head: bytes) -> None:
    """Frames that are not there, too few of them, loudness that is no number, none, or too loud."""
    encoder: Any = audio_encoder(model, packet_duration=0.1)
    packet = encoder.push(noise(SEGMENT + STRIDE))[0]
    with pytest.raises(CorruptError):
        SegmentCodeReader(model, encoder.header).read(replace(packet, data=head + packet.data[5:]))


def test_the_authors_layout_of_the_published_model(tmp_path: Path) -> None:
    """Their file has plain weights and norms beside the convolutions; the shapes are those of the published model."""
    lines = (Path(__file__).parent / "encodec_48khz.keys").read_text().splitlines()
    tensors = {key: torch.zeros(*map(int, shape.split("x"))) for key, shape in (line.split() for line in lines)}
    checkpoint = Checkpoint(tmp_path, tensors, {})
    config = config_of(checkpoint)
    assert config == PUBLISHED_48K
    assert {name: array.shape for name, array in weights_of(checkpoint, config).items()} == shapes(PUBLISHED_48K)
