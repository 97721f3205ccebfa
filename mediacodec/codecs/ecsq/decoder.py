"""The decoder of scalar latents: symbols to latents, latents to samples, and concealment where packets are lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec.audio_coding.concealment import FADE_SECONDS, HOLD_SECONDS, comeback, fade
from mediacodec.codecs.ecsq.extradata import check_extradata
from mediacodec.codecs.ecsq.packet import Unpacked, unpack
from mediacodec.codecs.ecsq.settings import EcsqSettings
from mediacodec.codecs.ecsq.symbols import EcsqTables
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime
from mediacodec.frames import AudioChunk, Samples
from mediacodec.manifest import Manifest
from mediacodec.session import shared_graph
from mediacodec_bitstream import Packet, StreamHeader

Latents = NDArray[np.float32]


class EcsqDecoder:
    """Decodes packets; see `mediacodec.codecs.base.AudioDecoderBackend`."""

    delay = 0

    def __init__(self, model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        self.header = header
        self._settings = s = EcsqSettings(model)
        s.check_header(model, header)
        check_extradata(header.fields.get("extradata"))
        self._tables = EcsqTables(model, s)
        self._graph = shared_graph(
            model.graph_path("decoder"), model.graph("decoder"), device=runtime.device, threads=runtime.threads_for(1)
        )
        self._state = self._graph.initial_state()
        self._next_pts: int | None = None  # where the next packet should begin, on the coded timeline
        self._last: tuple[Latents, int] | None = None  # the last frame received, [1, latent], and its quality
        self._lost = 0  # samples concealed since

    @property
    def preroll(self) -> int:
        """Samples; after this many the output is that of a whole decode."""
        return self._settings.preroll_frames * self._settings.frame_size

    def push(self, packet: Packet | None) -> AudioChunk:
        """Decode or conceal one packet."""
        if packet is None:
            return self._conceal()
        frames = self._settings.frames_of(packet)
        found = unpack([packet.data], frames, self._tables, self.header.symbol_crc_size)[0]
        return self._present(packet, found)

    def flush(self) -> AudioChunk:
        """Nothing: every packet is decoded as it comes."""
        return self._chunk(np.zeros((1, 0), dtype=np.float32), self._next_pts or 0)

    def _present(self, packet: Packet, found: Unpacked) -> AudioChunk:
        latents = self._tables.latents(found.symbols, found.quality)
        samples = self._synthesise(latents, found.quality)
        if self._lost:
            count = min(samples.shape[1], self._settings.frame_size)
            samples[:, :count] *= comeback(self._lost, count, self._settings.sample_rate)
        self._last, self._lost = (latents[-1:], found.quality), 0
        return self._chunk(samples, packet.pts)

    def _synthesise(self, latents: Latents, quality: int) -> Samples:
        """[1, samples] of latents [frames, latent]."""
        inputs = {"latents": latents[None], "knots": self._settings.shape.knot_weights(quality)}
        outputs, self._state = self._graph.step(inputs, self._state)
        return np.array(outputs["samples"])

    def _conceal(self) -> AudioChunk:
        """The last frame goes on, then fades out; the network keeps running until it has settled on that frame."""
        s = self._settings
        frames = max(1, self.header.packet_duration // s.frame_size)
        faded = (HOLD_SECONDS + FADE_SECONDS) * s.sample_rate
        if self._last is None or self._lost > max(faded, self.preroll):
            samples = np.zeros((1, frames * s.frame_size), dtype=np.float32)
        else:
            latents, quality = self._last
            samples = self._synthesise(np.repeat(latents, frames, axis=0), quality)
            samples *= fade(self._lost + np.arange(samples.shape[1]), s.sample_rate)
        self._lost += samples.shape[1]
        return self._chunk(samples, self._next_pts or 0)

    def _chunk(self, samples: Samples, coded_pts: int) -> AudioChunk:
        self._next_pts = coded_pts + samples.shape[1]
        return self._settings.presented(samples, coded_pts)
