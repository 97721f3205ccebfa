"""The decoder of networks that code one segment after the other: it fades over the overlap from one to the next."""

from __future__ import annotations

import numpy as np

from mediacodec.audio_coding.concealment import FADE_SECONDS, HOLD_SECONDS
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime
from mediacodec.codecs.segment.packet import Segment, SegmentCodeReader
from mediacodec.codecs.segment.settings import SegmentSettings
from mediacodec.frames import AudioChunk, Samples
from mediacodec.manifest import Manifest
from mediacodec.session import shared_graph
from mediacodec_bitstream import Packet, StreamHeader


class SegmentDecoder:
    """Decodes packets; see `mediacodec.codecs.base.AudioDecoderBackend`."""

    delay = 0

    def __init__(self, model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        self.header = header
        self._settings = s = SegmentSettings(model)
        self._reader = SegmentCodeReader(model, header)
        self._graph = shared_graph(
            model.graph_path("decoder"), model.graph("decoder"), device=runtime.device, threads=runtime.threads_for(1)
        )
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
        audio = [self._joined(segment, packet.pts + i * self._settings.stride) for i, segment in enumerate(segments)]
        self._conceals = False
        return self._chunk(np.concatenate(audio, axis=1)[:, : packet.duration], packet.pts)

    def flush(self) -> AudioChunk:
        """Nothing: what a packet says of the timeline behind it is presented only together with what comes there."""
        s = self._settings
        return AudioChunk(np.zeros((s.channels, 0), dtype=np.float32), s.sample_rate, self._next_pts)

    def _joined(self, segment: Segment, pts: int) -> Samples:
        """A segment's audio up to where the next one begins, mixed with what was before."""
        s = self._settings
        audio = self._synthesise(segment)
        count = min(self._tail.shape[1], audio.shape[1], self._fade_size)
        gain = np.arange(1, count + 1, dtype=np.float32) / (self._fade_size + 1)
        audio[:, :count] = gain * audio[:, :count] + (1 - gain) * self._tail[:, :count]
        self._last, self._tail = segment, audio[:, s.stride :]
        # published code weights all segments as its first one: a first one that is short fades sooner
        self._fade_size = self._tail.shape[1] if pts == 0 and self._tail.shape[1] else s.overlap
        return audio[:, : s.stride]

    def _synthesise(self, segment: Segment) -> Samples:
        scale = np.array([segment.scale], dtype=np.float32)
        outputs, _ = self._graph.step({"codes": segment.codes[None].astype(np.int64), "scale": scale}, ())
        return np.array(outputs["samples"][0])

    def _conceal(self) -> AudioChunk:
        """The last frame goes on, then fades out."""
        size = self.header.packet_duration or self._settings.frame_size
        if not self._conceals:
            self._conceals, self._tail = True, self._going_on()
        audio = np.zeros((self._settings.channels, size), dtype=np.float32)
        count = min(size, self._tail.shape[1])
        audio[:, :count] = self._tail[:, :count]
        # what comes next comes in from silence where this has ended
        missing = max(0, self._settings.overlap - self._tail.shape[1] + count)
        self._tail = np.pad(self._tail[:, count:], ((0, 0), (0, missing)))
        self._fade_size = self._settings.overlap
        return self._chunk(audio, self._next_pts)

    def _going_on(self) -> Samples:
        """What is presented where nothing follows the last segment."""
        s = self._settings
        if self._last is None:
            return self._tail
        hold, fade = (round(seconds * s.sample_rate) for seconds in (HOLD_SECONDS, FADE_SECONDS))
        codes = np.repeat(self._last.codes[:, -1:], min(s.segment_frames, s.frames(hold + fade)), axis=1)
        audio = self._synthesise(Segment(codes, self._last.scale))
        count = min(self._tail.shape[1], audio.shape[1])
        gain = np.arange(1, count + 1, dtype=np.float32) / (count + 1)
        audio[:, :count] = gain * audio[:, :count] + (1 - gain) * self._tail[:, :count]
        length = audio.shape[1]
        held = min(hold, length // 2)
        gain = np.clip((length - np.arange(length, dtype=np.float32)) / max(1, length - held), 0, 1)
        return np.asarray(audio * gain, dtype=np.float32)

    def _chunk(self, samples: Samples, pts: int) -> AudioChunk:
        self._next_pts = pts + samples.shape[1]
        return AudioChunk(samples, self._settings.sample_rate, pts)
