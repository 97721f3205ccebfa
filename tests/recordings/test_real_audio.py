"""The whole journey on real audio: lengths, rates, and what the program says about material it was not made for."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from support.coding import encode_options

import mediacodec
from mediacodec.media import AudioSource, resample_audio
from mediacodec.metrics.audio import align, si_sdr
from mediacodec.transcode.encode import encode_file
from mediacodec.transcode.reports import EncodeReport

pytestmark = pytest.mark.recordings


def read_mono(path: Path) -> np.ndarray:
    """A clip as the codec gets it, 16 kHz mono."""
    with AudioSource(path) as source:
        samples = np.concatenate([chunk.samples for chunk in source.blocks()], axis=1)
        return resample_audio(samples.mean(axis=0), source.sample_rate, 16_000)


def encoded(path: Path, bit_rate: int) -> tuple[EncodeReport, bytes]:
    buffer = BytesIO()
    return encode_file(path, buffer, encode_options(bit_rate=bit_rate)), buffer.getvalue()


@pytest.mark.parametrize("clip", range(0, 25, 4))
def test_speech_keeps_its_length_and_its_wave(recordings: Path, clip: int) -> None:
    path = sorted((recordings / "speech").glob("*.flac"))[clip]
    original = read_mono(path)
    distances = []
    for bit_rate in (1500, 6000):
        report, data = encoded(path, bit_rate)
        audio = mediacodec.decode(data).samples[0]
        assert len(audio) == len(original)
        assert report.payload_kbps * 1000 < bit_rate * 1.15  # the rate is a mean over speakers: one clip may exceed it
        reference, decoded, shift = align(original, audio, 16_000)
        assert shift == 0
        distances.append(si_sdr(reference, decoded))
    assert distances[1] > max(1.0, distances[0])  # four times the bits buy waveform


@pytest.mark.parametrize(("kind", "loud"), [("music", True), ("general", False)])
def test_what_is_lost_of_other_audio_is_said(recordings: Path, kind: str, loud: bool) -> None:
    path = sorted((recordings / kind).glob("*.flac"))[0]
    report, data = encoded(path, 6000)
    assert any("44100 Hz -> 16000 Hz" in note for note in report.notes), report.notes
    assert any(note.startswith("WARNING") for note in report.notes) == loud, report.notes
    audio = mediacodec.decode(data)
    assert audio.num_samples == len(read_mono(path))
    assert np.isfinite(audio.samples).all()
    assert np.abs(audio.samples).max() < 4
