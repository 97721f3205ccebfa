"""The encoder of networks that code one segment after the other, each by itself: EnCodec's 48 kHz model.

The encoder graph takes `samples` [1, channels, n] and gives `codes` [1, codebooks, frames] and `scale` [1], the
loudness that it took out; the decoder graph takes both and gives `samples`. Segments overlap a little, and the decoder
fades linearly from one to the next. A packet can be coded when those samples are there too that its last segment
shares with the one behind.
"""

from __future__ import annotations

import numpy as np

from mediacodec.codecs.base import channel_samples
from mediacodec.codecs.options import DEFAULT_RUNTIME, AudioOptions, Runtime
from mediacodec.codecs.segment.packet import CRC_SIZE, HEAD, MAX_SCALE, Segment, symbols
from mediacodec.codecs.segment.settings import FOURCC, SegmentSettings
from mediacodec.entropy_coding.code_tables import encode_codes
from mediacodec.errors import ModelError, ParameterError
from mediacodec.frames import AudioChunk, Codes, Samples
from mediacodec.manifest import Manifest
from mediacodec.session import shared_graph
from mediacodec_bitstream import Packet, seal, symbol_crc


class SegmentEncoder:
    """Encodes samples [channels, n]; see `mediacodec.codecs.base.AudioEncoderBackend`.

    A packet holds as many whole segments as fit into `packet_duration`.
    """

    def __init__(
        self, model: Manifest, options: AudioOptions, runtime: Runtime = DEFAULT_RUNTIME, *, stream_id: int = 0
    ) -> None:
        self._settings = s = SegmentSettings(model)
        self._packet_segments = count = s.packet_segments(options.packet_duration)
        self._num_codebooks = s.codebooks_for(options.bit_rate, count * s.segment_frames, CRC_SIZE + HEAD.size * count)
        self._tables = s.tables(model)
        self._graph = shared_graph(
            model.graph_path("encoder"), model.graph("encoder"), device=runtime.device, threads=runtime.threads_for(1)
        )
        self._waiting: Samples = np.zeros((s.channels, 0), dtype=np.float32)
        self._pieces: list[Samples] = []  # pushed since, not joined to it yet
        self._num_waiting = 0
        self._found: list[Segment] = []  # segments that do not fill a packet yet
        self._next_pts = 0
        self._flushed = False
        self.num_samples = 0
        duration, extradata = count * s.stride, bytes([self._num_codebooks, 0])
        self.header = s.stream_header(
            model, FOURCC, stream_id, packet_duration=duration, crc_size=CRC_SIZE, extradata=extradata
        )

    def push(self, samples: AudioChunk | Samples) -> list[Packet]:
        """See `AudioEncoderBackend.push`."""
        if self._flushed:
            raise ParameterError("this encoder was flushed; open a new one for another stream")
        s = self._settings
        array = channel_samples(samples, s.sample_rate, s.channels)
        self.num_samples += array.shape[1]
        self._num_waiting += array.shape[1]
        self._pieces.append(array.copy())  # the caller may fill its buffer anew
        packets: list[Packet] = []
        if self._num_waiting >= s.segment:
            self._join()
        while self._num_waiting >= s.segment:
            packets += self._take()
        return packets

    def flush(self) -> list[Packet]:
        """Code what is left: one or two segments that are not whole."""
        packets: list[Packet] = []
        self._flushed = True
        self._join()
        while self._num_waiting:
            packets += self._take()
        if self._found:
            packets.append(self._packet(self.num_samples))
        return packets

    def _join(self) -> None:
        self._waiting, self._pieces = np.concatenate([self._waiting, *self._pieces], axis=1), []

    def _take(self) -> list[Packet]:
        """Code the next segment; the packet that it completes."""
        s = self._settings
        samples = self._waiting[None, :, : s.segment]
        outputs, _ = self._graph.step({"samples": samples, **s.wanted(self._num_codebooks)}, ())
        codes, frames = outputs["codes"][0, : self._num_codebooks], s.frames(samples.shape[2])
        if codes.shape != (self._num_codebooks, frames):
            raise ModelError(f"the encoder graph gave codes {codes.shape} for a segment of {frames} frames")
        self._found.append(Segment(codes.astype(np.uint16), min(float(outputs["scale"][0]), MAX_SCALE)))
        self._waiting = self._waiting[:, s.stride :]
        self._num_waiting = self._waiting.shape[1]
        if len(self._found) < self._packet_segments:
            return []
        return [self._packet(self.num_samples if self._flushed else self._next_pts + self.header.packet_duration)]

    def _packet(self, end: int) -> Packet:
        """What was found as a packet, which ends at sample `end` or before."""
        s = self._settings
        codes: Codes = np.concatenate([segment.codes for segment in self._found], axis=1)
        lacking = [s.segment_frames - segment.codes.shape[1] for segment in self._found]
        heads = b"".join(HEAD.pack(n, segment.scale) for n, segment in zip(lacking, self._found, strict=True))
        data = seal(heads + encode_codes(codes, self._tables), symbol_crc(symbols(heads, codes)), CRC_SIZE)
        whole = (len(self._found) - 1) * s.stride
        left = s.frames(end - self._next_pts - whole) * s.frame_size
        packet = Packet(self.header.stream_id, self._next_pts, data, whole + min(s.stride, left))
        self._next_pts += packet.duration
        self._found = []
        return packet
