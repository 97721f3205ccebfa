"""The encoder of scalar latents: a network gives latents, a quality makes integers of them, a context codes these.

Without a rate every packet is coded at one quality. A bit rate is a cap on the average over a second: qualities change
from packet to packet. At a constant rate every packet takes as many bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec.audio_coding.queues import Queue
from mediacodec.audio_coding.rate_cap import RateCap
from mediacodec.codecs.base import LIVE_BELOW, channel_samples
from mediacodec.codecs.ecsq.extradata import write_extradata
from mediacodec.codecs.ecsq.packet import FrameTables, frame_bits, frame_tables, pack
from mediacodec.codecs.ecsq.settings import MAX_SYMBOL, OVERHEAD_BITS, QUALITIES, EcsqSettings
from mediacodec.codecs.ecsq.symbols import EcsqTables, Symbols
from mediacodec.codecs.options import DEFAULT_RUNTIME, AudioOptions, Runtime
from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk, Samples
from mediacodec.manifest import Manifest
from mediacodec.session import shared_graph
from mediacodec_bitstream import Packet

HEADROOM = 10  # qualities above that of the average rate that an easy stretch may use

Latents = NDArray[np.float32]


class EcsqEncoder:
    """Encodes samples; see `mediacodec.codecs.base.AudioEncoderBackend`."""

    def __init__(
        self, model: Manifest, options: AudioOptions, runtime: Runtime = DEFAULT_RUNTIME, *, stream_id: int = 0
    ) -> None:
        self._settings = s = EcsqSettings(model)
        self._tables = EcsqTables(model, s)
        self._packet_frames = frames = s.packet_frames(options.packet_duration)
        live = frames < LIVE_BELOW * s.frame_rate
        crc_size = 1 if live else 4  # a short packet cannot carry four bytes of check, a long one can
        self._quality = s.quality_for(options.bit_rate, frames, crc_size)
        self._cap = None if options.bit_rate is None else RateCap(options.bit_rate)
        self._step_size = (1 if live else frames) * s.frame_size  # any chunking gives the same steps
        self._graph = shared_graph(
            model.graph_path("encoder"), model.graph("encoder"), device=runtime.device, threads=runtime.threads_for(1)
        )
        self._state = self._graph.initial_state()
        self._knots = s.shape.knot_weights(self._quality)
        self._waiting: Queue[np.float32] = Queue()  # samples that do not fill a step yet
        self._found: Queue[np.float32] = Queue()  # latents [1, frames, latent] that do not fill a packet yet
        self._next_pts = 0
        self._flushed = False
        self.num_samples = 0
        self.header = s.stream_header(
            model,
            stream_id,
            packet_duration=frames * s.frame_size,
            crc_size=crc_size,
            extradata=write_extradata(),
        )

    def push(self, samples: AudioChunk | Samples) -> list[Packet]:
        """Take samples in any number; return the packets that are complete."""
        if self._flushed:
            raise ParameterError("this encoder was flushed; open a new one for another stream")
        array = channel_samples(samples, self._settings.sample_rate, self._settings.channels)
        self.num_samples += array.shape[1]
        self._analyse(array)
        return self._packets()

    def flush(self) -> list[Packet]:
        """Code what is left, with zeros behind it until the decoder's delay is paid."""
        if self._flushed or not self.num_samples:
            self._flushed = True
            return []
        self._flushed = True
        s = self._settings
        due = -(-(self.num_samples + s.pre_skip) // s.frame_size) - self._next_pts // s.frame_size
        while len(self._found) < due:
            self._analyse(np.zeros((1, self._step_size), np.float32))
        self._found.drop_behind(due)
        packets = self._packets()
        if rest := len(self._found):
            packets.append(self._packet(self._found.take(rest)[0]))
        return packets

    def _analyse(self, samples: Samples) -> None:
        """Run the network over every whole step of samples."""
        self._waiting.put(samples)
        while len(self._waiting) >= self._step_size:
            inputs = {"samples": self._waiting.take(self._step_size), "knots": self._knots}
            outputs, self._state = self._graph.step(inputs, self._state)
            self._found.put(outputs["latents"])
        self._waiting.own()

    def _packets(self) -> list[Packet]:
        """Packets while enough frames wait for one."""
        packets: list[Packet] = []
        while len(self._found) >= self._packet_frames:
            packets.append(self._packet(self._found.take(self._packet_frames)[0]))
        return packets

    def _packet(self, latents: Latents) -> Packet:
        """The next packet, of latents [frames, latent]."""
        duration = len(latents) * self._settings.frame_size
        if self._cap is None:
            symbols, found = self._coded(latents, self._quality)
            data = pack(symbols, self._quality, found, self._tables, self.header.symbol_crc_size)
        else:
            presented = self._presented(self._next_pts + duration) - self._presented(self._next_pts)
            data = self._capped(self._cap, latents, presented / self._settings.sample_rate)
        packet = Packet(self.header.stream_id, self._next_pts, data, duration)
        self._next_pts += duration
        return packet

    def _coded(self, latents: Latents, quality: int) -> tuple[Symbols, FrameTables]:
        """Symbols of latents at a quality, and their tables."""
        coded = self._tables.context.weights.active[quality]
        scaled = np.rint(latents * (self._tables.gains[quality] * coded))
        symbols = np.clip(scaled, -MAX_SYMBOL, MAX_SYMBOL).astype(np.int16)
        return symbols, frame_tables(symbols, quality, self._tables)

    def _capped(self, cap: RateCap, latents: Latents, seconds: float) -> bytes:
        """The packet of the highest quality that the rate leaves room for; of the lowest where it leaves none."""
        room, crc_size = cap.room(seconds), self.header.symbol_crc_size
        bits_left = room - 8 * crc_size - OVERHEAD_BITS
        low, high = 0, min(self._quality + HEADROOM, QUALITIES - 1)
        while low < high:
            middle = (low + high + 1) // 2
            symbols, found = self._coded(latents, middle)
            if frame_bits(symbols, middle, found, self._tables).sum() <= bits_left:
                low = middle
            else:
                high = middle - 1
        while True:
            symbols, found = self._coded(latents, low)
            data = pack(symbols, low, found, self._tables, crc_size)
            if 8 * len(data) <= room or low == 0:  # what was counted is an estimate
                break
            low -= 1
        cap.spend(8 * len(data), seconds)
        return data

    def _presented(self, pts: int) -> int:
        """Samples that are presented of the first `pts` coded ones: rates are counted over what is presented."""
        return min(max(0, pts - self._settings.pre_skip), self.num_samples)
