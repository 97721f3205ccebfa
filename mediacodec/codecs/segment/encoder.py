"""Networks that code one segment after the other, each by itself (family `segment`): EnCodec's 48 kHz model.

The encoder graph takes `samples` [1, channels, n] and gives `codes` [1, codebooks, frames] and `scale` [1], the
loudness that it took out; the decoder graph takes both and gives `samples`. Segments overlap a little, and the decoder
fades linearly from one to the next. A packet can be coded when those samples are there too that its last segment
shares with the one behind.
"""

from __future__ import annotations

import numpy as np

from mediacodec.codecs.base import Codes, Samples, channel_samples
from mediacodec.codecs.rvq.decoder import FADE_SECONDS, HOLD_SECONDS
from mediacodec.codecs.rvq.symbols import encode_codes
from mediacodec.codecs.segment.packet import HEAD, MAX_SCALE, Segment, SegmentCodeReader, SegmentSettings, symbols
from mediacodec.errors import ModelError, ParameterError
from mediacodec.frames import AudioChunk
from mediacodec.manifest import Manifest
from mediacodec.session import shared_graph
from mediacodec_bitstream import Packet, StreamHeader, seal, symbol_crc

CRC_SIZE = 4


class SegmentEncoder:
    """Encodes samples [channels, n]; see `mediacodec.codecs.base.AudioEncoder`.

    A packet holds as many whole segments as fit into `packet_duration`.
    """

    def __init__(
        self,
        model: Manifest,
        *,
        bit_rate: float | None = None,
        packet_duration: float = 1.0,
        stream_id: int = 0,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        self._settings = s = SegmentSettings(model)
        self._packet_segments = count = s.packet_segments(packet_duration)
        self._num_codebooks = s.codebooks_for(bit_rate, count * s.segment_frames, CRC_SIZE + HEAD.size * count)
        self._tables = s.tables(model)
        self._graph = shared_graph(model.graph_path("encoder"), model.graph("encoder"), device=device, threads=threads)
        self._waiting: Samples = np.zeros((s.channels, 0), dtype=np.float32)
        self._pieces: list[Samples] = []  # pushed since, not joined to it yet
        self._num_waiting = 0
        self._found: list[Segment] = []  # segments that do not fill a packet yet
        self._next_pts = 0
        self._flushed = False
        self.num_samples = 0
        duration, extradata = count * s.stride, bytes([self._num_codebooks, 0])
        self.header = s.stream_header(
            model, "sgmt", stream_id, packet_duration=duration, crc_size=CRC_SIZE, extradata=extradata
        )

    def push(self, samples: AudioChunk | Samples) -> list[Packet]:
        """Take samples in any number; return the packets that are complete."""
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


class SegmentDecoder:
    """Decodes packets; see `mediacodec.codecs.base.AudioDecoder`."""

    delay = 0

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:
        self.header = header
        self._settings = s = SegmentSettings(model)
        self._reader = SegmentCodeReader(model, header)
        self._graph = shared_graph(model.graph_path("decoder"), model.graph("decoder"), device=device, threads=threads)
        self._next_pts = 0
        self._last: Segment | None = None
        self._conceals = False  # whether the last packets were lost
        self._tail: Samples = np.zeros((s.channels, 0), dtype=np.float32)  # what would follow if nothing came
        self._fade_size = s.overlap  # over so many samples the next segment comes in

    @property
    def preroll(self) -> int:
        """Samples: a segment's first ones are mixed from two segments."""
        return self._settings.overlap

    def push(self, packet: Packet | None) -> AudioChunk:
        """Decode or conceal one packet."""
        if packet is None:
            return self._conceal()
        segments = self._reader.segments(packet)
        sound = [self._joined(segment, packet.pts + i * self._settings.stride) for i, segment in enumerate(segments)]
        self._conceals = False
        return self._chunk(np.concatenate(sound, axis=1)[:, : packet.duration], packet.pts)

    def flush(self) -> AudioChunk:
        """Nothing: what a packet says of the timeline behind it is heard only together with what comes there."""
        s = self._settings
        return AudioChunk(np.zeros((s.channels, 0), dtype=np.float32), s.sample_rate, self._next_pts)

    def _joined(self, segment: Segment, pts: int) -> Samples:
        """A segment's sound up to where the next one begins, mixed with what was before."""
        s = self._settings
        sound = self._synthesise(segment)
        count = min(self._tail.shape[1], sound.shape[1], self._fade_size)
        gain = np.arange(1, count + 1, dtype=np.float32) / (self._fade_size + 1)
        sound[:, :count] = gain * sound[:, :count] + (1 - gain) * self._tail[:, :count]
        self._last, self._tail = segment, sound[:, s.stride :]
        # published code weights all segments as its first one: a first one that is short fades sooner
        self._fade_size = self._tail.shape[1] if pts == 0 and self._tail.shape[1] else s.overlap
        return sound[:, : s.stride]

    def _synthesise(self, segment: Segment) -> Samples:
        scale = np.array([segment.scale], dtype=np.float32)
        outputs, _ = self._graph.step({"codes": segment.codes[None].astype(np.int64), "scale": scale}, ())
        return np.array(outputs["samples"][0])

    def _conceal(self) -> AudioChunk:
        """The last frame goes on, then fades out."""
        size = self.header.packet_duration or self._settings.frame_size
        if not self._conceals:
            self._conceals, self._tail = True, self._going_on()
        sound = np.zeros((self._settings.channels, size), dtype=np.float32)
        count = min(size, self._tail.shape[1])
        sound[:, :count] = self._tail[:, :count]
        # what comes next comes in from silence where this has ended
        missing = max(0, self._settings.overlap - self._tail.shape[1] + count)
        self._tail = np.pad(self._tail[:, count:], ((0, 0), (0, missing)))
        self._fade_size = self._settings.overlap
        return self._chunk(sound, self._next_pts)

    def _going_on(self) -> Samples:
        """What is heard where nothing follows the last segment."""
        s = self._settings
        if self._last is None:
            return self._tail
        hold, fade = (round(seconds * s.sample_rate) for seconds in (HOLD_SECONDS, FADE_SECONDS))
        codes = np.repeat(self._last.codes[:, -1:], min(s.segment_frames, s.frames(hold + fade)), axis=1)
        sound = self._synthesise(Segment(codes, self._last.scale))
        count = min(self._tail.shape[1], sound.shape[1])
        gain = np.arange(1, count + 1, dtype=np.float32) / (count + 1)
        sound[:, :count] = gain * sound[:, :count] + (1 - gain) * self._tail[:, :count]
        length = sound.shape[1]
        held = min(hold, length // 2)
        gain = np.clip((length - np.arange(length, dtype=np.float32)) / max(1, length - held), 0, 1)
        return np.asarray(sound * gain, dtype=np.float32)

    def _chunk(self, samples: Samples, pts: int) -> AudioChunk:
        self._next_pts = pts + samples.shape[1]
        return AudioChunk(samples, self._settings.sample_rate, pts)
