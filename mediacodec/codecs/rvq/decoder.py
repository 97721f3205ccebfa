"""Packets of family `rvq` to samples: a decoder graph that looks codes up, and what is heard where packets are lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from mediacodec.codecs.base import Codes, Samples
from mediacodec.codecs.rvq.packet import RvqCodeReader
from mediacodec.codecs.rvq.settings import RvqSettings
from mediacodec.frames import AudioChunk
from mediacodec.manifest import Manifest
from mediacodec.session import State, shared_graph
from mediacodec_bitstream import Packet, StreamHeader

FADED_SECONDS = 1
HOLD_SECONDS, FADE_SECONDS = 0.06, 0.10  # concealment: go on for so long, then fade over so long


class RvqDecoder:
    """Decodes packets; see `mediacodec.codecs.base.AudioDecoder`."""

    delay = 0

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:
        self.header = header
        self._settings = RvqSettings(model)
        self._reader = RvqCodeReader(model, header)
        self._graph = shared_graph(model.graph_path("decoder"), model.graph("decoder"), device=device, threads=threads)
        self._state: State = self._graph.initial_state()
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
        samples = self._synthesise(codes)
        if self._lost:
            # come back over one frame: a hard switch from a faded gap would click
            count = min(samples.shape[1], self._settings.frame_size)
            samples[:, :count] *= np.linspace(self._fade(self._lost), 1, count, dtype=np.float32)
        self._last, self._lost = codes[:, -1:], 0
        return self._chunk(samples, packet.pts)

    def flush(self) -> AudioChunk:
        """Nothing: every packet is decoded as it comes."""
        return self._chunk(np.zeros((self._settings.channels, 0), dtype=np.float32), self._next_pts or 0)

    def _synthesise(self, codes: Codes) -> Samples:
        """[channels, samples] of [codebooks, frames]."""
        s = self._settings
        # codebook_size is one past the last entry: "no code", for the codebooks that the stream drops
        padded = np.full((1, s.num_codebooks, codes.shape[1]), s.codebook_size, dtype=np.int64)
        padded[0, : len(codes)] = codes
        outputs, self._state = self._graph.step({"codes": padded}, self._state)
        return np.array(outputs["samples"])  # a batch of one is its one channel

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
            samples = self._synthesise(np.repeat(self._last, frames, axis=1))
            samples *= self._fade(self._lost + np.arange(samples.shape[1]))
        self._lost += samples.shape[1]
        return self._chunk(samples, self._next_pts or 0)

    def _fade(self, lost: Any) -> Any:
        """Gain after so many samples without a packet."""
        rate = self._settings.sample_rate
        gain = 1 - (np.asarray(lost, dtype=np.float32) - HOLD_SECONDS * rate) / (FADE_SECONDS * rate)
        return np.clip(gain, 0, 1)

    def _chunk(self, samples: Samples, coded_pts: int) -> AudioChunk:
        """Samples that begin at coded_pts, without those that pre-skip drops."""
        self._next_pts = coded_pts + samples.shape[1]
        dropped = min(samples.shape[1], max(0, self._settings.pre_skip - coded_pts))
        pts = max(0, coded_pts - self._settings.pre_skip)
        return AudioChunk(samples[:, dropped:], self._settings.sample_rate, pts)
