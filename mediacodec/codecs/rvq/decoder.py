"""Packets of RVQ codes to samples: a decoder graph that looks codes up, and concealment where packets are lost."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.audio_coding.concealment import FADE_SECONDS, HOLD_SECONDS, comeback, fade
from mediacodec.codecs.base import AudioDecoderBackend
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime
from mediacodec.codecs.rvq.packet import RvqCodeReader
from mediacodec.codecs.rvq.settings import SEARCH, WINDOW, network_of
from mediacodec.codecs.rvq.window_decoder import WindowDecoder
from mediacodec.frames import AudioChunk, Codes, Samples
from mediacodec.manifest import Manifest
from mediacodec.session import StepGraph, shared_graph
from mediacodec_bitstream import Packet, StreamHeader

FADED_SECONDS = 1


class Synthesis(Protocol):
    """A network with a state that makes samples [channels, n] of codes [codebooks, frames], step by step."""

    def run(self, codes: Codes) -> Samples:
        """One step over codes uint16 [codebooks, frames]."""
        ...


class PaddedSynthesis:
    """The decoder of a model of our own: it takes all codebooks, codebook_size for those that the stream drops.

    Args:
        graph: the decoder graph.
        settings: of the model.
    """

    def __init__(self, graph: StepGraph, settings: CodebookSettings) -> None:
        self._graph, self._state, self._settings = graph, graph.initial_state(), settings

    def run(self, codes: Codes) -> Samples:
        """See `Synthesis.run`."""
        s = self._settings
        padded = np.full((1, s.num_codebooks, codes.shape[1]), s.codebook_size, dtype=np.int64)
        padded[0, : len(codes)] = codes
        outputs, self._state = self._graph.step({"codes": padded}, self._state)
        return np.array(outputs["samples"])  # a batch of one is its one channel


class CodeSynthesis:
    """The decoder of a published streaming codec: it takes any number of codebooks."""

    def __init__(self, graph: StepGraph) -> None:
        self._graph, self._state = graph, graph.initial_state()

    def run(self, codes: Codes) -> Samples:
        """See `Synthesis.run`."""
        outputs, self._state = self._graph.step({"codes": codes[None].astype(np.int64)}, self._state)
        return np.array(outputs["samples"][0])


class RvqDecoder:
    """Decodes packets as they come; see `mediacodec.codecs.base.AudioDecoderBackend`."""

    delay = 0

    def __init__(self, model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        self.header = header
        self._settings = settings = CodebookSettings(model)
        self._reader = RvqCodeReader(model, header)
        graph = shared_graph(
            model.graph_path("decoder"), model.graph("decoder"), device=runtime.device, threads=runtime.threads_for(1)
        )
        padded = network_of(model) == SEARCH
        self._synthesis: Synthesis = PaddedSynthesis(graph, settings) if padded else CodeSynthesis(graph)
        self._next_pts: int | None = None  # where the next packet should begin, on the coded timeline
        self._last: Codes | None = None  # the last frame received, [codebooks, 1]
        self._lost = 0  # samples concealed since

    @property
    def preroll(self) -> int:
        """Samples; after this many the output is that of a whole decode.

        Exactly so where memory ends. A network whose memory only fades gets a second, by which it has faded.
        """
        frames = self._settings.preroll_frames
        return frames * self._settings.frame_size if frames >= 0 else FADED_SECONDS * self._settings.sample_rate

    def push(self, packet: Packet | None) -> AudioChunk:
        """Decode or conceal one packet."""
        if packet is None:
            return self._conceal()
        codes = self._reader.read(packet)
        samples = self._synthesis.run(codes)
        if self._lost:
            count = min(samples.shape[1], self._settings.frame_size)
            samples[:, :count] *= comeback(self._lost, count, self._settings.sample_rate)
        self._last, self._lost = codes[:, -1:], 0
        return self._chunk(samples, packet.pts)

    def flush(self) -> AudioChunk:
        """Nothing: every packet is decoded as it comes."""
        return self._chunk(np.zeros((self._settings.channels, 0), dtype=np.float32), self._next_pts or 0)

    def _conceal(self) -> AudioChunk:
        """The last frame goes on, then fades out.

        The network keeps running, so that it is warm when packets return, until it has settled on that frame.
        """
        s = self._settings
        frames = max(1, self.header.packet_duration // s.frame_size)
        faded = (HOLD_SECONDS + FADE_SECONDS) * s.sample_rate
        if self._last is None or self._lost > max(faded, self.preroll):
            samples = np.zeros((s.channels, frames * s.frame_size), dtype=np.float32)
        else:
            samples = self._synthesis.run(np.repeat(self._last, frames, axis=1))
            samples *= fade(self._lost + np.arange(samples.shape[1]), s.sample_rate)
        self._lost += samples.shape[1]
        return self._chunk(samples, self._next_pts or 0)

    def _chunk(self, samples: Samples, coded_pts: int) -> AudioChunk:
        self._next_pts = coded_pts + samples.shape[1]
        return self._settings.presented(samples, coded_pts)


def open_decoder(model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> AudioDecoderBackend:
    """The decoder of a stream of RVQ codes, by how the model's network runs.

    Args:
        model: of the stream.
        header: of the stream.
        runtime: what it runs on.

    Raises:
        CorruptError: the header is none of this family.
        ModelError: the model cannot be used.
    """
    if network_of(model) == WINDOW:
        return WindowDecoder(model, header, runtime)
    return RvqDecoder(model, header, runtime)
