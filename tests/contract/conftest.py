"""Every family of audio codecs with every model in the search path, and with a small imported one of each kind that an
importer makes: what is said here of one is said of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.coding import audio_decoder, audio_encoder

from mediacodec import manifest
from mediacodec.codecs.base import AudioDecoderBackend, AudioEncoderBackend, CodeReader
from mediacodec.codecs.registry import CODECS
from mediacodec.manifest import Manifest
from mediacodec_bitstream import AudioParameters, Packet, StreamHeader

TESTS = Path(__file__).parents[1]
from support.checkpoints import CHECKPOINTS
from support.media import make_speech

Samples = NDArray[np.float32]
MODES = {"live": 0.02, "file": 1.0}  # seconds a packet


class Codec:
    """A model and its family, with the few things that every contract test does.

    options: of every encoder, beside those of the test.
    """

    def __init__(self, model: Manifest, **options: Any) -> None:
        self.model, self.family, self._options = model, CODECS[model.family], options
        header = self.encoder().header
        assert isinstance(header.parameters, AudioParameters)
        self.rate = header.parameters.sample_rate
        self.pre_skip = header.parameters.pre_skip
        self.frame_size = header.parameters.frame_size
        self.start_frames = int(model.settings.get("start_frames", 1))  # that the first packet has at least
        self.lookahead = int(model.settings.get("lookahead", 0))  # samples behind a packet that it waits for

    def needed(self, end: int) -> int:
        """Samples without which an encoder of live packets cannot make the one that ends at sample `end`."""
        context = self.model.settings.get("context_frames", 0) * self.frame_size
        window = max(1, context)  # live, a window is as long as its context
        return -(-end // window) * window + context if context else end + self.lookahead

    def encoder(self, **options: Any) -> AudioEncoderBackend:
        return audio_encoder(self.model, **{**self._options, **options})

    def decoder(self, header: StreamHeader, **options: Any) -> AudioDecoderBackend:
        return audio_decoder(self.model, header, **options)

    def code_reader(self, header: StreamHeader) -> CodeReader:
        return self.family.code_reader(self.model, header)

    @cache  # noqa: B019 - a handful of objects that live as long as the tests
    def speech(self, seconds: float, seed: int = 0) -> Samples:
        samples: Samples = make_speech(seconds, self.rate, seed=seed)[0]
        samples.setflags(write=False)
        return samples

    def encode(self, samples: Samples, pieces: Iterable[int] = (), **options: Any) -> tuple[StreamHeader, list[Packet]]:
        """Header and packets of samples pushed in pieces of these sizes and then all the rest."""
        encoder, packets, at = self.encoder(**options), [], 0
        for size in pieces:
            packets += encoder.push(samples[at : at + size])
            at += size
            if at >= len(samples):
                break
        packets += encoder.push(samples[at:])
        packets += encoder.flush()
        assert encoder.num_samples == len(samples)
        return encoder.header, packets

    @cache  # noqa: B019
    def coded(self, mode: str, seconds: float, seed: int = 0) -> tuple[StreamHeader, tuple[Packet, ...]]:
        """Speech of the generator, coded whole in a mode."""
        header, packets = self.encode(self.speech(seconds, seed), packet_duration=MODES[mode])
        return header, tuple(packets)

    @cache  # noqa: B019
    def decoded(self, mode: str, seconds: float) -> Samples:
        """What `coded` decodes to."""
        return self.decode(*self.coded(mode, seconds))

    def decode(self, header: StreamHeader, packets: Sequence[Packet | None], **options: Any) -> Samples:
        """All samples that packets decode to, [n]."""
        decoder = self.decoder(header, **options)
        chunks = [decoder.push(packet) for packet in packets]
        for chunk in (*chunks, last := decoder.flush()):
            assert (chunk.sample_rate, chunk.channels) == (self.rate, 1)
        return np.concatenate([chunk.samples[0] for chunk in (*chunks, last)])


SHIPPED = {m.name: m for m in manifest.available() if m.family in CODECS and CODECS[m.family].kind == "audio"}
WAYS: dict[str, tuple[Manifest, dict[str, str]]] = {name: (m, {}) for name, m in SHIPPED.items()}
WAYS |= {f"{m.name} context": (m, {"entropy": "context"}) for m in SHIPPED.values() if m.context}


@pytest.fixture(scope="session", params=[*WAYS, *(f"imported-{name}" for name in CHECKPOINTS)])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    if request.param in WAYS:
        model, options = WAYS[request.param]
        return Codec(model, **options)
    for part in ("torch", "onnx", "safetensors"):
        pytest.importorskip(part, reason=f"{part} is not installed: pip install 'mediacodec[train]'")
    from mediacodec_models.importers import import_model

    published = CHECKPOINTS[request.param.removeprefix("imported-")]
    folder = tmp_path_factory.mktemp("imported")
    model = import_model(published.save(folder / "checkpoint"), name=request.param, folder=folder)
    assert (model.family, model.settings.get("network")) == (published.family, published.network)
    return Codec(model)


@pytest.fixture(scope="session", params=WAYS)
def trained(request: pytest.FixtureRequest) -> Codec:
    """Shipped models alone: what random weights make of audio need not resemble it."""
    model, options = WAYS[request.param]
    return Codec(model, **options)


@pytest.fixture(scope="session", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)
